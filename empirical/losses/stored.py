"""A teacher's answers on disk: the largest probabilities of each sample, mapped into memory as they are read.

A store is a folder of NumPy arrays and a header, without pickle. It is written beside its place and moved there
when it is whole, and it names what it belongs to, so that it never answers for other data.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...theory.base.validation import Array, InputError, check_count, check_positive
from .terms import check_logits, widened
from .top_targets import TopTargets

_VERSION = 1


def fingerprint(*parts: Any) -> str:
    """Hash of arrays, tensors, networks (their states) and texts, in their order: what a store belongs to.

    Examples
    --------
    >>> from selfdistill.empirical.losses.stored import fingerprint
    >>> fingerprint("digits", "teacher of 64 units")[:8]
    '2f1e7cb1'
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, nn.Module):
            for name, value in part.state_dict().items():
                digest.update(name.encode())
                if isinstance(value, Tensor):
                    _add(digest, value.detach().cpu().contiguous())
        elif isinstance(part, str):
            digest.update(part.encode() + b"\0")
        else:
            _add(digest, torch.as_tensor(part).detach().cpu().contiguous())
    return digest.hexdigest()


def _add(digest: Any, tensor: Tensor) -> None:
    digest.update(f"{tuple(tensor.shape)} {tensor.dtype}\0".encode())
    digest.update(tensor.flatten().view(torch.uint8).numpy() if tensor.numel() else b"")


def store_teacher(
    path: str | Path,
    logits: Iterable[Tensor],
    *,
    n_samples: int,
    top: int,
    belongs_to: str,
    temperature: float = 1.0,
) -> StoredTeacher:
    """Write a teacher's answers, batch after batch.

    Parameters
    ----------
    path : str or Path
        Of the folder; a store that is there is replaced when the new one is whole.
    logits : iterable of Tensor (b, ..., K)
        In the order of the samples. In sequences every place is a sample: place p of sentence i of P is
        number ``i * P + p``.
    n_samples : int
        How many come in all.
    top : int
        Entries a sample.
    belongs_to : str
        `fingerprint` of the data and the teacher.
    temperature : float
        By which logits are divided; the loss must use the same.

    Raises
    ------
    InputError
        If logits are no numbers, or not as many samples or classes as were said come. Nothing is left then.
    """
    check_count(n_samples, "n_samples")
    check_positive(temperature, "temperature")
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        n_classes = _write(made, logits, n_samples, top, temperature)
        header = {
            "version": _VERSION,
            "n_classes": n_classes,
            "temperature": float(temperature),
            "belongs_to": belongs_to,
        }
        (made / "header.json").write_text(json.dumps(header), encoding="utf-8")
        if place.exists():
            _check_is_store(place)
            old = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent)) / "old"
            place.replace(old)
            made.replace(place)
            shutil.rmtree(old.parent)
        else:
            made.replace(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return StoredTeacher.open(place, belongs_to=belongs_to)


def _write(folder: Path, batches: Iterable[Tensor], n_samples: int, top: int, temperature: float) -> int:
    """Write both arrays and return the number of classes."""
    n_classes, done = 0, 0
    classes: Any = None
    masses: Any = None
    for batch in batches:
        check_logits(batch)
        rows = batch.detach().flatten(0, -2)
        if classes is None:
            n_classes = rows.shape[-1]
            kind = np.uint16 if n_classes <= 2**16 else np.uint32
            classes, masses = (
                np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype=dtype, shape=(n_samples, top))
                for name, dtype in (("classes", kind), ("masses", np.float32))
            )
        if rows.shape[-1] != n_classes or done + len(rows) > n_samples:
            raise InputError(
                f"{n_samples} samples of {n_classes} classes were announced; now there are {done + len(rows)}, of "
                f"{rows.shape[-1]} classes."
            )
        targets = TopTargets.of(torch.softmax(widened(rows) / temperature, dim=-1), top, check=False)
        classes[done : done + len(rows)] = targets.classes.cpu().numpy()
        masses[done : done + len(rows)] = targets.masses.float().cpu().numpy()
        done += len(rows)
    if done != n_samples:
        raise InputError(f"{n_samples} samples were announced and {done} came.")
    classes.flush()
    masses.flush()
    return n_classes


def _check_is_store(place: Path) -> None:
    if not (place / "header.json").is_file():
        raise InputError(f"{place} is there and is no store of a teacher; choose another place.")


@dataclass(frozen=True, eq=False)
class StoredTeacher:
    """A teacher's answers on disk, by the numbers of samples.

    Attributes
    ----------
    path : Path
    classes : array of integers (n, N)
    masses : array (n, N)
    n_classes : int
    temperature : float
    belongs_to : str
    """

    path: Path
    classes: Array
    masses: Array
    n_classes: int
    temperature: float
    belongs_to: str

    @classmethod
    def open(cls, path: str | Path, *, belongs_to: str) -> StoredTeacher:
        """Map a store into memory.

        Raises
        ------
        InputError
            If there is none, it is damaged, or it belongs to other data.
        """
        place = Path(path)
        _check_is_store(place)
        header = json.loads((place / "header.json").read_text(encoding="utf-8"))
        if header.get("version") != _VERSION:
            raise InputError(f"{place} is a store of version {header.get('version')}; this reads {_VERSION}.")
        if header["belongs_to"] != belongs_to:
            raise InputError(
                f"{place} belongs to other data or another teacher: it is of {header['belongs_to'][:12]}…, and "
                f"{belongs_to[:12]}… was asked for. Store the teacher anew."
            )
        try:
            classes, masses = (
                np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("classes", "masses")
            )
        except (OSError, ValueError) as error:
            raise InputError(f"{place} is damaged ({error}). Store the teacher anew.") from None
        if classes.shape != masses.shape or classes.ndim != 2:
            raise InputError(f"{place} is damaged: its arrays are {classes.shape} and {masses.shape}.")
        return cls(place, classes, masses, header["n_classes"], header["temperature"], belongs_to)

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: Any) -> TopTargets:
        """Targets (..., N) of samples (...), on the device of their numbers.

        Raises
        ------
        InputError
            If a number is out of range.
        """
        index = torch.as_tensor(index)
        rows = index.cpu().numpy()
        if rows.dtype.kind not in "iu":
            raise InputError(f"samples are asked for by whole numbers; got an index of {index.dtype}.")
        if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < len(self):
            raise InputError(f"the store holds {len(self)} samples; got numbers {rows.min()} … {rows.max()}.")
        classes = torch.from_numpy(self.classes[rows].astype(np.int64)).to(index.device)
        masses = torch.from_numpy(np.array(self.masses[rows])).to(index.device)
        return TopTargets(classes, masses, self.n_classes, self.temperature)

    def __reduce__(self) -> tuple[Callable[..., StoredTeacher], tuple[Any, ...]]:
        """Other processes map the same files."""
        return _reopen, (self.path, self.belongs_to)


def _reopen(path: Path, belongs_to: str) -> StoredTeacher:
    return StoredTeacher.open(path, belongs_to=belongs_to)
