"""Files of one's own data: NPZ archives, and folders with one folder of images for each class."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ...theory.base.validation import Array, InputError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# Modes of Pillow with one channel.
_GREY = ("1", "L", "I", "F", "I;16")


def is_path(text: str) -> bool:
    """Whether a text names a file or folder of data rather than a bundled set: ``mine.npz``, ``./photos``."""
    return text.lower().endswith(".npz") or "/" in text or "\\" in text


def read_file(path: Path) -> tuple[Array, Array, str]:
    """Inputs, targets and a name, of an NPZ file or a folder of images.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    """
    if path.is_dir():
        return read_images(path)
    if not path.exists():
        raise InputError(f"there is no file or folder {str(path)!r}.")
    if path.suffix.lower() != ".npz":
        raise InputError(
            f"{path.name!r} is neither an NPZ file nor a folder of images. numpy.savez('data.npz', X=features, "
            "y=labels) writes the first."
        )
    return read_npz(path)


def read_npz(path: Path) -> tuple[Array, Array, str]:
    """Arrays ``X`` and ``y`` of an archive; nothing is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in ("X", "y") if name not in archive.files]
            if missing:
                raise InputError(
                    f"{path.name!r} must hold the inputs in an array X and the targets in an array y; it has "
                    f"{', '.join(archive.files) or 'none'}."
                )
            return np.asarray(archive["X"]), np.asarray(archive["y"]), path.stem
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"{path.name!r} holds Python objects, which are never unpickled: save numbers, or text as text."
            ) from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path.name!r} cannot be read as NPZ: {reason}") from None


def read_images(folder: Path) -> tuple[Array, Array, str]:
    """Images (n, channels, height, width) as float32 in [0, 1], and the names of the folders in which they lie.

    Grey images have one channel; where one is coloured all have three.
    """
    from PIL import Image, UnidentifiedImageError  # few runs read images

    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [(p, kind.name) for kind in classes for p in sorted(kind.iterdir()) if p.suffix.lower() in IMAGES]
    if not files:
        raise InputError(
            f"{str(folder)!r} must hold one folder of images for each class; no image ({', '.join(IMAGES)}) lies in a "
            "folder of it."
        )
    images: list[Array] = []
    first: tuple[int, int] | None = None
    for path, _ in files:
        try:
            with Image.open(path) as image:
                first = first or image.size
                if image.size != first:
                    raise InputError(
                        f"all images must be of one size: {path.parent.name}/{path.name} is {image.size[0]}×"
                        f"{image.size[1]}, and the first {first[0]}×{first[1]}. Resize them first."
                    )
                grey = image.mode in _GREY
                shown = image.convert("L") if image.mode == "1" else image if grey else image.convert("RGB")
                pixels = np.asarray(shown, np.float32)
        except (OSError, SyntaxError, UnidentifiedImageError) as error:
            raise InputError(f"image {path.parent.name}/{path.name} cannot be read: {error}") from None
        images.append(pixels[None] if grey else pixels.transpose(2, 0, 1))
    channels = max(len(image) for image in images)
    stacked = np.stack([np.broadcast_to(image, (channels, *image.shape[1:])) for image in images])
    largest = 1.0 if stacked.max() <= 1 else 255.0 if stacked.max() <= 255 else 65535.0
    return stacked / np.float32(largest), np.array([name for _, name in files]), folder.resolve().name
