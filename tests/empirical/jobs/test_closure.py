"""A kept result is used only if nothing that decides it changed: tried by editing a copy of the package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from selfdistill.empirical.jobs import closure as module
from selfdistill.empirical.jobs.closure import ROOT as INSTALLED
from selfdistill.empirical.jobs.closure import closure, fingerprint, read_source

ROOT = Path(__file__).parents[3]

# A figure that imports from every floor, through façades and directly, and reads a data file.
MADE = '''"""Made: for this test."""
import xarray as xr
from ...theory import collapse_bounds
from ...empirical.metrics import expected_calibration_error
from ..reference import read
from ._shared import FACTOR

def measure(scale):
    return xr.Dataset({"value": FACTOR * read("made.json")["value"]})
'''

# Measures, edits one file, measures again, and says whether there was a new measurement, file by file.
SCRIPT = """
import json, sys
from pathlib import Path
from selfdistill.figures.artefact import Artefact
from selfdistill.figures.scale import Scale

package, cache = Path(sys.argv[1]), Path(sys.argv[2])
artefact, scale = Artefact("mobahi2020", "made"), Scale("smoke", cache=cache)

def kept():
    value = float(artefact.measure(scale)["value"])
    return len(list(cache.rglob("*.nc"))), value

said, before = {}, kept()[0]
assert kept()[0] == before == 1
for name, old, new in json.loads(sys.argv[3]):
    path = package / name
    text = path.read_text(encoding="utf-8")
    assert old in text, name
    path.write_text(text.replace(old, new) if old else text + "\\n# changed\\n", encoding="utf-8")
    after, value = kept()
    said[name], before = [after - before, value], after
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the three floors, with a made figure that has a shared file and a data file."""
    package = tmp_path_factory.mktemp("copy") / "selfdistill"
    for floor in ("theory", "empirical", "figures"):
        shutil.copytree(
            ROOT / floor, package / floor, ignore=shutil.ignore_patterns("__pycache__", "gallery")
        )
    paper = package / "figures" / "mobahi2020"
    (paper / "made.py").write_text(MADE, encoding="utf-8")
    (paper / "_shared.py").write_text("FACTOR = 2.0\n")
    (package / "figures" / "data" / "made.json").write_text('{"value": 1.5}')
    return package


def test_an_edit_of_any_file_that_decides_a_result_is_measured_anew(copied, tmp_path):
    deciding = [
        ("figures/mobahi2020/made.py", "", ""),
        ("figures/mobahi2020/_shared.py", "", ""),
        ("figures/reference.py", "", ""),
        ("figures/data/made.json", "1.5", "2.5"),
        ("empirical/metrics.py", "", ""),
        ("theory/distillation/collapse.py", "", ""),
        ("theory/base/validation.py", "", ""),
        ("theory/__init__.py", "", ""),
    ]
    others = [
        ("figures/mobahi2020/sinusoid.py", "", ""),
        ("figures/data/costs.json", "{", "{ "),
        ("theory/clusters/features.py", "", ""),
        ("empirical/networks/residual.py", "", ""),
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(copied), str(tmp_path / "cache"), json.dumps(deciding + others)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(copied.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    new = {name: count for name, (count, _) in json.loads(done.stdout).items()}
    assert {name for name, count in new.items() if count == 1} == {name for name, *_ in deciding}
    assert {name for name, count in new.items() if count == 0} == {name for name, *_ in others}
    # What is read back is the new number, not the old one: 2 · 1.5, then 2 · 2.5.
    values = {name: value for name, (_, value) in json.loads(done.stdout).items()}
    assert (values["figures/reference.py"], values["figures/data/made.json"]) == (3.0, 5.0)


def test_a_closure_goes_through_rooms_of_any_depth():
    names = {
        p.relative_to(INSTALLED).as_posix() for p in closure("selfdistill.empirical.experiments.comparison")
    }
    assert {"empirical/metrics.py", "empirical/training/ensemble.py", "theory/base/validation.py"} <= names
    assert not {name for name in names if name.startswith("figures/")}


def test_data_that_a_variable_points_to_decide_a_result(tmp_path, monkeypatch):
    module = "selfdistill.empirical.data.cifar"
    monkeypatch.delenv("SELFDISTILL_CIFAR", raising=False)
    without = fingerprint(module)
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(tmp_path))
    (tmp_path / "train.bin").write_bytes(b"1")
    first = fingerprint(module)
    (tmp_path / "train.bin").write_bytes(b"22")
    assert len({without, first, fingerprint(module)}) == 3


def test_late_names_of_a_facade_stand_for_all_that_it_may_load(tmp_path):
    path = tmp_path / "__init__.py"
    path.write_text("from .a import b\ndef __getattr__(name): ...\n")
    source = read_source(path)
    assert (source.absolute("made.package", is_package=True), source.late) == (
        [("made.package.a", "b")],
        True,
    )


def test_levels_of_relative_imports_are_resolved(tmp_path):
    path = tmp_path / "room.py"
    path.write_text("import numpy\nfrom . import a\nfrom .b import c\nfrom ..d.e import f\nfrom g import h\n")
    seen = read_source(path).absolute("top.floor.room", is_package=False)
    assert seen == [("numpy", ""), ("top.floor", "a"), ("top.floor.b", "c"), ("top.d.e", "f"), ("g", "h")]
    assert read_source(path).absolute("top.room", is_package=True)[1:3] == [
        ("top.room", "a"),
        ("top.room.b", "c"),
    ]


def test_what_was_found_is_found_again_without_reading_until_something_changes(tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    main = tmp_path / "made" / "main.py"
    main.write_text("from .other import x\nNAME = 'values.json'\n")
    monkeypatch.setattr(module, "ROOT", tmp_path / "made")
    monkeypatch.setattr(module, "PACKAGE", "made")
    names = lambda: {path.name for path in closure("made.main")}  # noqa: E731
    assert names() == {"main.py"}
    with monkeypatch.context() as patch:
        patch.setattr(module, "_follow", lambda *_: pytest.fail("read again"))
        assert names() == {"main.py"}
    (tmp_path / "made" / "values.json").write_text("1")
    assert "values.json" in names()
    (tmp_path / "made" / "other.py").write_text("x = 1\n")
    assert "other.py" in names()
    main.write_text("NAME = 'values.json'\n")
    assert names() == {"main.py", "values.json"}
