"""Which path serves a user's data of a given size, and what it will cost: decided before any work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from ...theory import Cost, InputError, TooLargeError, dense_cost, krylov_cost, require_memory
from ...theory.spectra.memory_cost import available_memory

Kind = Literal["factorised features", "factorised gram", "products with the gram", "kernel in tiles"]
# Beyond this a factorisation takes minutes that a few products do not.
FACTORISED_UP_TO = 10_000
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
    def announcement(self) -> str:
        """The cost in a sentence."""
        products = f" and at first guess {self.cost.products} products" if self.cost.products else ""
        return (
            f"{self.kind}: about {self.cost.memory / 2**30:.2g} GiB of memory{products}, "
            f"{self.cost.operations:.1g} operations."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"path": self.kind, **self.cost.to_json()}


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
    if not given:
        stored = replace(stored, memory=stored.memory + 2 * 8 * n_samples**2)
    if given or fits(stored):
        return Path("products with the gram", require_memory(stored))
    tiles = krylov_cost(n_samples, outputs, stored=False)
    if tiles.operations > MOST_OPERATIONS:
        raise InputError(
            f"{n_samples} samples need about {dense.memory / 2**30:.1f} GiB for the kernel matrix and its "
            f"factorisation, and {available_memory() / 2**30:.1f} GiB are free; without storing it, "
            f"{tiles.operations:.0e} operations. Take a sample of the rows, --kernel linear, or random features "
            "with selfdistill.theory.Spectrum.from_chunks."
        )
    return Path("kernel in tiles", require_memory(tiles))


def fits(cost: Cost) -> bool:
    """Whether a cost is within the memory that is free."""
    try:
        require_memory(cost)
    except TooLargeError:
        return False
    return True
