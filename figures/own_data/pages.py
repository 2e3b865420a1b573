"""Pages of the commands on own data: templates, and the styles and scripts that they hold."""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parents[1] / "report" / "templates"


def page(template: str) -> jinja2.Template:
    """A page's template, which escapes whatever a file says."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template(template)


def inline(name: str) -> Markup:
    """Text of a style or script that a page holds."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))
