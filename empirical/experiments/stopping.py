"""One network distilled, one stopped early and one trained by gradient flow, at the same training error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.optimize
import torch
import xarray as xr
from torch.func import functional_call

from ...theory import Spectrum, distill_to_tolerance
from ...theory.base.validation import Array, check_fraction
from ..jobs.threads import one_thread
from ..tangent.gauss_newton import CentredNetwork
from .matched import MatchedConfig, distill_network, matched_data, matched_network

TREATMENTS = ("distillation", "one round", "gradient flow")
_LARGEST_EXPONENT = 50.0


@dataclass(frozen=True)
class StoppingConfig:
    """One network whose rounds of distillation are set against stopping early.

    Attributes
    ----------
    network : MatchedConfig
        Data, network and the ε of every round of distillation.
    largest_error : float
        Rounds are compared while their error against the given targets is below this share of the targets'
        mean square: past it there is nearly nothing left to compare.
    max_steps : int
        Steps of gradient descent after which the flow is given up; errors it has not reached are NaN.
    """

    network: MatchedConfig
    largest_error: float = 0.99
    max_steps: int = 20_000

    def __post_init__(self) -> None:
        check_fraction(self.largest_error, "largest_error", below_one=True)


def sparsity_exponent(filters: Array, eigenvalues: Array, weights: Array) -> float:
    """Exponent s of the power law ``B[k] ≈ A d_k^s`` that is nearest to the filters in weighted least squares.

    One round at any ε, and gradient flow at any time, has filters for which ``B/d`` falls with d; no such
    filters have an exponent above 1 (claim M12; docs: claims). Distillation goes beyond. Every filter counts,
    also those that a measurement makes zero or negative.

    Parameters
    ----------
    filters, eigenvalues, weights : array (m,)
        Eigenvalues are positive, weights say how much each direction counts.
    """
    relative = eigenvalues / eigenvalues.max()

    def misfit(exponent: float) -> float:
        law = relative**exponent
        scale = (weights * law) @ filters / ((weights * law) @ law)
        return float(weights @ (filters - scale * law) ** 2)

    grid = np.linspace(-2.0, _LARGEST_EXPONENT, 105)
    best = int(np.argmin([misfit(s) for s in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = scipy.optimize.minimize_scalar(misfit, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return float(found.x)


def measure_stopping(config: StoppingConfig) -> xr.Dataset:
    """Exponents of every round of distillation, and of the two others at the same training error.

    Returns
    -------
    xarray.Dataset
        On `treatment` ("distillation", "one round", "gradient flow"), `source` ("theory", "network") and
        `round`: `exponent` is `sparsity_exponent` over the directions that hold 90 % of the targets' energy,
        `error` the mean squared distance to the given targets as a share of their mean square. `converged`
        is 1 where every fit of the network is certified to be an optimum.
    """
    with one_thread():
        return _measure(config)


def _measure(config: StoppingConfig) -> xr.Dataset:
    cell = config.network
    data = matched_data(cell)
    y = np.asarray(data.signed, np.float64)
    centred = matched_network(cell, data)
    spectrum = Spectrum.from_gram(centred.gram, y)
    d, z0 = spectrum.eigenvalues, spectrum.coefficients[:, 0]
    order = np.argsort(z0**2)[::-1]
    heavy = order[: int(np.searchsorted(np.cumsum(z0[order] ** 2), 0.9 * np.sum(z0**2))) + 1]
    heavy = heavy[d[heavy] > 0]
    run = distill_to_tolerance(spectrum, cell.epsilon)
    fits = distill_network(centred, y, cell.epsilon, cell.max_rounds)
    limit = float(config.largest_error * np.mean(y**2))
    rounds = np.array([run.fitted(t) for t in range(1, run.rounds + 1)])
    filters = {("distillation", "theory"): run.filters}
    errors = _errors(rounds, y, limit)
    filters["one round", "theory"] = np.array(
        [distill_to_tolerance(spectrum, e, max_rounds=1).filter(1) for e in errors]
    )
    filters["gradient flow", "theory"] = np.array([flow_filter(d, z0, e * len(y)) for e in errors])
    outputs = {"distillation": np.array([fit.fitted for fit in fits])}
    errors = _errors(outputs["distillation"], y, limit)
    stopped = [centred.fit_to_error(y, e) for e in errors]
    outputs["one round"] = np.array([fit.fitted for fit in stopped])
    outputs["gradient flow"] = gradient_flow(centred, y, errors, float(d.max()), config.max_steps)
    for name, values in outputs.items():
        rows = values.reshape(-1, len(y))  # there may be no round below the limit
        filters[name, "network"] = spectrum.basis.project(rows.T).T / z0
    shape = (len(TREATMENTS), 2, max(len(run.filters), len(fits)))
    exponent, error = np.full(shape, np.nan), np.full(shape, np.nan)
    for (name, source), rows in filters.items():
        for t, row in enumerate(rows):
            at = TREATMENTS.index(name), int(source == "network"), t
            share = np.sum(((1 - row) * z0) ** 2) / np.sum(z0**2)
            if share < config.largest_error:
                error[at] = share
                exponent[at] = sparsity_exponent(row[heavy], d[heavy], z0[heavy] ** 2)
    axes = ("treatment", "source", "round")
    return xr.Dataset(
        {
            "exponent": (axes, exponent),
            "error": (axes, error),
            "converged": int(all(fit.converged for fit in [*fits, *stopped])),
        },
        coords={
            "treatment": list(TREATMENTS),
            "source": ["theory", "network"],
            "round": np.arange(1, shape[-1] + 1),
        },
    )


def _errors(fitted: Array, targets: Array, limit: float) -> Array:
    """Mean squared error of every round against the given targets, while it is below the limit."""
    errors = np.mean((fitted - targets) ** 2, axis=1)
    return np.asarray(errors[errors < limit])


def flow_filter(eigenvalues: Array, coefficients: Array, residual: float) -> Array:
    """Filter ``1 − exp(−2 d t)`` of gradient flow at the time at which the squared residual norm is as given."""

    def excess(log_time: float) -> float:
        return float(np.sum((np.exp(-2 * eigenvalues * np.exp(log_time)) * coefficients) ** 2) - residual)

    largest = eigenvalues.max()
    log_time = scipy.optimize.brentq(excess, np.log(1e-12 / largest), np.log(1e12 / largest), xtol=1e-12)
    return np.asarray(-np.expm1(-2 * eigenvalues * np.exp(log_time)))


def gradient_flow(
    centred: CentredNetwork, targets: Array, errors: Array, largest_eigenvalue: float, max_steps: int
) -> Array:
    """Centred outputs along ``dθ/dt = −∇ mean (h − y)²`` where the training error first is as asked.

    Full-batch gradient descent whose steps grow to a fifth of the largest stable one, so that it stays close to
    the flow also in the first moments; between two steps outputs are interpolated.

    Returns
    -------
    ndarray (len(errors), n)
        NaN for errors that `max_steps` did not reach.
    """
    network, start, inputs = centred.network, centred.start, centred.inputs
    parameters = {name: p.clone().requires_grad_(True) for name, p in start.items()}
    y = torch.from_numpy(targets)
    offset = functional_call(network, start, (inputs,))[:, 0].detach()
    outputs = np.full((len(errors), len(targets)), np.nan)
    waiting = sorted(range(len(errors)), key=lambda i: -errors[i])
    before, error_before = np.zeros_like(targets), float(np.mean(targets**2))
    for taken in range(max_steps):
        step = min(0.2, 0.002 * 1.03**taken) / largest_eigenvalue
        h = functional_call(network, parameters, (inputs,))[:, 0] - offset
        loss = (h - y).square().mean()
        now, error = h.detach().numpy().copy(), float(loss.detach())
        while waiting and errors[waiting[0]] >= error:
            share = (error_before - errors[waiting[0]]) / max(error_before - error, np.finfo(float).tiny)
            outputs[waiting.pop(0)] = before + share * (now - before)
        if not waiting:
            break
        before, error_before = now, error
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        with torch.no_grad():
            for p, g in zip(parameters.values(), gradients, strict=True):
                p -= step * g
    return outputs
