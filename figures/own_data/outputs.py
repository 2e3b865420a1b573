"""Files that the commands on own data write: their names are checked before any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ...theory import InputError
from ..run import prepare_folder

PAGES = (".html", ".htm")
Page = Annotated[
    Path | None,
    typer.Option(
        "--html", help="Write a page to explore the result in: one file, no network, with pictures."
    ),
]


def check_output(path: Path | None, option: str, endings: Iterable[str], source: Path | None = None) -> None:
    """Prove that a file can be written under this name, and is not the `source` that is read.

    Raises
    ------
    InputError
        If its name ends in none of `endings`, it is a folder or the source, or its folder cannot be written.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise InputError(
            f"{option} must name a file that ends in one of {', '.join(endings)}; got {path.name!r}."
        )
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder.")
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise InputError(
            f"{option} would overwrite the file that is read, {str(source)!r}: name another file."
        )
    prepare_folder(path.parent, option)
