"""Targets, noise and posteriors of labels, by loops from their definitions and in 60 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import torch

from selfdistill import theory

from ..arrays import SCALES
from ..draws import Draws
from .cases import DIGITS, RIGHT, Verdict, case, compare, first_fault


def softmax_row(row: Any, temperature: Any = 1) -> list[Any]:
    """In as many digits as mpmath is set to."""
    row = [mpmath.mpf(float(v)) / temperature for v in row]
    top = max(row)
    masses = [mpmath.exp(v - top) for v in row]
    return [m / mpmath.fsum(masses) for m in masses]


@case
def softmax(d: Draws) -> Verdict:
    """Against 60 digits, at every scale of logits and temperature."""
    logits = d.generator().normal(size=d.count(1, 5)) * d.power(*SCALES)
    masked = d.chance(3)
    if masked:
        logits[d.count(0, len(logits) - 1)] = -np.inf
    temperature = d.pick(1.0, 0.1, 7.0, 1e-5, 1e5, 1e200, 1e-200)

    def expected() -> Any:
        with mpmath.workdps(DIGITS):
            return [float(m) for m in softmax_row(logits, mpmath.mpf(temperature))]

    told = f"{logits} at {temperature}"
    return compare(lambda: theory.softmax(logits, temperature), expected, 1e-12, told,
                   refusable=masked and len(logits) == 1)  # fmt: skip


def labels_of(d: Draws, n: int, k: int) -> Any:
    """Labels of any width, as an array or a list."""
    values = d.generator().integers(0, k, n)
    kind = d.pick("int64", "int8", "uint8", "int32", "uint16", "uint64", "list")
    return values.tolist() if kind == "list" else values.astype(kind)


@case
def targets_of_labels(d: Draws) -> Verdict:
    """One-hot, smoothed, mixed, candidate and Beta targets, entry by entry."""
    rng, n, k = d.generator(), d.count(1, 6), d.pick(2, 3, 5, 200, 300)
    y, p, share = labels_of(d, n, min(k, 127)), rng.dirichlet(np.ones(k), n), d.pick(0.0, 0.3, 1.0)
    each = rng.uniform(size=n) if d.chance(3) else share
    weight = np.broadcast_to(each, n)
    if not isinstance(y, list):
        y = np.asarray(y)
    elif not isinstance(each, float):
        each = each.tolist()
    draws, sure = rng.uniform(size=n), np.round(rng.uniform(size=n), 1)
    mass = np.empty(n)
    mass[sorted(range(n), key=lambda i: sure[i])] = sorted(draws)  # ties in their order
    beside = rng.normal(size=(n, k)).round(1)
    m = d.count(1, min(k, 4))

    def candidates(i: int, j: int) -> float:
        above, tied = (beside[i] > beside[i, j]).sum(), (beside[i] == beside[i, j]).sum()
        return float(min(max((m - above) / tied, 0), 1) / m)

    rules = {
        "one_hot": (lambda: theory.one_hot(y, k), lambda i, j: float(j == y[i])),
        "szegedy": (lambda: theory.label_smoothing(y, each, k),
                    lambda i, j: (1 - weight[i]) * (j == y[i]) + weight[i] / k),
        "zhang": (lambda: theory.label_smoothing(y, each, k, "zhang"),
                  lambda i, j: 1 - weight[i] if j == y[i] else weight[i] / (k - 1)),
        "mixed": (lambda: theory.mixed_targets(np.asarray(y), p, each),
                  lambda i, j: (1 - weight[i]) * (j == y[i]) + weight[i] * p[i, j]),
        "beta": (lambda: theory.beta_targets(np.asarray(y), sure, draws, k),
                 lambda i, j: mass[i] if j == y[i] else (1 - mass[i]) / (k - 1)),
        "posterior": (lambda: theory.label_posterior(y, p, 2.0), lambda i, j: 1 + (j == y[i]) + 2 * p[i, j]),
        "top": (lambda: theory.top_targets(beside, m), candidates),
    }  # fmt: skip
    name = d.pick(*rules)
    call, entry = rules[name]
    told = f"{name} of {y!r} in {k} classes, {each}, {sure}, {draws}, {m}"
    return compare(call, lambda: [[entry(i, j) for j in range(k)] for i in range(n)], 1e-12, told)


@case
def gradients_at_labels(d: Draws) -> Verdict:
    """Gradients at the label's logit, and which samples distillation pushes down, in 60 digits."""
    rng, n, k = d.generator(), d.count(1, 4), d.count(2, 4)
    size, tau = d.pick(1.0, 10.0, 1e3, 1e-6), d.pick(1.0, 0.5, 4.0)
    student = rng.normal(size=(n, k)) * size
    teacher = student.copy() if d.chance(4) else rng.normal(size=(n, k)) * size
    y, reading = rng.integers(0, k, n), d.pick("push", "magnitude")
    with mpmath.workdps(DIGITS):
        rows = []
        for s, t, label in zip(student, teacher, y, strict=True):
            hard = softmax_row(s)[label] - 1
            soft = tau * (softmax_row(s, tau)[label] - softmax_row(t, tau)[label])
            rows.append(
                (
                    float(hard),
                    float(soft),
                    soft > 0,
                    abs(soft - hard) > abs(hard),
                    abs(soft - hard) - abs(hard),
                )
            )
    told = f"{student.tolist()} {teacher.tolist()} {y} {tau} {reading}"
    found = theory.regularization_samples(student, teacher, y, tau, reading)
    found_gradients = lambda: theory.label_gradients(student, teacher, y, tau)  # noqa: E731
    for i, row in enumerate(rows):
        near = min(abs(row[1]), abs(float(row[4]))) < 1e-12
        if bool(found[i]) != row[2 if reading == "push" else 3] and not near:
            return "wrong", f"sample {i} is {found[i]}: {told}"
    return first_fault(
        compare(lambda: found_gradients().label, lambda: [r[0] for r in rows], 1e-12, told, floor=1e-40),
        compare(lambda: found_gradients().distillation, lambda: [r[1] for r in rows], 1e-10, told, floor=1.0),
    )  # fmt: skip


@case
def weights_of_soft_labels(d: Draws) -> Verdict:
    """``1 − exp(−student/teacher)`` in 60 digits, for losses of every size."""
    rng, n = d.generator(), d.count(1, 5)
    student, teacher = (np.abs(rng.normal(size=n)) * d.power(*SCALES) for _ in range(2))
    if d.chance(4):
        teacher[0] = 0.0

    def expected() -> Any:
        with mpmath.workdps(DIGITS):
            return [float(-mpmath.expm1(-mpmath.mpf(s) / (mpmath.mpf(t) or mpmath.mpf(1e-7))))
                    for s, t in zip(student.tolist(), teacher.tolist(), strict=True)]  # fmt: skip

    def got() -> Any:
        with np.errstate(over="ignore", under="ignore"):
            return theory.soft_label_weights(student, teacher)

    return compare(got, expected, 1e-12, f"{student} over {teacher}")


@case
def parts_of_cross_entropy(d: Draws) -> Verdict:
    """Noise, bias and variance in 60 digits, of outputs down to 1e-300."""
    rng, members, n, k = d.generator(), d.count(1, 4), d.count(1, 3), d.count(2, 4)
    logits = rng.normal(size=(members, n, k)) * d.pick(1.0, 10.0, 300.0)
    y = rng.dirichlet(np.ones(k), n) if d.chance(2) else np.eye(k)[rng.integers(0, k, n)]

    def expected() -> Any:
        parts = []
        with mpmath.workdps(DIGITS):
            for i in range(n):
                logs = [[mpmath.log(p) for p in softmax_row(logits[m, i])] for m in range(members)]
                mean = [mpmath.fsum(logs[m][j] for m in range(members)) / members for j in range(k)]
                norm = mpmath.log(mpmath.fsum(mpmath.exp(v) for v in mean))
                target = [mpmath.mpf(float(v)) for v in y[i]]
                noise = -mpmath.fsum(t * mpmath.log(t) for t in target if t)
                bias = mpmath.fsum(t * (mpmath.log(t) - mean[j] + norm) for j, t in enumerate(target) if t)
                parts.append([float(noise), float(bias), float(-norm)])
        return np.array(parts).T

    told = f"{logits.tolist()} {y.tolist()}"
    return compare(
        lambda: np.array(theory.bias_variance_of_logs(logits, y)), expected, 1e-10, told, floor=1.0
    )


@case
def noise_of_labels(d: Draws) -> Verdict:
    """Corruption matrices by their words, labels drawn from them, and the joint of confident ones by loops."""
    k, rate, kind = d.pick(2, 4, 6), d.pick(0.0, 0.2, 0.75), d.pick("symmetric", "asymmetric", "superclass")
    groups = np.arange(k) // 2 if kind == "superclass" and k > 2 else np.zeros(k, int)

    def entry(i: int, j: int) -> float:
        if kind == "symmetric":
            return 1 - rate if i == j else rate / (k - 1)
        if kind == "asymmetric":
            return 1 - rate if i == j else rate / k * (2 if j == (i + 1) % k else 1)
        inside = groups[i] == groups[j]
        return 1 - rate if i == j else inside * rate / ((groups == groups[i]).sum() - 1)

    matrix = theory.corruption_matrix(kind, k, rate, groups if kind == "superclass" else None)
    rng, n = d.generator(), 40 * k
    true = np.repeat(np.arange(k), 40)
    given = theory.corrupt_labels(true, matrix, int(rng.integers(2**31)), exact=True)
    counts = np.array([[(given[true == i] == j).sum() for j in range(k)] for i in range(k)])
    if np.abs(counts - 40 * matrix).max() >= 1 or np.abs(matrix[counts > 0]).min() == 0:
        return "wrong", f"{counts.tolist()} labels of {matrix.tolist()}"
    p = rng.dirichlet(np.ones(k), n).round(2)
    p /= p.sum(axis=1, keepdims=True)
    if len(np.unique(given)) < k:
        return RIGHT
    usual = [np.mean([p[i, j] for i in range(n) if given[i] == j]) for j in range(k)]
    joint = np.zeros((k, k))
    for i in range(n):
        sure = [j for j in range(k) if p[i, j] >= usual[j] - 1e-12]
        if sure:
            joint[max(sure, key=lambda j: p[i, j]), given[i]] += 1
    for j in range(k):
        joint[j, j] += joint[:, j].sum() == 0
        joint[:, j] *= (given == j).mean() / joint[:, j].sum()
    told = f"{kind} {k} {rate}, {p.tolist()} {given.tolist()}"
    return first_fault(
        compare(lambda: matrix, lambda: [[entry(i, j) for j in range(k)] for i in range(k)], 1e-12, told),
        compare(lambda: theory.estimate_corruption(true, given, k), lambda: counts / 40, 1e-12, told),
        compare(lambda: theory.confident_joint(p, given), lambda: joint, 1e-12, told),
    )


@case
def tensors_as_arrays(d: Draws) -> Verdict:
    """What speaks to any library gives of a tensor what it gives of an array."""
    rng, n, k = d.generator(), d.count(1, 4), d.count(2, 4)
    z, y, p = rng.normal(size=(2, n, k)), rng.integers(0, k, n), rng.dirichlet(np.ones(k), n)
    calls = {
        "softmax": (theory.softmax, (z[0], 2.0)), "one_hot": (theory.one_hot, (y, k)),
        "label_smoothing": (theory.label_smoothing, (y, 0.25, k)), "mixed_targets": (theory.mixed_targets, (y, p, 0.5)),
        "beta_targets": (theory.beta_targets, (y, p.max(1), rng.uniform(size=n), k)),
        "soft_label_weights": (theory.soft_label_weights, (-np.log(p[:, 0]), -np.log(p[:, 1]))),
        "regularization_samples": (theory.regularization_samples, (z[0], z[1], y, 2.0)),
    }  # fmt: skip
    function, arguments = calls[name := d.pick(*calls)]
    tensors = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
    # torch's own numbers are single unless it is given double ones.
    slack = 1e-6 if name in ("one_hot", "label_smoothing") else 1e-12
    return compare(lambda: function(*tensors), lambda: function(*arguments), slack, f"{name} {arguments!r}")
