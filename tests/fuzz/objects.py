"""Estimators, loss modules and methods of values, each as one function of all that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from selfdistill import theory
from selfdistill.empirical.losses import modules
from selfdistill.empirical.losses.top_targets import TopTargets

from .problem import GRAM, LABELS, LOGITS, NOISE, D, P, X, Y, Z, clusters, run, spectrum, tensors

Arguments = Callable[[], dict[str, Any]]


def fit_and_predict(
    estimator: type[Any], settings: dict[str, Any], given: dict[str, Any], method: str
) -> Any:
    """Fit an estimator and ask for what it predicts at new points."""
    new = given.pop("new")
    value = getattr(estimator(**settings).fit(**given), method)(new)
    return list(value) if hasattr(value, "__next__") else value


def estimator(kind: type[Any], method: str, **defaults: Any) -> tuple[Callable[..., Any], Arguments]:
    """An estimator as a function of its settings and its data."""

    def function(**arguments: Any) -> Any:
        settings = {name: arguments.pop(name) for name in defaults}
        return fit_and_predict(kind, settings, arguments, method)

    target = LABELS if kind is not theory.SelfDistilledKernelRidge else Y
    return function, lambda: {**defaults, "X": X.copy(), "y": target.copy(), "new": X[:4].copy()}


def module(
    kind: type[Any], inputs: Callable[[], dict[str, Any]], **settings: Any
) -> tuple[Callable[..., Any], Arguments]:
    """A loss module as a function of its settings and its inputs."""

    def function(**arguments: Any) -> Any:
        loss = kind(**{name: arguments.pop(name) for name in settings})
        return loss(**arguments)

    return function, lambda: {**settings, **inputs()}


def progressive(n_samples: Any, n_classes: Any, epochs: Any, **given: Any) -> Any:
    """Two epochs of progressive self-distillation."""
    loss = modules.ProgressiveLoss(n_samples, n_classes, epochs)
    first = loss(**{**given, "epoch": 1})
    return first, loss(**given)


def with_network(kind: type[Any], logits: Any, labels: Any, **settings: Any) -> Any:
    """A loss that holds a network of its own."""
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 3).double()
    loss = kind(network, **settings) if kind is modules.BetaSmoothingLoss else kind(**settings)
    if kind is modules.BornAgainLoss:
        loss.next_generation(network)
    return loss(logits, labels, torch.tensor(X))


def both() -> dict[str, Any]:
    return tensors(student_logits=LOGITS, teacher_logits=LOGITS * 0.5, labels=LABELS)


def own() -> dict[str, Any]:
    return tensors(logits=LOGITS, labels=LABELS)


RIDGE = {"kernel": "rbf", "gamma": 0.5, "ridge": 0.1, "rounds": 2}
OBJECTS: dict[str, tuple[Callable[..., Any], Arguments]] = {
    "SelfDistilledKernelRidge.predict": estimator(
        theory.SelfDistilledKernelRidge, "predict", **RIDGE, ground_truth_weight=0.1, degree=3, coef0=1
    ),
    "SelfDistilledKernelRidge.best": estimator(
        theory.SelfDistilledKernelRidge, "predict", kernel="laplacian", gamma="best", ridge="best",
        rounds="best", max_rounds=3,
    ),
    "SelfDistilledKernelRidge.epsilon": estimator(
        theory.SelfDistilledKernelRidge, "staged_predict", epsilon=0.1, rounds="collapse", gamma=0.5
    ),
    "SelfDistilledKernelRidge.mixing": estimator(
        theory.SelfDistilledKernelRidge, "predict", mixing="optimal", mixing_steps=2, noise_variance=0.1, gamma=0.5
    ),
    "SelfDistilledRidgeClassifier.predict_proba": estimator(
        theory.SelfDistilledRidgeClassifier, "predict_proba", **RIDGE, ground_truth_weight=0.1
    ),
    "SelfDistilledRidgeClassifier.best": estimator(
        theory.SelfDistilledRidgeClassifier, "decision_function", kernel="rbf", rounds="best", max_rounds=2
    ),
    "SelfDistilledSoftmaxRegression.predict_proba": estimator(
        theory.SelfDistilledSoftmaxRegression, "predict_proba", kernel="linear", ridge=0.1, rounds=2, student="soft"
    ),
    "SelfDistilledSoftmaxRegression.partial": estimator(
        theory.SelfDistilledSoftmaxRegression, "staged_predict_proba", kernel="rbf", gamma=0.5, rounds=2,
        student="partial_labels",
    ),
    "LabelErrors.explain": (
        lambda **given: theory.find_label_errors(X, LABELS, gamma=0.5, ridge=0.1, rounds=1).explain(**given),
        lambda: {"sample": 2, "count": 3},
    ),
    "DistillationLoss": module(modules.DistillationLoss, both, temperature=2.0, alpha=0.4, reduction="mean"),
    "LabelSmoothingLoss": module(modules.LabelSmoothingLoss, own, epsilon=0.1, convention="szegedy"),
    "EntropyPenaltyLoss": module(modules.EntropyPenaltyLoss, own, beta=0.1, ignore_index=-100),
    "FocalLoss": module(modules.FocalLoss, own, gamma=2.0, ignore_index=-100),
    "WeightedSoftLabelLoss": module(modules.WeightedSoftLabelLoss, both, temperature=2.0, alpha=0.4),
    "PartialLabelLoss": module(
        modules.PartialLabelLoss, lambda: tensors(logits=LOGITS, candidates=np.array(theory.top_two_targets(P))), q=0.7
    ),
    "ProgressiveLoss": (
        progressive,
        lambda: {"n_samples": 20, "n_classes": 3, "epochs": 4, **own(), "index": torch.arange(12), "epoch": 2},
    ),
    "BetaSmoothingLoss": (
        lambda **given: with_network(modules.BetaSmoothingLoss, **given),
        lambda: {**own(), "alpha": 0.5, "shape": 3.0, "generator": torch.Generator()},
    ),
    "BornAgainLoss": (
        lambda **given: with_network(modules.BornAgainLoss, **given),
        lambda: {**own(), "temperature": 2.0, "alpha": 0.5},
    ),
    "TopTargets.of": (
        lambda probabilities, top, temperature: TopTargets.of(probabilities, top, temperature).dense(),
        lambda: {"probabilities": torch.tensor(P), "top": 2, "temperature": 1.0},
    ),
    "ClusteredFeatures.accuracy": (
        lambda corruption, rounds: clusters().accuracy(corruption, rounds), lambda: {"corruption": NOISE, "rounds": 2}
    ),
    "ClusteredFeatures.outputs": (
        lambda corruption, rounds: clusters().outputs(corruption, rounds), lambda: {"corruption": NOISE, "rounds": 2}
    ),
    "ClusteredFeatures.minimum_rounds": (
        lambda corruption: clusters().minimum_rounds(corruption), lambda: {"corruption": NOISE}
    ),
    "ClusteredFeatures.last_round": (
        lambda corruption, resolution: clusters().last_round(corruption, resolution),
        lambda: {"corruption": NOISE, "resolution": 1e-9},
    ),
    "ClusteredFeatures.draw_features": (
        lambda n_features, rng: clusters().draw_features(n_features, rng), lambda: {"n_features": 4, "rng": 0}
    ),
    "Spectrum.of": (theory.Spectrum.of, lambda: {"gram": GRAM, "targets": Y, "tolerance": 1e-6}),
    "Spectrum.from_gram of many outputs": (theory.Spectrum.from_gram, lambda: {"gram": GRAM, "targets": P}),
    "Spectrum.krylov of a function": (
        lambda targets, tolerance: theory.Spectrum.krylov(lambda a, b: a @ b.T, targets, points=X, tolerance=tolerance),
        lambda: {"targets": Y, "tolerance": 1e-6},
    ),
    "RandomFeatures.of points": (
        lambda points, rng: theory.fourier_features(3, 4, 0.5, rng)(points), lambda: {"points": X, "rng": 0}
    ),
    "Trajectory.filter": (lambda t: run().filter(t), lambda: {"t": 1}),
    "Mixing.predict": (
        lambda cross_gram: theory.optimal_mixing(spectrum(), 0.1, 2).predict(cross_gram),
        lambda: {"cross_gram": GRAM[:2]},
    ),
    "Generations.risk": (
        lambda truth: theory.own_outputs(spectrum(), 0.1, 2, 0.1).risk(truth), lambda: {"truth": Y}
    ),
    "TeachingChain.risk": (
        lambda truth, noise_variance: theory.teach([spectrum(), spectrum()], [0.1, 0.2]).risk(truth, noise_variance),
        lambda: {"truth": Y, "noise_variance": 0.1},
    ),
    "SoftmaxFit.predict_proba": (
        lambda points: theory.fit_softmax_regression(GRAM, P, 0.1).predict_proba(points), lambda: {"points": GRAM[:2]}
    ),
    "SoftmaxRegression.distill": (
        lambda gram, ridge, targets, rounds, tolerance: theory.SoftmaxRegression.from_gram(gram, ridge).distill(
            targets, rounds, tolerance=tolerance
        ),
        lambda: {"gram": GRAM, "ridge": 0.1, "targets": P, "rounds": 2, "tolerance": 1e-9},
    ),
    "distill to tolerance": (
        lambda eigenvalues, coefficients, epsilon, max_rounds: theory.distill(
            theory.Spectrum.from_eigenvalues(eigenvalues, coefficients), theory.ToTolerance(epsilon, max_rounds)
        ),
        lambda: {"eigenvalues": D, "coefficients": Z, "epsilon": 0.1, "max_rounds": 3},
    ),
}  # fmt: skip
# Whose input scikit-learn checks before we do.
FOREIGN = {name for name in OBJECTS if name.startswith("SelfDistilled")}
