"""Sphinx: guides in Markdown, the reference from docstrings."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

project = "selfdistill"
author = "The selfdistill authors"
version = release = installed_version("selfdistill")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "selfdistill"
exclude_patterns = ["_build"]
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# scikit-learn generates these two, with references into its own documentation.
# What a façade names is documented where it is defined.
autodoc_default_options = {
    "exclude-members": "set_score_request, set_fit_request",
    "ignore-module-all": True,
}
# Attributes of two classes may share a name; the text says which is meant.
suppress_warnings = ["ref.python"]
napoleon_google_docstring = False
napoleon_use_ivar = True
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

FLOORS = {
    "theory": "closed forms; import the public names from `selfdistill.theory`",
    "empirical": "networks that measure what theory predicts",
    "figures": "the command line, the report and what figures are made of",
}


def write_reference(app: Any) -> None:
    """Write a page a floor, with every module found in it."""
    folder = Path(app.srcdir) / "_generated"
    folder.mkdir(exist_ok=True)
    for floor, purpose in FLOORS.items():
        package = importlib.import_module(f"selfdistill.{floor}")
        names = [
            m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if not m.ispkg
        ]
        lines = [f"# selfdistill.{floor}", "", f"{purpose[0].upper()}{purpose[1:]}.", ""]
        for name in sorted(n for n in names if not n.endswith("__")):
            lines += [
                f"## {name.removeprefix(package.__name__ + '.')}",
                "",
                "```{eval-rst}",
                f".. automodule:: {name}",
                "   :members:",
            ]
            lines += ["   :show-inheritance:", "```", ""]
        page = folder / f"{floor}.md"
        text = "\n".join(lines)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """Generate the reference before Sphinx reads its sources."""
    app.connect("builder-inited", write_reference)
