"""Clustered features: self-distillation as label averaging, in closed form for any sample size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base.validation import (
    Array,
    InputError,
    as_generator,
    check_count,
    check_positive,
    check_semidefinite,
    shown,
)
from ..labels.noise import as_corruption, corruption_gap
from .leads import LabelLeads
from .margins import first_positive_round, last_positive_round

# Label frequencies closer than this are the same.
_EQUAL = 1e-12
_LARGEST_GRAM = 50_000
_LEAST_RESOLUTION = 1e-300
# Beyond this, numbers of every class, given label and output take 4 GiB.
_MOST_CLASSES = 800


@dataclass(frozen=True)
class ClusteredFeatures:
    """Features whose correlations depend on classes only: 1, `within` a class, `across` classes.

    With superclasses, classes ``0 … g − 1``, ``g … 2g − 1``, … belong together and correlate by
    `within_superclass`. Nothing of size N is built, save by :meth:`gram` and :meth:`labels`.

    Parameters
    ----------
    n_classes : int
        K, at least 2.
    n_per_class : int
        n; N = K n.
    within, across : float
        Correlation c of two samples of a class and d of two of different (super)classes.
    ridge : float
        λ of ``mean CE + (λ/2) ‖W‖²``, above 0.
    superclass_size : int
        g, classes in each superclass; 1 for none. Divides K.
    within_superclass : float, optional
        Correlation b of two samples of different classes in one superclass.

    Raises
    ------
    InputError
        If a number is out of its range.
    IndefiniteGramError
        If no features have such correlations.

    References
    ----------
    Jeong & Chung 2025, section 4; claims J3 to J11 (docs: claims). The superclass level is ours.

    Examples
    --------
    >>> from selfdistill.theory import ClusteredFeatures, corruption_matrix
    >>> model = ClusteredFeatures(4, 100, within=0.4, across=0.1, ridge=1e-3)
    >>> model.smoother_eigenvalues().round(3)
    array([0.273, 0.95 , 0.978])
    >>> model.minimum_rounds(corruption_matrix("symmetric", 4, 0.6))
    2.0
    """

    n_classes: int
    n_per_class: int
    within: float
    across: float
    ridge: float
    superclass_size: int = 1
    within_superclass: float | None = None

    def __post_init__(self) -> None:
        check_count(self.n_classes, "n_classes", least=2)
        check_count(self.n_per_class, "n_per_class")
        ridge = check_positive(self.ridge, "ridge", "It is λ of (λ/2)‖W‖².")
        object.__setattr__(self, "ridge", ridge)
        size = check_count(self.superclass_size, "superclass_size")
        if self.n_classes % size or size == self.n_classes:
            raise InputError(
                f"superclass_size must divide n_classes={self.n_classes} into at least two superclasses; "
                f"got {size}."
            )
        if (size > 1) != (self.within_superclass is not None):
            raise InputError("give superclass_size above 1 and within_superclass together, or neither.")
        for name in ("within", "across", "within_superclass"):
            value = getattr(self, name)
            left_out = value is None and name == "within_superclass"
            if not left_out and not (isinstance(value, int | float | np.number) and -1 <= value <= 1):
                raise InputError(f"{name} is a correlation and must lie in [-1, 1]; got {shown(value)}.")
        values = self.gram_eigenvalues()
        check_semidefinite(float(values.min()), float(values.max()), self.n_samples, np.finfo(float).eps)

    @property
    def n_samples(self) -> int:
        """N."""
        return int(self.n_classes) * int(self.n_per_class)  # narrow types overflow

    @property
    def superclasses(self) -> Array:
        """Superclass of each class, (K,)."""
        return np.arange(self.n_classes) // self.superclass_size

    @cached_property
    def steps(self) -> tuple[Array, Array]:
        """Block sizes ``1, n, (g n,) N`` and what each level adds to the correlation inside its blocks."""
        n, c, d = float(self.n_per_class), self.within, self.across
        if self.within_superclass is None:
            return np.array([1.0, n, n * self.n_classes]), np.array([1 - c, c - d, d])
        b = self.within_superclass
        sizes = np.array([1.0, n, n * self.superclass_size, n * self.n_classes])
        return sizes, np.array([1 - c, c - b, b - d, d])

    def labels(self) -> Array:
        """True classes (N,), in the order of :meth:`gram`."""
        return np.repeat(np.arange(self.n_classes), self.n_per_class)

    def gram(self) -> Array:
        """Kernel matrix (N, N), ordered by class. Takes 8 N² bytes."""
        if self.n_samples > _LARGEST_GRAM:
            raise InputError(
                f"the gram of {self.n_samples} samples would take {8 * self.n_samples**2 / 2**30:.0f} GiB; "
                "every other method works without it."
            )
        k = np.arange(self.n_classes)
        blocks = np.where(k[:, None] == k, self.within, self.across)
        if self.within_superclass is not None:
            related = (self.superclasses[:, None] == self.superclasses) & (k[:, None] != k)
            blocks[related] = self.within_superclass
        gram = np.kron(blocks, np.ones((self.n_per_class, self.n_per_class)))
        np.fill_diagonal(gram, 1.0)
        return gram

    def gram_eigenvalues(self) -> Array:
        """Distinct eigenvalues of the gram, from the least averaging level to the most.

        ``1 − c``, ``1 − c + n(c − d)``, ``1 − c + n(c − d) + N d``; with superclasses ``1 − c``,
        ``1 − c + n(c − b)``, that ``+ g n (b − d)``, that ``+ N d``.
        """
        sizes, added = self.steps
        return np.cumsum(sizes * added)

    def multiplicities(self) -> Array:
        """How often each eigenvalue occurs."""
        levels = [self.n_samples, self.n_classes, self.n_classes // self.superclass_size, 1]
        if self.within_superclass is None:
            del levels[2]
        return -np.diff([*levels, 0])

    def smoother_eigenvalues(self) -> Array:
        """``s_i = e_i / (e_i + K λ N)`` of the linearised smoother."""
        values = np.maximum(self.gram_eigenvalues(), 0.0)
        return values / (values + self.n_classes * self.ridge * self.n_samples)

    def averaging_weights(self, rounds: int) -> Array:
        """Weights of a sample's outputs on: its own label, its class, (its superclass,) all labels, uniform.

        They sum to 1.
        """
        powers = self.smoother_eigenvalues() ** check_count(rounds, "rounds", least=0)
        return np.diff([0.0, *powers, 1.0])

    def outputs(self, corruption: Any, rounds: int) -> Array:
        """Outputs after t rounds, with softmax linearised.

        Parameters
        ----------
        corruption : array (K, K)
        rounds : int
            Number of fits t; 0 gives the labels.

        Returns
        -------
        ndarray (K, K, K)
            ``[k, j]`` are the outputs of the samples of class k with given label j.
        """
        matrix = self.check_corruption(corruption)
        k = self.n_classes
        if k > _MOST_CLASSES:
            raise InputError(
                f"outputs of every class and given label are {k}³ numbers, {8 * k**3 / 2**30:.0f} GiB; accuracy, "
                "margins and minimum_rounds do without them."
            )
        return self.smooth(np.broadcast_to(np.eye(k), (k, k, k)), matrix, rounds)

    def smooth(self, targets: Any, corruption: Any, rounds: int = 1) -> Array:
        """Outputs after t rounds on any targets that samples of one class and given label share.

        Parameters
        ----------
        targets : array (K, K, K)
            Distribution ``[k, j]`` of the samples of class k with given label j; NaN where there are none.
        corruption : array (K, K)
            How many samples there are of each (class, given label).
        rounds : int
        """
        matrix = self.check_corruption(corruption)
        given = np.where(matrix[:, :, None] > 0, np.asarray(targets, float), 0.0)
        class_means = np.einsum("kj,kjl->kl", matrix, given)
        weights = self.averaging_weights(rounds)
        mixed = weights[0] * given + weights[-1] / self.n_classes
        for weight, means in zip(weights[1:-1], self._means(class_means), strict=True):
            mixed = mixed + weight * means[:, None]
        return np.asarray(mixed)

    def leave_one_out(self, corruption: Any) -> Array:
        """Linearised outputs after one round of a fit to all other samples: (class, given label, output).

        The closed form of `leave_one_out_outputs`.
        """
        sizes, _ = self.steps
        own = float(np.sum(self.averaging_weights(1)[:-1] / sizes))  # the smoother's diagonal
        centred = np.eye(self.n_classes) - 1 / self.n_classes
        fitted = self.outputs(corruption, 1) - 1 / self.n_classes
        return np.asarray(1 / self.n_classes + (fitted - own * centred) / (1 - own))

    def draw_features(self, n_features: int, rng: np.random.Generator | int) -> Array:
        """Draw Gaussian features (N, p) whose EXPECTED gram is :meth:`gram`: clusters with noise.

        Entries of their gram deviate by some ``1/√p``, and it is a gram, unlike the model's with noise added
        to its entries. Negative differences of correlations between levels are refused. `rng` is a generator or
        a seed.
        """
        rng = as_generator(rng)
        _, added = self.steps
        if min(added) < 0:
            raise InputError(
                "features can be drawn only where correlations do not grow across classes: "
                "within ≥ within_superclass ≥ across ≥ 0."
            )
        p = check_count(n_features, "n_features")
        counts = [self.n_samples, self.n_classes, self.n_classes // self.superclass_size, 1]
        if self.within_superclass is None:
            del counts[2]
        total = np.zeros((self.n_samples, p))
        for count, share in zip(counts, added, strict=True):
            blocks = rng.standard_normal((count, p)) * np.sqrt(share / p)
            total += np.repeat(blocks, self.n_samples // count, axis=0)
        return total

    def check_corruption(self, corruption: Any) -> Array:
        """Return a corruption matrix of this many classes."""
        matrix = as_corruption(corruption)
        if len(matrix) != self.n_classes:
            raise InputError(f"corruption must be ({self.n_classes}, {self.n_classes}); got {matrix.shape}.")
        return matrix

    def _means(self, class_means: Array) -> list[Array]:
        """Means over each class, (superclass) and all samples, each broadcastable to (class, output)."""
        means = [class_means]
        if self.within_superclass is not None:
            grouped = class_means.reshape(-1, self.superclass_size, self.n_classes).mean(axis=1)
            means.append(grouped[self.superclasses])
        return [*means, class_means.mean(axis=0, keepdims=True)]

    def margins(self, corruption: Any, rounds: int) -> Array:
        """Output of the true class less the largest other, (class, given label); NaN for labels not given.

        It decays like the t-th power of the class level's smoother eigenvalue.
        """
        return self._leads(corruption).margins(self.averaging_weights(rounds)[:-1])

    def accuracy(self, corruption: Any, rounds: int) -> float:
        """Part of the training samples whose true class has the largest output; a tie counts its chance.

        Decided from the margins, which stay exact where outputs come so close to 1/K that rounding hides them.
        """
        t = check_count(rounds, "rounds", least=0)
        logarithms = self._smoother_logarithms()
        # All powers over the largest one: the sign of a margin does not underflow.
        finite = logarithms[np.isfinite(logarithms)]
        powers = (
            np.exp(t * (logarithms - finite.max(initial=-np.inf))) if t and len(finite) else 1.0 * (t == 0)
        )
        weights = np.diff(np.broadcast_to(powers, logarithms.shape), prepend=0.0)
        return self._leads(corruption).accuracy(weights)

    def critical_rounds(self, corruption: Any) -> float:
        """``t* = log(1 + 1/gap) / log(s_2/s_1)`` for the gap of the corruption; ∞ if the gap is not above 0.

        Every training sample is classified right iff ``t > t*``, if given labels are equally frequent and
        classes have no superclasses. Else :meth:`minimum_rounds` decides without it.
        """
        gap = corruption_gap(corruption)
        s = self.smoother_eigenvalues()
        if gap <= 0 or s[1] <= s[0]:
            return np.inf
        if s[0] == 0 or np.allclose(as_corruption(corruption), np.eye(self.n_classes), rtol=0, atol=_EQUAL):
            return 0.0
        logarithms = self._smoother_logarithms()
        return float(np.log1p(1 / gap) / (logarithms[1] - logarithms[0]))

    def minimum_rounds(self, corruption: Any) -> float:
        """Least number of rounds after which every training sample is classified right; ∞ if never.

        Decided from the signs of the margins as sums of powers of the smoother's eigenvalues, so it also
        holds with superclasses and where given labels are not equally frequent.
        """
        return first_positive_round(self._margin_coefficients(corruption), self._smoother_logarithms())

    def last_round(self, corruption: Any, resolution: float = 2.0**-52) -> float:
        """Last round in which every sample is right by more than `resolution`; 0 if there is none.

        More rounds than this do harm: outputs tend to the uniform one, and deviations of size `resolution`
        (samples that do not fit the model, noise of a device) decide.
        """
        resolution = check_positive(resolution, "resolution")
        if resolution < _LEAST_RESOLUTION:
            raise InputError(f"resolution must be at least {_LEAST_RESOLUTION:g}; got {resolution:g}.")
        return last_positive_round(
            self._margin_coefficients(corruption), self._smoother_logarithms(), resolution
        )

    def spread_ratio(self, rounds: int) -> float:
        """Spread of outputs inside a class over spread between classes: ``(s_1/s_2)^t``.

        Both in units of the given labels' own spreads.
        """
        s = self.smoother_eigenvalues()
        return float((s[0] / s[1]) ** check_count(rounds, "rounds", least=0)) if s[1] else np.nan

    def _smoother_logarithms(self) -> Array:
        """Logarithms of the smoother's eigenvalues, exact where those are close to 1."""
        values = np.maximum(self.gram_eigenvalues(), 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            return -np.log1p(self.n_classes * self.ridge * self.n_samples / values)

    def _leads(self, corruption: Any) -> LabelLeads:
        matrix = self.check_corruption(corruption)
        return LabelLeads.of(matrix, self._means(matrix))

    def _margin_coefficients(self, corruption: Any) -> Array:
        """Rows of coefficients a_i with ``margin(t) = Σ a_i s_i^t``: those that decide over samples and rivals."""
        ordered = bool((np.diff(self.gram_eigenvalues()) >= 0).all())
        rows = self._leads(corruption).binding(ordered=ordered)
        return -np.diff(rows, axis=1, append=0.0)
