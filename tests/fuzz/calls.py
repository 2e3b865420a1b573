"""Every public callable with arguments that it takes: what other arguments are put into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from selfdistill import theory
from selfdistill.empirical import losses, metrics
from selfdistill.empirical.losses import modules

from .objects import FOREIGN, OBJECTS
from .problem import GRAM, LABELS, LOGITS, NOISE, D, P, X, Y, Z, clusters, run, spectrum, tensors


@dataclass(frozen=True)
class Call:
    """A public callable with arguments that it takes, made anew for every call.

    `foreign` says that scikit-learn checks its input, and refuses in its own words.
    """

    name: str
    function: Callable[..., Any]
    arguments: Callable[[], dict[str, Any]]
    foreign: bool = False


ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "ClusteredFeatures": lambda: {
        "n_classes": 3, "n_per_class": 4, "within": 0.5, "across": 0.1, "ridge": 1.0,
        "superclass_size": 1, "within_superclass": None,
    },
    "FixedRidge": lambda: {"ridge": 0.1, "rounds": 3, "ground_truth_weight": 0.2},
    "OwnOutputs": lambda: {
        "ridge": 0.1, "rounds": 3, "real_share": 0.2, "fresh_noise_variance": 0.1, "label_noise_variance": 0.2,
    },
    "Progressive": lambda: {"past_weights": [0.1, 0.2], "step": 0.1, "substeps": 3},
    "ToTolerance": lambda: {"epsilon": 0.1, "max_rounds": 5},
    "Spectrum.from_gram": lambda: {"gram": GRAM, "targets": Y},
    "Spectrum.from_features": lambda: {"features": X, "targets": Y},
    "Spectrum.from_eigenvalues": lambda: {"eigenvalues": D, "coefficients": Z},
    "Spectrum.from_chunks": lambda: {"features": [X[:6], X[6:]], "targets": Y},
    "Spectrum.krylov": lambda: {"gram": GRAM, "targets": Y, "tolerance": 1e-6, "max_products": 12},
    "adjacent_ratios": lambda: {"filters": np.array([0.2, 0.5, 0.9]), "eigenvalues": D},
    "best_ground_truth_weights": lambda: {"spectrum": spectrum(), "ridge": 0.1, "rounds": 2},
    "best_mixture_weight": lambda: {"first": Y + 0.1, "pure": 0.5 * Y, "targets": Y, "clip": True},
    "best_real_share": dict,
    "beta_mean": lambda: {"shape": 3.0},
    "beta_targets": lambda: {
        "labels": LABELS, "confidence": P.max(1), "draws": np.full(12, 0.7), "n_classes": 3,
    },
    "bias_variance": lambda: {"probabilities": np.stack([P, P[::-1]]), "targets": P},
    "bias_variance_of_logs": lambda: {"log_probabilities": np.log(np.stack([P, P[::-1]])), "targets": P},
    "bias_variance_of_mean_log": lambda: {"mean_log": np.log(P), "targets": P},
    "brownian_bridge_kernel": lambda: {"x": [0.1, 0.5], "s": [0.2]},
    "collapse_bounds": lambda: {"spectrum": spectrum(), "epsilon": 0.1},
    "collapse_rounds_grid": lambda: {"eigenvalues": D, "coefficients": Z, "initial_ratios": [2.0, 3.0]},
    "corrupt_labels": lambda: {"labels": LABELS, "corruption": NOISE, "rng": 0, "exact": False},
    "confident_joint": lambda: {"probabilities": P, "labels": LABELS},
    "corruption_gap": lambda: {"corruption": NOISE},
    "corruption_matrix": lambda: {
        "kind": "superclass", "n_classes": 4, "rate": 0.2, "groups": [0, 0, 1, 1],
    },
    "cubic_green_kernel": lambda: {"x": [0.1, 0.5], "s": [0.2]},
    "dense_cost": lambda: {"n_samples": 100, "outputs": 1, "itemsize": 8},
    "dirichlet_mode": lambda: {"concentration": np.array([[2.0, 3.0]])},
    "distill": lambda: {"spectrum": spectrum(), "schedule": theory.FixedRidge(0.1, 2)},
    "distill_clustered_softmax": lambda: {
        "model": clusters(), "corruption": NOISE, "rounds": 2, "targets": None, "tolerance": 1e-9,
    },
    "distill_distribution": lambda: {
        "spectrum": spectrum(), "noise_variances": [0.1, 0.2], "cross_gram": GRAM[:2], "prior_variance": np.ones(2),
    },
    "distill_grid": lambda: {"spectrum": spectrum(), "epsilons": [0.1, 0.2], "max_rounds": 3},
    "distill_linearised": lambda: {"spectrum": spectrum(), "ridge": 0.1, "rounds": 2},
    "distill_mean": lambda: {
        "spectrum": spectrum(), "noise_variances": [0.1, 0.2], "cross_gram": GRAM[:2], "prior_variance": np.ones(2),
    },
    "distill_ridge_grid": lambda: {
        "spectrum": spectrum(), "ridges": [0.1, 0.2], "rounds": 2, "ground_truth_weight": 0.1,
    },
    "distill_to_tolerance": lambda: {"spectrum": spectrum(), "epsilon": 0.1, "max_rounds": 4},
    "distill_with_ridge": lambda: {
        "spectrum": spectrum(), "ridge": 0.1, "rounds": 2, "ground_truth_weight": 0.1,
    },
    "distillation_weight": lambda: {"strength": 2.0},
    "effective_basis_size": lambda: {"filters": np.array([0.2, 0.5, 0.9]), "threshold": 0.001},
    "effective_penalty": lambda: {"population_eigenvalues": D, "n_samples": 10, "ridge": 0.1},
    "ema_decay": lambda: {"step": 3, "largest": 0.99},
    "estimate_corruption": lambda: {"labels": LABELS, "noisy_labels": LABELS[::-1], "n_classes": 3},
    "estimated_risk": lambda: {"trajectory": run(), "noise_variance": 0.1},
    "estimated_truth_norm": lambda: {"spectrum": spectrum(), "noise_variance": 0.01},
    "exact_minimum_rounds": lambda: {"model": clusters(), "corruption": NOISE, "max_rounds": 5},
    "expected_cost": lambda: {"spectrum": theory.Spectrum.krylov(GRAM, Y), "epsilon": 0.1},
    "expected_products": lambda: {
        "largest_eigenvalue": 1.0, "penalty": 0.1, "tolerance": 1e-8, "outputs": 1,
    },
    "features_cost": lambda: {"n_features": 10, "outputs": 1, "rows": 10, "n_samples": 100},
    "find_label_errors": lambda: {
        "X": X, "labels": LABELS, "kernel": "rbf", "gamma": 0.5, "ridge": 0.01, "rounds": 2, "groups": None,
        "consensus": 2, "standardize": True, "random_state": 0,
    },
    "fit_softmax_regression": lambda: {
        "gram": GRAM, "targets": P, "ridge": 0.1, "features": None, "linearised": False, "start": None,
    },
    "fourier_features": lambda: {"n_inputs": 3, "n_features": 4, "gamma": 0.5, "rng": 0},
    "generalization_bound": lambda: {
        "trajectory": run(), "t": 1, "loss": "absolute", "largest_loss": 1.0, "confidence": 0.95,
    },
    "gradient_rescaling": lambda: {"past": 0.5, "present": 0.6, "weight": 0.2},
    "ground_truth_limit": lambda: {"spectrum": spectrum(), "ridge": 0.1, "ground_truth_weight": 0.2},
    "isotropic_penalty": lambda: {"variance": 1.0, "aspect": 0.5, "ridge": 0.1},
    "krylov_cost": lambda: {"n_samples": 100, "outputs": 1, "products": 10, "itemsize": 8},
    "label_gradients": lambda: {
        "student_logits": LOGITS, "teacher_logits": LOGITS[::-1].copy(), "labels": LABELS, "temperature": 2.0,
    },
    "label_posterior": lambda: {"labels": LABELS, "prior": P, "strength": 2.0},
    "label_smoothing": lambda: {
        "labels": LABELS, "epsilon": 0.1, "n_classes": 3, "convention": "szegedy", "like": None,
    },
    "leave_one_out": lambda: {"spectrum": spectrum(), "ridge": 0.1, "rounds": 2, "ground_truth_weight": 0.1},
    "leave_one_out_errors": lambda: {
        "spectrum": spectrum(), "ridges": [0.1, 0.2], "rounds": 2, "ground_truth_weight": 0.1,
    },
    "leave_one_out_outputs": lambda: {"spectrum": theory.Spectrum.from_gram(GRAM, P), "ridge": 0.1},
    "leave_one_out_targets": lambda: {
        "spectrum": theory.Spectrum.from_gram(GRAM, P), "ridge": 0.1, "candidates": 2,
    },
    "left_out_weights": lambda: {
        "spectrum": spectrum(), "ridge": 0.1, "rounds": 2, "sample": 3, "ground_truth_weight": 0.1, "groups": None,
    },
    "mix_rounds": lambda: {"spectrum": spectrum(), "ridge": 0.1, "round_weights": [0.5, 0.5]},
    "mixed_targets": lambda: {"labels": LABELS, "probabilities": P, "weight": 0.3},
    "most_rounds_that_help": lambda: {"noise_energy": 1.0, "epsilon": 0.1},
    "one_hot": lambda: {"labels": LABELS, "n_classes": 3, "like": None},
    "one_round_kernel": lambda: {"trajectory": run(), "t": 1},
    "optimal_mixing": lambda: {"spectrum": spectrum(), "ridge": 0.1, "steps": 2, "noise_variance": 0.1},
    "oracle_mixing": lambda: {
        "spectrum": spectrum(), "ridge": 0.1, "steps": 2, "truth": Y, "noise_variance": 0.1,
    },
    "out_of_sample_risk": lambda: {
        "population_eigenvalues": D, "truth": Z, "n_samples": 10, "ridge": 0.1, "noise_variance": 0.1,
        "round_weights": [1.0],
    },
    "own_outputs": lambda: {
        "spectrum": spectrum(), "ridge": 0.1, "generations": 2, "noise_variance": 0.1, "real_share": 0.2,
        "fresh_noise_variance": None,
    },
    "partial_label_condition": lambda: {"targets": P, "labels": LABELS},
    "prior_strength": lambda: {"weight": 0.3},
    "progressive_trajectory": lambda: {
        "spectrum": spectrum(), "weights": [0.1, 0.2], "step": 0.1, "substeps": 2,
    },
    "progressive_weight": lambda: {"epoch": 2, "epochs": 5, "final": 0.8, "schedule": "linear"},
    "regularization_samples": lambda: {
        "student_logits": LOGITS, "teacher_logits": LOGITS[::-1].copy(), "labels": LABELS, "temperature": 2.0,
        "reading": "push",
    },
    "relu_features": lambda: {"n_inputs": 3, "n_features": 4, "rng": 0},
    "relu_tangent_kernel": lambda: {
        "x": X, "z": None, "hidden_layers": 2, "weight_std": 1.4, "bias_std": 0.1,
    },
    "require_memory": lambda: {"cost": theory.dense_cost(10), "available": 10**9},
    "risk_curve": lambda: {"trajectory": run(), "truth": Y, "noise_variance": 0.1},
    "rounds_that_help": lambda: {"spectrum": spectrum(), "epsilon": 0.1, "truth_norm": 1.0},
    "soft_label_weights": lambda: {
        "student_loss": np.ones(3), "teacher_loss": np.full(3, 0.5), "added": 0.0,
    },
    "softmax": lambda: {"logits": LOGITS, "temperature": 1.0},
    "sparsity_index": lambda: {"filters": np.array([0.2, 0.5, 0.9]), "eigenvalues": D},
    "superclass_groups": lambda: {"features": X, "labels": LABELS, "n_classes": 3},
    "teach": lambda: {"spectra": [spectrum(), spectrum()], "ridges": [0.1, 0.2]},
    "top_targets": lambda: {"outputs": P, "candidates": 2},
    "top_two_targets": lambda: {"outputs": P},
    "Trajectory.fitted": lambda: {"t": 1},
    "Trajectory.dual": lambda: {"t": 1},
    "Trajectory.predict": lambda: {"cross_gram": GRAM[:2], "t": 1},
    "Spectrum.with_targets": lambda: {"targets": Y},
    # losses
    "beta_smoothing_loss": lambda: {
        **tensors(logits=LOGITS, labels=LABELS, average_logits=LOGITS * 0.5, draws=np.full(12, 0.7)),
        "alpha": 0.6, "shape": 3.0,
    },
    "distillation_loss": lambda: {
        **tensors(student_logits=LOGITS, teacher_logits=LOGITS * 0.5, labels=LABELS), "temperature": 2.0, "alpha": 0.4,
    },
    "draw_beta": lambda: {"shape": 3.0, "size": (3,), "like": torch.zeros(1)},
    "entropy_penalty_loss": lambda: {**tensors(logits=LOGITS, labels=LABELS), "beta": 0.1},
    "focal_loss": lambda: {**tensors(logits=LOGITS, labels=LABELS), "gamma": 2.0},
    "label_smoothing_loss": lambda: {**tensors(logits=LOGITS, labels=LABELS), "epsilon": 0.1},
    "log_probabilities": lambda: {**tensors(logits=LOGITS), "temperature": 2.0},
    "partial_label_loss": lambda: {
        **tensors(logits=LOGITS, candidates=np.array(theory.top_two_targets(P))), "q": 0.7,
    },
    "progressive_loss": lambda: {**tensors(logits=LOGITS, labels=LABELS, past=P), "alpha": 0.3},
    "soft_cross_entropy": lambda: {**tensors(logits=LOGITS, targets=P), "temperature": 2.0},
    "weighted_soft_label_loss": lambda: {
        **tensors(student_logits=LOGITS, teacher_logits=LOGITS * 0.5, labels=LABELS), "temperature": 2.0, "alpha": 0.4,
    },
    # metrics
    "predictive_uncertainty": lambda: {"probabilities": P},
    "top_k_accuracy": lambda: {"probabilities": P, "labels": LABELS, "k": 2},
    **{
        name: lambda: {"probabilities": P, "labels": LABELS}
        for name in ("accuracy", "brier_score", "mean_confidence", "negative_log_likelihood",
                     "risk_coverage", "confidence_diversity",
                     "area_under_risk_coverage", "excess_area_under_risk_coverage")
    },
    **{
        name: lambda: {"probabilities": P, "labels": LABELS, "n_bins": 5, "bins": "fixed"}
        for name in ("expected_calibration_error", "reliability_diagram")
    },
}  # fmt: skip
# Where NaN says what the docstring says: no round, no bin, a risk that is not known, a multiplier that is none.
NAN_MEANS = {
    "distill_grid", "distill_ridge_grid", "mix_rounds", "optimal_mixing", "progressive_trajectory", "distill",
    "reliability_diagram", "distill_clustered_softmax",
}  # fmt: skip
METHODS = {
    "Spectrum.from_gram": theory.Spectrum.from_gram,
    "Spectrum.from_features": theory.Spectrum.from_features,
    "Spectrum.from_eigenvalues": theory.Spectrum.from_eigenvalues,
    "Spectrum.from_chunks": theory.Spectrum.from_chunks,
    "Spectrum.krylov": theory.Spectrum.krylov,
    "Spectrum.with_targets": lambda **arguments: spectrum().with_targets(**arguments),
    "Trajectory.fitted": lambda **arguments: run().fitted(**arguments),
    "Trajectory.dual": lambda **arguments: run().dual(**arguments),
    "Trajectory.predict": lambda **arguments: run().predict(**arguments),
}


def every_call() -> list[Call]:
    """All that have arguments here."""
    calls = []
    for name, arguments in sorted(ARGUMENTS.items()):
        homes = [home for home in (theory, losses, metrics, modules) if hasattr(home, name)]
        function = METHODS[name] if name in METHODS else getattr(homes[0], name)
        calls.append(Call(name, function, arguments))
    return calls + [Call(name, *both, foreign=name in FOREIGN) for name, both in sorted(OBJECTS.items())]


def without_arguments() -> list[str]:
    """Public functions, estimators and loss modules that nobody has put here yet."""
    public = [name for home in (theory, losses) for name in home.__all__ if callable(getattr(home, name))]
    public += [
        name for name, value in vars(metrics).items() if getattr(value, "__module__", "") == metrics.__name__
    ]
    public = [name for name in public if name[0].islower() and name[0] != "_"]
    public += [name for name in theory.__all__ if name.startswith("SelfDistilled")]
    public += [name for name in modules.__all__ if name != "SoftLabelLoss"]
    known = {*ARGUMENTS, *(name.split(".")[0] for name in OBJECTS)}
    return sorted(set(public) - known)
