"""Numbers and arrays as people have them, and as nobody should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from .draws import Draws

SPECIAL = (0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e-300, 1e300, -1.0, 1.0, 2.0**53)
DTYPES = ("float64", "float32", "float16", "int64", "int8", "uint8", "bool", "object", "complex128")
SCALES = (0, 0, 0, -3, 3, -8, 8, -100, 100, -200, 200, -300, 300)
ODD = (
    10**40,
    -(10**40),
    True,
    None,
    "1.5",
    "",
    np.float32(0.3),
    np.int8(3),
    torch.tensor(0.4),
    -2,
    0,
    1,
    3,
    20,
)


def number(d: Draws) -> Any:
    """A single value: mostly a number, of any scale."""
    kind = d.pick("scaled", "scaled", "special", "odd")
    if kind == "special":
        return d.pick(*SPECIAL)
    return (
        d.pick(*ODD) if kind == "odd" else d.pick(-1, 1) * d.pick(0.1, 0.7, 1.0, 3.0, 9.9) * d.power(*SCALES)
    )


def array(d: Draws, rows: int = 12, columns: int = 3) -> Any:
    """An array of any type, shape, order and scale; with masks, special entries, as a list or as a tensor."""
    rng = d.generator()
    shape = d.pick(
        (rows,), (rows, columns), (rows, rows), (rows, 1), (1, columns), (columns,), (columns, columns), (0,),
        (0, columns), (), (2, rows, columns), (rows - 1,), (rows, columns + 1),
    )  # fmt: skip
    with np.errstate(all="ignore"):
        values = np.asarray(rng.normal(size=shape) * d.power(*SCALES))
        kind = d.pick("as is", "positive", "probabilities", "whole", "equal", "gram")
        if kind == "positive":
            values = np.abs(values)
        elif kind == "probabilities" and values.ndim:
            values = rng.dirichlet(np.ones(max(shape[-1], 1)), size=shape[:-1])[..., : shape[-1]]
        elif kind == "whole":
            values = rng.integers(0, columns, size=shape).astype(float)
        elif kind == "equal":
            values = np.full(shape, values.flat[0] if values.size else 0.0)
        elif kind == "gram" and values.ndim == 2:
            values = values @ values.T
    if values.size and d.chance(5):
        values = np.array(values)
        values.flat[d.count(0, values.size - 1)] = d.pick(*SPECIAL)
    with np.errstate(all="ignore"):
        values = np.asarray(values).astype(d.pick(*["float64"] * 6, *DTYPES))
    form = d.pick(*["array"] * 5, "list", "tensor", "fortran", "reversed", "masked", "read only", "frame")
    if form == "list":
        return values.tolist()
    if form == "tensor" and values.dtype != object:
        return torch.tensor(values)
    if form == "fortran":
        return np.asfortranarray(values)
    if form == "reversed" and values.ndim:
        return values[::-1]
    if form == "masked":
        return np.ma.array(values, mask=rng.random(values.shape) < 0.2)
    if form == "frame" and values.ndim in (1, 2):
        return (pd.DataFrame if values.ndim == 2 else pd.Series)(values)
    if form == "read only":
        values.setflags(write=False)
    return values


CHANGES = (
    "scaled",
    "scaled",
    "shifted",
    "one entry",
    "permuted",
    "type",
    "rounded",
    "repeated",
    "fewer",
    "negative",
)


def near(d: Draws, valid: Any) -> Any:
    """What an argument takes, changed: its scale, its offset, one entry, its order, its type, its rows."""
    values, rng = np.array(valid), d.generator()
    kind = d.pick(*CHANGES)
    with np.errstate(all="ignore"):
        if kind == "scaled":
            values = values * d.power(*SCALES)
        elif kind == "shifted":
            values = values + d.pick(1e5, -1e5, 1e9, 1e-9, 1)
        elif kind == "one entry" and values.size:
            values = values.astype(float)
            values.flat[d.count(0, values.size - 1)] = d.pick(*SPECIAL)
        elif kind == "permuted":
            values = rng.permutation(values) if values.ndim else values
        elif kind == "type":
            values = values.astype(d.pick(*DTYPES))
        elif kind == "rounded":
            values = np.round(values)
        elif kind == "repeated" and len(values):
            values = np.repeat(values[:1], len(values), axis=0)
        elif kind == "fewer":
            values = values[: len(values) // 2]
        elif kind == "negative":
            values = -values.astype(float)
    return torch.tensor(values) if isinstance(valid, torch.Tensor) and values.dtype != object else values


GUISES = (
    "list",
    "fortran",
    "strided",
    "read only",
    "masked nowhere",
    "big-endian",
    "object",
    "Series",
    "nested tuple",
)


def guise(d: Draws, values: np.ndarray[Any, Any]) -> tuple[str, Any]:
    """The same numbers held in another way, and its name."""
    name = d.pick(*GUISES)
    if name == "list":
        return name, values.tolist()
    if name == "nested tuple":
        return name, _as_tuples(values.tolist())
    if name == "fortran":
        return name, np.asfortranarray(values)
    if name == "strided" and values.ndim:
        return name, np.repeat(values, 2, axis=0)[::2]
    if name == "masked nowhere":
        return name, np.ma.array(values, mask=np.zeros(values.shape, bool))
    if name == "big-endian" and values.dtype.kind in "fiu":
        return name, values.astype(values.dtype.newbyteorder(">"))
    if name == "object" and values.dtype.kind == "f":
        return name, values.astype(object)
    if name == "Series" and values.ndim in (1, 2):
        return name, (pd.Series if values.ndim == 1 else pd.DataFrame)(values)
    same = values.copy()
    same.setflags(write=False)
    return "read only", same


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(part) for part in value) if isinstance(value, list) else value
