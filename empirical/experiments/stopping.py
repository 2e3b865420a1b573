"""Matched experiment 3: one network stopped early, one trained by gradient flow, one distilled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch.func import functional_call

from ...theory import distill_to_tolerance
from ...theory.base.validation import Array, check_each, check_positive
from ...theory.spectra.spectrum import Spectrum
from ..jobs.threads import one_thread
from ..networks.perceptrons import mlp
from ..tangent.gauss_newton import CentredNetwork
from .matched import MatchedConfig, distill_network, matched_data


@dataclass(frozen=True)
class StoppingConfig:
    """One cell of matched experiment 3.

    Attributes
    ----------
    cell : MatchedConfig
        Data, network and the ε of every round of distillation.
    stops : tuple of float
        Larger ε at which one round stops early.
    times : tuple of float
        Training times of gradient flow.
    """

    cell: MatchedConfig
    stops: tuple[float, ...] = (0.08, 0.15, 0.25, 0.4, 0.6)
    times: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0, 64.0)

    def __post_init__(self) -> None:
        check_each(self.stops, "stops", check_positive)
        check_each(self.times, "times", check_positive)


def sparsity_exponent(filters: Array, eigenvalues: Array, weights: Array) -> float:
    """Slope of ``log B[k]`` in ``log d_k``, over directions weighted by the targets' energy in them.

    By M12 one round at any ε, and gradient flow at any time, keeps every ratio ``B[k]/B[j]`` within
    ``d_k/d_j``: the slope is at most 1. Distillation goes beyond.

    Parameters
    ----------
    filters, eigenvalues, weights : array (m,)
        Directions whose filter is not positive are left out: they hold noise of the measurement.
    """
    kept = (filters > 0) & (eigenvalues > 0) & (weights > 0)
    x, y, w = np.log(eigenvalues[kept]), np.log(filters[kept]), weights[kept] / weights[kept].sum()
    x = x - w @ x
    return float((w * x) @ y / (w @ x**2))


def measure_stopping(config: StoppingConfig) -> xr.Dataset:
    """Exponents and training errors against the given labels, for theory and for the network.

    Returns
    -------
    xarray.Dataset
        ``treatment`` is "one round", "gradient flow" or "distillation"; along ``point`` the ε, the time or the
        round grows. `exponent` is `sparsity_exponent` on the heaviest directions (90 % of the targets'
        energy), `error` the mean squared distance to the given targets; both by `source`.
    """
    with one_thread():
        return _measure(config)


def _measure(config: StoppingConfig) -> xr.Dataset:
    cell = config.cell
    data = matched_data(cell)
    y = np.asarray(data.signed, np.float64)
    torch.manual_seed(cell.seed)
    n_inputs = int(np.prod(data.inputs.shape[1:]))
    network = mlp(n_inputs, 1, (cell.width, cell.width), parametrisation="ntk", activation=cell.activation)
    network = network.double()
    centred = CentredNetwork(network, data.inputs)
    spectrum = Spectrum.from_gram(centred.gram, y)
    d, z0 = spectrum.eigenvalues, spectrum.coefficients[:, 0]
    order = np.argsort(z0**2)[::-1]
    heavy = order[: int(np.searchsorted(np.cumsum(z0[order] ** 2), 0.9 * np.sum(z0**2))) + 1]
    theory = distill_to_tolerance(spectrum, cell.epsilon)
    filters = {
        ("one round", "theory"): [
            distill_to_tolerance(spectrum, e, max_rounds=1).filter(1) for e in config.stops
        ],
        ("one round", "network"): [
            spectrum.basis.project(centred.fit_to_error(y, e).fitted) / z0 for e in config.stops
        ],
        ("gradient flow", "theory"): [1 - np.exp(-2 * d * t) for t in config.times],
        ("gradient flow", "network"): [
            spectrum.basis.project(h) / z0
            for h in gradient_flow(network, data.inputs, y, config.times, float(d[-1]))
        ],
        ("distillation", "theory"): [theory.filter(t) for t in range(1, theory.rounds + 1)],
        ("distillation", "network"): [
            spectrum.basis.project(fit.fitted) / z0 for fit in distill_network(centred, y, cell.epsilon)
        ],
    }
    methods, sources, points = ["one round", "gradient flow", "distillation"], ["theory", "network"], 12
    exponent = np.full((len(methods), len(sources), points), np.nan)
    error = exponent.copy()
    for (method, source), rows in filters.items():
        i, j = methods.index(method), sources.index(source)
        for k, row in enumerate(rows):
            exponent[i, j, k] = sparsity_exponent(row[heavy], d[heavy], z0[heavy] ** 2)
            error[i, j, k] = np.sum(((1 - row) * z0) ** 2) / len(y)
    axes = ("treatment", "source", "point")
    return xr.Dataset(
        {"exponent": (axes, exponent), "error": (axes, error)},
        coords={"treatment": methods, "source": sources, "point": np.arange(points)},
    )


def gradient_flow(
    network: torch.nn.Module,
    inputs: Array,
    targets: Array,
    times: tuple[float, ...],
    largest_eigenvalue: float,
) -> list[Array]:
    """Centred outputs at given times of ``dθ/dt = −∇ mean (h − y)²``, by full-batch gradient descent.

    The step is a fifth of the stable one, so that descent stays close to the flow.
    """
    parameters = {name: p.detach().clone().requires_grad_(True) for name, p in network.named_parameters()}
    x, y = torch.as_tensor(inputs, dtype=torch.float64), torch.from_numpy(targets)
    offset = functional_call(network, parameters, (x,))[:, 0].detach()
    longest = 0.2 / largest_eigenvalue
    now, outputs = 0.0, []
    for time in times:
        steps = int(np.ceil((time - now) / longest))
        for _ in range(steps):
            h = functional_call(network, parameters, (x,))[:, 0] - offset
            gradients = torch.autograd.grad((h - y).square().mean(), list(parameters.values()))
            with torch.no_grad():
                for p, g in zip(parameters.values(), gradients, strict=True):
                    p -= (time - now) / steps * g
        now = time
        with torch.no_grad():
            outputs.append((functional_call(network, parameters, (x,))[:, 0] - offset).numpy().copy())
    return outputs
