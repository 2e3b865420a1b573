"""Any value in any argument of any public function, and right values in any guise."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import torch

from .arrays import SCALES, array, guise, near, number
from .calls import NAN_MEANS, Call, every_call
from .draws import Draws
from .judge import judge, numbers_of
from .oracles.cases import RIGHT, Verdict

CALLS = every_call()
# Settings that are counts: a large one is a long computation, not a fault.
COUNTS = {
    "rounds", "max_rounds", "steps", "generations", "hidden_layers", "n_classes", "n_per_class", "superclass_size",
    "n_samples", "n_features", "n_inputs", "substeps", "n_bins", "max_products", "consensus", "epochs", "epoch", "size",
    "generation", "count", "mixing_steps", "cv", "top",
}  # fmt: skip
# Calls that take tens of milliseconds are made less often.
DEAR = {
    "SelfDistilledRidgeClassifier.best",
    "SelfDistilledKernelRidge.best",
    "SelfDistilledSoftmaxRegression.partial",
}
ODD_COUNTS = (None, 1.5, "2", True, np.int8(2), np.uint64(3), 10**400)
# What must be a tensor: outputs of networks.
TENSORS = {"logits", "student_logits", "like", "probabilities"}


def value_for(d: Draws, name: str, valid: Any) -> Any:
    """Something to put into an argument, more often than not near to what it takes."""
    if isinstance(valid, np.ndarray | torch.Tensor) and valid.ndim and not d.chance(3):
        return near(d, valid)
    if isinstance(valid, list) and valid and isinstance(valid[0], float) and not d.chance(3):
        return near(d, valid)
    if isinstance(valid, float) and not d.chance(3):
        return valid * d.power(*SCALES)
    if name in COUNTS:
        return d.count(-2, 6) if d.chance(2) else d.pick(*ODD_COUNTS)
    return number(d) if d.chance(3) else array(d)


def anything(d: Draws) -> Verdict:
    """One or two arguments of one function become something else: no traceback, no NaN, and nothing is changed."""
    call = d.pick(*CALLS)
    if call.name in DEAR and not d.chance(8):
        call = d.pick(*CALLS)
    arguments = call.arguments()
    if not arguments:
        return RIGHT
    names = sorted(arguments)
    changed = {d.pick(*names) for _ in range(d.pick(1, 1, 2))}
    arguments.update({name: value_for(d, name, arguments[name]) for name in sorted(changed)})
    before = copies(arguments)
    verdict, detail, _ = judge(
        call.function, arguments, nan_means=call.name in NAN_MEANS, foreign=call.foreign
    )
    told = f"{call.name}({', '.join(f'{name}={arguments[name]!r:.400}' for name in sorted(changed))})"
    altered = [name for name, value in before.items() if not same(value, arguments[name])]
    if altered:
        return "wrong", f"{told}: its argument {altered[0]} was changed"
    if verdict in ("answered", "refused"):
        return ("right" if verdict == "answered" else "refused"), detail
    return "wrong", f"{told}: {verdict}, {detail:.300}"


def guises(d: Draws) -> Verdict:
    """The numbers of an argument in a list, another order, type or container give the same answer."""
    call = d.pick(*CALLS)
    arguments = call.arguments()
    arrays = sorted(name for name, value in arguments.items() if may_be_in_guise(name, value))
    if not arrays:
        return RIGHT
    name = d.pick(*arrays)
    form, arguments[name] = guise(d, np.asarray(arguments[name]))
    before = copies(arguments)
    expected, _, reference = judge(call.function, call.arguments(), nan_means=True, foreign=call.foreign)
    verdict, detail, got = judge(call.function, arguments, nan_means=True, foreign=call.foreign)
    told = f"{call.name}({name} as {form})"
    if not same(before[name], arguments[name]):
        return "wrong", f"{told}: it was changed"
    if (expected, verdict) != ("answered", "answered"):
        return "wrong", f"{told}: {verdict}, {detail:.300}"
    for ours, theirs in zip(numbers_of(reference), numbers_of(got), strict=True):
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-9, atol=1e-12, equal_nan=True):
            return "wrong", f"{told}: {theirs.ravel()[:4]} for {ours.ravel()[:4]}"
    return RIGHT


def may_be_in_guise(name: str, value: Any) -> bool:
    """Arrays, and tensors that may be arrays: all that go beside logits."""
    if isinstance(value, torch.Tensor):
        return name not in TENSORS
    return isinstance(value, np.ndarray)


def copies(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arrays, tables, lists and tensors as they are now."""
    return {
        name: copy.deepcopy(value)
        for name, value in arguments.items()
        if isinstance(value, np.ndarray | torch.Tensor | pd.Series | pd.DataFrame | list | tuple)
    }


def same(first: Any, second: Any) -> bool:
    """Whether two arrays or lists hold the same, NaN included."""
    if isinstance(first, list | tuple | pd.Series | pd.DataFrame):
        return repr(first) == repr(second)
    if isinstance(first, torch.Tensor):
        return first.shape == second.shape and bool(
            ((first == second) | ((first != first) & (second != second))).all()
        )
    if isinstance(first, np.ma.MaskedArray) and not np.array_equal(
        np.ma.getmaskarray(first), np.ma.getmaskarray(second)
    ):
        return False
    left, right = np.asarray(first), np.asarray(second)
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return left.tobytes() == right.tobytes() if left.dtype != object else repr(left) == repr(right)


__all__ = ["Call", "anything", "guises"]
