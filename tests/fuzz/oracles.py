"""Answers by another route: more digits, loops from the definitions, general solvers.

A case draws an input, calls the library and returns what it should have said: ``(verdict, detail)``, the verdict
one of right, refused and wrong.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import scipy.linalg
import torch
from hypothesis import strategies as st

from selfdistill import theory
from selfdistill.empirical import losses, metrics
from selfdistill.figures.own_data.kernels import Kernel, standardized
from selfdistill.theory import InputError

from .arrays import EXPONENTS

Case = Callable[[st.DrawFn], tuple[str, str]]
CASES: dict[str, Case] = {}
DIGITS = 60


def case(function: Case) -> Case:
    """Add a case to those that are run."""
    CASES[function.__name__] = function
    return function


def compare(
    call: Callable[[], Any], expected: Callable[[], Any], tolerance: float, what: str, floor: float = 0.0
) -> tuple[str, str]:
    """Call, and compare with what it should give: errors at most `tolerance` of the largest entry, or of `floor`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            got = np.asarray(call(), dtype=np.float64)
    except InputError as error:
        return "refused", str(error)
    wanted = np.asarray(expected(), dtype=np.float64)
    if got.shape != wanted.shape:
        return "wrong", f"{what}: shape {got.shape} for {wanted.shape}"
    scale = max(float(np.abs(wanted).max(initial=0.0)), floor)
    # Sums of numbers below the smallest normal one keep no digits.
    slack = tolerance * scale + 1e-306
    with np.errstate(invalid="ignore"):
        off = np.where(got == wanted, 0.0, np.abs(got - wanted))
    if (off <= slack).all():
        return "right", ""
    return (
        "wrong",
        f"{what}: {got.ravel()[:4]} for {wanted.ravel()[:4]}, off by {np.nanmax(off):.3g} of {scale:.3g}",
    )


def generator(draw: st.DrawFn) -> np.random.Generator:
    """A random stream that Hypothesis knows."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


@case
def rounds_to_a_tolerance(draw: st.DrawFn) -> tuple[str, str]:
    """Multipliers solve their equation in 60 digits, whatever the scales of eigenvalues and targets."""
    rng, n = generator(draw), draw(st.integers(1, 6))
    d = np.abs(rng.normal(size=n)) * 10.0 ** draw(st.sampled_from([0, -12, 12, -140, 140]))
    d *= 10.0 ** (rng.uniform(-1, 1, n) * draw(st.sampled_from([0, 3, 8])))
    z = rng.normal(size=n) * 10.0 ** draw(st.sampled_from([0, -12, 12, -120, 120]))
    epsilon = float(np.mean(z**2)) * draw(st.sampled_from([1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999]))
    try:
        run = theory.distill_to_tolerance(theory.Spectrum.from_eigenvalues(d, z), epsilon, 3)
    except InputError as error:
        return "refused", str(error)
    order = np.argsort(d, kind="stable")
    with mpmath.workdps(DIGITS):
        left = [mpmath.mpf(v) for v in z[order]]
        for t, c in enumerate(run.multipliers):
            rates = [mpmath.mpf(c) / (mpmath.mpf(c) + mpmath.mpf(v)) for v in d[order]]
            error = mpmath.fsum((r * v) ** 2 for r, v in zip(rates, left, strict=True)) / n
            if abs(error / mpmath.mpf(epsilon) - 1) > 1e-8:
                return "wrong", f"round {t + 1}: error {mpmath.nstr(error / epsilon, 12)} ε for d={d}, z={z}"
            left = [(1 - r) * v for r, v in zip(rates, left, strict=True)]
            norm = mpmath.sqrt(mpmath.fsum(v**2 for v in left))
            if abs(run.target_norms[t + 1] / norm - 1) > 1e-7:
                return (
                    "wrong",
                    f"norm {run.target_norms[t + 1]} for {mpmath.nstr(norm, 12)}; d={d}, z={z}, {epsilon}",
                )
    return "right", ""


@case
def rounds_with_a_ridge(draw: st.DrawFn) -> tuple[str, str]:
    """Fitted values of a fixed ridge against solving the linear system again and again."""
    rng, n, k = generator(draw), draw(st.integers(2, 9)), draw(st.integers(1, 3))
    x = rng.normal(size=(n, 4))
    gram, y = (
        x @ x.T + 0.1 * np.eye(n),
        rng.normal(size=(n, k)) * 10.0 ** draw(st.sampled_from([0, -100, 100])),
    )
    ridge, rounds = 10.0 ** draw(st.integers(-3, 3)), draw(st.integers(1, 4))
    weight = draw(st.sampled_from([0.0, 0.3]))

    def expected() -> Any:
        target = y
        for _ in range(rounds):
            fit = gram @ scipy.linalg.solve(gram + n * ridge * np.eye(n), target, assume_a="pos")
            target = weight * y + (1 - weight) * fit
        return fit

    build = draw(st.sampled_from(["from_gram", "krylov"]))
    return compare(
        lambda: theory.distill_with_ridge(
            getattr(theory.Spectrum, build)(gram, y), ridge, rounds, weight
        ).fitted(rounds),
        expected, 1e-6, f"{build} n={n} k={k} ridge={ridge} rounds={rounds} weight={weight}",
    )  # fmt: skip


@case
def bounds_hold(draw: st.DrawFn) -> tuple[str, str]:
    """The exact number of rounds lies in its bounds."""
    rng, n = generator(draw), draw(st.integers(1, 30))
    d = 10.0 ** rng.uniform(-draw(st.sampled_from([0, 1, 6])), 0, n)
    z = rng.normal(size=n)
    epsilon = float(np.mean(z**2)) * draw(st.sampled_from([1e-3, 0.01, 0.1, 0.5, 0.9, 1.0, 1.1]))
    try:
        bounds = theory.collapse_bounds(theory.Spectrum.from_eigenvalues(d, z), epsilon)
    except InputError as error:
        return "refused", str(error)
    holds = bounds.paper_lower - 1e-9 <= bounds.exact and bounds.lower - 1e-9 <= bounds.exact <= bounds.upper
    return ("right", "") if holds else ("wrong", f"{bounds} for d={d.tolist()}, z={z.tolist()}, {epsilon}")


@case
def softmax(draw: st.DrawFn) -> tuple[str, str]:
    """Against 60 digits, at every scale of logits and temperature."""
    rng = generator(draw)
    logits = rng.normal(size=draw(st.integers(1, 5))) * 10.0 ** draw(EXPONENTS)
    if draw(st.booleans()):
        logits[draw(st.integers(0, len(logits) - 1))] = -np.inf
    temperature = draw(st.sampled_from([1.0, 0.1, 7.0, 1e-5, 1e5, 1e200, 1e-200]))

    def expected() -> Any:
        with mpmath.workdps(DIGITS):
            top = mpmath.mpf(logits.max())
            masses = [
                mpmath.exp((mpmath.mpf(v) - top) / mpmath.mpf(temperature)) if v > -np.inf else 0
                for v in logits
            ]
            return [float(m / mpmath.fsum(masses)) for m in masses]

    return compare(lambda: theory.softmax(logits, temperature), expected, 1e-12, f"{logits} at {temperature}")


@case
def tangent_kernel(draw: st.DrawFn) -> tuple[str, str]:
    """The recursion in 60 digits for pairs of points of very different scales."""
    rng, p = generator(draw), draw(st.integers(1, 4))
    x, z = (rng.normal(size=p) * 10.0 ** draw(EXPONENTS) for _ in range(2))
    layers = draw(st.integers(0, 4))
    w, b = (10.0 ** draw(st.sampled_from([0, -1, 1, -5, 5])) for _ in range(2))
    b *= draw(st.sampled_from([0, 1]))

    def expected() -> Any:
        with mpmath.workdps(DIGITS):
            w2, b2 = mpmath.mpf(w) ** 2, mpmath.mpf(b) ** 2
            u, v = ([mpmath.mpf(float(a)) for a in point] for point in (x, z))
            xx, xz, zz = (w2 / p * mpmath.fdot(i, j) + b2 for i, j in ((u, u), (u, v), (v, v)))
            tangent = xz
            for _ in range(layers):
                scale = mpmath.sqrt(xx * zz)
                angle = mpmath.acos(max(-1, min(1, xz / scale))) if scale else mpmath.pi / 2
                xz = (
                    w2
                    * scale
                    * (mpmath.sin(angle) + (mpmath.pi - angle) * mpmath.cos(angle))
                    / (2 * mpmath.pi)
                    + b2
                )
                tangent = xz + w2 * tangent * (mpmath.pi - angle) / (2 * mpmath.pi)
                xx, zz = w2 * xx / 2 + b2, w2 * zz / 2 + b2
            return [[float(tangent)]]

    # Opposite points have a kernel of 0 up to the rounding of what they have with themselves.
    sizes = [w / np.sqrt(p) * float(np.linalg.norm(point / np.abs(point).max())) for point in (x, z)]
    with np.errstate(over="ignore", under="ignore"):
        floor = 1e-6 * sizes[0] * sizes[1] * np.abs(x).max() * np.abs(z).max() * (w * w / 2) ** layers
    return compare(
        lambda: theory.relu_tangent_kernel(x[None], z[None], hidden_layers=layers, weight_std=w, bias_std=b),
        expected, 1e-6, f"x={x}, z={z}, {layers} layers, w={w}, b={b}", floor=float(floor),
    )  # fmt: skip


@case
def green_kernel(draw: st.DrawFn) -> tuple[str, str]:
    """The cubic Green's function with so many digits that points of 1e-300 do not vanish beside 1."""
    rng = generator(draw)
    x, s = rng.uniform(size=3), rng.uniform(size=2) * 10.0 ** draw(st.sampled_from([0, -8, -300]))

    def expected() -> Any:
        with mpmath.workdps(700):

            def g(a: float, b: float) -> float:
                a, b = mpmath.mpf(a), mpmath.mpf(b)
                return float(max(a - b, 0) ** 3 / 6 - a * (1 - b) * (a**2 - 2 * b + b**2) / 6)

            return [[g(float(a), float(b)) for b in s] for a in x]

    return compare(lambda: theory.cubic_green_kernel(x, s), expected, 1e-12, f"x={x}, s={s}")


@case
def losses_of_labels(draw: st.DrawFn) -> tuple[str, str]:
    """Four losses in float64 against their formulas in 60 digits, labels of any width, logits of any size."""
    rng, n, k = generator(draw), draw(st.integers(1, 4)), draw(st.integers(2, 5))
    logits, teacher = (
        rng.normal(size=(n, k)) * 10.0 ** draw(st.sampled_from([0, 2, 4, -8])) for _ in range(2)
    )
    labels = rng.integers(0, k, n).astype(draw(st.sampled_from(["int8", "uint8", "int64", "int32"])))
    share, tau = draw(st.sampled_from([0.0, 0.3, 1.0])), draw(st.sampled_from([1.0, 0.5, 4.0]))
    name = draw(st.sampled_from(["smoothing", "distillation", "progressive", "entropy"]))

    def expected() -> Any:
        with mpmath.workdps(DIGITS):

            def logp(row: Any, heat: float = 1.0) -> list[Any]:
                row = [mpmath.mpf(float(v)) / heat for v in row]
                top = max(row)
                return [v - top - mpmath.log(mpmath.fsum(mpmath.exp(u - top) for u in row)) for v in row]

            total = mpmath.mpf(0)
            for row, other, label in zip(logits, teacher, labels, strict=True):
                own, hard = logp(row), -logp(row)[int(label)]
                if name == "smoothing":
                    total += (1 - share) * hard - share * mpmath.fsum(own) / k
                elif name == "distillation":
                    soft = -mpmath.fsum(
                        mpmath.exp(a) * b for a, b in zip(logp(other, tau), logp(row, tau), strict=True)
                    )
                    total += (1 - share) * hard + share * tau**2 * soft
                elif name == "progressive":
                    soft = -mpmath.fsum(mpmath.exp(a) * b for a, b in zip(logp(other), own, strict=True))
                    total += (1 - share) * hard + share * soft
                else:
                    total += hard + share * mpmath.fsum(mpmath.exp(a) * a for a in own)
            return float(total / n)

    given, other, y = torch.tensor(logits), torch.tensor(teacher), torch.tensor(labels)
    past = torch.tensor(theory.softmax(teacher))
    calls = {
        "smoothing": lambda: losses.label_smoothing_loss(given, y, share),
        "distillation": lambda: losses.distillation_loss(given, other, y, tau, share),
        "progressive": lambda: losses.progressive_loss(given, y, past, share),
        "entropy": lambda: losses.entropy_penalty_loss(given, y, share),
    }
    largest = float(max(np.abs(logits).max(), np.abs(teacher).max()))
    # Of a loss far below its logits no digits are left: log-softmax is a difference of numbers of their size.
    what = f"{name} {logits.tolist()} {teacher.tolist()} {labels} {share} {tau}"
    return compare(calls[name], expected, 1e-9, what, floor=1e-3 * (1 + largest) * (1 + tau**2))


@case
def metrics_of_probabilities(draw: st.DrawFn) -> tuple[str, str]:
    """Metrics against loops from their definitions, with ties and certain outputs."""
    rng, n, k = generator(draw), draw(st.integers(1, 7)), draw(st.integers(2, 4))
    p = rng.dirichlet(np.ones(k), n)
    if draw(st.booleans()):
        p = np.round(p * 4)
        p[p.sum(1) == 0] = 1
        p /= p.sum(1, keepdims=True)
    y = rng.integers(0, k, n)
    name = draw(
        st.sampled_from(["brier_score", "accuracy", "expected_calibration_error", "area_under_risk_coverage"])
    )
    sure, wrong = p.max(1), p.argmax(1) != y

    def expected() -> float:
        if name == "brier_score":
            return float(np.mean([sum((p[i, j] - (j == y[i])) ** 2 for j in range(k)) for i in range(n)]))
        if name == "accuracy":
            return float(1 - wrong.mean())
        if name == "expected_calibration_error":
            edges, total = np.linspace(0, 1, 16), 0.0
            for low, high in itertools.pairwise(edges):
                inside = (sure > low) & (sure <= high)
                if inside.any():
                    total += inside.mean() * abs((~wrong)[inside].mean() - sure[inside].mean())
            return total
        levels, total, before, errors = sorted(set(sure), reverse=True), 0.0, 0, 0.0
        for level in levels:  # of m equally sure samples, the j-th in the mean over all orders
            inside = sure == level
            m, bad = int(inside.sum()), float(wrong[inside].sum())
            total += sum((errors + j * bad / m) / (before + j) for j in range(1, m + 1))
            before, errors = before + m, errors + bad
        return total / n

    return compare(lambda: getattr(metrics, name)(p, y), expected, 1e-12, f"{name} {p.tolist()} {y.tolist()}")


@case
def softmax_regression(draw: st.DrawFn) -> tuple[str, str]:
    """Outputs are those of a stationary point: ``Kλ·N·dual = targets − softmax(gram dual)`` checked directly."""
    rng, n, k = generator(draw), draw(st.integers(2, 8)), draw(st.integers(2, 4))
    x = rng.normal(size=(n, draw(st.integers(1, 4)))) * 10.0 ** draw(st.sampled_from([0, 2, -2]))
    targets = rng.dirichlet(np.ones(k), n)
    ridge = 10.0 ** draw(st.integers(-6, 2))
    by = draw(st.sampled_from(["gram", "features"]))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit = theory.fit_softmax_regression(
                **{by: x @ x.T if by == "gram" else x}, targets=targets, ridge=ridge
            )
    except InputError as error:
        return "refused", str(error)
    weights = x.T @ (targets - fit.outputs) / (n * ridge)
    again = theory.softmax(x @ weights)
    off = float(np.abs(again - fit.outputs).max())
    # An error of the outputs comes back up to the factor by which the ridge magnifies it.
    magnified = 1e-7 * (1 + np.linalg.norm(x, 2) ** 2 / (n * ridge))
    if off <= max(magnified, 1e-6) or caught:
        return "right", ""
    return "wrong", f"{by} ridge {ridge}: outputs off by {off:.3g}, {fit.newton_steps} steps, x={x.tolist()}"


@case
def estimator(draw: st.DrawFn) -> tuple[str, str]:
    """The regressor against solving its systems, for offsets and scales of features and targets."""
    rng, n = generator(draw), draw(st.integers(5, 15))
    x = rng.normal(size=(n, 2)).astype(draw(st.sampled_from(["float64", "float32"])))
    y = rng.normal(size=n) * 10.0 ** draw(st.sampled_from([0, -50, 50]))
    ridge, rounds, gamma = (
        10.0 ** draw(st.integers(-3, 1)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([0.1, 1.0])),
    )

    def expected() -> Any:
        points = x.astype(np.float64)
        gram = np.exp(-gamma * ((points[:, None] - points) ** 2).sum(-1))
        target = y
        for _ in range(rounds):
            target = gram @ scipy.linalg.solve(gram + n * ridge * np.eye(n), target, assume_a="pos")
        return target

    model = theory.SelfDistilledKernelRidge("rbf", gamma=gamma, ridge=ridge, rounds=rounds)
    return compare(
        lambda: model.fit(x, y).predict(x), expected, 1e-5, f"{x.dtype} {ridge} {rounds} {gamma} {n}"
    )


@case
def own_kernels(draw: st.DrawFn) -> tuple[str, str]:
    """Kernels of the command: values of centred features are those of exact differences of the raw ones."""
    rng, n = generator(draw), draw(st.integers(2, 12))
    step = 2.0**-20
    x = np.round(rng.normal(size=(n, 2)) / step) * step + draw(
        st.sampled_from([0.0, 101325.0, 5e6, 1e9, -1e5])
    )
    name, gamma = draw(st.sampled_from(["rbf", "laplacian"])), draw(st.sampled_from([0.1, 1.0, 5.0]))
    kernel = Kernel(name, {"gamma": gamma})

    def got() -> Any:
        features, _ = kernel.prepare(x, ("a", "b"), standardize=False)
        return kernel.values(features, features)

    def expected() -> Any:
        apart = x[:, None] - x
        return np.exp(-gamma * (apart**2 if name == "rbf" else np.abs(apart)).sum(-1))

    return compare(got, expected, 1e-9, f"{name} {gamma} {x.tolist()}")


@case
def standardising(draw: st.DrawFn) -> tuple[str, str]:
    """Mean 0 and variance 1 at every scale, by another order of operations."""
    rng, n = generator(draw), draw(st.integers(3, 20))
    shape = np.round(rng.normal(size=n), 3)
    scale = 10.0 ** draw(st.sampled_from([0, -200, 200, -290, 290]))
    return compare(
        lambda: standardized((shape * scale)[:, None])[:, 0],
        lambda: (shape - shape.mean()) / shape.std() if np.ptp(shape) else np.zeros(n),
        1e-9, f"{shape.tolist()} times {scale}",
    )  # fmt: skip
