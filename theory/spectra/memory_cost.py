"""What a computation will need, said before it starts, and refused where it cannot fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..base.validation import (
    InputError,
    check_count,
    check_flag,
    check_kind,
    check_nonnegative,
    check_positive,
)

# Of the memory that is free, this much may be asked for.
_SHARE = 0.9


class TooLargeError(InputError):
    """The computation cannot fit in memory; the message says what would.

    Attributes
    ----------
    cost : Cost
    available : int
        Bytes that were free.
    """

    def __init__(self, cost: Cost, available: int) -> None:
        self.cost, self.available = cost, available
        super().__init__(
            f"{cost.method} needs about {_gib(cost.memory)} of memory and {_gib(available)} are free. {cost.hint}"
        )


@dataclass(frozen=True)
class Cost:
    """Expected memory and work.

    Attributes
    ----------
    method : str
    memory : int
        Bytes at the peak, besides what the caller holds already.
    products : int or None
        Products of the gram with a vector that one would expect (Krylov), an upper estimate.
    operations : float
        Floating-point operations.
    hint : str
        What to do if it is too much.
    """

    method: str
    memory: int
    products: int | None
    operations: float
    hint: str

    def to_json(self) -> dict[str, Any]:
        """Fields as JSON values."""
        return {
            "method": self.method,
            "memory_bytes": self.memory,
            "products": self.products,
            "operations": self.operations,
        }


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"


def available_memory() -> int:
    """Bytes that can be taken without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def dense_cost(n_samples: int, outputs: int = 1, *, itemsize: int = 8, build_gram: bool = False) -> Cost:
    """Cost of `Spectrum.from_gram`: eigenvectors, and the workspace of divide and conquer.

    Parameters
    ----------
    n_samples, outputs : int
    itemsize : int
        Bytes of a number.
    build_gram : bool
        Whether the gram has still to be computed.
    """
    n_samples, outputs = check_count(n_samples, "n_samples"), check_count(outputs, "outputs")
    itemsize = check_count(itemsize, "itemsize")
    squares = 4 + int(check_flag(build_gram, "build_gram"))
    return Cost(
        "factorising the gram",
        squares * itemsize * n_samples**2 + 16 * n_samples * outputs,
        None,
        9.0 * n_samples**3,
        "Use Spectrum.krylov: on the gram it needs next to nothing more, with a kernel and points= it stores "
        "no gram at all; or random features (fourier_features, relu_features) with Spectrum.from_chunks.",
    )


def krylov_cost(
    n_samples: int, outputs: int = 1, *, products: int = 100, itemsize: int = 8, stored: bool = True
) -> Cost:
    """Cost of `Spectrum.krylov`: the vectors of the space, twice, besides a gram that is there or tiles of one.

    Parameters
    ----------
    n_samples, outputs : int
    products : int
        Vectors multiplied; see `expected_products`.
    itemsize : int
        Bytes of a number.
    stored : bool
        Whether the gram is held; else its tiles are computed in every pass.
    """
    from .gram_products import TILE_BYTES, cores

    n_samples, outputs = check_count(n_samples, "n_samples"), check_count(outputs, "outputs")
    products, itemsize = check_count(products, "products", least=0), check_count(itemsize, "itemsize")
    check_flag(stored, "stored")
    tiles = 0 if stored else TILE_BYTES * cores()
    return Cost(
        "the Krylov space",
        itemsize * n_samples * (2 * products + 6 * outputs) + tiles,
        products,
        2.0 * products * n_samples**2,
        "Fewer products do with a larger epsilon or tolerance; or use random features (fourier_features, "
        "relu_features) with Spectrum.from_chunks, whose cost does not grow with n².",
    )


def features_cost(n_features: int, outputs: int, rows: int, n_samples: int = 0) -> Cost:
    """Cost of `Spectrum.from_chunks`: a few (p, p) matrices and a few chunks.

    Parameters
    ----------
    n_features, outputs : int
    rows : int
        Rows of the largest chunk.
    n_samples : int
        For the operations.
    """
    from .gram_products import cores

    n_features, outputs = check_count(n_features, "n_features"), check_count(outputs, "outputs")
    rows, n_samples = check_count(rows, "rows"), check_count(n_samples, "n_samples", least=0)
    chunk = 8 * rows * n_features
    return Cost(
        "reducing features in chunks",
        8 * 6 * n_features**2 + (2 * chunk + 16 * n_features**2) * cores() + 16 * n_samples * outputs,
        None,
        float(n_samples) * n_features**2 + 9.0 * n_features**3,
        "Use fewer features, or chunks of fewer rows (features.rechunk).",
    )


def expected_products(largest_eigenvalue: float, penalty: float, tolerance: float, outputs: int = 1) -> int:
    """Products that solve a ridge system to a tolerance, whatever the spectrum: ``√(d_max/c)·ln(2/tol)/2``.

    An upper estimate: kernels' eigenvalues decay, and the process profits from that.
    """
    largest_eigenvalue = check_nonnegative(largest_eigenvalue, "largest_eigenvalue")
    outputs = check_count(outputs, "outputs")
    condition = 1 + largest_eigenvalue / check_positive(penalty, "penalty")
    tolerance = check_positive(tolerance, "tolerance")
    if not math.isfinite(condition):
        raise InputError("the penalty is too small beside the largest eigenvalue for any number of products.")
    return outputs * max(1, math.ceil(math.sqrt(condition) * (math.log(2) - math.log(tolerance)) / 2))


def require_memory(cost: Cost, available: int | None = None) -> Cost:
    """Return the cost if it fits.

    Raises
    ------
    TooLargeError
        If it does not; the message says what would.
    """
    check_kind(cost, "cost", Cost, "dense_cost, krylov_cost or features_cost")
    free = available_memory() if available is None else check_count(available, "available", least=0)
    if cost.memory > _SHARE * free:
        raise TooLargeError(cost, free)
    return cost
