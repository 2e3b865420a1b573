"""Which path serves a user's data of a given size, and what it will cost: decided before any work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from time import perf_counter
from typing import Any, Literal

import numpy as np

from ...theory import Cost, InputError, TooLargeError, dense_cost, krylov_cost, require_memory
from ...theory.spectra.memory_cost import available_memory

Kind = Literal["factorised features", "factorised gram", "products with the gram", "kernel in tiles"]
# Beyond this a factorisation takes minutes that a few products do not.
FACTORISED_UP_TO = 10_000
# A factorisation runs at this fraction of the speed of a matrix product.
_FACTORISING = 4.0
# Seconds to evaluate one entry of a kernel, and to read it in a product.
_KERNEL_VALUE, _MULTIPLY = 1e-8, 5e-10
# Operations that a machine does not finish within a day or so.
MOST_OPERATIONS = 5e14


@dataclass(frozen=True)
class Path:
    """How a spectrum is found, with its expected cost."""

    kind: Kind
    cost: Cost

    @property
    def whole_spectrum(self) -> bool:
        """Whether κ and single eigenvectors are known."""
        return self.kind.startswith("factorised")

    @property
    def seconds(self) -> float:
        """Expected time: a guess within a factor of some three."""
        if not self.cost.products:
            return _FACTORISING * self.cost.operations / speed()
        squares = self.cost.operations / (2 * self.cost.products)  # n²
        evaluations = 1 if self.kind == "products with the gram" else self.cost.products
        return (_KERNEL_VALUE * evaluations / 2 + _MULTIPLY * self.cost.products) * squares

    @property
    def announcement(self) -> str:
        """The cost in a sentence."""
        return f"{self.kind}: about {self.cost.memory / 2**30:.2g} GiB of memory, {duration(self.seconds)}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"path": self.kind, **self.cost.to_json(), "expected_seconds": float(f"{self.seconds:.2g}")}


@cache
def speed() -> float:
    """Operations a second of a matrix product, measured once: a few milliseconds."""
    square = np.ones((400, 400))
    square @ square  # the first one starts threads
    start = perf_counter()
    for _ in range(3):
        square @ square
    return 3 * 2 * 400**3 / max(perf_counter() - start, 1e-9)


def duration(seconds: float) -> str:
    """Time in words: to one digit, since it is a guess."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"about {float(f'{seconds / size:.1g}'):g} {unit}s"
    return f"about {max(float(f'{seconds:.1g}'), 1):g} s"


def choose_path(n_samples: int, n_features: int, outputs: int, kernel: str) -> Path:
    """Take the first path that fits: features, factorised gram, stored gram, kernel in tiles.

    Raises
    ------
    InputError
        If none fits in memory, or the kernel in tiles would take days.
    """
    if kernel == "linear":
        small = min(n_samples, n_features)
        memory = 8 * n_samples * (2 * n_features + small + 2 * outputs)
        operations = 6.0 * n_samples * n_features * small
        cost = Cost("factorising features", memory, None, operations, "Take a sample of the rows.")
        return Path("factorised features", require_memory(cost))
    given = kernel == "precomputed"
    dense = dense_cost(n_samples, outputs, build_gram=not given)
    if n_samples <= FACTORISED_UP_TO and fits(dense):
        return Path("factorised gram", dense)
    stored = krylov_cost(n_samples, outputs)
    if not given:  # one triangle of the gram is computed and kept
        stored = replace(stored, memory=stored.memory + 5 * n_samples**2)
    if given or fits(stored):
        return Path("products with the gram", require_memory(stored))
    tiles = krylov_cost(n_samples, outputs, stored=False)
    if tiles.operations > MOST_OPERATIONS:
        raise InputError(
            f"{n_samples} samples need about {dense.memory / 2**30:.1f} GiB for the kernel matrix and its "
            f"factorisation, and {available_memory() / 2**30:.1f} GiB are free; without storing it, "
            f"it takes {duration(Path('kernel in tiles', tiles).seconds)}. Take a sample of the rows, --kernel "
            "linear, or random features with selfdistill.theory.Spectrum.from_chunks."
        )
    return Path("kernel in tiles", require_memory(tiles))


def fits(cost: Cost) -> bool:
    """Whether a cost is within the memory that is free."""
    try:
        require_memory(cost)
    except TooLargeError:
        return False
    return True
