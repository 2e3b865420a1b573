"""CIFAR-10 and CIFAR-100: downloaded once and checked, or read from a folder; augmentation on the device."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from ...theory.base.validation import Array, InputError, as_generator, check_choice, check_count
from ..training.members import Batch
from .datasets import Data, standardise

_ROOT = "https://www.cs.toronto.edu/~kriz/"
# Archive, its hash, training and test files, label bytes before each image, number of classes.
_SETS = {
    "cifar10": (
        "cifar-10-binary.tar.gz",
        "md5:c32a1d4ab5d03f1284b67883e8d87530",
        tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
        ("cifar-10-batches-bin/test_batch.bin",),
        1,
        10,
    ),
    "cifar100": (
        "cifar-100-binary.tar.gz",
        "md5:03b5dce01913d631647c71ecec9e9cb8",
        ("cifar-100-binary/train.bin",),
        ("cifar-100-binary/test.bin",),
        2,
        100,
    ),
}


def locate(name: str, folder: str | Path | None = None) -> Path:
    """Return the folder that holds a set's files, downloading them if no folder is named.

    Called before long work, so that missing data end it at once.

    Parameters
    ----------
    name : {"cifar10", "cifar100"}
    folder : path, optional
        As `load_cifar` takes it.

    Raises
    ------
    InputError
        If the name is unknown, files are missing from the folder, or there is no network.
    """
    check_choice(name, "name", tuple(_SETS))
    source = os.environ.get("SELFDISTILL_CIFAR") if folder is None else folder
    if source is None:
        return download(name)
    root = Path(source)
    archive, _, train_files, test_files, *_ = _SETS[name]
    for file in (*train_files, *test_files):
        if not (root / archive).is_file() and _unpacked(root, file) is None:
            raise InputError(
                f"{root} holds neither {file} nor {archive}. It must hold CIFAR's binary version."
            )
    return root


def load_cifar(
    name: str, n_train: int, n_test: int, rng: np.random.Generator | int, folder: str | Path | None = None
) -> Data:
    """Draw training and test images.

    Parameters
    ----------
    name : {"cifar10", "cifar100"}
    n_train, n_test : int
        Up to 50,000 and 10,000.
    rng : numpy.random.Generator or int
    folder : path, optional
        Where the binary version lies, archive or unpacked; also taken from ``SELFDISTILL_CIFAR``. Otherwise it
        is downloaded once with pooch and its hash is checked.

    Returns
    -------
    Data
        Images (n, 3, 32, 32), each channel standardised.

    Raises
    ------
    InputError
        If the name is unknown, the files are missing, or there is no network.
    """
    rng = as_generator(rng)
    root = locate(name, folder)
    archive, _, train_files, test_files, label_bytes, n_classes = _SETS[name]
    x, y = _draw(root, archive, train_files, label_bytes, n_classes, check_count(n_train, "n_train"), rng)
    x_test, y_test = _draw(
        root, archive, test_files, label_bytes, n_classes, check_count(n_test, "n_test"), rng
    )
    return standardise(name, x, y, x_test, y_test, n_classes, axis=(0, 2, 3))


def download(name: str) -> Path:
    """Fetch an archive into the user's cache, check its hash, and return its folder.

    Raises
    ------
    InputError
        If pooch is not installed, or the download fails.
    """
    archive, digest, *_ = _SETS[name]
    try:
        import pooch
    except ImportError:
        raise InputError(
            "downloading CIFAR needs pooch: pip install 'selfdistill[cifar]', or set SELFDISTILL_CIFAR to a "
            "folder that holds the binary version."
        ) from None
    cache = pooch.os_cache("selfdistill")
    try:
        pooch.retrieve(
            _ROOT + archive, known_hash=digest, fname=archive, path=cache,
            progressbar=find_spec("tqdm") is not None,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError(
            f"{archive} could not be downloaded ({type(error).__name__}: {error}). Without a network, fetch "
            f"{_ROOT}{archive} elsewhere and set SELFDISTILL_CIFAR to its folder; digits need no download."
        ) from None
    return Path(cache)


def _draw(
    root: Path,
    archive: str,
    files: tuple[str, ...],
    label_bytes: int,
    n_classes: int,
    n: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    raw = np.frombuffer(b"".join(_read(root, archive, name) for name in files), np.uint8)
    record = label_bytes + 3 * 32 * 32
    if raw.size == 0 or raw.size % record:
        raise InputError(f"{files[0]} is not a CIFAR binary file: its size is no multiple of {record} bytes.")
    rows = raw.reshape(-1, record)
    if n > len(rows):
        raise InputError(f"there are {len(rows)} images in {files[0]} and its like; {n} were asked for.")
    rows = rows[np.sort(rng.permutation(len(rows))[:n])]
    # The last label byte is the fine label of CIFAR-100.
    labels = rows[:, label_bytes - 1].astype(np.int64)
    if labels.max() >= n_classes:
        raise InputError(
            f"{files[0]} holds the label {labels.max()}, but there are {n_classes} classes: it is damaged, or not "
            "CIFAR's binary version."
        )
    return rows[:, label_bytes:].reshape(-1, 3, 32, 32).astype(np.float32) / 255, labels


def _unpacked(root: Path, name: str) -> Path | None:
    return next((path for path in (root / name, root / Path(name).name) if path.is_file()), None)


def _read(root: Path, archive: str, name: str) -> bytes:
    path = _unpacked(root, name)
    if path is not None:
        return path.read_bytes()
    try:
        with tarfile.open(root / archive) as tar:
            member = tar.extractfile(name)
            if member is not None:
                return member.read()
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise InputError(
            f"{root / archive} cannot be read ({type(error).__name__}: {error}). Fetch it again."
        ) from None
    raise InputError(f"{root / archive} holds no file {name}. It must be CIFAR's binary version.")


class CropAndFlip:
    """A `prepare` hook: shifts each image by up to `padding` pixels and mirrors half of them, on the device.

    Draws of a member come from its own seed, so that they do not depend on its company.

    Parameters
    ----------
    padding : int
    mirrors : bool
        Whether to mirror at all: a digit that is mirrored is none.
    """

    def __init__(self, padding: int = 4, *, mirrors: bool = True) -> None:
        self.padding = padding
        self.mirrors = mirrors
        self.generators: list[torch.Generator] = []

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with its images (M, b, c, h, w) augmented."""
        if batch.step == 0:
            # Offset, so that shifts and minibatches do not share a member's random numbers.
            self.generators = [torch.Generator().manual_seed(s + 2**33) for s in batch.ensemble.seeds]
        x, p = batch.inputs, self.padding
        m, b, c, h, w = x.shape
        draws = torch.stack([torch.randint(0, 2 * p + 1, (2, b), generator=g) for g in self.generators])
        mirrors = torch.stack([torch.rand(b, generator=g) < 0.5 * self.mirrors for g in self.generators])
        down, across = draws.to(x.device).transpose(0, 1).reshape(2, m * b)
        padded = torch.nn.functional.pad(x.reshape(m * b, c, h, w), (p, p, p, p))
        rows = down[:, None] + torch.arange(h, device=x.device)
        columns = across[:, None] + torch.arange(w, device=x.device)
        columns = torch.where(mirrors.to(x.device).reshape(m * b, 1), columns.flip(1), columns)
        images = torch.arange(m * b, device=x.device)[:, None, None, None]
        channels = torch.arange(c, device=x.device)[None, :, None, None]
        moved = padded[images, channels, rows[:, None, :, None], columns[:, None, None, :]]
        return replace(batch, inputs=moved.reshape(x.shape))
