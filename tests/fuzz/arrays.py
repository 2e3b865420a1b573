"""Strategies of Hypothesis: numbers and arrays as people have them, and as nobody should."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e-300, 1e300, -1.0, 1.0, 2.0**53]
DTYPES = ["float64", "float32", "float16", "int64", "int8", "uint8", "bool", "object", "complex128"]
EXPONENTS = st.sampled_from([0, 0, 0, -3, 3, -8, 8, -100, 100, -200, 200, -300, 300])


def numbers() -> st.SearchStrategy[Any]:
    """Single values: mostly numbers, at every scale."""
    scaled = st.builds(lambda m, e: m * 10.0**e, st.floats(0.1, 10), EXPONENTS)
    return st.one_of(
        scaled,
        scaled.map(lambda value: -value),
        st.sampled_from(SPECIAL),
        st.integers(-3, 20),
        st.sampled_from(
            [10**40, -(10**40), True, None, "1.5", "", np.float32(0.3), np.int8(3), torch.tensor(0.4)]
        ),
    )


@st.composite
def arrays(draw: st.DrawFn, rows: int = 12, columns: int = 3) -> Any:
    """Arrays of all types, shapes, orders and scales; with masks, special entries, as lists and as tensors."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(
        st.sampled_from(
            [(rows,), (rows, columns), (rows, rows), (rows, 1), (1, columns), (columns,), (columns, columns), (0,),
             (0, columns), (), (2, rows, columns), (rows - 1,), (rows, columns + 1)]
        )
    )  # fmt: skip
    with np.errstate(over="ignore", under="ignore"):
        values = rng.normal(size=shape) * 10.0 ** draw(EXPONENTS)
        kind = draw(st.sampled_from(["as is", "positive", "probabilities", "whole", "equal", "gram"]))
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
    if values.size and draw(st.integers(0, 4)) == 0:
        values = np.array(values)
        values.flat[draw(st.integers(0, values.size - 1))] = draw(st.sampled_from(SPECIAL))
    with np.errstate(all="ignore"):
        values = np.asarray(values).astype(draw(st.sampled_from([*["float64"] * 6, *DTYPES])))
    form = draw(
        st.sampled_from([*["array"] * 5, "list", "tensor", "fortran", "reversed", "masked", "read only"])
    )
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
    if form == "read only":
        values.setflags(write=False)
    return values
