"""Doors to a spectrum: what is factorised is what was given, in any order, split and precision."""

from __future__ import annotations

import numpy as np

from selfdistill import theory
from selfdistill.theory import Spectrum

from ..draws import Draws
from .cases import Verdict, case, compare, first_fault
from .distillation import built, problem


@case
def same_run_by_every_door(d: Draws) -> Verdict:
    """Multipliers to a tolerance do not depend on what holds the kernel."""
    x, gram, _, y = problem(d)
    energy = float(np.sum(y**2)) / len(y)
    whole = Spectrum.from_gram(gram, y)
    epsilon = max(whole.least_feasible_epsilon * 1.05, energy * d.pick(0.01, 0.2, 0.7))
    if epsilon >= energy:
        return "right", ""
    way, make = built(d, x, gram, y)
    told = f"{way} {x.tolist()} {y.tolist()} {epsilon}"
    reference = theory.distill_to_tolerance(whole, epsilon, 3)
    run = theory.distill_to_tolerance(make(), epsilon, 3)
    if run.rounds != reference.rounds:
        return "wrong", f"{run.rounds} rounds for {reference.rounds}: {told}"
    return first_fault(
        compare(lambda: run.multipliers, lambda: reference.multipliers, 1e-6, told),
        compare(lambda: run.target_norms, lambda: reference.target_norms, 1e-6, told),
    )


@case
def chunks_of_many_decades(d: Draws) -> Verdict:
    """Features whose singular values span decades, in chunks of any sizes, against a factorisation of the whole."""
    rng, n, p = d.generator(), d.count(6, 40), d.count(2, 5)
    x = rng.normal(size=(n, p)) * 10.0 ** (-d.pick(0, 3, 5, 6) * np.arange(p) / (p - 1))
    y = rng.normal(size=n) + x @ (1 / np.abs(x).max(axis=0))
    cuts = sorted({d.count(1, n - 1) for _ in range(d.count(0, 3))})
    whole = Spectrum.from_features(x, y)
    ridge = float(whole.eigenvalues.max()) * d.power(-10, -6, -2)
    told = f"{x.tolist()} {y.tolist()} {cuts} {ridge}"
    run = theory.distill_with_ridge(Spectrum.from_chunks(np.split(x, cuts), y), ridge, 2)
    reference = theory.distill_with_ridge(whole, ridge, 2)
    return compare(lambda: run.fitted(2), lambda: reference.fitted(2), 1e-5, told)


@case
def single_precision(d: Draws) -> Verdict:
    """A gram of single precision gives what its entries give in double precision, to single precision."""
    x, gram, _, y = problem(d)
    single = (gram + 0.01 * np.trace(gram) * np.eye(len(x))).astype(np.float32)
    single = (single + single.T) / 2
    ridge = d.power(-2, 0) * float(np.trace(gram)) / len(x) ** 2
    told = f"{x.tolist()} {y.tolist()} {ridge}"
    return compare(
        lambda: theory.distill_with_ridge(Spectrum.from_gram(single, y), ridge, 2).fitted(2),
        lambda: theory.distill_with_ridge(Spectrum.from_gram(single.astype(float), y), ridge, 2).fitted(2),
        2e-3, told, refusable=not 1e-25 < float(np.abs(y).max()) < 1e25,
    )  # fmt: skip
