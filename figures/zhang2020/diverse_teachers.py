"""Diverse teachers: their students beside those of teachers that are all equally sure.

A hundred classes. Each point is one teacher and its students: teachers are the generations of a chain and one
teacher softened by several temperatures. Across, the confidence diversity of what was taught, on the training
samples; up, the students' accuracy and NLL above cross-entropy's on the same split (the axis of the NLL is linear up
to 0.1 and logarithmic beyond). Means with standard errors over seeds; the claim is about the rank correlation within
each seed.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..claim import Claim
from ..conditions import DullRule
from ..scale import Scale
from ..soft_label_claims import CE, all_of, correlation, explained, fits, room
from ..soft_label_scale import above
from ..soft_label_studies import generations, temperatures
from ..style import BOUND, COLOURS, linear_near_zero, new_figure

WHERE = "a hundred classes"
KINDS = {"generations": "generation", "temperatures": "self-distillation"}


def measure(scale: Scale) -> xr.Dataset:
    """Students of every generation and temperature, with what they were taught."""
    both = [generations(scale), temperatures(scale)]
    kept = [t.sel(student=[s for s in t["student"].values if _kind(str(s)) or s == CE]) for t in both]
    return xr.concat(kept, dim="student", join="inner")  # seeds that both have


def _kind(name: str) -> str:
    """Which of the kinds a taught student is of; empty if none."""
    return next((kind for kind, prefix in KINDS.items() if name.startswith(prefix)), "")


def taught(data: xr.Dataset, kind: str = "") -> xr.Dataset:
    """Students that had a teacher, of one kind or of all."""
    names = [str(s) for s in data["student"].values]
    had = data["taught_diversity"].notnull().any("seed").values
    return data.isel(
        student=[i for i, n in enumerate(names) if had[i] and _kind(n) and kind in ("", _kind(n))]
    )


def claims(data: xr.Dataset) -> list[Claim]:
    """Zhang & Sabuncu's central claim (part of Z6): diversity of teachers makes better students."""
    found = []
    precondition = all_of(fits(data), room(data))
    for kind in ("", "temperatures"):
        of = {"": "generations and temperatures", "temperatures": "temperatures"}[kind]
        students = taught(data, kind)
        for metric, sign, words in (("accuracy", 1, "more accurate"), ("nll", -1, "of lower NLL")):
            by = {
                name: [
                    sign * correlation(students[name].isel(seed=s), students[metric].isel(seed=s))
                    for s in range(students.sizes["seed"])
                ]
                for name in ("taught_diversity", "taught_uncertainty")
            }
            found.append(
                explained(
                    Claim.from_samples("Z6", f"Over {of}, students of more diverse teachers are {words} ({WHERE}).",
                                       by["taught_diversity"], relation="≥", precondition=precondition,
                                       dull_rule=DullRule.of("the teacher's uncertainty, which label smoothing has too",
                                                             by["taught_diversity"], by["taught_uncertainty"],
                                                             better="higher"),
                                       family=WHERE, note="Spearman correlation over teachers, one a seed"),
                    holds="teachers that are unsure of some samples and sure of others tell which are hard",
                    otherwise="students follow how soft their teachers are, not how different from sample to sample",
                )
            )  # fmt: skip
    return found


def draw(data: xr.Dataset) -> Figure:
    """Students' accuracy and NLL against their teachers' diversity."""
    figure, axes = new_figure(2, width=4.8, height=3.6)
    for panel, metric, label in zip(
        axes[0], ("accuracy", "nll"),
        ("accuracy − cross-entropy's, points", "NLL − cross-entropy's, nats"), strict=True,
    ):  # fmt: skip
        for i, kind in enumerate(KINDS):
            students = taught(data, kind)
            x = np.asarray(students["taught_diversity"].mean("seed"))
            names = students["student"].values
            gains = (100 if metric == "accuracy" else 1) * above(data, metric, CE).sel(student=names)
            y = np.asarray(gains.mean("seed"))
            error = np.asarray(gains.std("seed", ddof=1) / np.sqrt(gains.sizes["seed"]))
            panel.errorbar(x, y, yerr=error, fmt="o-", markersize=4, capsize=2, color=COLOURS[i], label=kind)
            for name, *place in zip(
                names, x, y, strict=True
            ):  # generations above their points, temperatures below
                words = str(name).replace("self-distillation, ", "").replace("generation ", "g")
                panel.annotate(
                    words, place, textcoords="offset points", xytext=(5, -10 if i else 5), fontsize=7
                )
        panel.axhline(0, color=BOUND, linestyle="--", label=CE)
        if metric == "nll":
            linear_near_zero(panel, "y", 0.1)
        panel.set(xlabel="what was taught: confidence diversity, nats", ylabel=label)
        panel.margins(0.12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
