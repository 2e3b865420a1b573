"""Any array or number in any argument of any public function, and any option of the command: never a traceback."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from typer.testing import CliRunner

from selfdistill.figures.cli.app import app
from selfdistill.theory import InputError

from .arrays import arrays, numbers
from .calls import NAN_MEANS, every_call
from .judge import judge

CALLS = every_call()
# Settings that are counts: a large one is a long computation, not a fault.
COUNTS = {
    "rounds", "max_rounds", "steps", "generations", "hidden_layers", "n_classes", "n_per_class", "superclass_size",
    "n_samples", "n_features", "n_inputs", "substeps", "n_bins", "max_products", "consensus", "epochs", "epoch", "size",
}  # fmt: skip
OPTIONS = {
    "--target": [*["y", "z", "a", "y,z"] * 4, "", "none"],
    "--epsilon": [*["0.1", "0.5", "0.01"] * 3, "0", "nan", "1e300"],
    "--kernel": [*["rbf", "linear", "poly", "laplacian", "cosine"] * 2, "chi2", "precomputed", "gauss"],
    "--gamma": ["0.1", "5", "50", "1e-300", "1e300", "-1", "x"], "--degree": ["2", "2.5", "300", "0"],
    "--coef0": ["0", "1", "1e300", "nan"], "--max-rounds": ["0", "1", "50", "-1", "100000000"],
    "--features": ["a", "b", "a,b", "t", "nothing"], "--drop": ["a", "t", "b,t", "nothing"],
    "--separator": [",", ";", "tab", "::"], "--decimal": [".", ",", "x"], "--encoding": ["utf-8", "utf-16", "klingon"],
}  # fmt: skip
FLAGS = ["--standardize", "--center", "--categorical", "--json"]


def anything(draw: st.DrawFn) -> tuple[str, str]:
    """One argument of one function becomes something else."""
    call = draw(st.sampled_from(CALLS))
    arguments = call.arguments()
    if not arguments:
        return "right", ""
    name = draw(st.sampled_from(sorted(arguments)))
    if name in COUNTS:
        value: Any = draw(
            st.one_of(st.integers(-2, 6), st.sampled_from([None, 1.5, "2", True, np.int8(2), 10**400]))
        )
    else:
        value = draw(st.one_of(arrays(), arrays(), numbers()))
    arguments[name] = value
    verdict, detail, _ = judge(call.function, arguments, nan_means=call.name in NAN_MEANS)
    if verdict in ("answered", "refused"):
        return ("right" if verdict == "answered" else "refused"), detail
    return "wrong", f"{call.name}({name}={value!r:.150}): {verdict}, {detail:.300}"


def command(draw: st.DrawFn) -> tuple[str, str]:
    """`selfdistill rounds` on a table of any scale with any options: exit code 0 or 2, one message, valid JSON."""
    rng, n = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.integers(2, 12))
    scales = [10.0 ** draw(st.sampled_from([*[0] * 9, -200, 200, 5, -5])) for _ in range(3)]
    offset = draw(st.sampled_from([0.0, 0.0, 1e5, 1e9]))
    frame = pd.DataFrame({
        "a": rng.normal(size=n) * scales[0] + offset, "b": rng.integers(0, 3, n), "y": rng.normal(size=n) * scales[1],
        "z": rng.normal(size=n) * scales[2], "t": [f"k{i % 2}" for i in range(n)],
    })  # fmt: skip
    if draw(st.integers(0, 4)):
        frame = frame.drop(columns="t")
    if draw(st.integers(0, 5)) == 0:
        frame.loc[0, draw(st.sampled_from(["a", "y"]))] = draw(st.sampled_from([np.nan, np.inf]))
    chosen = draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3, unique=True))
    words = [
        word
        for name in {"--target", "--epsilon", *chosen}
        for word in (name, draw(st.sampled_from(OPTIONS[name])))
    ]
    words += draw(st.lists(st.sampled_from(FLAGS), max_size=3, unique=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"d{draw(st.sampled_from(['.csv', '.tsv', '.csv.gz', '.npy']))}"
        if path.suffix == ".npy":
            np.save(path, frame.select_dtypes("number").to_numpy())
        else:
            frame.to_csv(path, index=False, sep="\t" if "tsv" in path.name else ",")
        result = CliRunner().invoke(app, ["rounds", str(path), *words])
    if isinstance(result.exception, InputError) or result.exit_code == 2:
        return "refused", str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return (
            "wrong",
            f"{words} {frame.to_dict('list')}: {type(result.exception).__name__}: {result.exception}",
        )
    if "--json" in words and "NaN" in result.stdout:
        return "wrong", f"{words} {frame.to_dict('list')}: NaN in JSON"
    if "--json" in words:
        json.loads(result.stdout)
    return "right", ""
