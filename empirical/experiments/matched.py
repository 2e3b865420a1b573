"""Matched experiment 1: a network distilled to collapse at a fixed error, beside the theory of its own kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from ...theory import Trajectory, distill_to_tolerance
from ...theory.base.validation import Array, check_count, check_fraction, check_nonnegative, check_positive
from ...theory.distillation.collapse import collapse_bounds
from ...theory.spectra.spectrum import Spectrum
from ..data.datasets import Data, load
from ..jobs.threads import one_thread
from ..networks.perceptrons import mlp
from ..tangent.gauss_newton import CentredNetwork, Fit
from ..tangent.kernel import tangent_kernel

MAX_ROUNDS = 12


@dataclass(frozen=True)
class MatchedConfig:
    """One cell of matched experiment 1.

    Attributes
    ----------
    data : str
        Of two classes or of real targets, as `datasets.load` takes it.
    epsilon : float
        Training error of every round.
    width : int
        Of both hidden layers.
    seed : int
        Decides the sample, its noise and the network.
    n_train : int
    label_noise : float
        Share of flipped labels, for two classes.
    value_noise : float
        Standard deviation added to the sinusoid.
    activation : str
        Smooth by default: the optimum of a network with kinks lies on them, where no gradient vanishes and
        no method can tell that it has arrived.
    """

    data: str
    epsilon: float
    width: int
    seed: int
    n_train: int = 60
    label_noise: float = 0.1
    value_noise: float = 0.15
    activation: str = "gelu"

    def __post_init__(self) -> None:
        check_positive(self.epsilon, "epsilon")
        for name in ("width", "n_train"):
            check_count(getattr(self, name), name)
        check_count(self.seed, "seed", least=0)
        check_fraction(self.label_noise, "label_noise")
        check_nonnegative(self.value_noise, "value_noise")


def matched_data(config: MatchedConfig) -> Data:
    """Draw the cell's sample; the same at every width and ε."""
    rng = np.random.default_rng([config.seed, 1])
    data = load(config.data, config.n_train, 100, rng)
    if data.n_classes:
        flipped = rng.random(config.n_train) < config.label_noise
        return data.corrupted(lambda labels: np.where(flipped, 1 - labels, labels))
    if config.data == "sinusoid":
        noise = config.value_noise * rng.normal(size=config.n_train)
        return data.corrupted(lambda values: values + noise)
    return data


def distill_network(centred: CentredNetwork, targets: Array, epsilon: float) -> list[Fit]:
    """Fit the network to its own last fit, from the same start, until its outputs are within ε of zero."""
    fits: list[Fit] = []
    current = np.asarray(targets, float)
    while np.mean(current**2) > epsilon and len(fits) < MAX_ROUNDS:
        fits.append(centred.fit_to_error(current, epsilon))
        current = fits[-1].fitted
    return fits


def measure_matched(config: MatchedConfig) -> xr.Dataset:
    """Run one cell: network and theory, the same quantities under the same names.

    Returns
    -------
    xarray.Dataset
        ``source`` is "theory" or "network". `rounds` counts the fits before collapse; `multiplier` and
        `test_error` lie on `fit`, `ratio` (r_t) on `round`, `filter` (B_t, as ``z_t/z_0``) on
        `fit`, `direction`. `z_error` is ``‖z_t − predicted‖ / ‖predicted‖``. Rounds that did not happen are
        NaN.
    """
    with one_thread():
        return _measure(config)


def _measure(config: MatchedConfig) -> xr.Dataset:
    data = matched_data(config)
    targets = np.asarray(data.signed, np.float64)
    torch.manual_seed(config.seed)
    hidden = (config.width, config.width)
    n_inputs = int(np.prod(data.inputs.shape[1:]))
    network = mlp(n_inputs, 1, hidden, parametrisation="ntk", activation=config.activation).double()
    centred = CentredNetwork(network, data.inputs)
    spectrum = Spectrum.from_gram(centred.gram, targets)
    theory = distill_to_tolerance(spectrum, config.epsilon)
    fits = distill_network(centred, targets, config.epsilon)
    cross = tangent_kernel(network, data.test_inputs, data.inputs)
    truth = data.test_targets if data.n_classes == 0 else 2.0 * data.test_targets - 1
    return _dataset(config, theory, fits, _test_errors(theory, fits, centred, cross, data, truth))


def _test_errors(
    theory: Trajectory, fits: list[Fit], centred: CentredNetwork, cross: Array, data: Data, truth: Array
) -> list[list[float]]:
    predicted = [theory.predict(cross, t) for t in range(1, theory.rounds + 1)]
    measured = [centred.predict(fit, data.test_inputs) for fit in fits]
    return [[float(np.mean((h - truth) ** 2)) for h in source] for source in (predicted, measured)]


def _dataset(
    config: MatchedConfig, theory: Trajectory, fits: list[Fit], test_errors: list[list[float]]
) -> xr.Dataset:
    spectrum = theory.spectrum
    scale = np.sqrt(spectrum.n_samples * config.epsilon)
    z0 = spectrum.coefficients[:, 0]
    z = np.array([spectrum.basis.project(fit.fitted) for fit in fits]).reshape(len(fits), -1)
    both = min(len(fits), theory.rounds)
    predicted = theory.filters[:both] * z0
    z_error = np.linalg.norm(z[:both] - predicted, axis=1) / np.linalg.norm(predicted, axis=1)
    norms = [np.linalg.norm(theory.spectrum.targets), *(np.linalg.norm(row) for row in z)]
    bounds = collapse_bounds(spectrum, config.epsilon)

    def pair(first: Array | list[float], second: Array | list[float], length: int = MAX_ROUNDS) -> Array:
        return np.stack([_padded(first, length), _padded(second, length)])

    return xr.Dataset(
        {
            "rounds": ("source", [theory.rounds, len(fits)]),
            "lower_bound": bounds.lower,
            "upper_bound": bounds.upper,
            "multiplier": (("source", "fit"), pair(theory.multipliers, [f.penalty for f in fits])),
            "ratio": (
                ("source", "round"),
                pair(theory.target_norms / scale, np.array(norms) / scale, MAX_ROUNDS + 1),
            ),
            "filter": (("source", "fit", "direction"), pair(theory.filters, z / z0)),
            "z_error": ("fit", _padded(z_error, MAX_ROUNDS)),
            "test_error": (("source", "fit"), pair(test_errors[0], test_errors[1])),
            "training_error": ("fit", _padded([f.error for f in fits], MAX_ROUNDS)),
            "stationarity": ("fit", _padded([f.stationarity for f in fits], MAX_ROUNDS)),
            "converged": int(all(f.converged for f in fits)),
            "weight": ("direction", z0**2),
            "eigenvalue": ("direction", spectrum.eigenvalues),
            "n_parameters": sum(p.numel() for p in fits[0].displacement.values()) if fits else 0,
        },
        coords={
            "source": ["theory", "network"],
            "fit": np.arange(1, MAX_ROUNDS + 1),
            "round": np.arange(MAX_ROUNDS + 1),
        },
    )


def _padded(values: Array | list[float], length: int) -> Array:
    rows = np.asarray(values, float)[:length]
    if rows.size == 0:
        rows = rows.reshape(0, *rows.shape[1:])
    return np.concatenate([rows, np.full((length - len(rows), *rows.shape[1:]), np.nan)])
