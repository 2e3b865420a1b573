"""Weak teaches strong: a narrow network's outputs train a wide one, and the reverse, beside what kernels predict.

Every network is fitted to a training error, the teacher to noisy labels and the student to the teacher's outputs
alone. The prediction is the chain of two kernel ridge fits with the tangent kernels that both networks have at their
start, at the same training errors: nothing is taken from training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ...theory import InfeasibleToleranceError, Spectrum, distill_to_tolerance
from ...theory.base.validation import Array, check_count, check_positive
from ..jobs.threads import one_thread
from ..tangent.gauss_newton import CentredNetwork
from .helpful_rounds import noisy_labels
from .matched import MatchedConfig, matched_data, matched_network

DIRECTIONS = ("weak teaches strong", "strong teaches weak")


@dataclass(frozen=True)
class WeakToStrong:
    """A narrow and a wide network on the same sample of two digits.

    Attributes
    ----------
    narrow, wide : int
        Units of the hidden layer.
    shares : tuple of float
        Training error of every fit, over the variance of the noise.
    noise : float
        Standard deviation of the Gaussian noise that is added to the labels −1 and 1.
    n_train : int
    data : str
        Of two classes, as `datasets.load` takes it.
    seed : int
        Decides the sample, its noise and both networks.
    """

    narrow: int = 4
    wide: int = 256
    shares: tuple[float, ...] = (0.2, 0.5)
    noise: float = 1.0
    n_train: int = 40
    data: str = "digits-3-8"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("narrow", "wide", "n_train"):
            check_count(getattr(self, name), name)
        for share in self.shares:
            check_positive(share, "every share")
        check_positive(self.noise, "noise")
        check_count(self.seed, "seed", least=0)

    def cell(self, width: int) -> MatchedConfig:
        """Return the configuration of one of the two networks."""
        return MatchedConfig(
            self.data, self.noise**2, width, self.seed, depth=1, n_train=self.n_train, label_noise=0.0
        )


def tangent_pair(config: WeakToStrong) -> tuple[Array, tuple[CentredNetwork, CentredNetwork]]:
    """Clean labels −1 and 1, and the narrow and the wide network at their start, with their tangent kernels."""
    narrow = config.cell(config.narrow)
    data = matched_data(narrow)
    networks = (matched_network(narrow, data), matched_network(replace(narrow, width=config.wide), data))
    return np.asarray(data.signed, np.float64), networks


def measure_weak_to_strong(config: WeakToStrong) -> xr.Dataset:
    """Let each network teach the other, at every training error.

    Returns
    -------
    xarray.Dataset
        On `direction`, `share` and `learner` ("teacher", "student"): ``predicted`` and ``measured``, the mean squared
        distance of the outputs on training points to the clean labels; NaN where a kernel cannot reach the error.
        ``converged`` is 1 where every fit of a network is certified to be an optimum.
    """
    with one_thread():
        return _measure(config)


def _measure(config: WeakToStrong) -> xr.Dataset:
    clean, networks = tangent_pair(config)
    noisy = noisy_labels(clean, config.noise, config.seed)
    shape = (2, len(config.shares), 2)
    predicted, measured, converged = np.empty(shape), np.empty(shape), True
    for i, pair in enumerate((networks, networks[::-1])):
        for j, share in enumerate(config.shares):
            epsilon = share * config.noise**2
            taught = expected = noisy
            for k, network in enumerate(pair):
                taught, settled = _trained(network, taught, epsilon)
                expected = _ridge_fit(network.gram, expected, epsilon)
                converged &= settled
                measured[i, j, k] = np.mean((taught - clean) ** 2)
                predicted[i, j, k] = np.mean((expected - clean) ** 2)
    axes = ("direction", "share", "learner")
    return xr.Dataset(
        {"predicted": (axes, predicted), "measured": (axes, measured), "converged": int(converged)},
        coords={
            "direction": list(DIRECTIONS),
            "share": list(config.shares),
            "learner": ["teacher", "student"],
        },
    )


def _trained(network: CentredNetwork, targets: Array, epsilon: float) -> tuple[Array, bool]:
    """Outputs of a network with the training error ε, and whether it is an optimum: zero, if targets are that small."""
    if np.mean(targets**2) <= epsilon:
        return np.zeros_like(targets), True
    fit = network.fit_to_error(targets, epsilon)
    return fit.fitted, fit.converged


def _ridge_fit(gram: Array, targets: Array, epsilon: float) -> Array:
    """Fitted values of kernel ridge with the training error ε; NaN where the kernel cannot reach it."""
    try:
        run = distill_to_tolerance(Spectrum.from_gram(gram, targets), epsilon, 1)
    except InfeasibleToleranceError:
        return np.full_like(targets, np.nan)
    return np.asarray(run.fitted(1)) if run.rounds else np.zeros_like(targets)
