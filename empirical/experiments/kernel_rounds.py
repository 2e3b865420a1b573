"""Kernel self-distillation on real data with noisy targets: what the closed form predicts for unseen points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from ...theory import Spectrum, Trajectory, collapse_bounds, distill_to_tolerance
from ...theory.base.probabilities import one_hot
from ...theory.base.validation import Array, check_count, check_nonnegative, check_positive
from ..data.datasets import Data, load
from ..data.own import DataSource, as_data


@dataclass(frozen=True)
class KernelRounds:
    """One run of distillation to tolerance on a bundled data set or on one's own.

    Attributes
    ----------
    data : str or OwnData
        As `selfdistill.empirical.data.datasets.load` takes it.
    noise : float
        Share of training labels drawn anew uniformly, or standard deviation of noise added to
        (standardised) regression targets. Test targets stay clean.
    epsilon : float
        Mean squared training error of every round.
    gamma : float
        Parameter γ of the RBF kernel, times the number of input columns.
    """

    data: DataSource
    n_train: int
    n_test: int
    noise: float
    epsilon: float
    gamma: float
    seed: int

    def __post_init__(self) -> None:
        for name in ("n_train", "n_test"):
            check_count(getattr(self, name), name)
        check_nonnegative(self.noise, "noise")
        for name in ("epsilon", "gamma"):
            check_positive(getattr(self, name), name)
        check_count(self.seed, "seed", least=0)
        object.__setattr__(self, "data", as_data(self.data, sizes=(self.n_train, self.n_test)))


def measure_kernel_rounds(config: KernelRounds) -> xr.Dataset:
    """Run to collapse; report multipliers, norms, bounds, and the error on two halves of the test set.

    Two halves, so that a round chosen on one can be judged on the other.
    """
    rng = np.random.default_rng([config.seed, 20])
    data = load(config.data, config.n_train, config.n_test, rng)
    targets = noisy_targets(data, config.noise, rng)
    inputs, test_inputs = (v.reshape(len(v), -1).astype(float) for v in (data.inputs, data.test_inputs))
    gamma = config.gamma / inputs.shape[1]
    gram, cross = rbf_kernel(inputs, gamma=gamma), rbf_kernel(test_inputs, inputs, gamma=gamma)
    spectrum = Spectrum.from_gram(gram, targets)
    run = distill_to_tolerance(spectrum, config.epsilon)
    bounds = collapse_bounds(spectrum, config.epsilon)
    losses = np.array([losses_on_test(data, run.predict(cross, t)) for t in range(1, run.rounds + 1)])
    return xr.Dataset(
        {
            "multiplier": ("round", run.multipliers),
            "target_norm_ratio": ("round", run.ratios[1:]),
            "test_error": (("half", "round"), [losses[:, half::2].mean(axis=1) for half in (0, 1)]),
            "refit_deviation": sklearn_deviation(gram, run),
            "exact_rounds": bounds.exact,
            "lower_bound": bounds.lower,
            "upper_bound": bounds.upper,
            "initial_ratio": bounds.initial_ratio,
        },
        coords={"round": np.arange(1, run.rounds + 1)},
    )


def noisy_targets(data: Data, noise: float, rng: np.random.Generator) -> Array:
    """Centred one-hot targets with labels redrawn, or regression targets with Gaussian noise added."""
    if data.n_classes == 0:
        return data.targets.astype(float) + noise * rng.normal(size=len(data.targets))
    drawn = rng.integers(0, data.n_classes, len(data.targets))
    labels = np.where(rng.random(len(drawn)) < noise, drawn, data.targets)
    return one_hot(labels, data.n_classes) - 1 / data.n_classes


def losses_on_test(data: Data, predictions: Array) -> Array:
    """0-1 loss of every test point for classes, squared error for values."""
    if data.n_classes:
        return (predictions.argmax(axis=1) != data.test_targets).astype(float)
    return (predictions - data.test_targets) ** 2


def sklearn_deviation(gram: Array, run: Trajectory) -> float:
    """Largest difference from scikit-learn kernel ridge refitted to its own fits, over all rounds."""
    fit, worst = run.fitted(0), 0.0
    for t, c in enumerate(run.multipliers, start=1):
        fit = KernelRidge(kernel="precomputed", alpha=len(gram) * c).fit(gram, fit).predict(gram)
        worst = max(worst, float(np.abs(fit - run.fitted(t)).max()))
    return worst
