"""report.html: one self-contained page with every figure, its claims, and the environment they came from."""

from __future__ import annotations

import base64
import math
import platform
import re
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from ..outcomes import Outcome
from ..presets import PAPERS
from ..scale import Scale
from .explorer import explorer_data
from .sources import find_source

_PACKAGES = ("selfdistill", "numpy", "scipy", "scikit-learn", "torch", "xarray", "matplotlib")
_VERDICTS = ("holds", "fails", "undecided", "not this regime")
_SCALES = {
    "smoke": "the smallest sizes that run, for trying out. Theorems are checked all the same; verdicts on measured "
    "claims mean little here. Take quick or full for those.",
    "quick": "small networks and data, minutes on two cores. Verdicts on measured claims hold for these sizes; the "
    "papers' are those of full.",
    "thorough": "larger data and more seeds, hours on two cores. Verdicts on measured claims hold for these sizes.",
    "full": "the papers' sizes, as far as the data are at hand.",
}
_TEMPLATES = Path(__file__).parent / "templates"


def render_report(outcomes: list[Outcome], scale: Scale) -> str:
    """Render the page.

    Parameters
    ----------
    outcomes : list of Outcome
        In the order in which to show them.
    scale : Scale
        Of the run.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {
        "number": format_number,
        "difference": format_difference,
        "prose": prose,
        "heading": lambda title: title.split(":")[0],
    }
    sections = [_section(outcome) for outcome in outcomes]
    papers = [_paper(key, [s for s in sections if s["paper"] == key]) for key in PAPERS]
    claims = [claim for section in sections for claim in section["claims"]]
    found = {name: find_source(name) for name in dict.fromkeys(c["source"] for c in claims) if name}
    return templates.get_template("report.html.j2").render(
        papers=[paper for paper in papers if paper["outcomes"]],
        titles=PAPERS,
        claims=claims,
        exceptions=[claim for claim in claims if claim["verdict"] != "holds"],
        broken=[section for section in sections if section["error"]],
        sources={name: source for name, source in sorted(found.items()) if source},
        environment=environment(scale),
        scale=scale,
        scale_says=_SCALES[scale.name],
        verdicts=_VERDICTS,
        style=_inline("report.css"),
        script=_inline("report.js"),
        explorer=Markup(
            templates.get_template("explorer.html.j2").render(
                data=explorer_data(), script=_inline("explorer_core.js") + _inline("explorer.js")
            )
        ),
    )


def _inline(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _paper(key: str, sections: list[dict[str, Any]]) -> dict[str, Any]:
    claims = [claim for section in sections for claim in section["claims"]]
    return {"key": key, "title": PAPERS[key], "outcomes": sections, "claims": claims}


def _section(outcome: Outcome) -> dict[str, Any]:
    image = base64.b64encode(outcome.picture.read_bytes()).decode() if outcome.picture else ""
    key = outcome.artefact.key
    return {
        "key": key,
        "paper": outcome.artefact.paper,
        "title": outcome.artefact.title.rstrip("."),
        "paragraphs": [p for p in outcome.artefact.explanation.split("\n\n") if p.strip()],
        "image": image,
        "claims": [{**asdict(c), "anchor": f"{key}.{i}"} for i, c in enumerate(outcome.claims, start=1)],
        "error": outcome.error,
        "seconds": outcome.seconds,
    }


def environment(scale: Scale) -> dict[str, str]:
    """What a reader needs to judge the numbers: versions, machine, scale and seed."""
    facts = {
        "scale": scale.name,
        "seed": str(scale.seed),
        "device": scale.device,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed as a package"
    return facts


def prose(text: str) -> Markup:
    """Text of a docstring as HTML: ``code`` in double or single backticks, everything else escaped."""
    return Markup(re.sub(r"(`{1,2})(.+?)\1", r"<code>\2</code>", str(escape(text))))


def format_number(value: float | None) -> str:
    """Short, readable digits."""
    return "" if value is None else f"{value:.4g}"


def format_difference(value: float) -> str:
    """Signed, two digits; a difference of infinities or unknowns is none."""
    if value == 0:
        return "0"
    return f"{value:+.2g}" if math.isfinite(value) else ""
