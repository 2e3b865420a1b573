"""What becomes of a call: an answer, one sentence of refusal, or a fault."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import traceback
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from selfdistill.theory import InputError, Spectrum

Verdict = Literal["answered", "refused", "traceback", "silent", "unclear", "warned"]
# Wrong in every place but where a function says otherwise.
WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: "abc",
    "NaN": lambda: np.nan,
    "dict": dict,
    "empty list": list,
    "-1": lambda: -1,
    "infinity": lambda: np.inf,
    "a huge whole number": lambda: 10**400,
    "half": lambda: 0.5,
    "a complex number": lambda: 1j,
    "unequal rows": lambda: [[1.0], [2.0, 3.0]],
    "an object": object,
    "True": lambda: True,
    "a masked array": lambda: np.ma.array(np.ones((12, 3)), mask=np.eye(12, 3, dtype=bool)),
    "an array of NaN": lambda: np.full((12, 3), np.nan),
    "an array of text": lambda: np.array(["a", "b"]),
    "an array of objects": lambda: np.array([None, {}], dtype=object),
    "no rows": lambda: np.zeros((0, 3)),
    "five axes": lambda: np.ones((1, 1, 1, 1, 2)),
    "a tensor of NaN": lambda: torch.full((12, 3), torch.nan),
    "a tensor of whole numbers": lambda: torch.arange(3),
    "a function": lambda: len,
}  # fmt: skip
MOST_WORDS = 120


def judge(
    function: Callable[..., Any], arguments: dict[str, Any], *, nan_means: bool = False, foreign: bool = False
) -> tuple[Verdict, str, Any]:
    """Call and say what became of it: verdict, detail, and the answer if there is one.

    NaN in an answer is a fault, unless it means something (`nan_means`), such as "not known". With `foreign`,
    scikit-learn's own checks may refuse in its own words, as they do for every estimator.
    """
    try:
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("always")
            value = function(**arguments)
    except InputError as error:
        text = str(error)
        if "\n" in text.strip() or not 3 <= len(text.split()) <= MOST_WORDS:
            return "unclear", text, None
        return "refused", text, None
    except MemoryError as error:
        return "traceback", f"MemoryError: {error}", None
    except Exception as error:  # whatever a user would see as a traceback
        if foreign and isinstance(error, ValueError | TypeError) and _raised_by_scikit_learn(error):
            return "refused", str(error), None
        return "traceback", f"{type(error).__name__}: {error}", None
    numeric = [w for w in caught if issubclass(w.category, RuntimeWarning | ComplexWarning)]
    if not nan_means and holds_nan(value):
        return "silent", f"NaN in {value!r:.200}", value
    if numeric:
        return "warned", f"{numeric[0].category.__name__}: {numeric[0].message}", value
    return "answered", "", value


def _raised_by_scikit_learn(error: Exception) -> bool:
    """Whether one of scikit-learn's checks of input refused, in its own words or in NumPy's."""
    return any(
        part in frame.filename
        for frame in traceback.extract_tb(error.__traceback__)
        for part in ("sklearn/utils/validation", "sklearn/utils/multiclass", "sklearn/base.py")
    )


ComplexWarning: type[Warning] = getattr(np, "exceptions", np).ComplexWarning


def holds_nan(value: Any) -> bool:
    """Whether numbers of an answer are no numbers."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    if isinstance(value, float | np.ndarray | np.generic):
        array = np.asarray(value)
        return bool(array.dtype.kind in "fc" and np.isnan(array).any())
    if isinstance(value, tuple | list):
        return any(holds_nan(part) for part in value)
    if dataclasses.is_dataclass(value):
        return any(holds_nan(getattr(value, field.name)) for field in dataclasses.fields(value))
    return False


def numbers_of(value: Any) -> list[np.ndarray[Any, Any]]:
    """All numbers of an answer in order; of a spectrum its eigenvalues, for its vectors have no fixed sign."""
    if isinstance(value, Spectrum):
        return [np.asarray(value.eigenvalues, float)]
    if isinstance(value, torch.Tensor):
        return [value.detach().cpu().double().numpy()]
    if isinstance(value, bool | int | float | np.ndarray | np.generic):
        array = np.asarray(value)
        return [array.astype(float)] if array.dtype.kind in "fiub" else []
    if isinstance(value, tuple | list):
        return [array for part in value for array in numbers_of(part)]
    if dataclasses.is_dataclass(value):
        return [
            array for field in dataclasses.fields(value) for array in numbers_of(getattr(value, field.name))
        ]
    return []
