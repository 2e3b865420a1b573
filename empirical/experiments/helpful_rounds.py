"""Rounds that must help, counted before a network is trained, beside what every round does to the network.

A network is distilled at the same training error in every round. Its tangent kernel at its start says how many rounds
must bring its outputs nearer to the clean labels: once with the norm of the clean labels in the kernel's space, which
nobody has in practice, and once with a norm that is estimated from the noisy labels alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...theory import (
    InputError,
    Spectrum,
    distill_to_tolerance,
    estimated_truth_norm,
    most_rounds_that_help,
    rounds_that_help,
)
from ...theory.base.validation import Array, check_positive
from ...theory.estimators.selection import left_out_noise_variance
from ..jobs.threads import one_thread
from .matched import MatchedConfig, distill_network, matched_data, matched_network

SOURCES = ("network", "kernel")


@dataclass(frozen=True)
class HelpfulRounds:
    """One network, and the noise of its labels.

    Attributes
    ----------
    network : MatchedConfig
        Data of two classes, the network, and ε.
    noise : float
        Standard deviation of the Gaussian noise that is added to the labels −1 and 1.
    """

    network: MatchedConfig
    noise: float = 1.0

    def __post_init__(self) -> None:
        check_positive(self.noise, "noise")


def noisy_labels(clean: Array, noise: float, seed: int) -> Array:
    """Labels with Gaussian noise, by a stream of its own."""
    return np.asarray(clean + noise * np.random.default_rng([seed, 5]).normal(size=len(clean)))


def measure_helpful_rounds(config: HelpfulRounds) -> xr.Dataset:
    """Count the rounds that must help, then distil the network to collapse.

    Returns
    -------
    xarray.Dataset
        ``distance`` on `source` ("network", or its tangent "kernel") and `round`, from 0: mean squared distance of
        the outputs on training points to the clean labels; NaN past collapse. ``count`` with the norm of the clean
        labels, ``estimated_count`` with one from the noisy labels, and ``most``, what the noise alone allows.
        ``converged`` is 1 where every fit of the network is certified to be an optimum.
    """
    with one_thread():
        return _measure(config)


def _measure(config: HelpfulRounds) -> xr.Dataset:
    cell = config.network
    data = matched_data(cell)
    clean = np.asarray(data.signed, np.float64)
    noisy = noisy_labels(clean, config.noise, cell.seed)
    centred = matched_network(cell, data)
    spectrum = Spectrum.from_gram(centred.gram, noisy)
    run = distill_to_tolerance(spectrum, cell.epsilon)
    fits = distill_network(centred, noisy, cell.epsilon, cell.max_rounds)
    outputs = [[noisy, *(fit.fitted for fit in fits)], [run.fitted(t) for t in range(run.rounds + 1)]]
    distance = np.full((2, max(map(len, outputs))), np.nan)
    for row, values in zip(distance, outputs, strict=True):
        row[: len(values)] = np.mean((np.array(values) - clean) ** 2, axis=1)
    return xr.Dataset(
        {
            "distance": (("source", "round"), distance),
            "count": rounds_that_help(spectrum, cell.epsilon, _norm(spectrum, clean)),
            "estimated_count": _estimated_count(spectrum, cell.epsilon),
            "most": most_rounds_that_help(float(distance[0, 0]), cell.epsilon),
            "converged": int(all(fit.converged for fit in fits)),
        },
        coords={"source": list(SOURCES), "round": np.arange(distance.shape[1])},
    )


def _norm(spectrum: Spectrum, truth: Array) -> float:
    """Least norm of a function in the kernel's space with these values; beyond all bounds if there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = spectrum.with_targets(truth).weights / (spectrum.n_samples * spectrum.eigenvalues)
    return float(min(np.sqrt(np.nansum(parts)), np.finfo(np.float64).max))


def _estimated_count(spectrum: Spectrum, epsilon: float) -> int:
    """Count from the noisy labels alone; 0 where nothing stands above the noise."""
    try:
        norm = estimated_truth_norm(spectrum, left_out_noise_variance(spectrum, 1))
    except InputError:
        return 0
    return rounds_that_help(spectrum, epsilon, norm)
