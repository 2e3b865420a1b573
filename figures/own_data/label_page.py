"""The page about a user's labels: one self-contained file with a picture, the reasons and the numbers."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...theory import LabelErrors
from ..style import BOUND, COLOURS, MEASURED, house_style, new_figure

_TEMPLATES = Path(__file__).parents[1] / "report" / "templates"
# Beyond so many classes their numbers are no longer written into the matrix.
_MOST_NUMBERS = 12
_MOST_REASONS = 8


def render_labels(
    result: dict[str, Any], summary: list[tuple[str, str]], found: LabelErrors, name: str
) -> str:
    """Render the page.

    Parameters
    ----------
    result : dict
        As ``selfdistill labels --json`` prints it.
    summary : list of (label, value)
    found : LabelErrors
    name : str
        Of the file.
    """
    with house_style():
        picture = io.BytesIO()
        draw_labels(result, found).savefig(picture, format="png", dpi=130)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template("labels.html.j2").render(
        name=name,
        result=result,
        summary=summary,
        picture=base64.b64encode(picture.getvalue()).decode("ascii"),
    )


def draw_labels(result: dict[str, Any], found: LabelErrors) -> Figure:
    """Draw the scores in order, the estimated corruption, and the weights behind the worst labels."""
    figure, axes = new_figure(3, width=4.4, height=3.6)
    draw_scores(axes[0, 0], found)
    draw_corruption(axes[0, 1], found.corruption, [str(c) for c in found.classes])
    draw_reasons(axes[0, 2], result["errors"][:_MOST_REASONS], result["classes"])
    return figure


def draw_scores(panel: Axes, found: LabelErrors) -> None:
    """Every label's score, the worst first; above 0 another label is suggested."""
    scores = found.scores[found.ranking]
    wrong = int(found.flagged.sum())
    ranks = np.arange(1, len(scores) + 1)
    panel.plot(ranks[:wrong], scores[:wrong], ".", color=MEASURED, label=f"contradicted ({wrong})")
    panel.plot(ranks[wrong:], scores[wrong:], ".", color=BOUND, label=f"agreed with ({len(scores) - wrong})")
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set(xlabel="rank", ylabel="suspicion", title="Labels, the most suspicious first")
    panel.legend()


def draw_corruption(panel: Axes, corruption: Any, classes: list[str]) -> None:
    """Estimated probability of each given label for each true class."""
    panel.imshow(corruption, cmap="Blues", vmin=0, vmax=1)
    k = len(classes)
    if k <= _MOST_NUMBERS:
        for i in range(k):
            for j in range(k):
                shade = "white" if corruption[i, j] > 0.5 else "black"
                size = 8 if k <= 6 else 6
                panel.text(
                    j, i, f"{corruption[i, j]:.2f}", ha="center", va="center", fontsize=size, color=shade
                )
    step = max(1, k // _MOST_NUMBERS)
    panel.set_xticks(range(0, k, step), [name[:10] for name in classes[::step]], rotation=45, ha="right")
    panel.set_yticks(range(0, k, step), [name[:10] for name in classes[::step]])
    panel.set(xlabel="given label", ylabel="true class", title="Estimated corruption")


def draw_reasons(panel: Axes, errors: list[dict[str, Any]], classes: list[str]) -> None:
    """For the worst labels, the weight of every label in the average over the others."""
    if not errors:
        panel.text(0.5, 0.5, "no label is contradicted", ha="center", transform=panel.transAxes)
        panel.set_axis_off()
        return
    places = np.arange(len(errors))
    left = np.zeros(len(errors))
    seen = [c for c in classes if any(c in (e["given"], e["suggested"]) for e in errors)]
    for number, name in enumerate(seen):
        widths = np.array([max(e["weights_by_label"][name], 0.0) for e in errors])
        panel.barh(places, widths, left=left, color=COLOURS[number % len(COLOURS)], label=name[:14])
        left += widths
    panel.set_yticks(places, [f"row {e['row']}: {e['given'][:10]}" for e in errors])
    panel.invert_yaxis()
    panel.set(xlabel="weight in the average over the others", title="What the others' labels say")
    panel.legend(title="label", loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=4)
