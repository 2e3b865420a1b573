"""Torch tensors in, torch tensors out, with NumPy's numbers; in single precision to the stated accuracy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import InputError, Spectrum, collapse_bounds, distill_to_tolerance, distill_with_ridge

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BUILDERS = {
    "gram": lambda gram, features, y: Spectrum.from_gram(gram, y),
    "features": lambda gram, features, y: Spectrum.from_features(features, y),
    "krylov": lambda gram, features, y: Spectrum.krylov(gram, y),
    "matvec": lambda gram, features, y: Spectrum.krylov(lambda v: gram @ v, y),
}


@pytest.fixture
def problem(rng):
    features = rng.standard_normal((120, 40)) * np.geomspace(1, 0.05, 40)
    y = features @ rng.standard_normal(40) + 0.1 * rng.standard_normal(120)
    return features @ features.T, features, y


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("builder", BUILDERS)
def test_tensors_give_the_same_numbers_and_stay_tensors(problem, builder, device):
    tensors = [torch.tensor(a, device=device) for a in problem]
    epsilon = 0.05 * np.mean(problem[2] ** 2)
    ours = distill_to_tolerance(BUILDERS[builder](*tensors), epsilon)
    numpy = distill_to_tolerance(BUILDERS[builder](*problem), epsilon)
    assert ours.rounds == numpy.rounds > 1
    np.testing.assert_allclose(ours.multipliers, numpy.multipliers, rtol=1e-8)
    np.testing.assert_allclose(ours.target_norms, numpy.target_norms, rtol=1e-8)
    cross = problem[0][:7]
    for values, expected in [
        (ours.fitted(0), problem[2]),
        (ours.fitted(2), numpy.fitted(2)),
        (ours.dual(1), numpy.dual(1)),
        (ours.predict(torch.tensor(cross, device=device), 2), numpy.predict(cross, 2)),
    ]:
        assert isinstance(values, torch.Tensor)
        assert values.device.type == device
        assert values.dtype == torch.float64
        np.testing.assert_allclose(values.cpu(), expected, atol=1e-7)
    assert ours.training_error(2) == pytest.approx(epsilon, rel=1e-7)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("builder", ["gram", "features", "krylov"])
def test_single_precision_is_as_accurate_as_stated(problem, builder, kind):
    """Factorised: relative errors below ``1e-6 · d_max / c``. Krylov: below its own estimate."""
    single = [a.astype(np.float32) for a in problem]
    exact = distill_to_tolerance(Spectrum.from_features(*problem[1:]), 0.1 * np.mean(problem[2] ** 2))
    given = [torch.tensor(a) for a in single] if kind == "torch" else single
    run = distill_to_tolerance(BUILDERS[builder](*given), exact.epsilon)
    assert str(run.fitted(1).dtype).endswith("float32")
    assert run.multipliers.dtype == np.float64
    allowed = 1e-6 * exact.spectrum.eigenvalues[-1] / exact.multipliers.min()
    if builder == "krylov":
        allowed = run.spectrum.error.largest
    assert allowed <= 1e-3
    np.testing.assert_allclose(run.multipliers, exact.multipliers, rtol=allowed)
    np.testing.assert_allclose(run.fitted(1), exact.fitted(1), atol=allowed * np.abs(exact.fitted(1)).max())


def test_a_gram_of_single_precision_keeps_its_small_eigenvalues(rng):
    """Against the same entries in double precision, at errors where eigenvalues below 1e-6 of the largest decide."""
    x = np.sort(rng.uniform(size=200))
    gram = np.exp(-np.abs(x[:, None] - x) / 0.2).astype(np.float32)
    y = np.sin(2 * np.pi * x) + 0.3 * rng.standard_normal(200)
    for epsilon in (0.1, 0.005, 0.003):
        single = distill_to_tolerance(Spectrum.from_gram(gram, y), epsilon)
        double = distill_to_tolerance(Spectrum.from_gram(gram.astype(float), y), epsilon)
        assert single.rounds == double.rounds
        np.testing.assert_allclose(single.multipliers, double.multipliers, rtol=3e-6)
        np.testing.assert_allclose(single.fitted(1), double.fitted(1), atol=1e-6)
    assert double.multipliers[0] < 1e-5


def test_what_an_eigenvalue_below_zero_shows_to_be_rounding_is_no_eigenvalue():
    spectrum = Spectrum.from_gram(np.diag([-2e-8, 1e-8, 3e-8, 1.0]).astype(np.float32), np.ones(4))
    np.testing.assert_allclose(spectrum.eigenvalues * 4, [0, 0, 3e-8, 1], rtol=1e-6)


def test_single_precision_is_of_the_stated_order_on_random_problems():
    """``1e-6 · d_max / c``, at any scale of features, width of kernel and penalty: mostly below, never ten times it."""
    rng, shares = np.random.default_rng(18), []
    for _ in range(60):
        n, p = int(rng.integers(5, 60)), int(rng.integers(1, 8))
        features = (rng.standard_normal((n, p)) * 10.0 ** rng.uniform(-2, 2)).astype(np.float32).astype(float)
        y = rng.standard_normal(n).astype(np.float32)
        gram = rbf_kernel(features, gamma=10.0 ** rng.uniform(-2, 1) / features.std() ** 2)
        single, ridge = gram.astype(np.float32), 10.0 ** rng.uniform(-5, 0)
        held = torch.tensor((single + single.T) / 2)
        run = distill_with_ridge(Spectrum.from_gram(held, torch.tensor(y)), ridge, 3)
        exact = distill_with_ridge(Spectrum.from_gram(gram, y.astype(float)), ridge, 3)
        stated = 1e-6 * exact.spectrum.eigenvalues[-1] / ridge + 1e-6
        for t in (1, 3):
            off = np.abs(np.asarray(run.fitted(t)) - exact.fitted(t)).max() / np.abs(exact.fitted(t)).max()
            shares.append(off / stated)
    assert max(shares) < 10
    assert np.median(shares) < 1


def test_a_kernel_of_tensors_is_evaluated_on_tensors(rng):
    x = rng.standard_normal((90, 2))
    y = np.sin(x[:, 0])
    points = torch.tensor(x)

    def kernel(a, b):
        assert isinstance(a, torch.Tensor)
        return torch.exp(-0.5 * torch.cdist(a, b) ** 2)

    run = distill_to_tolerance(Spectrum.krylov(kernel, torch.tensor(y), points=points), 0.02)
    exact = distill_to_tolerance(Spectrum.from_gram(rbf_kernel(x, gamma=0.5), y), 0.02)
    np.testing.assert_allclose(run.multipliers, exact.multipliers, rtol=1e-7)
    assert isinstance(run.fitted(1), torch.Tensor)


def test_bounds_and_ridges_work_on_tensors(problem):
    tensors = [torch.tensor(a) for a in problem]
    epsilon = 0.05 * np.mean(problem[2] ** 2)
    bounds, expected = (collapse_bounds(Spectrum.from_gram(g, y), epsilon) for g, _, y in (tensors, problem))
    assert (bounds.exact, bounds.upper) == (expected.exact, expected.upper)
    runs = [distill_with_ridge(Spectrum.from_gram(g, y), 0.1, 3, 0.2) for g, _, y in (tensors, problem)]
    np.testing.assert_allclose(runs[0].fitted(3), runs[1].fitted(3), atol=1e-10)


def test_other_targets_may_be_tensors(problem):
    gram, _, y = (torch.tensor(a) for a in problem)
    spectrum = Spectrum.from_gram(gram, y).with_targets(y**2)
    np.testing.assert_allclose(spectrum.coefficients, Spectrum.from_gram(gram, y**2).coefficients, atol=1e-12)


def test_bad_tensors_are_refused_in_words(problem):
    gram, features, y = (torch.tensor(a) for a in problem)
    skewed = gram.clone()
    skewed[0, 5] += 1
    with pytest.raises(InputError, match="symmetric"):
        Spectrum.from_gram(skewed, y)
    with pytest.raises(InputError, match="NaN"):
        Spectrum.from_features(features * torch.nan, y)
    with pytest.raises(InputError, match="real"):
        Spectrum.from_gram(gram.to(torch.complex128), y)
    with pytest.raises(InputError, match="square"):
        Spectrum.from_gram(gram[:5], y[:5])
    with pytest.raises(InputError, match="targets"):
        Spectrum.from_gram(gram, y[:5])


def test_theory_and_numpy_never_bring_torch_along():
    script = (
        "import sys, numpy as np; from selfdistill.theory import *; "
        "s = Spectrum.krylov(np.eye(3), [1., 2., 3.]); distill_to_tolerance(s, 0.5); "
        "Spectrum.from_gram(np.eye(3), [1., 2., 3.]); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
