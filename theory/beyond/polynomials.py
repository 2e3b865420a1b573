"""Mixtures of rounds as orthogonal polynomials, and their predictions at samples that were left out.

With a fixed ridge one fit multiplies a direction by ``a = d/(d + c)`` and leaves the share ``u = 1 − a`` of the
targets. Fitting the residuals again and again gives the filters ``a uʲ``, of which every mixture of rounds is a
sum. Powers of u are nearly parallel, so that ten of them cannot be told apart in double precision. Polynomials
that are orthogonal under the targets' own weights span the same mixtures and can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import to_host
from ..base.validation import LARGEST_SQUARED, Array, InputError
from ..distillation.left_out_run import outside_basis
from ..spectra.spectrum import Spectrum

# A polynomial that keeps less of its norm than this after orthogonalisation is rounding, not a new direction.
_LEAST_SHARE = 1e-10


@dataclass(frozen=True, eq=False)
class ResidualPolynomials:
    """Polynomials ``Q_1 … Q_k`` in u without a constant term: the filters ``a Q_j`` are orthonormal under the weights.

    Attributes
    ----------
    shifts, previous, scales : ndarray (k,)
        The recurrence ``Q_{j+1} = ((u − shift_j) Q_j − previous_j Q_{j−1}) / scale_j``, from ``Q_0 = 1``.
    values : ndarray (k, m)
        Q_j at the u of every direction.
    coefficients : ndarray (k, k)
        Row j − 1 holds Q_j as a sum of u¹ … uᵏ.
    """

    shifts: Array
    previous: Array
    scales: Array
    values: Array
    coefficients: Array

    def __len__(self) -> int:
        return len(self.scales)

    def raised(self, j: int, left: Array, now: Array, before: Array) -> Array:
        """Take the recurrence to its j-th polynomial, from the one before and the one before that."""
        step = j - 1
        return np.asarray(
            ((left - self.shifts[step]) * now - self.previous[step] * before) / self.scales[step]
        )


def residual_polynomials(left: Array, weights: Array, steps: int) -> ResidualPolynomials:
    """Orthonormalise ``u, u², …, uᵏ`` times ``1 − u`` under the weights (the Lanczos process, reorthogonalised).

    Parameters
    ----------
    left : ndarray (m,)
        u, the share of every direction that one fit leaves.
    weights : ndarray (m,)
        Non-negative weight of every direction.
    steps : int
        Largest power k. Fewer polynomials come back where fewer directions can be told apart.

    Raises
    ------
    InputError
        If the shares are so small that their powers cannot be told from zero.
    """
    measure = weights * (1 - left) ** 2
    shifts, previous, scales = [], [], []
    values: list[Array] = []
    rows: list[Array] = []
    last, last_row = np.ones(len(left)), np.zeros(steps + 1)
    last_row[0] = 1.0
    for j in range(steps):
        raised = left * last
        size = np.sqrt(np.sum(measure * raised**2))
        row = np.roll(last_row, 1)
        # Twice is enough for orthogonality at rounding level; the recurrence keeps the sum of both passes.
        taken = np.zeros(len(values))
        for _ in range(2):
            for i, value in enumerate(values):
                share = float(np.sum(measure * value * raised))
                raised = raised - share * value
                taken[i] += share
        scale = float(np.sqrt(np.sum(measure * raised**2)))
        if scale <= _LEAST_SHARE * size or scale == 0.0:
            break
        for i, share in enumerate(taken):
            row = row - share * rows[i]
        if np.abs(row).max() > LARGEST_SQUARED * scale:
            raise InputError(
                f"one fit leaves {left.max():.3g} of the targets at most, so that the weights of {steps} rounds have "
                "no digits left: choose a larger ridge, or fewer steps."
            )
        last, last_row = raised / scale, row / scale
        shifts.append(taken[-1] if j else 0.0)
        previous.append(taken[-2] if j > 1 else 0.0)
        scales.append(scale)
        values.append(last)
        rows.append(last_row)
    return ResidualPolynomials(
        np.array(shifts),
        np.array(previous),
        np.array(scales),
        np.array(values).reshape(len(values), len(left)),
        np.array(rows).reshape(len(rows), steps + 1)[:, 1:],
    )


def left_out_predictions(polynomials: ResidualPolynomials, spectrum: Spectrum, left: Array) -> Array:
    """Predict every sample by runs that never saw it, for the filters ``a`` and ``a Q_1 … a Q_k``.

    A run without sample i is the run on all samples in which the target of sample i is, in every fit, the
    prediction of that fit at sample i. So its targets differ from those of the run on all samples by multiples of
    the i-th unit vector, which pass through the same recurrence; each multiple follows from the diagonal of a
    filter. The penalty ``n c`` that the gram sees is held when a sample is left out.

    Parameters
    ----------
    polynomials : ResidualPolynomials
    spectrum : Spectrum
        One that knows all eigenvectors.
    left : ndarray (m,)
        u of every direction.

    Returns
    -------
    ndarray (1 + len(polynomials), n, k)
    """
    length, remainder = outside_basis(spectrum)
    left = np.append(left, 1.0)  # the last entry of a filter is its value outside the basis, where u = 1

    def apply(filter_: Array) -> Array:
        inside = to_host(spectrum.expand(filter_[:-1, None] * spectrum.coefficients)).astype(np.float64)
        return np.asarray(inside + filter_[-1] * remainder)

    def diagonals(filters: Array) -> Array:
        return spectrum.basis.diagonal(filters[:, :-1]) + length[:, None] * filters[:, -1]

    own, own_before = np.ones_like(left), np.zeros_like(left)
    denominator = diagonals(left[None])
    moves: list[Array] = []  # the multiple of the i-th unit vector that entered with every fit, (n, k)
    moved = np.empty((0, len(left)))  # what those unit vectors have become by now, and one fit earlier
    moved_before = np.empty((0, len(left)))
    predictions = []
    for j in range(len(polynomials) + 1):
        if j:
            own, own_before = polynomials.raised(j, left, own, own_before), own
            moved, moved_before = polynomials.raised(j, left, moved, moved_before), moved
        gap, passed = -apply(left * own), apply(own)
        if moves:
            gone, kept = diagonals(left * moved), diagonals(moved)
            for r, move in enumerate(moves):
                gap = gap - move * gone[:, r, None]
                passed = passed + move * kept[:, r, None]
        moves.append(gap / denominator)
        moved = np.vstack([moved, np.ones_like(left)])
        moved_before = np.vstack([moved_before, np.zeros_like(left)])
        predictions.append(passed + moves[-1])
    return np.array(predictions)
