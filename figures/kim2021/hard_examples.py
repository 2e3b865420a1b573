"""Hard examples: which samples progressive self-distillation weighs less and more, measured over a run.

Overconfident digits, quarters of the training samples from the easiest to the hardest, as a cross-entropy network
of another initialisation found them. Left, the size of a sample's gradient in the logits under progressive targets
over that under cross-entropy (medians): samples that the network has just learned are held back, those that it has
not are not. Middle, the label's probability. Right, the share of samples for which the paper's condition holds,
under which the whole gradient, and not only its part at the label, is that of cross-entropy times one factor. Bands
are 95 % intervals over seeds.
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ...empirical.experiments.soft_labels.hard_examples import QUARTERS, HardExamples, measure_hard_examples
from ..claim import Claim
from ..conditions import Precondition
from ..scale import Scale
from ..soft_label_claims import explained
from ..soft_label_scale import overconfident
from ..style import COLOURS, band, new_figure, possible, rounds_axis

WHERE = "overconfident digits"


def measure(scale: Scale) -> xr.Dataset:
    """Gradients of quarters of the samples over (quarter, epoch, seed)."""
    parts = overconfident(scale, quick=6, thorough=60).comparison.in_parts(8)
    return xr.concat(scale.map(measure_hard_examples, [HardExamples(p) for p in parts]), dim="seed")


def claims(data: xr.Dataset) -> list[Claim]:
    """Kim et al. on hard examples (claim K7 on a run, and part of K6)."""
    middle = data.isel(epoch=slice(data.sizes["epoch"] // 4, None)).mean("epoch")
    learned = Precondition.of("the network learns its samples: the label's median probability in the hardest quarter",
                              data["probability"].sel(quarter="hardest").isel(epoch=-1), "≥", 0.5)  # fmt: skip
    gap = middle["gradient"].sel(quarter="hardest") - middle["gradient"].sel(quarter="easiest")
    promised = data["share_exact"].mean("epoch")
    return [
        Claim.theorem("K7", "Where the condition holds, the whole gradient is cross-entropy's times the factor, in "
                      "every epoch of a run.", 0.0, data["excess"], tolerance=1e-6,
                      source="selfdistill.theory.gradient_rescaling",
                      note="in units of cross-entropy's gradient; probabilities in double precision"),
        explained(
            Claim.from_samples("K6", f"Hard examples keep more of their gradient than easy ones ({WHERE}).", gap,
                               relation="≥", precondition=learned, family=WHERE,
                               note="medians of the hardest and easiest quarters, last three quarters of the epochs"),
            holds="easy examples rise fast from epoch to epoch, and the past pulls them back",
            otherwise="once fitted, easy examples stand still: the past asks for what the network already says",
        ),
        explained(
            Claim.from_samples("K7", f"The condition holds for most samples, on the mean over epochs ({WHERE}).",
                               promised, relation="≥", predicted=0.5, precondition=learned, family=WHERE),
            holds="wrong classes fall slowly enough from one epoch to the next",
            otherwise="some wrong class falls faster than the past allows for nearly every sample",
        ),
    ]  # fmt: skip


def draw(data: xr.Dataset) -> Figure:
    """Gradients, probabilities and the condition over epochs."""
    figure, axes = new_figure(3, width=4.1, height=3.4)
    for panel, name, label in zip(
        axes[0, :2], ("gradient", "probability"),
        ("gradient over cross-entropy's (median)", "label's probability (median)"), strict=True,
    ):  # fmt: skip
        for i, quarter in enumerate(QUARTERS):
            values = data[name].sel(quarter=quarter).transpose("seed", "epoch")
            band(panel, data["epoch"], values, color=COLOURS[i], label=f"{quarter} quarter")
        panel.set_ylabel(label)
    band(axes[0, 2], data["epoch"], data["share_exact"].transpose("seed", "epoch"), color="black")
    axes[0, 2].set_ylabel("share of samples")
    axes[0, 2].set_title("one factor scales the whole gradient")
    for panel in axes[0]:
        rounds_axis(panel, "epoch")
        possible(panel)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
