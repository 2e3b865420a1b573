"""Progressive targets in detection: digits of several sizes, scattered on a canvas with clutter.

A small convolutional network says of every cell of a grid whether a digit has its centre there, which and where. Its
class part learns by cross-entropy, with label smoothing, by the focal loss (its authors' γ = 2) or with progressive
targets (the paper's ε = 0.1, α_T = 0.8); boxes and presence have their own losses. Mean average precision at an
overlap of one half, and of the cells with a digit the negative log-likelihood and calibration error of its class, and
how much surer the network is than right; all on scenes of digits that were not seen, means with 95 % intervals over
seeds, each with scenes of its own. The rescaled row is the dull rule: cross-entropy, its class logits divided after
training by the temperature that is best on validation scenes.
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.domains.detection import Detection, measure_detection
from ..claim import Claim, Relation
from ..scale import Scale
from ..soft_label_scale import UNSEEN
from .translation import claims_on_new_domain, draw_metrics

# Metric, words of the claim, direction.
CLAIMED: tuple[tuple[str, str, Relation], ...] = (
    ("map", "have a higher mean average precision than", "≥"),
    ("nll", "have a lower NLL than", "≤"),
    ("ece", "have a lower calibration error than", "≤"),
)
PANELS = {
    "map": ("mean average precision, %", 100),
    "nll": ("negative log-likelihood, nats", 1),
    "ece": ("expected calibration error, %", 100),
    "overconfidence": ("confidence − accuracy, %", 100),
}


def measure(scale: Scale) -> xr.Dataset:
    """Every metric over (setting, method, seed)."""
    n_seeds = scale.choose(smoke=2, quick=3, thorough=60, full=60)
    first = 1000 * scale.seed + UNSEEN
    fewer = {"n_train": 20, "n_validation": 10, "n_test": 20, "epochs": 2}
    sizes = scale.choose(smoke=fewer, quick={}, full={})
    results = scale.map(measure_detection, [Detection(first + i, **sizes) for i in range(n_seeds)])
    data = xr.concat(results, dim="seed").expand_dims(setting=["scattered digits"])
    return data.assign(overconfidence=data["confidence"] - data["accuracy"])


def claims(data: xr.Dataset) -> list[Claim]:
    """What the paper says of object detection (docs: claim K6)."""
    return claims_on_new_domain(data, CLAIMED, "on classes of boxes", "new digits")


def draw(data: xr.Dataset) -> Figure:
    """One panel a metric."""
    return draw_metrics(data, PANELS)
