"""One small problem that every public function can be called with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from selfdistill import theory

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.sin(X[:, 0]) + 0.3 * X[:, 1]
GRAM = np.exp(-0.5 * ((X[:, None] - X) ** 2).sum(-1))
LABELS = np.arange(12) % 3
P = np.random.default_rng(1).dirichlet(np.ones(3), 12)
LOGITS = np.random.default_rng(2).normal(size=(12, 3))
NOISE = theory.corruption_matrix("symmetric", 3, 0.3)
D, Z = np.array([0.1, 0.5, 2.0]), np.array([1.0, -2.0, 3.0])


def spectrum() -> theory.Spectrum:
    return theory.Spectrum.from_gram(GRAM, Y)


def run() -> theory.Trajectory:
    return theory.distill_to_tolerance(spectrum(), 0.1)


def clusters() -> theory.ClusteredFeatures:
    return theory.ClusteredFeatures(3, 4, 0.5, 0.1, 1.0)


def tensors(**arrays: Any) -> dict[str, Any]:
    return {name: torch.tensor(array) for name, array in arrays.items()}
