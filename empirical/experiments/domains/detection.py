"""Soft labels in detection: scattered digits, found by a small convolutional network with a grid of cells.

Every cell says whether a digit has its centre there, which, and where. Boxes and presence have their own losses;
soft labels are on the class part, of cells with a digit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.nn import functional as F

from ....theory.base.validation import Array, check_count, check_fraction, check_nonnegative, check_positive
from ...data.scattered_digits import GRID, NOTHING, Scenes, boxes, draw_scenes
from ...jobs.threads import one_thread
from ...losses import focal_loss, label_smoothing_loss
from ...losses.modules import ProgressiveLoss
from .translation import METHODS as OF_TOKENS
from .translation import RESCALED, best_temperature, scores

N_CLASSES = 10
METHODS = (*OF_TOKENS[:2], "focal loss", *OF_TOKENS[2:])


@dataclass(frozen=True)
class Detection:
    """Scenes of one seed, and how detectors learn them.

    The defaults, settled on seed 0, are of the paper's kind: cross-entropy fits nearly all training digits and is
    surer of new ones than it is right.

    Attributes
    ----------
    seed : int
        Of scenes, initialisation and minibatches; all methods share them.
    n_train, n_validation, n_test : int
        Scenes; validation and test scenes are of the same digits.
    epochs, batch_size, learning_rate, weight_decay
        Of AdamW, the rate falling to 0 by a cosine.
    channels : int
        Of the first convolution; the second and third have two and four times as many.
    epsilon : float
        Mass that label smoothing spreads; the paper's is 0.1.
    alpha : float
        Final weight of the past; the paper's is 0.8.
    gamma : float
        Power of the focal loss; its authors' is 2.
    """

    seed: int
    n_train: int = 500
    n_validation: int = 100
    n_test: int = 200
    epochs: int = 15
    batch_size: int = 30
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    channels: int = 16
    epsilon: float = 0.1
    alpha: float = 0.8
    gamma: float = 2.0

    def __post_init__(self) -> None:
        for name in ("n_train", "n_validation", "n_test", "epochs", "batch_size", "channels"):
            check_count(getattr(self, name), name)
        check_positive(self.learning_rate, "learning_rate")
        for name in ("weight_decay", "gamma"):
            check_nonnegative(getattr(self, name), name)
        for name in ("epsilon", "alpha"):
            check_fraction(getattr(self, name), name)


def build_detector(channels: int) -> nn.Module:
    """Three convolutions of stride two down to the grid, and what each cell says: presence, ten classes, place."""
    layers: list[nn.Module] = []
    widths = (1, channels, 2 * channels, 4 * channels)
    for before, after, kernel in zip(widths, widths[1:], (5, 5, 3), strict=False):
        layers += [nn.Conv2d(before, after, kernel, 2, kernel // 2), nn.GroupNorm(4, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1 + N_CLASSES + 3, 1))


def measure_detection(config: Detection) -> xr.Dataset:
    """Train by every method and measure on scenes of digits that were not seen.

    Returns
    -------
    xarray.Dataset
        Over (method, seed): mean average precision at an overlap of one half; and of the cells with a digit,
        accuracy, NLL, ECE (10 bins, as the paper's) and confidence of its class; ``train_accuracy`` on the
        training scenes. The method `RESCALED` is cross-entropy with class logits divided by the temperature that
        is best on the validation scenes.
    """
    rng = np.random.default_rng([config.seed, 22])
    train, held_out = draw_scenes(config.n_train, config.n_validation + config.n_test, rng)
    rows = {}
    with one_thread(), torch.random.fork_rng(devices=[]):
        for method in METHODS:
            network = trained(config, method, train).eval()
            with torch.no_grad():
                on_train, outputs = network(train.images), network(held_out.images)
            _, labels = _classes(on_train, train.kinds)
            fits = float((_classes(on_train, train.kinds)[0].argmax(-1) == labels).double().mean())
            validation, test = (slice(0, config.n_validation), slice(config.n_validation, None))
            logits, labels = _classes(outputs[test], held_out.kinds[test])
            truth = held_out.kinds[test], boxes(held_out.places[test])
            precision = mean_average_precision(outputs[test], *truth)
            rows[method] = scores(logits, labels) | {
                "map": precision,
                "train_accuracy": fits,
                "temperature": 1.0,
            }
            if method == METHODS[0]:
                tau = best_temperature(*_classes(outputs[validation], held_out.kinds[validation]))
                cooler = torch.cat([outputs[:, :1], outputs[:, 1:11] / tau, outputs[:, 11:]], dim=1)
                precision = mean_average_precision(cooler[test], *truth)
                rows[RESCALED] = (
                    rows[method] | scores(logits / tau, labels) | {"map": precision, "temperature": tau}
                )
    names = list(rows[METHODS[0]])
    return xr.Dataset(
        {name: (("method", "seed"), np.array([[row[name]] for row in rows.values()])) for name in names},
        coords={"method": list(rows), "seed": np.array([config.seed], np.int32)},
    )


def trained(config: Detection, method: str, scenes: Scenes) -> nn.Module:
    """Return a detector that learned the scenes by a method."""
    torch.manual_seed(config.seed)
    network = build_detector(config.channels)
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    n = len(scenes.images)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.epochs * -(-n // config.batch_size))
    cells = torch.arange(n * GRID**2).reshape(n, GRID, GRID)
    memory = ProgressiveLoss(cells.numel(), N_CLASSES, config.epochs, config.alpha, class_dim=1)
    smoothed = config.epsilon if method == "label smoothing" else 0.0
    for epoch in range(config.epochs):
        for part in torch.split(torch.randperm(n), config.batch_size):
            outputs, kinds = network(scenes.images[part]), scenes.kinds[part]
            there, classes, places = torch.split(outputs, [1, N_CLASSES, 3], dim=1)
            full = kinds != NOTHING
            if method == "progressive":
                loss = memory(classes, kinds, cells[part], epoch)
            elif method == "focal loss":
                loss = focal_loss(classes, kinds, config.gamma, class_dim=1)
            else:
                loss = label_smoothing_loss(classes, kinds, smoothed, class_dim=1)
            loss = loss + F.binary_cross_entropy_with_logits(there[:, 0], full.to(there))
            loss = loss + F.smooth_l1_loss(places.movedim(1, -1)[full], scenes.places[part][full])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
    return network


def _classes(outputs: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """Class logits (cells, 10) of the cells with a digit, and the digits."""
    full = kinds != NOTHING
    return outputs[:, 1 : 1 + N_CLASSES].movedim(1, -1)[full].double(), kinds[full]


def mean_average_precision(outputs: Tensor, kinds: Tensor, truth: Tensor, overlap: float = 0.5) -> float:
    """Mean over classes of the area under precision and recall, as PASCAL VOC has it since 2010.

    Each cell offers one box, with the product of presence and class probability for every class. From the surest
    on, an offer is right if its box overlaps enough with a digit of its class that no surer offer has found.

    Parameters
    ----------
    outputs : Tensor (n, 14, 4, 4)
    kinds : Tensor (n, 4, 4)
    truth : Tensor (n, 4, 4, 4)
        Boxes of the cells that hold a digit.
    overlap : float
        Least intersection over union.
    """
    there = torch.sigmoid(outputs[:, 0])
    sure = (there.unsqueeze(1) * outputs[:, 1 : 1 + N_CLASSES].softmax(1)).flatten(2)  # (n, 10, 16)
    offered = boxes(outputs[:, 1 + N_CLASSES :].movedim(1, -1)).flatten(1, 2)  # (n, 16, 4)
    overlaps = intersection_over_union(offered, truth.flatten(1, 2)).numpy()
    flat, confidence = kinds.flatten(1).numpy(), sure.numpy()
    found = []
    for k in range(N_CLASSES):
        n_there = int((flat == k).sum())
        if n_there:
            right, order = _matches(confidence[:, k], np.where((flat == k)[:, None], overlaps, 0.0), overlap)
            found.append(average_precision(right[order], n_there))
    return float(np.mean(found))


def _matches(confidence: Array, overlaps: Array, least: float) -> tuple[Array, Array]:
    """Whether each offer (n, 16) of a class finds a digit of its own, and offers from the surest on."""
    order = np.argsort(-confidence, axis=None, kind="stable")
    right, taken = np.zeros(confidence.size, bool), np.zeros(overlaps.shape[::2], bool)
    for offer in order:
        image, cell = divmod(int(offer), confidence.shape[1])
        best = int(overlaps[image, cell].argmax())
        if overlaps[image, cell, best] >= least and not taken[image, best]:
            right[offer] = taken[image, best] = True
    return right, order


def average_precision(right: Array, n_there: int) -> float:
    """Area under precision, made to fall, over recall; `right` from the surest offer on."""
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(falling[right].sum() / n_there)


def intersection_over_union(first: Tensor, second: Tensor) -> Tensor:
    """Of boxes (..., A, 4) and (..., B, 4) as top, left, bottom, right: (..., A, B)."""
    a, b = first.unsqueeze(-2), second.unsqueeze(-3)
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0)
    shared = sides.prod(dim=-1)
    areas = [(box[..., 2:] - box[..., :2]).clamp_min(0).prod(dim=-1) for box in (a, b)]
    return shared / (areas[0] + areas[1] - shared).clamp_min(1e-9)
