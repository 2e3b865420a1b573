"""`Spectrum.of`: the way that costs least, and the same numbers whichever it is."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

from selfdistill.theory import InputError, Spectrum, distill_to_tolerance, distill_with_ridge, estimated_risk
from selfdistill.theory.distillation import refinement, space_error
from selfdistill.theory.spectra import spectrum as module

N = 300


@pytest.fixture
def problem(monkeypatch):
    monkeypatch.setattr(module, "_SMALL", 50)  # what is small for a test
    rng = np.random.default_rng(3)
    x = rng.standard_normal((N, 3))
    return x, np.sin(2 * x[:, 0]) + x[:, 1] + 0.3 * rng.standard_normal(N)


def test_a_small_gram_is_factorised(problem):
    x, y = problem
    assert Spectrum.of(rbf_kernel(x[:50]), y[:50]).way == "factorised"


@pytest.mark.parametrize("level", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("kernel", [rbf_kernel, laplacian_kernel])
def test_the_numbers_do_not_depend_on_the_way(problem, level, kernel):
    x, y = problem
    gram, epsilon = kernel(x), level * np.mean(y**2)
    run, exact = (distill_to_tolerance(make(gram, y), epsilon) for make in (Spectrum.of, Spectrum.from_gram))
    assert run.rounds == exact.rounds
    np.testing.assert_allclose(run.multipliers, exact.multipliers, rtol=1e-7)


def test_too_many_products_end_in_a_factorisation_made_once(problem):
    """Eigenvalues over six decades, and targets with as much weight on each."""
    rng = np.random.default_rng(3)
    vectors, _ = np.linalg.qr(rng.standard_normal((N, N)))
    gram = (vectors * np.geomspace(1e-6, 1, N)) @ vectors.T
    spectrum = Spectrum.of((gram + gram.T) / 2, rng.standard_normal(N))
    assert distill_with_ridge(spectrum, 1e-2 / N, 3).spectrum.way.startswith("products")
    runs = [distill_with_ridge(spectrum, ridge / N, 3) for ridge in (1e-4, 1e-6)]
    assert [run.spectrum.way for run in runs] == ["factorised", "factorised"]
    assert runs[0].spectrum.basis is runs[1].spectrum.basis
    assert np.isfinite(estimated_risk(runs[0], 0.1)).all()
    assert spectrum.products < 0.5 * N


def test_a_kernel_is_evaluated_once_where_its_gram_fits(problem):
    x, y = problem
    calls = []

    def kernel(a, b):
        calls.append(len(a) * len(b))
        return rbf_kernel(a, b)

    run = distill_to_tolerance(Spectrum.of(kernel, y, points=x), 0.3 * np.mean(y**2))
    assert calls == [N * N]
    assert run.rounds > 0


def test_what_only_multiplies_is_never_factorised(problem):
    x, y = problem
    gram = rbf_kernel(x)
    spectrum = Spectrum.of(lambda v: gram @ v, y)
    assert spectrum.basis.factorise is None
    with pytest.raises(InputError, match="square"):
        Spectrum.of(gram[:-1], y)


def test_a_forecast_waits_until_it_can_be_trusted():
    class Space:
        n_samples = 1000
        size = 10

    class Basis:
        tolerance = 1e-8
        factorise = "something to fall back on"

    forecast = refinement._Forecast(Basis())
    assert not forecast.dearer(Space(), 1.0)
    Space.size = 160
    assert forecast.dearer(Space(), 0.9)  # falling so slowly, it takes thousands
    Space.size = 200
    assert not forecast.dearer(Space(), 1e-6)
    Space.size = 400
    assert forecast.dearer(Space(), 1e-7)
    Space.size = 100
    assert refinement._Forecast(Basis()).dearer(
        Space(), np.inf
    )  # a tenth of the samples, and nothing is known


@pytest.mark.parametrize("falls_back", [False, True])
def test_a_run_is_tried_at_few_sizes(monkeypatch, falls_back):
    """Each trial costs eigenvectors of the projection: sizes grow by a factor, also where there is no way back."""
    sizes = []
    run_on = space_error.SpaceRun.of.__func__
    monkeypatch.setattr(
        space_error.SpaceRun,
        "of",
        classmethod(lambda cls, space, *rest: (sizes.append(space.size), run_on(cls, space, *rest))[1]),
    )
    monkeypatch.setattr(module, "_SMALL", 50)
    rng = np.random.default_rng(3)
    vectors, _ = np.linalg.qr(rng.standard_normal((N, N)))
    gram = (vectors * np.geomspace(1e-6, 1, N)) @ vectors.T
    make = Spectrum.of if falls_back else partial(Spectrum.krylov, max_products=N)
    run = distill_with_ridge(make((gram + gram.T) / 2, rng.standard_normal(N)), 1e-3 / N, 3)
    assert falls_back or run.spectrum.products > 0.3 * N
    assert len(sizes) < 20
