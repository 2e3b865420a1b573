"""Random problems for the Krylov path, with the truth beside them: how honest is the estimated error?

``python -m tests.theory.krylov_problems 2000`` counts over so many problems.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

from selfdistill.theory import InputError, Spectrum, distill_to_tolerance, distill_with_ridge

KINDS = ("smooth", "rough", "low rank", "outliers", "clusters")
# What is nobody's fault: a change of gram and targets in the last digit, so many times, and where the truth is cut.
_SLACK, _TIMES = 2, 3


@dataclass(frozen=True)
class Judged:
    """A run's estimate against the truth: multipliers, norms, fits."""

    seed: int
    kind: str
    true: np.ndarray
    estimated: np.ndarray
    excusable: np.ndarray
    precision: float

    @property
    def beyond(self) -> bool:
        """Whether the true error exceeds the estimate beyond rounding of the gram."""
        return bool((self.true > self.estimated + _TIMES * self.excusable).any())

    @property
    def looseness(self) -> float:
        """Estimate over the true error, or over what rounding may do; all at least the precision of results."""
        least = 10 * self.precision
        estimate = min(self.estimated.max(), 1.0)  # above 1 it says that nothing is known
        return float(max(estimate, least) / max(self.true.max(), self.excusable.max(), least))


def random_gram(rng: np.random.Generator, kind: str) -> np.ndarray:
    """A gram of 40 to 160 points."""
    n = int(rng.integers(40, 160))
    x = rng.standard_normal((n, int(rng.integers(1, 5))))
    if kind == "smooth":
        return np.asarray(rbf_kernel(x, gamma=10 ** rng.uniform(-2, 1)))
    if kind == "rough":
        return np.asarray(laplacian_kernel(x, gamma=10 ** rng.uniform(-1, 1)))
    if kind == "low rank":
        features = rng.standard_normal((n, int(rng.integers(2, 20))))
        return features @ features.T
    vectors, _ = np.linalg.qr(rng.standard_normal((n, n)))
    if kind == "outliers":
        d = np.r_[10 ** rng.uniform(0, 4, 3), 10 ** rng.uniform(-6, 0, n - 3)]
    else:
        d = np.repeat(10 ** rng.uniform(-4, 0, 4), n)[:n] * (1 + 1e-6 * rng.random(n))
    gram = (vectors * d) @ vectors.T
    return (gram + gram.T) / 2


def dense(gram: np.ndarray, targets: np.ndarray, precision: float) -> tuple[Spectrum, np.ndarray]:
    """The spectrum by a full factorisation in float64, cut where the precision of the gram ends (0: at zero)."""
    n = len(gram)
    d, vectors = np.linalg.eigh(gram.astype(np.float64) / n)
    d = np.where(d > 4 * np.sqrt(n) * precision * d.max(), d, 0.0)
    order = np.argsort(d, kind="stable")
    return Spectrum.from_eigenvalues(d, vectors.T @ targets), vectors[:, order]


def judge(seed: int) -> Judged | None:
    """Draw a problem, run it on products, and compare; None where it has no answer or no rounds."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    gram = random_gram(rng, kind)
    n, outputs = len(gram), int(rng.choice([1, 1, 3]))
    y = rng.standard_normal((n, outputs))
    if rng.random() < 0.5:
        y = gram @ y / n + 0.1 * rng.standard_normal((n, outputs))
    single = rng.random() < 0.2
    gram = gram.astype(np.float32) if single else gram
    precision = float(np.finfo(gram.dtype).eps)
    tolerance = 1e-3 if single else 10 ** rng.uniform(-10, -3)
    spectrum, vectors = dense(gram, y, precision)
    if rng.random() < 0.6:
        least, most = spectrum.least_feasible_epsilon, spectrum.energy / n
        epsilon = least + (most - least) * 10 ** rng.uniform(-1.5, 0)

        def run(s):
            return distill_to_tolerance(s, epsilon)
    else:
        ridge = 10 ** rng.uniform(-4, 0) * spectrum.largest_eigenvalue
        weight, rounds = float(rng.choice([0.0, 0.3])), int(rng.integers(1, 6))

        def run(s):
            return distill_with_ridge(s, ridge, rounds, weight)

    def fits(r, v):
        return [v @ (f[:, None] * r.spectrum.coefficients) for f in r.filters]

    def others():
        for _ in range(_SLACK):
            change = rng.standard_normal((n, n)) * np.abs(gram).max() * precision / 2
            moved = y * (1 + precision / 2 * rng.standard_normal(y.shape))
            yield dense(gram + change + change.T, moved, precision)
        yield dense(gram, y, 0.0)

    try:
        exact = run(spectrum)
        near = [(run(s), v) for s, v in others()]
        answer = run(Spectrum.krylov(gram, y, tolerance=tolerance))
    except InputError:
        return None
    if not exact.rounds or any(r.rounds != exact.rounds for r in (answer, *(r for r, _ in near))):
        return None
    truth, size = fits(exact, vectors), np.linalg.norm(y)

    def apart(r, own):
        return np.array(
            [
                np.abs(r.multipliers / exact.multipliers - 1).max(),
                np.abs(r.target_norms / exact.target_norms - 1).max(),
                max(np.linalg.norm(a - b) for a, b in zip(own, truth, strict=True)) / size,
            ]
        )

    error = answer.spectrum.error
    return Judged(
        seed,
        kind + (", float32" if single else ""),
        apart(answer, [np.asarray(answer.fitted(t), dtype=float) for t in range(1, answer.rounds + 1)]),
        np.array([error.multipliers, error.norms, error.fitted]),
        np.max([apart(r, fits(r, v)) for r, v in near], axis=0),
        precision,
    )


def count(problems: int, first: int = 0) -> tuple[list[Judged], Counter[str]]:
    """Judge so many problems."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judged = [j for seed in range(first, first + problems) if (j := judge(seed)) is not None]
    loose = Counter(j.kind for j in judged if j.looseness > 100)
    return judged, loose


if __name__ == "__main__":
    judged, loose = count(int(sys.argv[1]))
    beyond = [j for j in judged if j.beyond]
    spread = np.quantile([j.looseness for j in judged], [0.1, 0.5, 0.9, 0.99])
    print(
        f"{len(judged)} problems: {len(beyond)} errors beyond their estimates, "
        f"{sum(loose.values())} over 100 times below"
    )
    print("estimate over error at 10, 50, 90, 99 %:", spread.round(1), dict(loose))
    for j in beyond:
        print("beyond", j.seed, j.kind, j.true, j.estimated, j.excusable)
    if "-v" in sys.argv:
        for j in judged:
            if j.looseness > 100:
                print("loose", j.seed, j.kind, j.true, j.estimated, j.excusable)
