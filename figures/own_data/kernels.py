"""Kernels by scikit-learn's names, and what is done to features before a kernel sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics.pairwise import KERNEL_PARAMS, pairwise_kernels

from ...theory import InputError
from ...theory.base.validation import check_positive
from ...theory.estimators.scaling import TRANSLATION_INVARIANT, standardized

KERNELS = (*sorted(KERNEL_PARAMS), "precomputed")
# Sums of squares beyond this overflow.
LARGEST_FEATURE = 1e150
# A column whose mean is so many times its spread has lost that share of its digits to distances; one whose spread
# is so many times that of another alone decides distances.
DWARFED = 1000

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """A kernel by scikit-learn's name, with the parameters that were given.

    Attributes
    ----------
    name : str
        One of ``sklearn.metrics.pairwise``'s kernels, or ``"precomputed"``.
    parameters : dict
        gamma, degree, coef0; those left out take scikit-learn's defaults.
    """

    name: str
    parameters: dict[str, float]

    def __post_init__(self) -> None:
        if self.name not in KERNELS:
            raise InputError(f"--kernel must be one of {', '.join(KERNELS)}; got {self.name!r}.")
        takes = set(KERNEL_PARAMS.get(self.name, ()))
        for name in self.parameters:
            if name not in takes:
                accepted = ", ".join(f"--{p}" for p in sorted(takes)) or "no parameters"
                raise InputError(f"the {self.name} kernel has no parameter --{name}; it takes {accepted}.")
        for name in ("gamma", "degree"):
            if name in self.parameters:
                check_positive(self.parameters[name], f"--{name}")
        if not np.isfinite(self.parameters.get("coef0", 0.0)):
            raise InputError(f"--coef0 must be a finite number; got {self.parameters['coef0']}.")

    def values(self, x: Matrix, z: Matrix) -> npt.NDArray[Any]:
        """Kernel (len(x), len(z)) between rows, checked to be finite."""
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is refused below
                values: npt.NDArray[Any] = pairwise_kernels(x, z, metric=self.name, **self.parameters)
        except ValueError as error:
            raise InputError(f"the {self.name} kernel cannot take these features: {error}") from None
        if np.isfinite(values).all():
            return values
        if self.parameters.get("degree", 1.0) % 1 and np.isnan(values).any():
            raise InputError(
                f"the {self.name} kernel with --degree {self.parameters['degree']:g} is no number where "
                "gamma·⟨x, x'⟩ + coef0 is negative, as it is for these features. Take a whole degree."
            )
        raise InputError(
            f"the {self.name} kernel is infinite or overflows on these features, whose values go up to "
            f"{np.abs(x).max():.3g}. Scale them down (--standardize), or choose smaller parameters."
        )

    def prepare(
        self, features: Matrix, names: tuple[str, ...], *, standardize: bool
    ) -> tuple[Matrix, list[str]]:
        """Features as this kernel is to see them, and what a reader should know of that.

        Kernels of differences are given centred features: that changes none of their values and saves the digits
        that a large mean would cost. No other kernel is changed unless `standardize` asks for it.

        Raises
        ------
        InputError
            If features are too large for the kernel, or a gram is to be standardised.
        """
        if self.name == "precomputed":
            if standardize:
                raise InputError("--standardize scales features; a precomputed kernel has none.")
            return features, []
        if standardize:
            return standardized(features), []
        largest = np.abs(features).max(axis=0)
        if largest.max() > LARGEST_FEATURE:
            raise InputError(
                f"the feature {names[int(largest.argmax())]!r} is too large to be squared (up to "
                f"{largest.max():.3g}): scale it down first, or add --standardize."
            )
        notes = []
        spread = features.std(axis=0)
        offset = np.flatnonzero((np.abs(features.mean(axis=0)) > DWARFED * spread) & (spread > 0))
        if len(offset):
            name, mean = names[int(offset[0])], features[:, offset[0]].mean()
            said = f"The mean of {name!r}, {mean:.6g}, dwarfs its spread, {spread[offset[0]]:.3g}"
            more = f" (and {len(offset) - 1} more features are like it)" if len(offset) > 1 else ""
            notes.append(
                f"{said}{more}: features were centred first, which leaves the {self.name} kernel as it is."
                if self.name in TRANSLATION_INVARIANT
                else f"{said}{more}: to the {self.name} kernel all samples are nearly alike. --standardize takes "
                "means off."
            )
        varied = np.flatnonzero(spread > 0)
        if len(varied) > 1:
            widest = varied[spread[varied].argmax()]
            others = float(np.median(spread[varied[varied != widest]]))
            if spread[widest] > DWARFED * others:
                notes.append(
                    f"The feature {names[int(widest)]!r} spreads over {spread[widest] / others:.2g} times as much as "
                    "the others and all but decides the kernel alone: --standardize, or --drop it."
                )
        if self.name in TRANSLATION_INVARIANT:
            features = features - features.mean(axis=0)
        return features, notes
