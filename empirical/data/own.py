"""One's own data where experiments take the name of a bundled set: arrays, an NPZ file or a folder of images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...theory.base.validation import Array, InputError, as_real_array, check_count, shown
from .own_files import is_path, read_file

NAME = "own data"


@dataclass(frozen=True, eq=False)
class OwnData:
    """Samples and targets of one's own, from which experiments draw training and test sets.

    Two of them are the same if their content and name are; `OwnData.of` makes one.

    Attributes
    ----------
    name : str
        As figures and claims call it.
    inputs : ndarray (n, p) or (n, channels, height, width)
    targets : ndarray (n,)
        Numbers of classes (int64), or values (float64).
    classes : tuple of str
        Names of the classes; empty for values.
    """

    name: str
    inputs: Array = field(repr=False)
    targets: Array = field(repr=False)
    classes: tuple[str, ...]

    @classmethod
    def of(cls, inputs: Any, targets: Any, name: str = NAME) -> OwnData:
        """Check arrays and take them.

        Parameters
        ----------
        inputs : array (n, p), (n, height, width) or (n, channels, height, width)
            Features, or images.
        targets : array (n,)
            Whole numbers, text and truth values are classes, real numbers are values.
        name : str

        Raises
        ------
        InputError
            If shapes do not fit, numbers are not finite, or there is nothing to tell apart.

        Examples
        --------
        >>> import numpy as np
        >>> from selfdistill.empirical.data.own import OwnData
        >>> OwnData.of(np.arange(12.0).reshape(6, 2), ["a", "b", "a", "b", "b", "a"]).classes
        ('a', 'b')
        """
        x = _inputs(inputs, name)
        y, classes = _targets(targets, len(x), name)
        if not np.ptp(x, axis=0).any():
            raise InputError(f"all samples of {name} have the same inputs: there is nothing to learn from.")
        return cls(str(name), x, y, classes)

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for values."""
        return len(self.classes)

    @cached_property
    def digest(self) -> str:
        """Hash of inputs, targets and the names of the classes."""
        found = hashlib.sha256()
        for array in (self.inputs, self.targets):
            found.update(f"{array.dtype.str}{array.shape};".encode())
            found.update(np.ascontiguousarray(array).data)
        found.update("\0".join(self.classes).encode())
        return found.hexdigest()[:16]

    @property
    def description(self) -> str:
        """Its name, size and kind in words."""
        shape = "×".join(map(str, self.inputs.shape[1:]))
        what = f"images of {shape}" if self.inputs.ndim > 2 else f"samples of {shape} features"
        kind = f"{self.n_classes} classes" if self.classes else "real targets"
        return f"{self.name} ({len(self.inputs)} {what}, {kind})"

    def two_commonest(self) -> OwnData:
        """Return the samples of the two commonest classes alone; two classes, or values, as they are."""
        if self.n_classes <= 2:
            return self
        counts = np.bincount(self.targets, minlength=self.n_classes)
        first, second = np.sort(np.argsort(-counts, kind="stable")[:2])
        kept = np.isin(self.targets, (first, second))
        pair = (self.classes[first], self.classes[second])
        targets = (self.targets[kept] == second).astype(np.int64)
        return OwnData(f"{self.name}, {pair[0]} or {pair[1]}", self.inputs[kept], targets, pair)

    def sizes(self, *wanted: int, least: int) -> tuple[int, ...]:
        """Sizes of the parts to draw: as wanted, or all reduced alike where there are not so many samples.

        Parameters
        ----------
        *wanted : int
            Training points first.
        least : int
            Number of samples below which no part may fall.

        Raises
        ------
        InputError
            If a part would be too small, or hold no sample of a class.
        """
        share = min(1.0, len(self.inputs) / sum(wanted))
        parts = tuple(int(share * n) for n in wanted)
        least = max(least, 2 * self.n_classes)
        if min(parts) < least:
            needed = int(np.ceil(least * sum(wanted) / min(wanted)))
            raise InputError(
                f"{self.name} has {len(self.inputs)} samples, too few to be parted into sets of {_listed(wanted)}, or "
                f"smaller alike, of at least {least} each: {needed} are needed."
            )
        self.check_sizes(*parts)
        return parts

    def check_sizes(self, n_train: int, *others: int) -> None:
        """Raise unless parts of these sizes can be drawn, the first with a sample of every class."""
        total, asked = len(self.inputs), n_train + sum(others)
        if asked > total:
            raise InputError(f"{self.name} has {total} samples; {asked} are asked for in all.")
        if not self.classes:
            return
        counts = np.bincount(self.targets, minlength=self.n_classes)
        rarest = int(counts.argmin())
        if n_train * int(counts[rarest]) < total:
            raise InputError(
                f"class {self.classes[rarest]!r} of {self.name} has {counts[rarest]} of {total} samples: of {n_train} "
                "training points none might be of it. Leave the class out, join it with another, or add samples."
            )

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnData) and (self.name, self.digest) == (other.name, other.digest)

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "digest"}


DataSource = str | OwnData
"""What experiments draw from: the name of a bundled set, or one's own data."""


def as_data(value: Any, *, classes: bool = False, sizes: Sequence[int] = ()) -> DataSource:
    """Return what an experiment draws from; own data are checked at once, before any work.

    Parameters
    ----------
    value : str, path, pair of arrays or OwnData
        The name of a bundled set; an NPZ file with arrays X and y; a folder with one folder of images for each
        class; inputs and targets.
    classes : bool
        Whether targets must be classes.
    sizes : sequence of int
        How many training points, and how many others, will be drawn.

    Raises
    ------
    InputError
        If it is none of these, a file cannot be read, targets are of the wrong kind or samples too few.
    """
    if isinstance(value, str) and not is_path(value):
        return value
    if isinstance(value, str | Path):
        own = OwnData.of(*read_file(Path(value)))
    elif isinstance(value, OwnData):
        own = value
    elif isinstance(value, tuple | list) and len(value) == 2:
        own = OwnData.of(*value)
    else:
        raise InputError(
            "data must be the name of a bundled set, an NPZ file, a folder of images, or a pair of inputs and "
            f"targets; got {shown(value)}."
        )
    if classes and not own.classes:
        raise InputError(
            f"{own.name} has real targets, and classes are needed: give them as whole numbers or as text."
        )
    if sizes:
        own.check_sizes(*(check_count(n, "sizes") for n in sizes))
    return own


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}"


def _inputs(value: Any, name: str) -> Array:
    x = as_real_array(value, f"the inputs of {name}")
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim not in (2, 4) or 0 in x.shape:
        raise InputError(
            f"the inputs of {name} must be features (n, p) or images (n, height, width) or (n, channels, height, "
            f"width); got shape {x.shape}."
        )
    if x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4):
        raise InputError(
            f"images must have their channels before height and width; the inputs of {name} have shape {x.shape}: "
            "give X.transpose(0, 3, 1, 2)."
        )
    return x


def _targets(value: Any, n: int, name: str) -> tuple[Array, tuple[str, ...]]:
    """Numbers of classes and their names, or values and none."""
    y = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if y.ndim == 2 and 1 in y.shape:
        y = y.ravel()
    if y.shape != (n,):
        raise InputError(
            f"the targets of {name} must be one for each of its {n} samples; got shape {y.shape}."
        )
    if y.dtype.kind == "f":
        values = as_real_array(y, f"the targets of {name}").astype(np.float64)
        if np.ptp(values) == 0:
            raise InputError(
                f"the targets of {name} are constant ({values[0]:g}): there is nothing to learn."
            )
        return values, ()
    if y.dtype.kind not in "biuUSO":
        raise InputError(f"the targets of {name} must be numbers or text; got an array of {y.dtype}.")
    known, labels = np.unique(y.astype(str) if y.dtype.kind in "SO" else y, return_inverse=True)
    if len(known) < 2:
        raise InputError(f"all samples of {name} are of class {known[0]!s}: there is nothing to tell apart.")
    if len(known) > max(2, n // 2):
        raise InputError(
            f"the targets of {name} are {len(known)} different classes in {n} samples: give values as real numbers."
        )
    return labels.astype(np.int64), tuple(map(str, known))
