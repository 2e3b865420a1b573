"""One run with every sample left out in turn: the filters of its rounds and the moves that leave a sample out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array
from ..spectra.bases import DenseBasis
from ..spectra.spectrum import Spectrum
from .schedules import FixedRidge


class LeftOutRun:
    """One run with its filters: what its rounds leave of given and of moved targets, at single samples or groups."""

    def __init__(self, spectrum: Spectrum, schedule: FixedRidge) -> None:
        ridges, weights = np.asarray(schedule.ridge), np.asarray(schedule.ground_truth_weight)
        self.spectrum, self.weights = spectrum, weights
        self.filters = _filters(np.append(spectrum.eigenvalues, 0.0), ridges, weights)
        self.rounds = len(ridges)

    def singles(self, y: Array) -> Array:
        """Left-out predictions (T, n, k), every sample alone."""
        filters = self.filters
        length, remainder = outside_basis(self.spectrum)
        diagonals = self.spectrum.basis.diagonal(filters.responses[:, :-1])
        diagonals += length[:, None] * filters.responses[:, -1]
        residuals = _residuals(self.spectrum, filters.residuals, remainder)
        return self._predict(
            y,
            residuals,
            lambda row, move: diagonals[:, row, None] * move,
            lambda row, pushed: pushed / diagonals[:, row, None],
        )

    def together(self, members: Array, y: Array | None) -> Array:
        """Left-out predictions (T, g, k) at samples that are left out together.

        Without targets, those for all n one-hot targets: the weights (T, g, n) of every sample.
        """
        spectrum, filters = self.spectrum, self.filters
        rows = _rows(spectrum, members)
        n = spectrum.n_samples
        unit = np.zeros((len(members), n))
        unit[np.arange(len(members)), members] = 1.0
        # The part of these samples outside the basis, as rows over all samples.
        outside = unit - to_host(spectrum.expand(rows.T)).T if _incomplete(spectrum) else np.zeros_like(unit)
        if y is None:
            y = np.eye(n)
            inside = to_host(
                spectrum.expand((rows[:, None] * filters.residuals[:, :-1]).reshape(-1, rows.shape[1]).T)
            )
            residuals = inside.T.reshape(len(members), self.rounds, n).transpose(1, 0, 2)
        else:
            residuals = (rows * filters.residuals[:, None, :-1]) @ spectrum.coefficients
        residuals = residuals + filters.residuals[:, -1, None, None] * (outside @ y)
        responses = (rows * filters.responses[:, None, :-1]) @ rows.T
        responses += filters.responses[:, -1, None, None] * outside[:, members]
        return self._predict(
            y[members],
            residuals,
            lambda row, move: responses[row] @ move,
            lambda row, pushed: np.linalg.solve(responses[row], pushed),
        )

    def _predict(
        self,
        y: Array,
        residuals: Array,
        respond: Callable[[int, Array], Array],
        solve: Callable[[int, Array], Array],
    ) -> Array:
        """Find every round's move of the left-out targets, and with it their predictions."""
        which = self.filters.which
        predictions = np.empty((self.rounds, *y.shape))
        moves: list[Array] = []
        previous = y
        for t, weight in enumerate(self.weights):
            target = previous if t == 0 else weight * y + (1 - weight) * previous
            pushed = residuals[t]
            for r, move in enumerate(moves):
                pushed = pushed + respond(which[t, r], move)
            moves.append(-solve(which[t, t], pushed))
            predictions[t] = previous = target + moves[-1]
        return predictions


@dataclass(frozen=True)
class Filters:
    """Diagonal operators of a run: rows are filters over the directions.

    Attributes
    ----------
    residuals : ndarray (T, m)
        Row t takes the given targets to what the fit of round t + 1 leaves of its own targets.
    responses : ndarray (J, m)
        What that fit leaves of a target moved in the same round, or of an earlier move by then.
    which : ndarray of int (T, T)
        ``which[t, r]``, r ≤ t, is the row of `responses` for a move in round r + 1, seen in round t + 1.
    """

    residuals: Array
    responses: Array
    which: Array


def _filters(d: Array, penalties: Array, weights: Array) -> Filters:
    rounds = len(penalties)
    kept, left = d / (d + penalties[:, None]), penalties[:, None] / (d + penalties[:, None])
    residuals = np.empty_like(kept)
    target = np.ones_like(d)
    for t in range(rounds):
        residuals[t] = left[t] * target
        if t + 1 < rounds:
            target = weights[t + 1] + (1 - weights[t + 1]) * kept[t] * target
    which = np.zeros((rounds, rounds), np.int64)
    lags = np.arange(rounds)
    if len(set(penalties)) == 1 and len(set(weights[1:])) <= 1:
        # All rounds are alike: what is left of a move depends on its age alone.
        which = np.maximum(lags[:, None] - lags, 0)
        return Filters(residuals, left[0] * ((1 - weights[-1]) * kept[0]) ** lags[:, None], which)
    responses: list[Array] = []
    moved = np.empty((rounds, len(d)))  # the fits' values of every earlier move
    for t in range(rounds):
        for r in range(t):
            which[t, r] = len(responses)
            responses.append(left[t] * (1 - weights[t]) * moved[r])
            moved[r] *= (1 - weights[t]) * kept[t]
        which[t, t] = len(responses)
        responses.append(left[t])
        moved[t] = kept[t]
    return Filters(residuals, np.array(responses).reshape(-1, len(d)), which)


def outside_basis(spectrum: Spectrum) -> tuple[Array, Array]:
    """Squared length of every sample's part outside the basis (n,), and the targets' part there (n, k)."""
    n, outputs = spectrum.n_samples, spectrum.n_outputs
    if not _incomplete(spectrum):
        return np.zeros(n), np.zeros((n, outputs))
    length = 1 - spectrum.basis.diagonal(np.ones(len(spectrum.eigenvalues)))
    remainder = to_host(spectrum.targets) - to_host(spectrum.expand(spectrum.coefficients))
    # Such a sample alone spans a direction of the features: what is left of it is rounding.
    spanned = length < 100 * np.sqrt(n) * spectrum.roundoff
    length[spanned], remainder[spanned] = 0.0, 0.0
    return length, remainder


def _incomplete(spectrum: Spectrum) -> bool:
    """Whether there are fewer directions than samples, so that the targets may have a part outside all of them."""
    return len(spectrum.eigenvalues) < spectrum.n_samples


def _rows(spectrum: Spectrum, samples: Array) -> Array:
    """Rows (g, m) of the eigenvectors."""
    if isinstance(spectrum.basis, DenseBasis):
        return to_host(spectrum.basis.vectors[samples]).astype(np.float64, copy=False)
    unit = np.zeros((spectrum.n_samples, len(samples)))
    unit[samples, np.arange(len(samples))] = 1.0
    return np.asarray(spectrum.basis.project(unit).T)


def _residuals(spectrum: Spectrum, filters: Array, remainder: Array) -> Array:
    """Residuals (T, n, k) of every round's fit to its own targets, in the run on all samples."""
    rounds, outputs = len(filters), spectrum.n_outputs
    scaled = filters[:, :-1, None] * spectrum.coefficients
    columns = scaled.transpose(1, 0, 2).reshape(-1, rounds * outputs)
    inside = to_host(spectrum.expand(columns)).astype(np.float64, copy=False).reshape(-1, rounds, outputs)
    return inside.transpose(1, 0, 2) + filters[:, -1, None, None] * remainder
