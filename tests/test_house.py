"""The plan of the house: rooms that import one way, files of a readable size, no circle anywhere."""

import ast
import importlib.util
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("theory", "empirical", "figures")  # from the ground up
SOURCES = sorted(path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
MOST_LINES, MOST_MODULES = 350, 14


def module_of(path):
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(path) for path in SOURCES}


def imports_of(path):
    """Modules of the package that a file imports, anywhere in it: type checking and lazy imports count."""
    package = path.parts[:-1]
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = (*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else ()))
        for alias in node.names:
            deeper = (*base, alias.name)
            yield deeper if deeper in MODULES else base


def room_of(module):
    """A folder is a room; a file that lies on a floor itself is a room of its own."""
    return module[:2]


def circle(edges):
    """The first circle of a graph, if it has one."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return [".".join(module) for module in error.args[1]]
    return None


def files_graph():
    return {module_of(path): set(imports_of(path)) - {module_of(path)} for path in SOURCES}


def rooms_graph():
    edges = {}
    for module, imported in files_graph().items():
        if len(module) == 1:
            continue  # a floor's face hands on names of all its rooms
        rooms = {room_of(other) for other in imported if len(other) > 1}
        edges.setdefault(room_of(module), set()).update(rooms - {room_of(module)})
    return edges


def test_files_form_no_circle():
    assert circle(files_graph()) is None


def test_rooms_form_no_circle():
    assert circle(rooms_graph()) is None


def test_a_circle_would_be_seen():
    assert circle({("a",): {("b",)}, ("b",): {("a",)}}) is not None


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_file_can_be_read_at_one_sitting(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES}), ids=str)
def test_a_folder_holds_about_a_dozen_modules(folder):
    modules = [path for path in (ROOT / folder).glob("*.py") if path.stem != "__init__"]
    assert len(modules) <= MOST_MODULES or folder.parts[0] == "figures"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "benchmarks").glob("bench_*.py")), ids=lambda p: p.stem
)
def test_a_benchmark_names_what_is_there(path):
    """Benchmarks are not run by the tests; what they take from the package must be there all the same."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("selfdistill"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}")
