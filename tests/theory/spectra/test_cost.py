"""The cost that is announced against the cost that is paid, and the refusal of what cannot fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import (
    Spectrum,
    TooLargeError,
    dense_cost,
    distill_to_tolerance,
    expected_cost,
    expected_products,
    krylov_cost,
    require_memory,
)


def test_what_cannot_fit_is_refused_with_a_way_out(monkeypatch):
    with pytest.raises(TooLargeError, match=r"Spectrum\.krylov") as refusal:
        require_memory(dense_cost(100_000), available=2**34)
    assert refusal.value.cost.memory > refusal.value.available == 2**34
    assert require_memory(krylov_cost(100_000, stored=False), available=2**34).products == 100
    monkeypatch.setattr("selfdistill.theory.spectra.factorisation._LARGE", 10)
    monkeypatch.setattr("selfdistill.theory.spectra.memory_cost.available_memory", lambda: 10_000)
    with pytest.raises(TooLargeError):
        Spectrum.from_gram(np.eye(40), np.ones(40))


def test_the_krylov_space_is_refused_before_it_outgrows_memory(monkeypatch):
    monkeypatch.setattr("selfdistill.theory.spectra.memory_cost.available_memory", lambda: 10_000)
    with pytest.raises(TooLargeError, match="random features"):
        Spectrum.krylov(lambda v: v, np.ones(50_000))


def test_the_announced_products_are_an_upper_estimate(rng):
    x = rng.standard_normal((300, 3))
    gram, y = rbf_kernel(x, gamma=0.3), np.sin(x[:, 0]) + 0.3 * rng.standard_normal(300)
    for level in (0.5, 0.2):
        spectrum = Spectrum.krylov(gram, y)
        announced = expected_cost(spectrum, level * np.mean(y**2))
        run = distill_to_tolerance(spectrum, level * np.mean(y**2))
        worst = expected_products(run.spectrum.largest_eigenvalue, run.multipliers.min(), 1e-8)
        assert run.spectrum.products <= worst
        assert announced.products == pytest.approx(worst, rel=0.5)


def test_costs_are_json():
    assert json.loads(json.dumps(dense_cost(1000).to_json()))["memory_bytes"] >= 4 * 8 * 1000**2
