"""Block Lanczos with full reorthogonalisation, on arrays of any kind, and the Krylov spaces it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg

from ..base.arrays import like, namespace, to_host
from ..base.validation import Array, InputError, check_squarable
from .gram_products import Product

_PANEL = 32
# A vector that is shorter than this share of what it was before vectors were taken from it has lost digits.
_CANCELLED = 0.5


class BlockLanczos:
    """Grow an orthonormal basis of ``span{Y, GY, G²Y, …}`` for ``G = gram / n``, and G's projection on it.

    Every new block is made orthogonal to the last two, which it meets, and then to all earlier ones, which only
    rounding makes it meet, so the projection stays the exact one of a nearby matrix however many steps are made;
    columns that become dependent are dropped (Golub and Van Loan,
    section 10.3). The basis is kept in panels, so that growing it copies nothing. What was computed is never
    changed: a `KrylovSpace` is a view of the first few steps, and stays what it is when others ask for more.

    Attributes
    ----------
    sizes : list of int
        Entry s is the number of vectors after s steps.
    diagonals : list of ndarray
        Diagonal blocks of the projection, one a step.
    couplings : list of ndarray
        Entry s couples block s − 1 to block s: ``couplings[0]`` are the targets in the first block, and one
        without rows says that the space is invariant.
    roundings : list of float
        What rounding made, in each step, of entries of the projection that are zero in exact arithmetic: the root
        of their mean square. The first two steps have none.
    """

    def __init__(self, product: Product, targets: Any) -> None:
        self.product = product
        self._panels: list[Any] = []
        self._filled = 0
        self.sizes = [0]
        self.diagonals: list[Array] = []
        self._level = 0.0
        self._recent: list[Any] = []
        self._block, start = self._factor(targets, 0.0)
        self.couplings = [start]
        self.roundings: list[float] = []

    def space(self, passes: int) -> KrylovSpace:
        """Return the space after so many passes (or fewer, where it is invariant), making those that are missing."""
        while len(self.diagonals) < passes and self._block.shape[1]:
            self._step()
        return KrylovSpace(self, min(passes, len(self.diagonals)))

    def _step(self) -> None:
        """Multiply with the newest block, and find the next one."""
        block = self._block
        width = block.shape[1]
        image = self.product.apply(block) / self.product.n_samples
        self._append(block)
        self._recent = [*self._recent[-1:], block]
        near, image = self._leave_recent(image)
        size = _size(image)
        met = self._coefficients(image)
        image = self._remove(image, met)
        unmet = met[: len(met) - len(near)]
        if unmet.size:
            self.roundings.append(float(np.sqrt(np.mean(unmet**2))))
        met[len(met) - len(near) :] += near
        self._check_symmetric(met, width)
        diagonal = met[-width:]
        if _size(image) < _CANCELLED * size:
            second = self._coefficients(image)
            image = self._remove(image, second)
            diagonal = diagonal + second[-width:]
        self._level = max(self._level, float(np.abs(met).max()))
        # What is left of an image below this is the rounding of the product.
        rounding = 4 * np.sqrt(self.product.n_samples) * self.product.roundoff * self._level
        self._block, coupling = self._factor(image, rounding)
        self.diagonals.append((diagonal + diagonal.T) / 2)
        self.couplings.append(coupling)
        self.sizes.append(self.sizes[-1] + width)

    def panels(self, size: int) -> list[Any]:
        """Vectors 0 … size − 1 as rows, a panel at a time."""
        return [
            panel[: min(_PANEL, size - at)]
            for at, panel in zip(range(0, size, _PANEL), self._panels, strict=False)
        ]

    def _append(self, block: Any) -> None:
        xp = namespace(block)
        for j in range(block.shape[1]):
            row = self._filled % _PANEL
            if row == 0:
                shape = (_PANEL, self.product.n_samples)
                self._panels.append(xp.zeros(shape, dtype=block.dtype, device=block.device))
            self._panels[-1][row, :] = block[:, j]
            self._filled += 1

    def _leave_recent(self, image: Any) -> tuple[Array, Any]:
        """Coefficients in the last two blocks, and what is left of the image without them."""
        parts = []
        for block in self._recent:
            parts.append(to_host(block.T @ image).astype(np.float64))
            image = image - block @ like(parts[-1], block)
        return np.concatenate(parts), image

    def _coefficients(self, block: Any) -> Array:
        return _project(self.panels(self._filled), block)

    def _remove(self, block: Any, coefficients: Array) -> Any:
        at = 0
        for panel in self.panels(self._filled):
            block = block - panel.T @ like(coefficients[at : at + len(panel)], panel)
            at += len(panel)
        return block

    def _factor(self, block: Any, negligible: float) -> tuple[Any, Array]:
        """Split a block into orthonormal columns and coefficients, leaving out what is negligible."""
        xp = namespace(block)
        q, r = xp.linalg.qr(block)
        left, singular, right = np.linalg.svd(to_host(r).astype(np.float64))
        level = max(negligible, float(singular[0]) * 16 * self.product.roundoff)
        kept = int(np.sum(singular > level))
        left, singular, right = left[:, :kept], singular[:kept], right[:kept]
        q = q @ like(left, q)
        coefficients = singular[:, None] * right
        if kept and self._panels and singular[-1] < _CANCELLED * singular[0]:
            # Dividing by a small norm enlarged what was left of the earlier blocks.
            q = self._remove(q, self._coefficients(q))
            q, r = xp.linalg.qr(q)
            coefficients = to_host(r).astype(np.float64) @ coefficients
        return q, coefficients

    def _check_symmetric(self, coefficients: Array, width: int) -> None:
        """For a symmetric gram the image meets only the last two blocks, the earlier one in a known way."""
        if not np.isfinite(coefficients).all():
            raise InputError("the products of the gram with finite vectors hold NaN or infinite values.")
        check_squarable(
            float(np.abs(coefficients).max(initial=0.0)), "every product of the gram with a unit vector"
        )
        expected = np.zeros((self._filled - width, width))
        if len(self.couplings) > 1:
            before = self.couplings[-1]
            expected[len(expected) - before.shape[1] :] = before.T
        largest = max(float(np.abs(coefficients).max()), self._level)
        worst = float(np.abs(coefficients[: len(expected)] - expected).max(initial=0.0))
        if worst > max(1e3 * self.product.n_samples * self.product.roundoff, 1e-9) * largest:
            raise InputError(
                f"the gram is not symmetric: uᵀ(Gv) and vᵀ(Gu) differ by {worst * self.product.n_samples:.3g} "
                "for unit vectors. A kernel matrix k(x_i, x_j) is symmetric; so must the product be."
            )


@dataclass(frozen=True, eq=False)
class KrylovSpace:
    """The first `passes` blocks of a Lanczos process: a value, whatever the process goes on to.

    Attributes
    ----------
    process : BlockLanczos
    passes : int
        Blocks that the gram was multiplied with: how often it was read, or the kernel evaluated.
    """

    process: BlockLanczos
    passes: int

    def grown(self, passes: int) -> KrylovSpace:
        """Return the space after so many passes in all; those that another run made are not made again."""
        return self.process.space(passes)

    @property
    def n_samples(self) -> int:
        """Number of training points n."""
        return self.process.product.n_samples

    @property
    def size(self) -> int:
        """Number of directions m."""
        return self.process.sizes[self.passes]

    @property
    def products(self) -> int:
        """Products of the gram with one vector that the space took."""
        return self.size

    @property
    def start(self) -> Array:
        """The targets in the first block, (m_1, k)."""
        return self.process.couplings[0]

    @property
    def next_coupling(self) -> Array:
        """What couples the last block to the next one; no rows where the space is invariant."""
        return self.process.couplings[self.passes]

    @property
    def width(self) -> int:
        """Number of columns of the next product; 0 where the space is invariant."""
        return len(self.next_coupling)

    @property
    def invariant(self) -> bool:
        """Whether the gram maps the space into itself, up to rounding."""
        return self.width == 0

    @property
    def pattern(self) -> Any:
        """An empty array of the kind, device and precision of the vectors."""
        return self.process.product.pattern

    @property
    def roundoff(self) -> float:
        """Precision of the products."""
        return self.process.product.roundoff

    @property
    def rounding_level(self) -> float:
        """Below this an eigenvalue of G is rounding."""
        largest = float(self.ritz[0].max(initial=0.0))
        return float(4 * np.sqrt(self.n_samples) * self.roundoff * largest)

    @property
    def entry_rounding(self) -> float:
        """What rounding makes of an entry of the projection, as seen in those that are zero in exact arithmetic.

        The median over the steps: where columns were dropped a few entries hold more, and are no rounding.
        """
        seen = self.process.roundings[: max(self.passes - 2, 0)]
        return float(np.median(seen)) if seen else 0.0

    @property
    def narrow(self) -> bool:
        """Whether every block is a single vector: then the projection is tridiagonal."""
        return self.size == self.passes

    def tridiagonal(self) -> tuple[Array, Array]:
        """Diagonal and off-diagonal of the projection of a narrow space."""
        diagonal = np.array([block[0, 0] for block in self.process.diagonals[: self.passes]])
        beside = np.array([block[0, 0] for block in self.process.couplings[1 : self.passes]])
        return diagonal, beside

    def projected(self) -> Array:
        """``QᵀGQ``, block tridiagonal, (m, m)."""
        matrix = np.zeros((self.size, self.size))
        at = 0
        for i, diagonal in enumerate(self.process.diagonals[: self.passes]):
            width = len(diagonal)
            matrix[at : at + width, at : at + width] = diagonal
            if i + 1 < self.passes:
                beta = self.process.couplings[i + 1]
                after = slice(at + width, at + width + len(beta))
                matrix[after, at : at + width] = beta
                matrix[at : at + width, after] = beta.T
            at += width
        return matrix

    @cached_property
    def ritz(self) -> tuple[Array, Array]:
        """Eigenvalues, ascending, and eigenvectors of the projection."""
        if not self.passes:
            return np.zeros(0), np.zeros((0, 0))
        if self.narrow:
            values, vectors = scipy.linalg.eigh_tridiagonal(*self.tridiagonal(), check_finite=False)
        else:
            values, vectors = scipy.linalg.eigh(self.projected(), driver="evd", check_finite=False)
        return np.asarray(values), np.asarray(vectors)

    @cached_property
    def ritz_couplings(self) -> Array:
        """What couples each Ritz vector to the next block, (width, m)."""
        vectors = self.ritz[1]
        return np.asarray(self.next_coupling @ vectors[len(vectors) - self.next_coupling.shape[1] :])

    def residual(self, ridge: float) -> float:
        """Norm of the residual of ``(G + ridge) X = Y`` solved in the space."""
        if self.narrow:
            diagonal, beside = self.tridiagonal()
            band = np.stack([np.append(0.0, beside), diagonal + ridge])
            right = np.zeros(self.size)
            right[0] = 1.0
            last = scipy.linalg.solveh_banded(band, right, check_finite=False)[-1]
            return float(np.abs(last) * np.linalg.norm(self.next_coupling) * np.linalg.norm(self.start))
        values, vectors = self.ritz
        first = vectors[: len(self.start)].T @ self.start
        return float(np.linalg.norm((self.ritz_couplings / (values + ridge)) @ first))

    def project(self, columns: Any) -> Array:
        """``Qᵀ columns`` (m, k) as NumPy float64."""
        return _project(self.process.panels(self.size), columns)

    def expand(self, coefficients: Array) -> Any:
        """Map coefficients (m, k) in the vectors of the space to vectors (n, k)."""
        total, at = None, 0
        for panel in self.process.panels(self.size):
            part = panel.T @ like(coefficients[at : at + len(panel)], panel)
            total, at = part if total is None else total + part, at + len(panel)
        if total is None:
            return like(np.zeros((self.n_samples, coefficients.shape[1])), self.pattern)
        return total


def _size(block: Any) -> float:
    return float(np.linalg.norm(to_host(namespace(block).linalg.vector_norm(block, axis=0))))


def _project(panels: list[Any], block: Any) -> Array:
    parts = [to_host(panel @ block) for panel in panels]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, block.shape[1]))
