"""The page about a user's own rounds: one self-contained file, in which other settings can be tried."""

from __future__ import annotations

import base64
import io
from importlib.metadata import version
from typing import Any

import numpy as np

from ...theory import Spectrum
from ...theory.estimators.selection import left_out_noise_variance
from ..style import house_style
from .analysis import OwnRounds, left_out_errors
from .pages import inline, page
from .picture import draw_rounds

# Leaving every sample out of every round takes a product with the eigenvectors a round.
_MOST_LEFT_OUT = 4000
_MOST_ROWS = 500
_PANELS = (
    ("norms", "Norm of the targets", "Norm of the targets by round, with its bounds"),
    ("errors", "Errors", "Training error and estimated distance to the truth by round"),
    ("filters", "Share left of every eigenvector, B_t", "Share left of every eigenvector after the chosen round"),
    ("multipliers", "Multiplier", "Multiplier by round, with its bounds"),
    ("sizes", "Basis size", "Number of eigenvectors still used, by round"),
)  # fmt: skip


def render_rounds(result: OwnRounds, summary: list[tuple[str, str]], name: str) -> str:
    """Render the page.

    Parameters
    ----------
    result : OwnRounds
    summary : list of (label, value)
    name : str
        Of the file.
    """
    whole = result.path.whole_spectrum
    rows = zip(
        result.trajectory.multipliers[:_MOST_ROWS],
        result.trajectory.target_norms[1:],
        result.trajectory.ratios[1:],
        result.basis_sizes,
        strict=False,
    )
    return page("rounds.html.j2").render(
        name=name,
        target=result.table.target_name,
        version=version("selfdistill"),
        summary=summary,
        notes=result.notes,
        panels=_PANELS,
        data=page_data(result) if whole else None,
        picture="" if whole else _picture(result),
        rows=[[f"{value:.6g}" for value in row] for row in rows],
        style=inline("report.css"),
        script=inline("explorer_core.js") + inline("explorer_plot.js") + inline("rounds.js"),
    )


def page_data(result: OwnRounds) -> dict[str, Any]:
    """What the page computes from: spectrum, targets and the command's settings."""
    spectrum, run = result.spectrum, result.trajectory
    small = spectrum.n_samples <= _MOST_LEFT_OUT
    ridge = float(np.exp(np.log(run.multipliers[run.multipliers > 0]).mean())) if run.rounds else None
    return {
        "n": spectrum.n_samples,
        "outputs": spectrum.n_outputs,
        **_directions(spectrum),
        "epsilon": result.epsilon,
        "least": spectrum.least_feasible_epsilon,
        "noise": left_out_noise_variance(spectrum) / spectrum.n_outputs if small else result.epsilon,
        "ridge": ridge or float(spectrum.largest_eigenvalue) / 100,
        "leftOut": left_out_errors(run).tolist() if small else [],
    }


def _directions(spectrum: Spectrum) -> dict[str, list[float]]:
    """Eigenvalues, and the norm of the targets in each direction; what no direction reaches is one of eigenvalue 0."""
    d, weights = np.asarray(spectrum.eigenvalues, float), np.asarray(spectrum.weights, float)
    outside = spectrum.energy - weights.sum()
    if len(d) < spectrum.n_samples and outside > 0:
        d, weights = np.append(0.0, d), np.append(outside, weights)
    return {"d": d.tolist(), "z": np.sqrt(weights).tolist()}


def _picture(result: OwnRounds) -> str:
    with house_style():
        picture = io.BytesIO()
        draw_rounds(result).savefig(picture, format="png", dpi=130)
    return base64.b64encode(picture.getvalue()).decode("ascii")
