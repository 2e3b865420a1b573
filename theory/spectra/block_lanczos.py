"""Block Lanczos with full reorthogonalisation, on arrays of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import like, namespace, to_host
from ..base.validation import Array, InputError
from .gram_products import Product

_PANEL = 32


class BlockLanczos:
    """Orthonormal basis of ``span{Y, GY, G²Y, …}`` for ``G = gram / n``, and G's projection on it.

    Every new block is made orthogonal to all earlier ones, twice, so the projection stays the exact one of a
    nearby matrix however many steps are made; columns that become dependent are dropped (Golub and Van Loan,
    section 10.3). The basis is kept in panels, so that growing it copies nothing.

    Attributes
    ----------
    start : ndarray (k_0, k)
        The targets in the first block: ``Y = Q_0 start``.
    next_norm : ndarray (k', k)
        What couples the last block to the next one; no rows when the space is complete.
    products, passes : int
        Vectors and blocks that the gram was multiplied with.
    """

    def __init__(self, product: Product, targets: Any) -> None:
        self.n_samples = product.n_samples
        self.roundoff = product.roundoff
        self.products = self.passes = 0
        self.product = product
        self._panels: list[Any] = []
        self._diagonal: list[Array] = []
        self._coupling: list[Array] = []
        self._size = 0
        self._level = 0.0
        self._block, self.start = self._factor(targets, 0.0)
        self.next_norm: Array = self.start
        self._ritz: tuple[Array, Array] | None = None

    @property
    def width(self) -> int:
        """Number of columns of the next product; 0 when the space is complete."""
        return int(self._block.shape[1])

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return int(self.product.pattern.dtype.itemsize)

    @property
    def complete(self) -> bool:
        """Whether G maps the space into itself, up to rounding."""
        return self.width == 0

    @property
    def rounding_level(self) -> float:
        """Below this an eigenvalue of G is rounding."""
        largest = float(self.ritz()[0].max(initial=0.0))
        return float(4 * np.sqrt(self.n_samples) * self.roundoff * largest)

    def step(self) -> None:
        """Multiply with the newest block, and find the next one."""
        if self.complete:
            return
        block = self._block
        image = self.product.apply(block) / self.n_samples
        self.products += self.width
        self.passes += 1
        self._append(block)
        first = self._coefficients(image)
        width = block.shape[1]
        self._check_symmetric(first, width)
        image = self._remove(image, first)
        second = self._coefficients(image)
        image = self._remove(image, second)
        diagonal = (first + second)[-width:]
        self._diagonal.append((diagonal + diagonal.T) / 2)
        self._ritz = None
        self._level = max(self._level, float(np.abs(first).max()))
        self._block, self.next_norm = self._factor(image, 16 * self.roundoff * self._level)
        if self.width:
            self._coupling.append(self.next_norm)

    def projected(self) -> Array:
        """``QᵀGQ``, block tridiagonal, (m, m)."""
        matrix = np.zeros((self._size, self._size))
        at = 0
        for i, diagonal in enumerate(self._diagonal):
            width = len(diagonal)
            matrix[at : at + width, at : at + width] = diagonal
            if at + width < self._size:
                beta = self._coupling[i]
                after = slice(at + width, at + width + len(beta))
                matrix[after, at : at + width] = beta
                matrix[at : at + width, after] = beta.T
            at += width
        return matrix

    def ritz(self) -> tuple[Array, Array]:
        """Eigenvalues, ascending, and eigenvectors of the projection."""
        if self._ritz is None:
            values, vectors = np.linalg.eigh(self.projected())
            self._ritz = values, vectors
        return self._ritz

    def residual(self, penalty: float) -> float:
        """Norm of the residual of ``(G + penalty) X = Y`` solved in the space."""
        shifted = self.projected() + penalty * np.eye(self._size)
        right = np.zeros((self._size, self.start.shape[1]))
        right[: len(self.start)] = self.start
        solved = np.linalg.solve(shifted, right)
        return float(np.linalg.norm(self.next_norm @ solved[-self.next_norm.shape[1] :]))

    def expand(self, coefficients: Array) -> Any:
        """Map coefficients (m, p) in the basis to vectors (n, p)."""
        total, at = None, 0
        for panel, filled in self._filled():
            part = panel[:filled].T @ like(coefficients[at : at + filled], panel)
            total, at = part if total is None else total + part, at + filled
        return total

    def _filled(self) -> list[tuple[Any, int]]:
        full = [(panel, _PANEL) for panel in self._panels[:-1]]
        return [*full, (self._panels[-1], self._size - _PANEL * len(full))] if self._panels else []

    def _append(self, block: Any) -> None:
        xp = namespace(block)
        for j in range(block.shape[1]):
            row = self._size % _PANEL
            if row == 0:
                empty = xp.zeros((_PANEL, self.n_samples), dtype=block.dtype, device=block.device)
                self._panels.append(empty)
            self._panels[-1][row, :] = block[:, j]
            self._size += 1

    def _coefficients(self, block: Any) -> Array:
        parts = [to_host(panel[:filled] @ block) for panel, filled in self._filled()]
        return np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, block.shape[1]))

    def _remove(self, block: Any, coefficients: Array) -> Any:
        at = 0
        for panel, filled in self._filled():
            block = block - panel[:filled].T @ like(coefficients[at : at + filled], panel)
            at += filled
        return block

    def _factor(self, block: Any, negligible: float) -> tuple[Any, Array]:
        """Split a block into orthonormal columns and coefficients, leaving out what is negligible."""
        xp = namespace(block)
        q, r = xp.linalg.qr(block)
        left, singular, right = np.linalg.svd(to_host(r).astype(np.float64))
        level = max(negligible, float(singular[0]) * 16 * self.roundoff)
        kept = int(np.sum(singular > level))
        left, singular, right = left[:, :kept], singular[:kept], right[:kept]
        q = q @ like(left, q)
        coefficients = singular[:, None] * right
        if kept and self._panels:
            # Dividing by a small norm enlarged what was left of the earlier blocks.
            q = self._remove(q, self._coefficients(q))
            q, r = xp.linalg.qr(q)
            coefficients = to_host(r).astype(np.float64) @ coefficients
        return q, coefficients

    def _check_symmetric(self, coefficients: Array, width: int) -> None:
        """For a symmetric gram the image meets only the last two blocks, the earlier one in a known way."""
        if not np.isfinite(coefficients).all():
            raise InputError("the products of the gram with finite vectors hold NaN or infinite values.")
        expected = np.zeros((self._size - width, width))
        if self._coupling:
            before = self._coupling[-1]
            expected[len(expected) - before.shape[1] :] = before.T
        largest = max(float(np.abs(coefficients).max()), self._level)
        worst = float(np.abs(coefficients[: len(expected)] - expected).max(initial=0.0))
        if worst > max(1e3 * self.n_samples * self.roundoff, 1e-9) * largest:
            raise InputError(
                f"the gram is not symmetric: uᵀ(Gv) and vᵀ(Gu) differ by {worst * self.n_samples:.3g} for "
                "unit vectors. A kernel matrix k(x_i, x_j) is symmetric; so must the product be."
            )
