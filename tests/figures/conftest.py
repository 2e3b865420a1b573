"""The command as a user calls it, and the browser that opens what it writes."""

import json
import shutil
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

from selfdistill.figures.cli.app import main

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser():
    """A Chromium; tests that ask for it are skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def frame(rng):
    x = rng.uniform(size=(30, 2))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.sin(6 * x[:, 0]) + 0.2 * rng.normal(size=30)})


@pytest.fixture
def csv(frame, tmp_path):
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command with any arguments; return exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["selfdistill", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def run(command):
    """Run `selfdistill rounds`."""
    return partial(command, "rounds")


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def rows(run):
    """Run with --json and return what it says."""

    def call(*arguments):
        code, out, err = run(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out, parse_constant=refuse_constant)

    return call


@pytest.fixture
def fails(run):
    """Run what must fail with one message on stderr, nothing on stdout and exit code 2; return the message."""

    def call(*arguments):
        code, out, err = run(*arguments)
        assert code == 2
        assert out == ""
        assert "Traceback" not in err
        return " ".join(err.split())

    return call
