"""report.html: one self-contained page with every figure, its claims, and the environment they came from."""

from __future__ import annotations

import base64
import importlib
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..claim import VERDICTS, Claim
from ..machine import commit, hardware
from ..outcomes import Outcome
from ..presets import PAPERS
from ..remarks import power
from ..results.history import Change, changes
from ..results.thorough import ThoroughVerdicts, thorough_run
from ..scale import Scale
from ..statements import glossary, notation, statements
from .explorer import explorer_data
from .sources import find_source
from .words import format_difference, format_number, found, prose, verdict_matrices, why

_PACKAGES = ("selfdistill", "numpy", "scipy", "scikit-learn", "torch", "xarray", "matplotlib")
_SCALES = {
    "smoke": "the smallest sizes that run, for trying out. Theorems are checked all the same; verdicts on measured "
    "claims mean little here. Take quick or thorough for those.",
    "quick": "small networks and data, minutes on two cores. Verdicts on measured claims hold for these sizes; the "
    "papers' are those of full.",
    "thorough": "the seeds and networks to decide claims, hours on two cores. Verdicts hold for these sizes.",
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
        "css": lambda verdict: verdict.replace(" ", "-"),
    }
    thorough = ThoroughVerdicts(thorough_run())
    sections = [_section(outcome, thorough, scale) for outcome in outcomes]
    papers = [_paper(key, [s for s in sections if s["paper"] == key]) for key in PAPERS]
    claims = [claim for section in sections for claim in section["claims"]]
    stated = statements()
    bundled = [o for o in outcomes if o.scale in (None, scale) and not o.own_data]
    changed, commit = _changed([c for o in bundled for c in o.claims], scale)
    sampled = [
        c
        for section in sections
        if section["scale"].name != "thorough" and not section["own_data"]
        for c, _ in section["judged"]
    ]
    known = {name: find_source(name) for name in dict.fromkeys(c["source"] for c in claims) if name}
    return templates.get_template("report.html.j2").render(
        papers=[paper for paper in papers if paper["outcomes"]],
        titles=PAPERS | {"borup2021": "Borup & Andersen 2021"},
        claims=claims,
        changed=changed,
        compared_with=commit if bundled else "",
        sampled=[claim for claim in sampled if thorough.find(claim)],
        differing=thorough.differing(sampled),
        otherwise={
            claim["anchor"]: claim["thorough"].claim.verdict
            for claim in claims
            if claim["thorough"] and claim["thorough"].claim.verdict != claim["verdict"]
        },
        thorough_commits=thorough.commits(sampled),
        stated={id: stated[id] for id in dict.fromkeys(c["id"] for c in claims) if id in stated},
        notation=notation(),
        glossary=glossary(),
        broken=[section for section in sections if section["error"]],
        sources={name: source for name, source in sorted(known.items()) if source},
        environment=environment(scale),
        scale=scale,
        scale_says=_SCALES[scale.name],
        why=why,
        cited=claims[0] if claims else None,
        verdicts=VERDICTS,
        style=_inline("report.css"),
        script=_inline("report.js"),
        explorer=Markup(
            templates.get_template("explorer.html.j2").render(
                data=explorer_data(),
                script=_inline("explorer_core.js") + _inline("explorer_plot.js") + _inline("explorer.js"),
            )
        ),
    )


def _changed(claims: Sequence[Claim], scale: Scale) -> tuple[list[Change], str]:
    """Verdicts that are not those of the kept run of this scale and seed, and the commits of that run."""
    if scale.name != "thorough":
        return changes(claims, scale)
    kept = ThoroughVerdicts({key: one for key, one in thorough_run().items() if one.seed == scale.seed})
    return kept.differing(claims), ", ".join(kept.commits(claims))


def _inline(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _paper(key: str, sections: list[dict[str, Any]]) -> dict[str, Any]:
    claims = [claim for section in sections for claim in section["claims"]]
    judged = [pair for section in sections for pair in section["judged"]]
    return {
        "key": key,
        "title": PAPERS[key],
        "outcomes": sections,
        "claims": claims,
        "claimed": importlib.import_module(f"selfdistill.figures.{key}").CLAIMED,
        "found": found([claim for claim, _ in judged]),
        "matrices": verdict_matrices(judged),
    }


def _section(outcome: Outcome, thorough: ThoroughVerdicts, scale: Scale) -> dict[str, Any]:
    image = base64.b64encode(outcome.picture.read_bytes()).decode() if outcome.picture else ""
    key = outcome.artefact.key
    own_scale = outcome.scale or scale
    of_same_data = own_scale.name != "thorough" and not outcome.own_data
    find = thorough.find if of_same_data else lambda _: None
    return {
        "key": key,
        "paper": outcome.artefact.paper,
        "title": outcome.artefact.title.rstrip("."),
        "paragraphs": outcome.artefact.paragraphs(outcome.own_data),
        "image": image,
        "claims": [
            {**asdict(c), "anchor": f"{key}.{i}", "why": why(c), "thorough": find(c), "power": power(c)}
            for i, c in enumerate(outcome.claims, start=1)
        ],
        "judged": [(c, f"{key}.{i}") for i, c in enumerate(outcome.claims, start=1)],
        "scale": own_scale,
        "outdated": outcome.outdated,
        "own_data": outcome.own_data,
        "error": outcome.error,
        "seconds": outcome.seconds,
    }


def environment(scale: Scale) -> dict[str, str]:
    """What a reader needs to judge the numbers: versions, machine, scale and seed."""
    facts = {
        "scale": scale.name,
        "seed": str(scale.seed),
        "commit": commit(),
        "device": scale.device,
        "hardware": hardware(scale.device),
        **({"data": f"{scale.data.description}, hash {scale.data.digest}"} if scale.data else {}),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed as a package"
    return facts
