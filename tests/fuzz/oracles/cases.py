"""A case draws an input, calls the library and says what became of it, by what the answer should have been."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from selfdistill.theory import InputError

from ..draws import Draws

Verdict = tuple[str, str]
Case = Callable[[Draws], Verdict]
CASES: dict[str, Case] = {}
DIGITS = 60
RIGHT: Verdict = ("right", "")


def case(function: Case) -> Case:
    """Add a case to those that are run."""
    CASES[function.__name__] = function
    return function


def answer(call: Callable[[], Any]) -> Any:
    """What a call returns; warnings of numbers that went wrong are raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return call()


def compare(
    call: Callable[[], Any],
    expected: Callable[[], Any],
    tolerance: float,
    what: str,
    *,
    floor: float = 0.0,
    refusable: bool = False,
) -> Verdict:
    """Call, and compare with what it should give: errors at most `tolerance` of the largest entry, or of `floor`.

    A refusal is a fault, unless the input is one that may be refused.
    """
    try:
        got = np.asarray(answer(call), dtype=np.float64)
    except InputError as error:
        return ("refused", str(error)) if refusable else ("wrong", f"{what}: refused, {error}")
    wanted = np.asarray(expected(), dtype=np.float64)
    if got.shape != wanted.shape:
        return "wrong", f"{what}: shape {got.shape} for {wanted.shape}"
    finite = wanted[np.isfinite(wanted)]
    scale = max(float(np.abs(finite).max(initial=0.0)), floor)
    # Sums of numbers below the smallest normal one keep no digits.
    slack = tolerance * scale + 1e-306
    with np.errstate(invalid="ignore"):
        off = np.where((got == wanted) | (np.isnan(got) & np.isnan(wanted)), 0.0, np.abs(got - wanted))
    if (off <= slack).all():
        return RIGHT
    worst = int(np.argmax(np.nan_to_num(off, nan=np.inf)))
    return "wrong", (
        f"{what}: {got.ravel()[:4]} for {wanted.ravel()[:4]}, entry {worst} off by {off.ravel()[worst]:.3g} "
        f"of {scale:.3g}"
    )


def first_fault(*verdicts: Verdict) -> Verdict:
    """The first that is not right, or right."""
    return next((verdict for verdict in verdicts if verdict[0] != "right"), RIGHT)
