"""Features in chunks against the same features in memory, on every scheduler, and random features."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    InputError,
    Spectrum,
    TooLargeError,
    distill_to_tolerance,
    distill_with_ridge,
    fourier_features,
    relu_features,
)


@pytest.fixture
def problem(rng):
    features = rng.standard_normal((900, 30)) * np.geomspace(1, 0.01, 30)
    return features, features @ rng.standard_normal(30) + 0.1 * rng.standard_normal(900)


def test_chunks_equal_memory(problem):
    features, y = problem
    chunked = Spectrum.from_chunks(da.from_array(features, chunks=(170, 11)), da.from_array(y, chunks=200))
    whole = Spectrum.from_features(features, y)
    np.testing.assert_allclose(chunked.eigenvalues, whole.eigenvalues, rtol=1e-10)
    assert chunked.outside_energy == pytest.approx(whole.outside_energy, rel=1e-10)
    epsilon = 0.2 * np.mean(y**2)
    a, b = distill_to_tolerance(chunked, epsilon), distill_to_tolerance(whole, epsilon)
    np.testing.assert_allclose(a.multipliers, b.multipliers, rtol=1e-10)
    np.testing.assert_allclose(a.target_norms, b.target_norms, rtol=1e-11)
    for t in (1, a.rounds):
        assert hasattr(a.fitted(t), "compute")
        np.testing.assert_allclose(a.fitted(t).compute(), b.fitted(t), atol=1e-10)
        np.testing.assert_allclose(a.dual(t).compute(), b.dual(t), atol=1e-8)
    assert a.training_error(1) == pytest.approx(epsilon, rel=1e-10)


def test_weights_predict_as_the_kernel_does(problem, rng):
    features, y = problem
    spectrum = Spectrum.from_chunks([features[:400], features[400:]], y)
    run = distill_with_ridge(spectrum, 0.01, 3)
    new = rng.standard_normal((5, 30))
    expected = distill_with_ridge(Spectrum.from_features(features, y), 0.01, 3).predict(new @ features.T, 2)
    np.testing.assert_allclose(new @ run.feature_weights(2), expected, atol=1e-9)


def test_several_outputs_and_other_targets(problem):
    features, y = problem
    columns = np.stack([y, y**2, np.ones_like(y)], axis=1)
    spectrum = Spectrum.from_chunks(da.from_array(features, chunks=(300, 30)), y).with_targets(columns)
    expected = Spectrum.from_features(features, columns)
    a, b = (distill_with_ridge(s, 0.01, 3) for s in (spectrum, expected))
    np.testing.assert_allclose(a.target_norms, b.target_norms, rtol=1e-9)
    np.testing.assert_allclose(a.fitted(3).compute(), b.fitted(3), atol=1e-9)


def test_one_pass_is_one_pass(problem):
    features, y = problem
    reads = 0

    def count(block):
        nonlocal reads
        reads += 1
        return block

    lazy = da.from_array(features, chunks=(100, 30)).map_blocks(count, dtype=float, meta=np.empty((0, 0)))
    with dask.config.set(scheduler="synchronous"):
        Spectrum.from_chunks(lazy, y)
    assert reads == 9


def test_a_cluster_gives_the_same_numbers(problem):
    distributed = pytest.importorskip("distributed")
    features, y = problem
    lazy = da.from_array(features, chunks=(225, 30))
    here = Spectrum.from_chunks(lazy, y)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        there = Spectrum.from_chunks(lazy, y)
    np.testing.assert_allclose(there.eigenvalues, here.eigenvalues, rtol=1e-12)
    np.testing.assert_allclose(np.abs(there.coefficients), np.abs(here.coefficients), atol=1e-10)


def test_random_features_approximate_their_kernels(rng):
    x = rng.standard_normal((20, 3))
    size = 40_000
    fourier = fourier_features(3, size, 0.3, rng)(x)
    np.testing.assert_allclose(fourier @ fourier.T, rbf_kernel(x, gamma=0.3), atol=6 / np.sqrt(size))
    relu = relu_features(3, size, rng)(x)
    norms = np.linalg.norm(x, axis=1)
    angle = np.arccos(np.clip(x @ x.T / np.outer(norms, norms), -1, 1))
    arc_cosine = np.outer(norms, norms) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
    spread = 6 * np.outer(norms, norms) * 2 / np.sqrt(size)
    assert (np.abs(relu @ relu.T - arc_cosine) < spread).all()


@pytest.mark.parametrize(
    "make", [lambda rng: relu_features(4, 25, rng), lambda rng: fourier_features(4, 25, 1, rng)]
)
def test_random_features_of_chunks_are_those_of_memory(make, rng):
    transform = make(rng)
    points = rng.standard_normal((70, 4))
    lazy = transform(da.from_array(points, chunks=(20, 2)))
    assert lazy.shape == (70, 25)
    np.testing.assert_allclose(lazy.compute(), transform(points), atol=1e-14)
    y = points[:, 0]
    chunked, whole = Spectrum.from_chunks(lazy, y), Spectrum.from_features(transform(points), y)
    np.testing.assert_allclose(chunked.eigenvalues, whole.eigenvalues, rtol=1e-9)


def test_bad_chunks_are_refused(problem, monkeypatch):
    features, y = problem
    with pytest.raises(InputError, match="targets"):
        Spectrum.from_chunks(da.from_array(features), y[:-1])
    with pytest.raises(InputError, match="chunks"):
        Spectrum.from_chunks(da.from_array(y), y)
    with pytest.raises(InputError, match=r"at least one chunk, .*; got none"):
        Spectrum.from_chunks([], y)
    with pytest.raises(InputError, match="the same columns; got chunks of 1 to"):
        Spectrum.from_chunks([features[:9], features[9:, :1]], y)
    broken = features.copy()
    broken[5, 5] = np.inf
    with pytest.raises(InputError, match="NaN"):
        Spectrum.from_chunks(da.from_array(broken), y)
    with pytest.raises(InputError, match="points"):
        relu_features(3, 5, np.random.default_rng(0))(np.ones((4, 2)))
    monkeypatch.setattr("selfdistill.theory.spectra.memory_cost.available_memory", lambda: 1000)
    with pytest.raises(TooLargeError, match="fewer"):
        Spectrum.from_chunks(da.from_array(features), y)


def test_a_file_is_cut_and_stays_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("selfdistill.theory.spectra.chunk_reduction._CHUNK_BYTES", 8 * 5 * 64)
    rng = np.random.default_rng(3)
    features, y = rng.standard_normal((300, 5)).astype(np.float32), rng.standard_normal(300)
    np.save(tmp_path / "features.npy", features)
    opened = np.load(tmp_path / "features.npy", mmap_mode="r")
    spectrum = Spectrum.from_chunks(opened, y)
    parts = spectrum.basis.chunks.parts
    assert [len(part) for part in parts] == [64, 64, 64, 64, 44]
    assert all(part.dtype == np.float32 and np.shares_memory(part, opened) for part in parts)
    exact = Spectrum.from_features(features.astype(np.float64), y)
    np.testing.assert_allclose(spectrum.eigenvalues, exact.eigenvalues[-5:], rtol=1e-12)
    with pytest.raises(InputError, match="NaN or infinite"):
        Spectrum.from_chunks(np.where(features > 2, np.inf, features), y)


@pytest.mark.parametrize("decades", [5, 6, 7, 8])
def test_singular_values_of_many_decades_lose_nothing(rng, decades):
    """Against a general least-squares solver: in sums of squares the small ones would be rounding."""
    n, p = 300, 12
    q = np.linalg.qr(rng.normal(size=(n, p)))[0]
    features = q * np.geomspace(1, 10.0**-decades, p) @ np.linalg.qr(rng.normal(size=(p, p)))[0].T
    y = q @ rng.normal(size=p) + 0.05 * rng.normal(size=n)
    left = y - q @ (q.T @ y)
    spectrum = Spectrum.from_chunks(np.split(features, [80, 200]), y)
    assert spectrum.null_energy == pytest.approx(left @ left, rel=1e-8)
    epsilon = (left @ left + 0.01 * (y @ y)) / n
    run = distill_to_tolerance(spectrum, epsilon, 2)
    assert np.mean((run.fitted(1) - y) ** 2) == pytest.approx(epsilon, rel=1e-7)
    stacked = np.vstack([features, np.sqrt(n * run.multipliers[0]) * np.eye(p)])
    weights = np.linalg.lstsq(stacked, np.append(y, np.zeros(p)), rcond=None)[0]
    np.testing.assert_allclose(run.fitted(1), features @ weights, atol=1e-6 * np.abs(y).max())
