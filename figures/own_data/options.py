"""Options of the commands that read a user's file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataFile = Annotated[
    Path, typer.Argument(help="CSV, TSV (also .gz), Parquet, NPZ or NPY file, one row a sample.")
]
Targets = Annotated[
    list[str],
    typer.Option("--target", help="Column (NPZ: array) to distil; several with commas, or the option again."),
]
Features = Annotated[
    list[str] | None,
    typer.Option("--features", help="Columns that are features, comma-separated; all others if not given."),
]
Drop = Annotated[
    list[str] | None, typer.Option("--drop", help="Columns that are no features, comma-separated.")
]
Categorical = Annotated[
    bool, typer.Option("--categorical", help="Take the target's values as classes, be they text or numbers.")
]
Separator = Annotated[
    str | None, typer.Option("--separator", help="Between the values of a text file: one character, or tab.")
]
Decimal = Annotated[str, typer.Option("--decimal", help="Point or comma, in a text file.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Of a text file: utf-8, latin-1, utf-16 …")]
