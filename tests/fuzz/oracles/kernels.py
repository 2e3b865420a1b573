"""Kernels by 60 digits and more, and by differences of exact numbers."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

from selfdistill import theory
from selfdistill.figures.own_data.kernels import Kernel
from selfdistill.theory.estimators.scaling import standardized

from ..arrays import SCALES
from ..draws import Draws
from .cases import DIGITS, Verdict, case, compare


@case
def tangent_kernel(d: Draws) -> Verdict:
    """The recursion in 60 digits for pairs of points of very different scales."""
    rng, p, layers = d.generator(), d.count(1, 4), d.count(0, 4)
    x, z = (rng.normal(size=p) * d.power(*SCALES) for _ in range(2))
    w, b = d.power(0, -1, 1, -5, 5), d.power(0, -1, 1, -5, 5) * d.pick(0, 1)

    def expected() -> Any:
        with mpmath.workdps(DIGITS):
            w2, b2 = mpmath.mpf(w) ** 2, mpmath.mpf(b) ** 2
            u, v = ([mpmath.mpf(float(a)) for a in point] for point in (x, z))
            xx, xz, zz = (w2 / p * mpmath.fdot(i, j) + b2 for i, j in ((u, u), (u, v), (v, v)))
            tangent, pi = xz, mpmath.pi
            for _ in range(layers):
                scale = mpmath.sqrt(xx * zz)
                angle = mpmath.acos(max(-1, min(1, xz / scale))) if scale else pi / 2
                arc = mpmath.sin(angle) + (pi - angle) * mpmath.cos(angle)
                xz = w2 * scale * arc / (2 * pi) + b2
                tangent = xz + w2 * tangent * (pi - angle) / (2 * pi)
                xx, zz = w2 * xx / 2 + b2, w2 * zz / 2 + b2
            return [[float(tangent)]]

    # Opposite points have a kernel of 0 up to the rounding of what they have with themselves.
    sizes = [w / np.sqrt(p) * float(np.linalg.norm(point / np.abs(point).max())) for point in (x, z)]
    with np.errstate(over="ignore", under="ignore"):
        floor = 1e-6 * sizes[0] * sizes[1] * np.abs(x).max() * np.abs(z).max() * (w * w / 2) ** layers
    return compare(
        lambda: theory.relu_tangent_kernel(x[None], z[None], hidden_layers=layers, weight_std=w, bias_std=b),
        expected, 1e-6, f"x={x}, z={z}, {layers} layers, w={w}, b={b}", floor=float(floor), refusable=True,
    )  # fmt: skip


@case
def green_kernel(d: Draws) -> Verdict:
    """Green's functions with so many digits that points of 1e-300 do not vanish beside 1."""
    rng = d.generator()
    x, s = rng.uniform(size=3), rng.uniform(size=2) * d.power(0, -8, -300)
    cubic = d.chance(2)

    def expected() -> Any:
        with mpmath.workdps(700):

            def g(a: float, b: float) -> float:
                a, b = mpmath.mpf(a), mpmath.mpf(b)
                if not cubic:
                    return float(min(a, b) - a * b)
                return float(max(a - b, 0) ** 3 / 6 - a * (1 - b) * (a**2 - 2 * b + b**2) / 6)

            return [[g(float(a), float(b)) for b in s] for a in x]

    kernel = theory.cubic_green_kernel if cubic else theory.brownian_bridge_kernel
    return compare(lambda: kernel(x, s), expected, 1e-12, f"x={x}, s={s}, cubic {cubic}")


@case
def kernels_of_the_command(d: Draws) -> Verdict:
    """Values of centred features are those of exact differences of the raw ones."""
    rng, n = d.generator(), d.count(2, 12)
    step = 2.0**-20
    x = np.round(rng.normal(size=(n, 2)) / step) * step + d.pick(0.0, 101325.0, 5e6, 1e9, -1e5)
    name, gamma = d.pick("rbf", "laplacian"), d.pick(0.1, 1.0, 5.0)

    def got() -> Any:
        kernel = Kernel(name, {"gamma": gamma})
        features, _ = kernel.prepare(x, ("a", "b"), standardize=False)
        return kernel.values(features, features)

    def expected() -> Any:
        apart = x[:, None] - x
        return np.exp(-gamma * (apart**2 if name == "rbf" else np.abs(apart)).sum(-1))

    return compare(got, expected, 1e-9, f"{name} {gamma} {x.tolist()}")


@case
def standardising(d: Draws) -> Verdict:
    """Mean 0 and variance 1 at every scale, by another order of operations."""
    rng, n = d.generator(), d.count(3, 20)
    shape, scale = np.round(rng.normal(size=n), 3), d.power(0, -200, 200, -290, 290)
    return compare(
        lambda: standardized((shape * scale)[:, None])[:, 0],
        lambda: (shape - shape.mean()) / shape.std() if np.ptp(shape) else np.zeros(n),
        1e-9, f"{shape.tolist()} times {scale}",
    )  # fmt: skip


@case
def sparsity(d: Draws) -> Verdict:
    """Ratios of filters of neighbouring eigenvalues and the number of those that are not negligible, by loops."""
    rng, n = d.generator(), d.count(2, 6)
    values = np.sort(np.abs(rng.normal(size=n))) * d.power(0, -100, 100)
    run = theory.distill_with_ridge(
        theory.Spectrum.from_eigenvalues(values, np.ones(n)),
        float(values.max()) * d.pick(0.1, 3.0),
        d.count(1, 3),
    )
    filters, threshold = run.filters[-1], d.pick(1e-3, 0.1)
    ratios = [filters[i + 1] / filters[i] for i in range(n - 1)]
    told = f"{values} {filters}"
    if theory.effective_basis_size(filters, threshold) != sum(f > threshold for f in filters):
        return "wrong", f"basis of {theory.effective_basis_size(filters, threshold)} at {threshold}: {told}"
    return compare(lambda: theory.sparsity_index(filters, values), lambda: min(ratios), 1e-9, told)
