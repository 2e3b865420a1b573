"""What is installed, and the one direction of imports that keeps the floors apart."""

import ast
import doctest
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("theory", "empirical", "figures")  # from the ground up
SOURCES = sorted(path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def dotted(path):
    parts = path.with_suffix("").parts
    return ".".join(("selfdistill", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def imported(path):
    """Absolute dotted names of everything that a file imports, at any depth of its code."""
    package = ("selfdistill", *path.parts[:-1])
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join((*base, *([node.module] if node.module else [])))
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def in_a_fresh_interpreter(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, **environment},
    ).stdout.split()  # fmt: skip


# --- floors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_floors_never_import_upwards(path):
    above = FLOORS[FLOORS.index(path.parts[0]) + 1 :]
    names = list(imported(path))
    assert not [n for n in names if n.startswith(tuple(f"selfdistill.{floor}" for floor in above))]
    assert not [n for n in names if n.split(".")[0] in (*FLOORS, "tests")]


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[0] == "theory"], ids=str)
def test_theory_never_imports_torch(path):
    assert not [n for n in imported(path) if n.split(".")[0] in ("torch", "matplotlib", "typer", "rich")]
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not re.search(r"^\s*(import|from)\s+torch\b|import_module\(.torch", text, re.MULTILINE)


def test_importing_theory_stays_light():
    loaded = in_a_fresh_interpreter("import sys, selfdistill.theory; print(*sys.modules)")
    assert "selfdistill.theory.spectra.spectrum" in loaded
    for heavy in (
        "torch", "sklearn", "scipy.optimize", "scipy.stats", "matplotlib", "pandas", "xarray", "sympy", "dask", "rich"
    ):  # fmt: skip
        assert heavy not in loaded


def test_theory_exports_what_it_names_sorted_and_documented():
    theory = importlib.import_module("selfdistill.theory")
    assert theory.__all__ == sorted(theory.__all__, key=lambda name: (not name[0].isupper(), name))
    for name in theory.__all__:
        assert getattr(theory, name).__doc__


# --- examples -------------------------------------------------------------------------------------

WITH_EXAMPLES = [p for p in SOURCES if ">>>" in (ROOT / p).read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=str)
def test_the_examples_in_docstrings_run(path):
    result = doctest.testmod(importlib.import_module(dotted(path)), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


# --- wheel ----------------------------------------------------------------------------------------


# What the standard build front end calls, for where that is not installed.
HOOK = "import sys, setuptools.build_meta as b; b.build_sdist(sys.argv[1])"


def sdist_command(folder):
    """Some folder called build may lie where Python looks: the front end is the one that has a file."""
    if getattr(importlib.util.find_spec("build"), "origin", None):
        return [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", str(folder), "."]
    return [sys.executable, "-c", HOOK, str(folder)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution of a copy of the sources (no leavings of others), and the wheel built from it."""
    folder = tmp_path_factory.mktemp("built")
    unwanted = shutil.ignore_patterns(
        ".git", ".venv", ".*cache", ".hypothesis", "build", "out", "dist", "*.egg-info", "__pycache__"
    )
    source = shutil.copytree(ROOT, folder / "source", ignore=unwanted)
    subprocess.run(sdist_command(folder), cwd=source, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--wheel-dir", str(folder), str(archive)],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (found,) = built.glob("*.whl")
    return found


def test_a_source_distribution_holds_all_that_builds_tests_and_documents(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as found:
        names = {name.split("/", 1)[1] for name in found.getnames() if "/" in name}
    tracked = [
        p.relative_to(ROOT).as_posix()
        for folder in ("tests", "docs", ".ci", *FLOORS)
        for p in (ROOT / folder).rglob("*")
        if p.is_file() and not {"__pycache__", "_generated"} & set(p.parts)
    ]
    top = (
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "Makefile",
        "constraints.txt",
        "pyproject.toml",
    )
    assert len(tracked) > 200
    assert set(tracked) | set(top) <= names
    assert not [name for name in names if name.endswith(".pyc") or name.startswith(("build/", "out/"))]


def test_the_build_system_asks_for_what_builds_and_nothing_else():
    system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert set(system) == {"requires", "build-backend"}
    assert [Requirement(text).name for text in system["requires"]] == ["setuptools"]


def test_every_folder_with_modules_is_installed_as_a_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted({".".join(("selfdistill", *path.parts[:-1])) for path in SOURCES})
    assert all((ROOT.joinpath(*name.split(".")[1:]) / "__init__.py").is_file() for name in listed)


def test_private_parts_of_libraries_are_bounded_or_not_used():
    """What a library may change without notice is used of torch alone, which then has an upper bound."""
    private = re.compile(
        r"\b(joblib|torch|xarray|sklearn|scipy|numpy|pandas|matplotlib)(?:\.\w+)*\._[a-z]\w*"
    )
    used = {
        found.group(1)
        for path in SOURCES
        for found in private.finditer((ROOT / path).read_text(encoding="utf-8"))
    }
    required = {Requirement(text).name: Requirement(text).specifier for text in PROJECT["dependencies"]}
    assert not {name for name in used if not any(s.operator in ("<", "<=") for s in required[name])}


def test_a_wheel_holds_selfdistill_only_and_all_of_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    information = f"selfdistill-{PROJECT['version']}.dist-info"
    assert {name.split("/")[0] for name in names} == {"selfdistill", information}
    assert {f"selfdistill/{path.as_posix()}" for path in SOURCES} <= names
    assert {f"selfdistill/{floor}/py.typed" for floor in FLOORS} <= names
    data = [
        p.relative_to(ROOT)
        for kind in ("report/templates", "data")
        for p in (ROOT / "figures" / kind).glob("*")
    ]
    assert data
    assert {f"selfdistill/{path.as_posix()}" for path in data} <= names
    assert any(name.startswith(f"{information}/licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < 1_500_000  # no pictures


def test_what_a_wheel_installs_works_away_from_the_sources(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import sys; sys.argv = ['selfdistill', '--help']\n"
        "import selfdistill.theory, selfdistill.figures.cli.app as cli\n"
        "print(selfdistill.theory.__file__, cli.__file__); cli.main()"
    )
    words = in_a_fresh_interpreter(code, PYTHONPATH=str(tmp_path / "site"))
    assert all(str(tmp_path / "site") in place for place in words[:2])
    assert {"reproduce", "verify", "list", "rounds"} <= set(words)
    points = (
        zipfile.ZipFile(wheel).read(f"selfdistill-{PROJECT['version']}.dist-info/entry_points.txt").decode()
    )
    assert "selfdistill = selfdistill.figures.cli.entry:main" in points


# --- metadata -------------------------------------------------------------------------------------


def test_the_metadata_is_what_an_index_accepts(built, wheel):
    """Every field is checked against the standard; the description is the README, as Markdown."""
    information = f"selfdistill-{PROJECT['version']}"
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as found:
        of_sources = found.extractfile(f"{information}/PKG-INFO").read()
    of_wheel = zipfile.ZipFile(wheel).read(f"{information}.dist-info/METADATA")
    for text in (of_sources, of_wheel):
        metadata = Metadata.from_email(text, validate=True)
        assert (metadata.name, str(metadata.version)) == ("selfdistill", PROJECT["version"])
        assert metadata.description_content_type == "text/markdown"
        assert metadata.description.strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
        assert metadata.license_expression == "MIT"
        assert set(metadata.provides_extra) == set(PROJECT["optional-dependencies"])


def test_what_the_readme_shows_and_links_is_in_a_source_distribution(built):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\((?!#)([^)\s]+)\)", text))
    assert len(linked) > 10
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as found:
        names = {name.split("/", 1)[1] for name in found.getnames() if "/" in name}
    assert {link.split("#")[0] for link in linked} <= names


def test_every_dependency_is_pinned_to_a_version_that_it_allows():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


def test_the_lowest_versions_that_are_tried_are_those_that_are_allowed():
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    lowest = {
        canonicalize_name(n): v for n, v in (x.split("==") for x in lines if x and not x.startswith("#"))
    }
    required = [Requirement(text) for text in PROJECT["dependencies"]]
    assert set(lowest) == {canonicalize_name(requirement.name) for requirement in required}
    for requirement in required:
        tried = Version(lowest[canonicalize_name(requirement.name)])
        assert tried in requirement.specifier
        (bound,) = (Version(s.version) for s in requirement.specifier if s.operator == ">=")
        if requirement.name != "torch":
            assert tried.release[:2] == (*bound.release, 0)[:2]


def test_the_citation_names_this_version():
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text()


def test_what_the_floors_import_is_declared():
    """Third-party packages that the code imports are dependencies: required, or of an extra."""
    as_imported = {"scikit-learn": "sklearn", "array-api-compat": "array_api_compat", "pillow": "PIL"}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared = {Requirement(text).name for group in groups for text in group}
    declared = {as_imported.get(name, name.replace("-", "_")) for name in declared} | {"selfdistill"}
    declared.add("markupsafe")  # Jinja2's own type of text, which its templates are given
    used = {name.split(".")[0] for path in SOURCES for name in imported(path)}
    assert used - set(sys.stdlib_module_names) <= declared
