"""Pages that are made and not written: claims, glossary, gallery, the thorough run's results, the README's table."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..artefact import Artefact, find_artefacts, write_text
from ..claim import VERDICTS, Claim
from ..presets import PAPERS
from ..reference import read
from ..remarks import duration, remarks
from ..statements import glossary, notation, papers, statements
from .thorough import FILE, Finished, finished_artefacts

# The checkout that the package is imported from; an installation has neither gallery nor pages.
CHECKOUT = Path(__file__).resolve().parents[2]
GALLERY = Path("figures") / "gallery"
KEPT = Path("figures") / "data" / FILE
_BEGIN, _END = "<!-- thorough run: made by `make docs` -->", "<!-- end of what is made -->"
_MADE_BY = "<!-- Made by `make docs`; edit {} instead. -->"


def glossary_page() -> str:
    """Return the documentation's glossary, in Markdown."""
    entries = "\n\n".join(f"{term}\n: {meaning}" for term, meaning in glossary().items())
    return f"# Glossary\n\n{entries}\n"


def settings_page() -> str:
    """Return the page of where soft labels are compared, and of the settings found there, in Markdown."""
    lines = [
        "# Where soft labels are compared",
        "",
        _MADE_BY.format("figures/data/settled.json"),
        "",
        "Published settings are the papers' own. Tuned ones were settled by one search for all methods: by",
        "validation NLL on problems of seeds that no claim uses, from a small grid outwards along ladders of values,",
        "until the best value is at no edge. The lines above the tables say what all networks have in common.",
    ]
    for regime, found in read("settled.json")["regimes"].items():
        seeds = ", ".join(map(str, found["seeds"]))
        same = found["comparison"].replace("none augmentation", "no augmentation")
        lines += [
            "", f"## {regime[0].upper()}{regime[1:]}", "", f"{same}. Settled on seeds {seeds}.", "",
            "| method | settings | validation NLL | candidates | at the end of its ladder |", "|---|---|---|---|---|",
        ]  # fmt: skip
        for name, method in found["methods"].items():
            values = ", ".join(
                f"{key.replace('_', ' ')} {value:g}" for key, value in method["settings"].items()
            )
            ends = ", ".join(method["at_the_end_of_its_ladder"]).replace("_", " ")
            lines.append(
                f"| {name} | {values} | {method['validation_nll']:.3f} | {method['candidates']} | {ends} |"
            )
    return "\n".join(lines) + "\n"


def claims_page(run: dict[str, Finished]) -> str:
    """Return the documentation's page of claims, with the verdicts of the thorough run, in Markdown."""
    lines = [
        "# Claims",
        "",
        _MADE_BY.format("figures/data/claims.toml"),
        "",
        "Docstrings, figures and the report name claims by ids such as M7. This page says what each stands for.",
        "A *theorem* is proved, and checked to a tolerance against an independent computation; a *measured* claim is",
        "decided by experiments, with a confidence interval over seeds. What is said to be found is what",
        "[the thorough run](results.md) found.",
        "",
        f"Notation: {notation()}",
    ]
    for paper, title in papers().items():
        lines += ["", f"## {title}", ""]
        for statement in statements().values():
            if statement.paper == paper:
                lines += [
                    f"({statement.id.lower()})=",
                    f"**{statement.id}** ({statement.kind}). {statement.text}",
                    f"`{statement.formula}`",
                    *_found(statement.id, run),
                    "",
                ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _found(id: str, run: dict[str, Finished]) -> list[str]:
    """What the thorough run found of a claim, figure by figure."""
    by_figure = [(finished, [c for c in finished.claims if c.id == id]) for finished in run.values()]
    said = [
        f"{count(claims)} in [{finished.artefact}]({_place(finished.artefact)}) ({finished.commit})"
        for finished, claims in by_figure
        if claims
    ]
    return [f"Thorough: {'; '.join(said)}."] if said else []


def count(claims: Iterable[Claim]) -> str:
    """Count verdicts: "2 hold, 1 fails"."""
    counts = Counter[str](claim.verdict for claim in claims)
    plural = {"holds": "hold", "fails": "fail"}
    named = [(n, v if n == 1 else plural.get(v, v)) for v in VERDICTS if (n := counts[v])]
    return ", ".join(f"{n} {verdict}" for n, verdict in named)


def _place(key: str) -> str:
    return f"results.md#{key.replace('.', '')}"


def results_page(run: dict[str, Finished]) -> str:
    """Return the page of the thorough run: every verdict with what it rests on, in Markdown."""
    lines = [
        "# Results of the thorough run",
        "",
        _MADE_BY.format("what it is made from (the page on the thorough run says how)"),
        "",
        "Scale `thorough` has the seeds and networks to decide claims; [how it is run](thorough_run.md), and",
        "[where soft labels are compared, with which settings](settings.md). Intervals are at 95 %, each by itself;",
        "where Holm's correction for the claims of its figure and setting changes a verdict, its row says so.",
        "",
        summary(run),
        "",
        *table(run),
    ]
    for paper, title in PAPERS.items():
        finished = [run[a.key] for a in find_artefacts() if a.paper == paper and a.key in run]
        if finished:
            lines += ["", f"## {title}"]
        for one in finished:
            lines += ["", *_figure(one)]
    return "\n".join(lines) + "\n"


def _figure(finished: Finished) -> list[str]:
    theorems = [claim for claim in finished.claims if claim.kind == "theorem"]
    shown = [claim for claim in finished.claims if claim.kind == "measured" or claim.verdict != "holds"]
    judged = f" (judged and drawn by {finished.judged})" if finished.judged else ""
    lines = [
        f"### {finished.artefact}",
        "",
        f"Commit {finished.commit}{judged}, seed {finished.seed}, {duration(finished.seconds)} on {finished.hardware}.",
    ]
    if theorems:
        ids = ", ".join(dict.fromkeys(claim.id for claim in theorems))
        lines[-1] += f" Checks of theorems ({ids}): {count(theorems)}."
    if shown:
        lines += ["", "| claim | verdict | statement | measured | rests on |", "|---|---|---|---|---|"]
        lines += [_row(claim) for claim in shown]
    return lines


def _row(claim: Claim) -> str:
    interval = f" [{claim.interval[0]:.3g}, {claim.interval[1]:.3g}]" if claim.interval else ""
    cells = (
        f"[{claim.id}](claims.md#{claim.id.lower()})",
        f"**{claim.verdict}**",
        claim.statement,
        f"{claim.measured:.3g}{interval}, claimed {claim.relation} {claim.predicted:.3g}",
        "; ".join(remarks(claim)),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def summary(run: dict[str, Finished]) -> str:
    """Say how much of the thorough run there is, from which commits and machines."""
    artefacts = find_artefacts()
    if not run:
        return "No artefact has been run at scale `thorough` yet."
    commits = ", ".join(dict.fromkeys(finished.commit for finished in run.values()))
    machines = "; ".join(dict.fromkeys(finished.hardware for finished in run.values()))
    whole = len(run) == len(artefacts)
    ran = f"all {len(run)} artefacts" if whole else f"{len(run)} of {len(artefacts)} artefacts so far"
    took = duration(sum(finished.seconds for finished in run.values()))
    return f"Scale `thorough`: {ran}, commit {commits}; {took} in all on {machines}."


def table(run: dict[str, Finished]) -> list[str]:
    """Verdicts of the thorough run by paper, as a Markdown table; nothing if there are none."""
    if not run:
        return []
    lines = ["| paper | artefacts | theorems | " + " | ".join(f"measured: {v}" for v in VERDICTS) + " |"]
    lines[0] += " held, and past the dull rule |"
    lines.append("|---" * (4 + len(VERDICTS)) + "|")
    for paper, title in PAPERS.items():
        own = [finished for key, finished in run.items() if key.startswith(f"{paper}.")]
        if not own:
            continue
        claims = [claim for finished in own for claim in finished.claims]
        theorems = [claim for claim in claims if claim.kind == "theorem"]
        measured = Counter[str](claim.verdict for claim in claims if claim.kind == "measured")
        holding = sum(claim.verdict == "holds" for claim in theorems)
        cells = [title, f"{len(own)} of {sum(a.paper == paper for a in find_artefacts())}"]
        ruled = [c for c in claims if c.verdict == "holds" and c.dull_rule]
        beaten = sum(c.dull_rule is not None and bool(c.dull_rule.beaten) for c in ruled)
        cells += [f"{holding} of {len(theorems)} checks hold", *(str(measured[v]) for v in VERDICTS)]
        cells.append(f"{beaten} of {len(ruled)}" if ruled else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def gallery_page(run: dict[str, Finished], checkout: Path = CHECKOUT) -> str:
    """Return the page of all pictures, with the scale that each was drawn at, in Markdown."""
    lines = [
        "# Gallery",
        "",
        _MADE_BY.format("the docstrings of figures"),
        "",
        "Every figure as `selfdistill reproduce` draws it, from the thorough run where there is one, else from a quick",
        "one. The report has the verdicts under each.",
    ]
    for paper, title in PAPERS.items():
        lines += ["", f"## {title}"]
        for artefact in find_artefacts():
            if artefact.paper == paper and (checkout / GALLERY / f"{artefact.key}.png").is_file():
                lines += ["", *_picture(artefact, run)]
    return "\n".join(lines) + "\n"


def _picture(artefact: Artefact, run: dict[str, Finished]) -> list[str]:
    title = artefact.title.rstrip(".")
    made = "quick"
    if artefact.key in run:
        made = f"thorough, commit {run[artefact.key].commit}: [verdicts]({_place(artefact.key)})"
    return [
        f"### {title}",
        "",
        f"![{title}](../figures/gallery/{artefact.key}.png)",
        "",
        f"`selfdistill reproduce {artefact.key}` ({made})",
    ]


def with_table(readme: str, run: dict[str, Finished]) -> str:
    """Return the README's text with the thorough run's table renewed between its two marks."""
    before, rest = readme.split(_BEGIN)
    _, after = rest.split(_END)
    made = "\n".join([summary(run), "", *table(run)]).strip()
    return f"{before}{_BEGIN}\n{made}\n{_END}{after}"


def write_pages(checkout: Path) -> None:
    """Write every made page, and the README's table."""
    run = finished_artefacts(json.loads((checkout / KEPT).read_text(encoding="utf-8")))
    made = {
        "claims": claims_page(run),
        "glossary": glossary_page(),
        "settings": settings_page(),
        "results": results_page(run),
        "gallery": gallery_page(run, checkout),
    }
    for name, text in made.items():
        write_text(checkout / "docs" / f"{name}.md", text)
    readme = checkout / "README.md"
    write_text(readme, with_table(readme.read_text(encoding="utf-8"), run))


def copy_pictures(folder: Path, checkout: Path, keys: Iterable[str]) -> None:
    """Put pictures of a run into the gallery."""
    for key in keys:
        picture = folder / f"{key}.png"
        if picture.is_file():
            shutil.copyfile(picture, checkout / GALLERY / picture.name)


def main() -> None:
    """Write the pages of the checkout that is named; copy pictures of a folder where the thorough run has none."""
    checkout, *folders = map(Path, sys.argv[1:])
    kept = json.loads((checkout / KEPT).read_text(encoding="utf-8"))["artefacts"]
    for folder in folders:
        copy_pictures(folder, checkout, [a.key for a in find_artefacts() if a.key not in kept])
    write_pages(checkout)


if __name__ == "__main__":
    main()
