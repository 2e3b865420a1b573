"""Features larger than memory: one pass reduces them to a small gram, and the rounds follow from that.

With n samples and p features, ``C = FᵀF`` (p, p), ``FᵀY`` and ``‖Y‖²`` hold all that a schedule needs; the
chunks are read once, wherever Dask's scheduler puts them, and no (n, p) array is ever whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from ..base.validation import Array, InputError, as_matrix, as_targets, check_count
from .memory_cost import features_cost, require_memory
from .spectrum import Spectrum

if TYPE_CHECKING:
    from ..distillation.schedules import Trajectory


@dataclass(frozen=True, eq=False)
class FeatureBasis:
    """Eigenvectors ``V = F @ directions`` of ``F Fᵀ``, applied chunk by chunk and never formed.

    Attributes
    ----------
    features : dask.array (n, p)
    directions : ndarray (p, m)
        Right singular vectors over singular values.
    """

    features: Any
    directions: Array

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, m)``."""
        return int(self.features.shape[0]), int(self.directions.shape[1])

    @property
    def dtype(self) -> Any:
        """Of the numbers computed with."""
        return self.directions.dtype

    def __matmul__(self, coefficients: Array) -> Any:
        """Vectors (n, k) from coefficients (m, k), as a lazy Dask array."""
        return self.features @ (self.directions @ coefficients)


@dataclass(frozen=True, eq=False)
class FeatureSpectrum(Spectrum):
    """Spectrum of features in chunks. Fitted values and dual coefficients come as lazy Dask arrays.

    Attributes
    ----------
    basis : FeatureBasis
    """

    def weights_after(self, trajectory: Trajectory, t: int) -> Array:
        """Weights (p,) or (p, k) after t ≥ 1 rounds: predictions are ``new_features @ weights``.

        Raises
        ------
        InputError
            If t is not one of the trajectory's fits.
        """
        filters = trajectory.filter(check_count(t, "t"))
        basis: Any = self.basis
        # V = F·W/s, and the fit F·w has w = (W/s)·(B z).
        return self.shape_like_targets(basis.directions @ (filters[:, None] * self.coefficients))

    def with_targets(self, targets: Any) -> FeatureSpectrum:
        """Read the features once more, against other targets."""
        basis: Any = self.basis
        columns, single = _target_columns(targets, self.n_samples)
        right = _correlate(basis.features, columns)
        return replace(self, **_coefficients(basis.directions, right, columns), single_output=single)


def feature_spectrum(features: Any, targets: Any) -> FeatureSpectrum:
    """Reduce features in chunks to a spectrum in one pass.

    Runs on whatever scheduler Dask is set to: threads, processes, or a ``distributed`` cluster.

    Parameters
    ----------
    features : dask.array (n, p), or sequence of arrays (n_i, p)
        Chunked by rows; columns are brought together where they are not.
    targets : array (n,) or (n, k), NumPy or Dask

    Returns
    -------
    FeatureSpectrum
        Equal to ``Spectrum.from_features``, except that eigenvalues below about ``1e-15·p·d_max`` count as
        zero (they are read off the small gram, not off the features).

    Raises
    ------
    InputError
        If shapes do not match, values are not finite, or the small gram cannot fit in memory.

    Examples
    --------
    >>> import numpy as np, dask.array as da
    >>> from selfdistill.theory import distill_to_tolerance
    >>> from selfdistill.theory.spectra.chunk_reduction import feature_spectrum
    >>> features = da.random.default_rng(0).standard_normal((2000, 5), chunks=(500, 5))
    >>> spectrum = feature_spectrum(features, np.ones(2000))
    >>> spectrum.eigenvalues.shape, spectrum.n_samples
    ((5,), 2000)
    """
    try:
        da: Any = import_module("dask.array")
    except ModuleNotFoundError:
        raise InputError("features in chunks need Dask: pip install 'selfdistill[dask]'.") from None
    if isinstance(features, Sequence):
        features = da.concatenate([da.asarray(part) for part in _as_chunks(features)])
    features = da.asarray(features)
    if features.ndim != 2 or 0 in features.shape or not np.isfinite(features.shape[0]):
        raise InputError(
            f"features must be (n, features) chunks of known length; got shape {features.shape}. "
            "For a Dask data frame use .to_dask_array(lengths=True)."
        )
    n, p = features.shape
    columns, single = _target_columns(targets, n)
    features = features.rechunk({1: p})
    require_memory(features_cost(p, columns.shape[1], max(features.chunks[0]), n))
    small, right = _reduce(features, columns)
    if not (np.isfinite(small).all() and np.isfinite(right).all()):
        raise InputError(
            "features have NaN or infinite values (or squares that overflow). Remove them first."
        )
    squares, vectors = scipy.linalg.eigh(small, driver="evd", overwrite_a=True, check_finite=False)
    rounding = 4 * p * np.finfo(np.float64).eps * float(squares[-1])
    kept = squares > rounding
    singular = np.sqrt(squares[kept])
    directions = vectors[:, kept] / singular
    return FeatureSpectrum(
        eigenvalues=squares[kept] / n,
        basis=FeatureBasis(features, directions),  # type: ignore[arg-type]
        single_output=single,
        **_coefficients(directions, right, columns),
    )


def _as_chunks(parts: Sequence[Any]) -> list[Array]:
    chunks = [as_matrix(part, "each chunk of features") for part in parts]
    widths = [chunk.shape[1] for chunk in chunks]
    if len(set(widths)) != 1:
        raise InputError(
            "features must come in at least one chunk, all with the same columns; got "
            + (f"chunks of {min(widths)} to {max(widths)} columns." if widths else "none.")
        )
    return chunks


def _target_columns(targets: Any, n: int) -> tuple[Array, bool]:
    if hasattr(targets, "compute"):
        targets = targets.compute()
    y = as_targets(targets, n)
    return y.reshape(n, -1), y.ndim == 1


def _coefficients(directions: Array, right: Array, columns: Array) -> dict[str, Any]:
    coefficients = directions.T @ right
    energy = float(np.sum(columns**2))
    outside = energy - float(np.sum(coefficients**2))
    # Below this the difference is rounding.
    outside = outside if outside > 100 * np.finfo(np.float64).eps * energy else 0.0
    return {"coefficients": coefficients, "targets": columns, "outside_energy": outside}


def _moments(block: Array, rows: Array) -> tuple[Array, Array]:
    """``FᵀF`` (one triangle computed, both filled) and ``FᵀY`` of one chunk."""
    block = np.ascontiguousarray(block, dtype=np.float64)
    # Reading the row-major chunk as its transpose costs no copy.
    lower = scipy.linalg.blas.dsyrk(1.0, block.T, lower=1)
    return np.tril(lower) + np.tril(lower, -1).T, block.T @ rows


def _add(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)  # type: ignore[return-value]


def _pieces(features: Any, columns: Array) -> list[tuple[Any, Array]]:
    blocks = features.to_delayed().ravel()
    ends = np.cumsum(features.chunks[0])
    return [
        (block, columns[end - size : end])
        for block, end, size in zip(blocks, ends, features.chunks[0], strict=True)
    ]


def _reduce(features: Any, columns: Array) -> tuple[Array, Array]:
    """Sum the chunks' moments in a tree, so that few are alive at a time."""
    dask: Any = import_module("dask")
    moments, add = dask.delayed(_moments, pure=False), dask.delayed(_add, pure=False)
    parts = [moments(block, rows) for block, rows in _pieces(features, columns)]
    while len(parts) > 1:
        parts = [add(parts[i : i + 4]) for i in range(0, len(parts), 4)]
    total: tuple[Array, Array] = dask.compute(parts[0])[0]
    return total


def _correlate(features: Any, columns: Array) -> Array:
    dask: Any = import_module("dask")
    product = dask.delayed(lambda block, rows: block.T @ rows, pure=False)
    parts = dask.compute(*(product(block, rows) for block, rows in _pieces(features, columns)))
    return np.asarray(sum(parts))
