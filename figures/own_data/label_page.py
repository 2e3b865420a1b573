"""The page about a user's labels: one self-contained file with a picture, the reasons and the numbers."""

from __future__ import annotations

import base64
import io
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...theory import LabelErrors
from ...theory.base.validation import Array
from ...theory.estimators.label_fit import ROUNDS
from ...theory.labels.confident_joint import contradiction
from ..style import BOUND, COLOURS, MEASURED, house_style, new_figure
from .pages import inline, page

# Neighbours that are shown with a label.
NEIGHBOURS = 5
# Beyond so many classes their numbers are no longer written into the matrix.
_MOST_NUMBERS = 12
_MOST_REASONS = 8
# Labels that a page holds, those whose reasons it holds, and features that it shows of a row.
_MOST_LABELS = 5000
_MOST_EXPLAINED = 100
_MOST_FEATURES = 6
_COLUMNS = {
    "row": "row", "given": "given", "suggested": "suggested", "score": "suspicion", "confidence": "confidence",
}  # fmt: skip


def render_labels(
    result: dict[str, Any],
    summary: list[tuple[str, str]],
    found: LabelErrors,
    name: str,
    features: pd.DataFrame | None = None,
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
    features : DataFrame, optional
        What is shown of each sample beside its label.
    """
    with house_style():
        picture = io.BytesIO()
        draw_labels(result, found).savefig(picture, format="png", dpi=130)
    return page("labels.html.j2").render(
        name=name,
        version=version("selfdistill"),
        result=result,
        summary=summary,
        columns=_COLUMNS,
        data=page_data(found, features, len(result["errors"])),
        picture=base64.b64encode(picture.getvalue()).decode("ascii"),
        style=inline("report.css"),
        script=inline("labels.js"),
    )


def page_data(found: LabelErrors, features: pd.DataFrame | None, explained: int) -> dict[str, Any]:
    """What the page shows: every label after each number of rounds, and the reasons for the most suspicious ones.

    Parameters
    ----------
    found : LabelErrors
    features : DataFrame or None
    explained : int
        At least so many labels are shown with their reasons.
    """
    chosen = found.ranking[:_MOST_LABELS]
    names = [] if features is None else [str(name) for name in features.columns[:_MOST_FEATURES]]
    worst = chosen[: max(explained, _MOST_EXPLAINED)]
    return {
        "classes": [str(c) for c in found.classes],
        "rows": [int(i) + 1 for i in chosen],
        "given": found.given[chosen].tolist(),
        "chosen": found.rounds,
        "rounds": [_after(found, t, chosen) for t in sorted({*ROUNDS, found.rounds})],
        "names": names,
        "features": [] if features is None else [_shown(features, i) for i in chosen],
        "neighbours": [_neighbours(found, int(i), features) for i in worst],
        "left_out": len(found.given) - len(chosen),
    }


def _after(found: LabelErrors, rounds: int, chosen: Array) -> dict[str, Any]:
    """Scores and suggestions of the same fit after another number of rounds."""
    p = found.fit.probabilities_after(found.given, rounds)
    scores, other = contradiction(p, found.given)
    suggested = np.where(scores > 0, other, found.given)
    confidence = p[np.arange(len(p)), suggested]
    return {
        "rounds": rounds,
        "scores": scores[chosen].round(6).tolist(),
        "suggested": suggested[chosen].tolist(),
        "confidence": confidence[chosen].round(6).tolist(),
    }


def _neighbours(found: LabelErrors, sample: int, features: pd.DataFrame | None) -> list[dict[str, Any]]:
    why = found.explain(sample, NEIGHBOURS)
    labels = found.given[why.neighbours]
    return [
        {
            "row": int(i) + 1, "label": int(label), "weight": round(float(weight), 6),
            **({} if features is None else {"features": _shown(features, i)}),
        }
        for i, label, weight in zip(why.neighbours, labels, why.weights, strict=True)
    ]  # fmt: skip


def _shown(features: pd.DataFrame, row: int) -> list[str]:
    """The first features of a row, as text."""
    values = features.iloc[int(row), :_MOST_FEATURES]
    return [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]


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
