"""`selfdistill` with any options on tables of any scale, in any file: exit code 0 or 2, one message, valid JSON."""

from __future__ import annotations

import contextlib
import io
import json
import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from selfdistill.figures.cli.app import app, own_data_command
from selfdistill.theory import InputError, Spectrum, distill_to_tolerance

from .draws import Draws
from .oracles.cases import RIGHT, Verdict

SUFFIXES = (".csv", ".csv", ".tsv", ".csv.gz", ".npy", ".npz", ".parquet")
SHARED = {
    "--kernel": [*["rbf", "linear", "poly", "laplacian", "cosine"] * 2, "chi2", "sigmoid", "precomputed", "gauss"],
    "--gamma": ["0.1", "5", "50", "1e-300", "1e300", "-1", "x"],
    "--features": ["a", "b", "a,b", "t", "nothing"], "--drop": ["a", "t", "b,t", "nothing"],
    "--separator": [",", ";", "tab", "::"], "--decimal": [".", ",", "x"], "--encoding": ["utf-8", "utf-16", "klingon"],
}  # fmt: skip
OPTIONS: dict[str, dict[str, list[str]]] = {
    "rounds": {
        **SHARED,
        "--target": [*["y", "z", "a", "y,z"] * 4, "", "none"],
        "--epsilon": [*["0.1", "0.5", "0.01"] * 3, "0", "nan", "1e300"],
        "--degree": ["2", "2.5", "300", "0"], "--coef0": ["0", "1", "1e300", "nan"],
        "--max-rounds": ["0", "1", "50", "-1", "100000000"],
    },
    "labels": {
        **SHARED, "--target": [*["t", "b"] * 4, "y", "none"], "--top": ["1", "3", "0", "x"],
        "--groups": ["b", "a", "none"], "--seed": ["0", "3", "-1", "99999999999999999999"],
    },
}  # fmt: skip
FLAGS = {"rounds": ["--standardize", "--center", "--categorical", "--json"], "labels": ["--json"]}


@cache
def built(name: str) -> Any:
    """The command, read from its function once."""
    return own_data_command(name)


def table(d: Draws) -> pd.DataFrame:
    """Columns of any scale and offset, counts, text; now and then a gap, an infinite value, a constant."""
    rng, n = d.generator(), d.count(2, 14)
    frame = pd.DataFrame({
        "a": rng.normal(size=n) * d.power(*[0] * 9, -200, 200, 5, -5) + d.pick(0.0, 0.0, 1e5, 1e9),
        "b": rng.integers(0, 3, n), "y": rng.normal(size=n) * d.power(*[0] * 9, -200, 200, 5, -5),
        "z": rng.normal(size=n) * d.power(*[0] * 9, 200, 5), "t": [f"k{i % 2}" for i in range(n)],
    })  # fmt: skip
    if d.chance(6):
        frame.loc[0, d.pick("a", "y")] = d.pick(np.nan, np.inf)
    if d.chance(12):
        frame[d.pick("a", "y")] = 3.0
    return frame


def write(frame: pd.DataFrame, path: Path, separator: str | None = None, **how: Any) -> None:
    """Write a table as the file's name says."""
    if path.suffix == ".npy":
        np.save(path, frame.select_dtypes("number").to_numpy())
    elif path.suffix == ".npz":
        x = frame[["a", "b"]].to_numpy(float)
        text = {"t": frame["t"].to_numpy(str)} if "t" in frame else {}
        with np.errstate(all="ignore"):
            np.savez(path, X=x, y=frame["y"], gram=x @ x.T, **text)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep=separator or ("\t" if "tsv" in path.name else ","), **how)


def judged(name: str, words: list[str], told: str) -> tuple[Verdict, Any]:
    """What became of a command in this process: verdict, and its JSON if it was asked for."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            built(name).main(args=words, prog_name="selfdistill")
    except InputError as error:
        if "\n" in str(error).strip():
            return ("wrong", f"{told}: more than one line, {error}"), None
        return ("refused", str(error)), None
    except SystemExit as stop:
        if stop.code == 2:
            return ("refused", "an option that cannot be read"), None
        if stop.code:
            return ("wrong", f"{told}: exit code {stop.code}"), None
    except Exception as error:  # a traceback
        return ("wrong", f"{told}: {type(error).__name__}: {error}"), None
    if "--json" not in words:
        return RIGHT, None
    if "NaN" in said.getvalue() or "Infinity" in said.getvalue():
        return ("wrong", f"{told}: NaN in JSON"), None
    return RIGHT, json.loads(said.getvalue())


def command(d: Draws) -> Verdict:
    """`rounds` and `labels` with any options."""
    name, frame = d.pick("rounds", "rounds", "labels"), table(d)
    if name == "rounds" and d.chance(4):
        frame = frame.drop(columns="t")
    options = OPTIONS[name]
    needed = ["--target", "--epsilon"] if name == "rounds" and not d.chance(6) else ["--target"]
    chosen = [option for option in sorted(options) if option not in needed and d.chance(25)]
    if (
        name == "rounds"
        and "t" in frame
        and "--drop" not in chosen
        and "--features" not in chosen
        and d.chance(2)
    ):
        needed.append("--drop")
    words = [
        word for option in dict.fromkeys([*needed, *chosen]) for word in (option, d.pick(*options[option]))
    ]
    words += [flag for flag in FLAGS[name] if d.chance(3)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"d{d.pick(*SUFFIXES)}"
        write(frame, path)
        verdict, _ = judged(name, [str(path), *words], f"{name} {path.name} {words} {frame.to_dict('list')}")
        return verdict


def command_oracle(d: Draws) -> Verdict:
    """`rounds` reads every kind of file alike, and its multipliers are those of the kernel from exact differences."""
    rng, n = d.generator(), d.count(5, 14)
    step = 2.0**-20
    frame = pd.DataFrame({
        "a": np.round(rng.normal(size=n) / step) * step + d.pick(0.0, 1e5, 5e6), "b": rng.integers(0, 5, n) * 0.5,
        "y": rng.normal(size=n), "t": [f"k{i % 2}" for i in range(n)],
    })  # fmt: skip
    epsilon, gamma, scaled = float(np.mean(frame["y"] ** 2)) * d.pick(0.1, 0.5), d.pick(0.3, 1.0), d.chance(3)
    words = [
        "--target",
        "y",
        "--epsilon",
        repr(epsilon),
        "--gamma",
        repr(gamma),
        "--json",
        "--max-rounds",
        "4",
    ]
    how: dict[str, Any] = {}
    kind = d.pick(".csv", ".tsv", ".csv.gz", ".parquet", ".npz", "semicolons", "utf-16")
    if kind == "semicolons":
        words += ["--separator", ";", "--decimal", ","]
        how = {"separator": ";", "decimal": ","}
    if kind == "utf-16":
        words, how = [*words, "--encoding", "utf-16"], {"encoding": "utf-16"}
    words += (
        ["--drop", "t"]
        if kind != ".npz" and d.chance(2)
        else ["--features", "X" if kind == ".npz" else "a,b"]
    )
    words += ["--standardize"] if scaled else []
    x = frame[["a", "b"]].to_numpy(float)
    if scaled:
        x = x - x.mean(axis=0)
        spread = x.std(axis=0)
        x = x / np.where(spread > 0, spread, 1)
    gram = np.exp(-gamma * ((x[:, None] - x) ** 2).sum(-1))
    told = f"{kind} {words} {frame.to_dict('list')}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"d{kind if kind.startswith('.') else '.csv'}"
        write(frame, path, **how)
        verdict, found = judged("rounds", [str(path), *words], told)
    try:
        run = distill_to_tolerance(Spectrum.from_gram(gram, frame["y"].to_numpy()), epsilon, 4)
    except InputError:
        return (
            verdict
            if verdict[0] == "refused"
            else ("wrong", f"answered, where nothing reaches epsilon: {told}")
        )
    if found is None:
        return "wrong", f"{told}: {verdict}"
    got = [entry["multiplier"] for entry in found["rounds"]]
    alike = len(got) == run.rounds and all(
        math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-12) for a, b in zip(got, run.multipliers, strict=True)
    )
    return RIGHT if alike else ("wrong", f"{got} for {run.multipliers}: {told}")


def names_and_scales(d: Draws) -> Verdict:
    """`list`, `reproduce` and `verify` refuse names, scales and numbers that are none before any work."""
    name = d.pick("list", "reproduce", "verify", "rounds", "labels")
    words = [
        name,
        *(d.pick("sinusoid", "mobahi2020", "nothing", "", "--", "é") for _ in range(d.count(0, 2))),
    ]
    if name in ("reproduce", "verify"):
        words += d.pick(["--scale", "huge"], ["--seed", "-1"], ["--seed", "2" * 30], ["--jobs", "0"],
                        ["--device", "tpu"], ["--scale"], ["--jobs", "many"])  # fmt: skip
    elif name in OPTIONS:
        words += d.pick([], ["--target"], ["--epsilon", "0.1"], ["--nothing"], ["--json"])
    else:
        words += d.pick([], ["--json"], ["--quiet"], ["--nothing"])
    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, InputError) or result.exit_code == 2:
        return "refused", str(result.exception)
    if result.exception is None and name == "list":
        return RIGHT
    return "wrong", f"{words}: exit code {result.exit_code}, {result.exception!r}"
