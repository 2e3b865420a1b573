"""What decides a result besides its configuration: the sources that a module imports, and the data they read.

The files are found by reading sources, not by importing them. From a package's façade only what binds the imported
name is followed, so that a change of one room does not invalidate the results of all others.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = __name__.split(".")[0]
# The folder that holds the floors, in a checkout as in an installation.
ROOT = Path(__file__).parents[2]
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "xarray")
_FILE_NAME = re.compile(r"[\w.-]+\.\w{1,8}")
_VARIABLE = re.compile(r"SELFDISTILL_\w+")
# What was found of a module, and the state of the files and folders that it was found in.
_CLOSURES: dict[str, tuple[set[Path], dict[Path, tuple[int, int]]]] = {}


@dataclass(frozen=True)
class Source:
    """What a source file imports and names.

    Attributes
    ----------
    imports : tuple of (int, str, str)
        Level (as in ``from ..x import y``, 0 if absolute), module, and the name taken from it; that is empty for
        ``import module``.
    texts : tuple of str
        Texts that may be names of data files or of environment variables.
    late : bool
        Whether names are looked up when they are asked for (a module-level ``__getattr__``).
    """

    imports: tuple[tuple[int, str, str], ...]
    texts: tuple[str, ...]
    late: bool

    def absolute(self, module: str, *, is_package: bool) -> list[tuple[str, str]]:
        """Absolute modules and the names taken from them, as seen from the module that the file is."""
        package = module.split(".") if is_package else module.split(".")[:-1]
        found = []
        for level, target, name in self.imports:
            base = package[: len(package) - level + 1] if level else []
            found.append((".".join([*base, *([target] if target else [])]), name))
        return found


def fingerprint(*modules: str) -> str:
    """Hash of everything that decides what functions of these modules return.

    That is every source file in their import closure, the data files and environment folders that these name, and
    the versions of the libraries that compute.
    """
    digest = hashlib.sha256()
    files = {path for module in modules for path in closure(module)}
    for path in sorted(files):
        digest.update(f"{path.name}:{path.stat().st_size};".encode() + path.read_bytes())
    for place in sorted({place for path in files for place in _places(path)}):
        for path in sorted(p for p in (place, *place.rglob("*")) if p.is_file()):
            state = path.stat()  # data sets are large: their size and date stand for them
            digest.update(f"{path}:{state.st_size}:{state.st_mtime_ns};".encode())
    for library in LIBRARIES:
        digest.update(f"{library}={_version(library)};".encode())
    digest.update(platform.machine().encode())
    return digest.hexdigest()[:16]


def closure(module: str) -> set[Path]:
    """Every file of the package (or of the module's own top-level package) that a module imports, and its data."""
    known = _CLOSURES.get(module)
    if known is None or known[1] != _state(known[0]):
        found: set[Path] = set()
        _follow(module, "", module.split(".")[0], found, set())
        found |= {data for path in found for data in _data_files(path)}
        known = _CLOSURES[module] = found, _state(found)
    return known[0]


def _state(files: set[Path]) -> dict[Path, tuple[int, int]]:
    """Size and date of files and of their folders, whose dates tell of files that are new or gone."""
    places = files | {path.parent for path in files} | {path.parent / "data" for path in files}
    states = {place: place.stat() for place in places if place.exists()}
    return {place: (state.st_mtime_ns, state.st_size) for place, state in states.items()}


def _follow(module: str, name: str, top: str, found: set[Path], seen: set[tuple[str, str]]) -> None:
    """Add the files behind a module, or behind one name that is imported from it."""
    if (module, name) in seen or module.split(".")[0] not in (PACKAGE, top):
        return
    seen.add((module, name))
    if name and _file(f"{module}.{name}"):
        _follow(f"{module}.{name}", "", top, found, seen)
    path = _file(module)
    if path is None:
        return
    for length in range(1, module.count(".") + 1):
        parent = _file(".".join(module.split(".")[:length]))
        found |= {parent} if parent else set()
    found.add(path)
    source = read_source(path)
    followed = imports = source.absolute(module, is_package=path.name == "__init__.py")
    if name and path.name == "__init__.py":
        binding = [pair for pair in imports if pair[1] == name]
        followed = binding or imports
        if not binding and source.late:
            for other in path.parent.rglob("*.py"):
                parts = other.relative_to(path.parent).with_suffix("").parts
                _follow(".".join((module, *parts)).removesuffix(".__init__"), "", top, found, seen)
    for target, taken in followed:
        _follow(target, taken, top, found, seen)


def _file(module: str) -> Path | None:
    """Return the file of a module of the package, or of one that is loaded already."""
    parts = module.split(".")
    if parts[0] == PACKAGE:
        place = ROOT.joinpath(*parts[1:])
        candidates = (place / "__init__.py", place.with_name(f"{place.name}.py")) if parts[1:] else ()
        return next((path for path in candidates if path.is_file()), None)
    loaded = getattr(sys.modules.get(module), "__file__", None)
    return Path(loaded) if loaded and Path(loaded).suffix == ".py" else None


def read_source(path: Path) -> Source:
    """Read what a file imports, at any depth of its code, and the texts that it names."""
    state = path.stat()
    return _parse(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _parse(path: Path, _modified: int, _size: int) -> Source:
    tree = ast.parse(path.read_bytes())
    imports: list[tuple[int, str, str]] = []
    texts: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(0, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports += [(node.level, node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100:
            texts.append(node.value)
    late = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    return Source(tuple(imports), tuple(texts), late)


def _texts(path: Path) -> tuple[str, ...]:
    return read_source(path).texts if path.suffix == ".py" else ()


def _data_files(path: Path) -> Iterator[Path]:
    """Files that a source names, beside it or in a ``data`` folder of a package around it."""
    places = [path.parent]
    for folder in path.parents:
        if folder == ROOT or not folder.is_relative_to(ROOT):
            break
        places.append(folder / "data")
    for text in _texts(path):
        if _FILE_NAME.fullmatch(text):
            yield from (place / text for place in places if (place / text).is_file())


def _places(path: Path) -> Iterator[Path]:
    """Files and folders that environment variables point to which a source reads."""
    for text in _texts(path):
        if _VARIABLE.fullmatch(text) and os.environ.get(text) and Path(os.environ[text]).exists():
            yield Path(os.environ[text])


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
