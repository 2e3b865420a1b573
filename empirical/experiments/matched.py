"""A network distilled to collapse at a fixed training error, beside what kernels predict before it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import xarray as xr
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import rbf_kernel

from ...theory import (
    InfeasibleToleranceError,
    Spectrum,
    Trajectory,
    distill_to_tolerance,
    relu_tangent_kernel,
)
from ...theory.base.validation import (
    Array,
    InputError,
    check_count,
    check_fraction,
    check_nonnegative,
    check_positive,
)
from ...theory.distillation.collapse import rounds_bounds
from ..data.datasets import Data, load
from ..data.own import DataSource, OwnData, as_data
from ..jobs.threads import one_thread
from ..networks.perceptrons import mlp
from ..tangent.gauss_newton import CentredNetwork, Fit

KERNELS = ("theory", "infinite width", "rbf")
"""Whose closed form predicts the rounds: the network's own tangent kernel at its start ("theory"), that of an
infinitely wide ReLU network of the same depth, and an RBF kernel whose bandwidth is the median distance."""
_BIAS_STD = 0.1


@dataclass(frozen=True)
class MatchedConfig:
    """One network, its data and the training error of its rounds.

    Attributes
    ----------
    data : str or OwnData
        Of two classes or of real targets, as `datasets.load` takes it.
    epsilon : float
        Training error of every round.
    width : int
        Units of every hidden layer.
    seed : int
        Decides the sample, its noise and the network.
    depth : int
        Number of hidden layers.
    n_train, n_test : int
        Number of training and test points.
    label_noise : float
        Share of flipped labels, for two classes.
    value_noise : float
        Standard deviation added to the sinusoid.
    activation : str
        Smooth by default: the optimum of a network with kinks (ReLU) lies on them, where no gradient vanishes,
        so that no fit can be certified. "sharp gelu" comes within 0.011 of ReLU and can.
    max_rounds : int
        A network that has not collapsed after so many rounds is stopped, and its result says so.
    """

    data: DataSource
    epsilon: float
    width: int
    seed: int
    depth: int = 2
    n_train: int = 30
    label_noise: float = 0.1
    value_noise: float = 0.15
    activation: str = "gelu"
    max_rounds: int = 200
    n_test: int = 100

    def __post_init__(self) -> None:
        check_positive(self.epsilon, "epsilon")
        for name in ("width", "depth", "n_train", "max_rounds", "n_test"):
            check_count(getattr(self, name), name)
        data = as_data(self.data, sizes=(self.n_train, self.n_test))
        if isinstance(data, OwnData) and data.n_classes > 2:
            raise InputError(
                f"{data} has {data.n_classes} classes; two or real targets are needed. OwnData.two_commonest() "
                "keeps two of them."
            )
        object.__setattr__(self, "data", data)
        check_count(self.seed, "seed", least=0)
        check_fraction(self.label_noise, "label_noise")
        check_nonnegative(self.value_noise, "value_noise")


def matched_data(config: MatchedConfig) -> Data:
    """Draw the sample of a configuration; the same at every width, depth and ε."""
    rng = np.random.default_rng([config.seed, 1])
    data = load(config.data, config.n_train, config.n_test, rng)
    if data.n_classes:
        flipped = rng.random(config.n_train) < config.label_noise
        return data.corrupted(lambda labels: np.where(flipped, 1 - labels, labels))
    if config.data == "sinusoid":
        noise = config.value_noise * rng.normal(size=config.n_train)
        return data.corrupted(lambda values: values + noise)
    return data


def matched_network(config: MatchedConfig, data: Data) -> CentredNetwork:
    """Initialise the network of a configuration and centre it on its training points."""
    torch.manual_seed(config.seed)
    network = mlp(
        int(np.prod(data.inputs.shape[1:])), 1, (config.width,) * config.depth,
        parametrisation="ntk", activation=config.activation, bias_std=_BIAS_STD,
    )  # fmt: skip
    return CentredNetwork(network, data.inputs)


def distill_network(centred: CentredNetwork, targets: Array, epsilon: float, max_rounds: int) -> list[Fit]:
    """Fit the network to its own last fit, from the same start, until its outputs are within ε of zero.

    A list whose last fit is not within ε of zero has been cut short: by `max_rounds`, or since the network could not
    come near ε.
    """
    fits: list[Fit] = []
    current = np.asarray(targets, float)
    while np.mean(current**2) > epsilon and len(fits) < max_rounds:
        fits.append(centred.fit_to_error(current, epsilon))
        current = fits[-1].fitted
        if not 0.5 < fits[-1].error / epsilon < 2:
            break
    return fits


def measure_matched(config: MatchedConfig) -> xr.Dataset:
    """Distil one network to collapse, and predict every round of it from three kernels.

    Returns
    -------
    xarray.Dataset
        ``source`` is "network" or one of `KERNELS`, ``kernel`` one of `KERNELS`. By `source`: `rounds`, the
        number of fits before collapse; `multiplier` and `test_error` on `fit`; `ratio` (r_t) on `round`.
        `z_error` (kernel, fit) is ``‖fitted − predicted‖ / ‖predicted‖``. `converged` is 1 where every fit of
        the network is certified to be an optimum, `limit_reached` 1 where the network was cut short (see
        `distill_network`), so that `rounds` is no collapse. What a source has no value of is NaN: rounds after
        collapse, and all rounds of a kernel that cannot reach ε.
    """
    # A network that cannot reach ε may diverge; its result says that it has not converged.
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        return _measure(config)


def _measure(config: MatchedConfig) -> xr.Dataset:
    data = matched_data(config)
    targets = np.asarray(data.signed, np.float64)
    centred = matched_network(config, data)
    grams = _grams(config, data, centred)
    runs = {name: _run(gram, targets, config.epsilon) for name, (gram, _) in grams.items()}
    fits = distill_network(centred, targets, config.epsilon, config.max_rounds)
    truth = data.test_targets if data.n_classes == 0 else 2.0 * data.test_targets - 1
    longest = max([len(fits), *(run.rounds for run in runs.values() if run)])
    root = np.sqrt(len(targets) * config.epsilon)
    norms = np.array([np.linalg.norm(targets), *(np.linalg.norm(fit.fitted) for fit in fits)])
    outputs = [centred.predict(fit, data.test_inputs) for fit in fits]
    rows = {
        "multiplier": [[fit.penalty for fit in fits]],
        "ratio": [norms / root],
        "test_error": [[np.mean((h - truth) ** 2) for h in outputs]],
    }
    z_error = []
    for name, run in runs.items():
        each = range(1, run.rounds + 1) if run else ()
        predictions = [run.predict(grams[name][1], t) for t in each] if run else []
        rows["multiplier"].append(run.multipliers if run else [])
        rows["ratio"].append(run.ratios if run else [])
        rows["test_error"].append([np.mean((h - truth) ** 2) for h in predictions])
        z_error.append(
            [_relative(fit.fitted, run.fitted(t)) for t, fit in zip(each, fits, strict=False)] if run else []
        )
    bounds = rounds_bounds(Spectrum.from_gram(centred.gram, targets), config.epsilon)
    axis = {"ratio": "round"}
    return xr.Dataset(
        {
            name: (("source", axis.get(name, "fit")), _table(values, longest + (name == "ratio")))
            for name, values in rows.items()
        }
        | {
            "rounds": ("source", [len(fits), *(run.rounds if run else np.nan for run in runs.values())]),
            "z_error": (("kernel", "fit"), _table(z_error, longest)),
            "lower_bound": bounds[1],
            "upper_bound": bounds[2],
            "converged": int(all(fit.converged for fit in fits)),
            "limit_reached": int(norms[-1] > root),
            "training_error": ("fit", _table([[fit.error for fit in fits]], longest)[0]),
            "stationarity": ("fit", _table([[fit.stationarity for fit in fits]], longest)[0]),
        },
        coords={
            "source": ["network", *KERNELS],
            "kernel": list(KERNELS),
            "fit": np.arange(1, longest + 1),
            "round": np.arange(longest + 1),
        },
    )


def _grams(config: MatchedConfig, data: Data, centred: CentredNetwork) -> dict[str, tuple[Array, Array]]:
    """Gram of the training points and kernel of the test points with them, for every one of `KERNELS`."""
    x, test = (v.reshape(len(v), -1).astype(float) for v in (data.inputs, data.test_inputs))
    infinite = partial(relu_tangent_kernel, hidden_layers=config.depth, bias_std=_BIAS_STD)
    distances = pairwise_distances(x)[np.triu_indices(len(x), 1)]
    gamma = 1 / (2 * np.median(distances[distances > 0]) ** 2)  # samples may be repeated
    return {
        "theory": (centred.gram, centred.cross_gram(data.test_inputs)),
        "infinite width": (infinite(x), infinite(test, x)),
        "rbf": (rbf_kernel(x, gamma=gamma), rbf_kernel(test, x, gamma=gamma)),
    }


def _run(gram: Array, targets: Array, epsilon: float) -> Trajectory | None:
    """Every round under one gram; None where the kernel cannot reach ε at all."""
    try:
        return distill_to_tolerance(Spectrum.from_gram(gram, targets), epsilon)
    except InfeasibleToleranceError:
        return None


def _relative(measured: Array, predicted: Array) -> float:
    return float(np.linalg.norm(measured - predicted) / np.linalg.norm(predicted))


def _table(rows: list, length: int) -> Array:  # type: ignore[type-arg]
    """Rows of unlike lengths as one array, NaN where a row has ended."""
    table = np.full((len(rows), length), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table
