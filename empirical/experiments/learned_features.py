"""Fixed features of real data for linear probes: pixels, random ReLU features, a trained network's layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch.nn import functional as F

from ...theory import corrupt_labels, corruption_matrix
from ...theory.base.validation import Array, InputError
from ..data.datasets import load
from ..data.own import DataSource
from ..networks.perceptrons import mlp
from ..training.ensemble import Ensemble
from ..training.members import TrainingConfig, train

FeatureKind = Literal["pixels", "random relu", "clean network", "noisy network", "other classes"]
_WIDTH = 256
PRETRAINING = 500
"""Samples that the networks of learned features are trained on."""
PRETRAINING_NOISE = 0.5
"""Share of wrong labels that the "noisy network" is trained on."""


@dataclass(frozen=True, eq=False)
class ProbeData:
    """Features of a probe's training and test points, every row of length 1, and their clean labels.

    Attributes
    ----------
    features, test_features : ndarray (N, p), (q, p)
        float64; ``features @ features.T`` has ones on its diagonal, as the theory of clusters assumes.
    labels, test_labels : ndarray (N,), (q,)
    n_classes : int
    """

    features: Array
    test_features: Array
    labels: Array
    test_labels: Array
    n_classes: int


def digits_features(
    kind: FeatureKind, n_train: int, n_test: int, seed: int, device: str = "cpu"
) -> ProbeData:
    """Draw digits and compute fixed features of them, as `probe_features` does."""
    return probe_features("digits", kind, n_train, n_test, seed, device)


def probe_features(
    source: DataSource, kind: FeatureKind, n_train: int, n_test: int, seed: int, device: str = "cpu",
    n_pretraining: int = PRETRAINING,
) -> ProbeData:  # fmt: skip
    """Draw samples and compute fixed features of them.

    Parameters
    ----------
    source : str or OwnData
        With classes, as `datasets.load` takes it.
    kind : {"pixels", "random relu", "clean network", "noisy network", "other classes"}
        Inputs as they are; a random hidden ReLU layer; the hidden layer of a network trained on further samples
        of the same classes, with their true labels or with half of them wrong; or of one trained on the first
        half of the classes (of digits on 0-4), for a probe on the others.
    n_train, n_test : int
        Sizes of the probe's sets ("other classes": of the draw from which it keeps half of the classes).
    seed : int
        Of the split, the random layer and the network.
    device : str
        Where the network trains.
    n_pretraining : int
        On how many further samples.

    Raises
    ------
    InputError
        For an unknown kind, more samples than there are, or too few classes.
    """
    rng = np.random.default_rng([seed, 11])
    further = n_pretraining if kind in ("clean network", "noisy network") else 0
    data = load(source, n_train + further, n_test, rng)
    x, test = data.inputs.reshape(len(data.inputs), -1), data.test_inputs.reshape(n_test, -1)
    labels, test_labels, k = data.clean_targets, data.test_targets, data.n_classes
    if kind == "random relu":
        hidden = rng.standard_normal((x.shape[1] + 1, _WIDTH)) / np.sqrt(x.shape[1])
        x, test = (np.maximum(np.column_stack([v, np.ones(len(v))]) @ hidden, 0) for v in (x, test))
    elif kind in ("clean network", "noisy network"):
        learned = labels[:further]
        if kind == "noisy network":
            learned = corrupt_labels(learned, corruption_matrix("symmetric", k, PRETRAINING_NOISE), rng)
        network = _trained(x[:further], learned, k, seed, device)
        x, labels = x[further:], labels[further:]
        x, test = _hidden(network, x), _hidden(network, test)
    elif kind == "other classes":
        half = k // 2
        if half < 2:
            raise InputError(f"features from other classes need four classes or more; {source} has {k}.")
        known, known_test = labels < half, test_labels < half
        network = _trained(x[known], labels[known], half, seed, device)
        x, labels = _hidden(network, x[~known]), labels[~known] - half
        test, test_labels = _hidden(network, test[~known_test]), test_labels[~known_test] - half
        k -= half
    elif kind != "pixels":
        raise InputError(f"features must be one of {', '.join(get_args(FeatureKind))}; got {kind!r}.")
    return ProbeData(_unit_rows(x), _unit_rows(test), labels, test_labels, k)


def _unit_rows(x: Array) -> Array:
    x = x.astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _trained(x: Array, labels: Array, n_classes: int, seed: int, device: str) -> Ensemble:
    start = Ensemble.initialise(lambda: mlp(x.shape[1], n_classes, (_WIDTH,)), [seed], device=device)
    config = TrainingConfig(epochs=20, batch_size=50, learning_rate=0.05, weight_decay=1e-3)
    targets = start.share(torch.eye(n_classes)[torch.as_tensor(labels)])
    return train(start, x.astype(np.float32), targets, F.cross_entropy, config).ensemble


def _hidden(network: Ensemble, x: Array) -> Array:
    """Output of the hidden layer of a one-member ensemble."""
    weight, bias = (network.parameters[f"1.{part}"][0] for part in ("weight", "bias"))
    with torch.no_grad():
        inputs = torch.as_tensor(x, dtype=weight.dtype, device=weight.device)
        return np.asarray(torch.relu(inputs @ weight.T + bias).cpu().numpy())
