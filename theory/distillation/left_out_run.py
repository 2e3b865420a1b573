"""One run with every sample left out in turn: the filters of its rounds, the moves that leave a sample out, and the
weight of the given targets that is best there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.arrays import to_host
from ..base.validation import LEAST_INVERTIBLE, Array, InputError
from ..spectra.bases import DenseBasis
from ..spectra.spectrum import Spectrum

# What is kept of the rounds' mixtures grows with their square.
_MOST_ROUNDS = 5_000


class LeftOutRun:
    """One run with every sample, or every group of them, left out in turn.

    A student is linear in the weight of the given targets, so that a round is the fit to the last outputs alone,
    mixed with the fit to the given targets. That also finds the best weight: least squares in one unknown.

    Parameters
    ----------
    spectrum : Spectrum
        One that knows all eigenvectors.
    ridges : ndarray (T,)
    weights : ndarray (T,), optional
        Weight of the given targets in every round, of which the first has no effect. If there are none, `singles`
        chooses for every round the one that is best at the left-out samples, given those before it.
    clip : bool
        Whether weights that are chosen must stay in [0, 1].

    Attributes
    ----------
    weights : ndarray (T,)
        The given ones, or those chosen.
    """

    def __init__(
        self, spectrum: Spectrum, ridges: Array, weights: Array | None, *, clip: bool = True
    ) -> None:
        if len(ridges) > _MOST_ROUNDS:
            raise InputError(
                f"rounds must be at most {_MOST_ROUNDS} where samples are left out; got {len(ridges)}."
            )
        self.spectrum, self.rounds, self.clip = spectrum, len(ridges), clip
        self.chooses = weights is None
        self.weights = np.ones(self.rounds)
        if weights is not None:
            self.weights[1:] = weights[1:]
        self.filters, self.which = _filters(np.append(spectrum.eigenvalues, 0.0), ridges)

    def singles(self, y: Array) -> Array:
        """Left-out predictions (T, n, k), every sample alone."""
        length, remainder = outside_basis(self.spectrum)
        diagonals = self.spectrum.basis.diagonal(self.filters[:, :-1])
        diagonals += length[:, None] * self.filters[:, -1]
        needed = self._needed()
        residuals = _residuals(self.spectrum, self.filters[needed], remainder)
        return self._predict(
            y,
            dict(zip(needed, residuals, strict=True)),
            lambda row, move: diagonals[:, row, None] * move,
            lambda row, pushed: pushed / diagonals[:, row, None],
        )

    def together(self, members: Array, y: Array | None) -> Array:
        """Left-out predictions (T, g, k) at samples that are left out together, with weights that are given.

        Without targets, those for all n one-hot targets: the weights (T, g, n) of every sample.
        """
        spectrum, needed = self.spectrum, self._needed()
        filters = self.filters[needed]
        rows = _rows(spectrum, members)
        n = spectrum.n_samples
        unit = np.zeros((len(members), n))
        unit[np.arange(len(members)), members] = 1.0
        # The part of these samples outside the basis, as rows over all samples.
        outside = unit - to_host(spectrum.expand(rows.T)).T if _incomplete(spectrum) else np.zeros_like(unit)
        if y is None:
            y = np.eye(n)
            inside = to_host(spectrum.expand((rows[:, None] * filters[:, :-1]).reshape(-1, rows.shape[1]).T))
            residuals = inside.T.reshape(len(members), len(needed), n).transpose(1, 0, 2)
        else:
            residuals = (rows * filters[:, None, :-1]) @ spectrum.coefficients
        residuals = residuals + filters[:, -1, None, None] * (outside @ y)
        responses = (rows * self.filters[:, None, :-1]) @ rows.T
        responses += self.filters[:, -1, None, None] * outside[:, members]
        return self._predict(
            y[members],
            dict(zip(needed, residuals, strict=True)),
            lambda row, move: responses[row] @ move,
            lambda row, pushed: np.linalg.solve(responses[row], pushed),
        )

    def _needed(self) -> list[int]:
        """Filters that the given targets pass: those of the rounds in which they enter."""
        enters = np.flatnonzero(self.weights) if not self.chooses else np.arange(self.rounds)
        seen = np.tri(self.rounds, dtype=bool)[:, enters]
        return [int(row) for row in np.unique(self.which[:, enters][seen])]

    def _predict(
        self,
        y: Array,
        residuals: dict[int, Array],
        respond: Callable[[int, Array], Array],
        solve: Callable[[int, Array], Array],
    ) -> Array:
        """Find every round's move of the left-out targets, and with it their predictions."""
        predictions = np.empty((self.rounds, *y.shape))
        moves: list[Array] = []
        share = np.ones(
            self.rounds
        )  # of what entered the targets in a round: how much the last fit was given

        def left(t: int, r: int) -> Array:
            """What the fit of round t + 1 leaves of what entered in round r + 1."""
            row = self.which[t, r]
            moved = respond(row, moves[r])
            return moved + self.weights[r] * residuals[row] if self.weights[r] else moved

        for t in range(self.rounds):
            row, last = self.which[t, t], predictions[t - 1] if t else y
            # Fitted to the given targets, and fitted to the last outputs.
            first = -solve(row, residuals[row]) if self.weights[t] else np.zeros_like(y)
            pure = -solve(row, np.asarray(sum(share[r] * left(t, r) for r in range(t)))) if t else first
            if t and self.chooses:
                best = mixture_weight(y + first, last + pure, y)
                self.weights[t] = 1.0 if best is None else np.clip(best, 0.0, 1.0) if self.clip else best
            given = self.weights[t]
            moves.append(given * first + (1 - given) * pure)
            predictions[t] = given * y + (1 - given) * last + moves[t]
            share[:t] *= 1 - given
        return predictions


def mixture_weight(first: Array, pure: Array, targets: Array) -> float | None:
    """Weight w with which ``w · first + (1 − w) · pure`` is nearest to the targets; None if both are the same."""
    change = (first - pure).ravel()
    length = float(change @ change)
    if length <= (64 * np.finfo(np.float64).eps) ** 2 * float(np.sum(first**2) + np.sum(pure**2)):
        return None
    return float(change @ (targets - pure).ravel()) / length


def _filters(d: Array, penalties: Array) -> tuple[Array, Array]:
    """Filters (J, m) of what rounds leave of targets that came in earlier, and which of them is whose.

    Row ``which[t, r]``, r ≤ t, takes what entered the targets of round r + 1 to what the fit of round t + 1 leaves of
    it, if every round between is fitted to the last outputs alone.
    """
    rounds = len(penalties)
    kept, left = d / (d + penalties[:, None]), penalties[:, None] / (d + penalties[:, None])
    if float(left.min(initial=1.0)) < LEAST_INVERTIBLE:
        raise InputError(
            f"ridge must be at least {LEAST_INVERTIBLE * d.max():.3g} where samples are left out, or nothing is left "
            f"beside the gram; got {penalties.min():.3g}."
        )
    lags = np.arange(rounds)
    if len(set(penalties)) == 1:
        # All rounds are alike: what is left depends on the age alone.
        return left[0] * kept[0] ** lags[:, None], np.maximum(lags[:, None] - lags, 0)
    which = np.zeros((rounds, rounds), np.int64)
    filters: list[Array] = []
    passed = np.ones((rounds, len(d)))
    for t in range(rounds):
        for r in range(t + 1):
            which[t, r] = len(filters)
            filters.append(left[t] * passed[r])
            passed[r] *= kept[t]
    return np.array(filters).reshape(-1, len(d)), which


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
