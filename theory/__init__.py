"""Closed forms of self-distillation: arrays in, arrays out. Never imports torch."""

from typing import TYPE_CHECKING, Any

from .base import probabilities
from .base.probabilities import one_hot
from .base.validation import IndefiniteGramError, InfeasibleToleranceError, InputError
from .beyond.best_weights import best_ground_truth_weights, best_mixture_weight
from .beyond.deterministic_equivalents import (
    OutOfSampleRisk,
    effective_penalty,
    isotropic_penalty,
    out_of_sample_risk,
)
from .beyond.gains import estimated_truth_norm, most_rounds_that_help, rounds_that_help
from .beyond.gaussian_process import ProcessRounds, distill_distribution, distill_mean
from .beyond.mixing import Mixing, mix_rounds, optimal_mixing, oracle_mixing
from .beyond.own_outputs import Generations, best_real_share, own_outputs
from .beyond.two_kernels import TeachingChain, teach
from .clusters.exact_softmax import ClusteredFit, distill_clustered_softmax, exact_minimum_rounds
from .clusters.features import ClusteredFeatures
from .distillation.collapse import CollapseBounds, collapse_bounds
from .distillation.distill import (
    distill,
    distill_to_tolerance,
    distill_with_ridge,
    expected_cost,
    ground_truth_limit,
    progressive_trajectory,
)
from .distillation.grid import DistillationGrid, collapse_rounds_grid, distill_grid, distill_ridge_grid
from .distillation.leave_one_out import leave_one_out, leave_one_out_errors, left_out_weights
from .distillation.one_round import (
    GeneralizationBound,
    OneRoundKernel,
    generalization_bound,
    one_round_kernel,
)
from .distillation.risk import RiskCurve, estimated_risk, risk_curve
from .distillation.schedules import FixedRidge, OwnOutputs, Progressive, ToTolerance
from .distillation.sparsification import adjacent_ratios, effective_basis_size, sparsity_index
from .distillation.trajectory import Trajectory
from .kernels.green import brownian_bridge_kernel, cubic_green_kernel
from .kernels.random_features import RandomFeatures, fourier_features, relu_features
from .kernels.relu_ntk import relu_tangent_kernel
from .labels.bias_variance import (
    Decomposition,
    bias_variance,
    bias_variance_of_logs,
    bias_variance_of_mean_log,
)
from .labels.confident_joint import confident_joint
from .labels.label_gradients import label_gradients, regularization_samples
from .labels.noise import (
    corrupt_labels,
    corruption_gap,
    corruption_matrix,
    estimate_corruption,
    superclass_groups,
)
from .labels.partial_labels import (
    partial_label_condition,
    top_targets,
    top_two_targets,
)
from .labels.posterior import (
    beta_mean,
    dirichlet_mode,
    distillation_weight,
    ema_decay,
    label_posterior,
    prior_strength,
)
from .labels.progressive import gradient_rescaling, progressive_weight
from .labels.soft_targets import (
    beta_targets,
    label_smoothing,
    mixed_targets,
    soft_label_weights,
)
from .softmax.fit import SoftmaxAccuracyWarning, SoftmaxFit
from .softmax.leave_one_out import leave_one_out_outputs, leave_one_out_targets
from .softmax.linearised import distill_linearised
from .softmax.regression import SoftmaxRegression, fit_softmax_regression
from .spectra.krylov import KrylovAccuracyWarning, KrylovError, KrylovNotConvergedError
from .spectra.memory_cost import (
    Cost,
    TooLargeError,
    dense_cost,
    expected_products,
    features_cost,
    krylov_cost,
    require_memory,
)
from .spectra.spectrum import Spectrum

# The room `softmax` would hide the function of its name, so that is bound once the room is loaded.
softmax = probabilities.softmax

if TYPE_CHECKING:
    from .estimators.kernel_ridge import SelfDistilledKernelRidge
    from .estimators.label_errors import Explanation, LabelErrors, find_label_errors
    from .estimators.ridge_classifier import SelfDistilledRidgeClassifier
    from .estimators.softmax_regression import SelfDistilledSoftmaxRegression

# One class holds every basis; these names are kept for what was written with them.
FeatureSpectrum = KrylovSpectrum = Spectrum

__all__ = [
    "ClusteredFeatures",
    "ClusteredFit",
    "CollapseBounds",
    "Cost",
    "Decomposition",
    "DistillationGrid",
    "Explanation",
    "FeatureSpectrum",
    "FixedRidge",
    "GeneralizationBound",
    "Generations",
    "IndefiniteGramError",
    "InfeasibleToleranceError",
    "InputError",
    "KrylovAccuracyWarning",
    "KrylovError",
    "KrylovNotConvergedError",
    "KrylovSpectrum",
    "LabelErrors",
    "Mixing",
    "OneRoundKernel",
    "OutOfSampleRisk",
    "OwnOutputs",
    "ProcessRounds",
    "Progressive",
    "RandomFeatures",
    "RiskCurve",
    "SelfDistilledKernelRidge",
    "SelfDistilledRidgeClassifier",
    "SelfDistilledSoftmaxRegression",
    "SoftmaxAccuracyWarning",
    "SoftmaxFit",
    "SoftmaxRegression",
    "Spectrum",
    "TeachingChain",
    "ToTolerance",
    "TooLargeError",
    "Trajectory",
    "adjacent_ratios",
    "best_ground_truth_weights",
    "best_mixture_weight",
    "best_real_share",
    "beta_mean",
    "beta_targets",
    "bias_variance",
    "bias_variance_of_logs",
    "bias_variance_of_mean_log",
    "brownian_bridge_kernel",
    "collapse_bounds",
    "collapse_rounds_grid",
    "confident_joint",
    "corrupt_labels",
    "corruption_gap",
    "corruption_matrix",
    "cubic_green_kernel",
    "dense_cost",
    "dirichlet_mode",
    "distill",
    "distill_clustered_softmax",
    "distill_distribution",
    "distill_grid",
    "distill_linearised",
    "distill_mean",
    "distill_ridge_grid",
    "distill_to_tolerance",
    "distill_with_ridge",
    "distillation_weight",
    "effective_basis_size",
    "effective_penalty",
    "ema_decay",
    "estimate_corruption",
    "estimated_risk",
    "estimated_truth_norm",
    "exact_minimum_rounds",
    "expected_cost",
    "expected_products",
    "features_cost",
    "find_label_errors",
    "fit_softmax_regression",
    "fourier_features",
    "generalization_bound",
    "gradient_rescaling",
    "ground_truth_limit",
    "isotropic_penalty",
    "krylov_cost",
    "label_gradients",
    "label_posterior",
    "label_smoothing",
    "leave_one_out",
    "leave_one_out_errors",
    "leave_one_out_outputs",
    "leave_one_out_targets",
    "left_out_weights",
    "mix_rounds",
    "mixed_targets",
    "most_rounds_that_help",
    "one_hot",
    "one_round_kernel",
    "optimal_mixing",
    "oracle_mixing",
    "out_of_sample_risk",
    "own_outputs",
    "partial_label_condition",
    "prior_strength",
    "progressive_trajectory",
    "progressive_weight",
    "regularization_samples",
    "relu_features",
    "relu_tangent_kernel",
    "require_memory",
    "risk_curve",
    "rounds_that_help",
    "soft_label_weights",
    "softmax",
    "sparsity_index",
    "superclass_groups",
    "teach",
    "top_targets",
    "top_two_targets",
]

# Loaded when first asked for: scikit-learn doubles the time of the import.
_ESTIMATORS = {
    "Explanation": "estimators.label_errors",
    "LabelErrors": "estimators.label_errors",
    "find_label_errors": "estimators.label_errors",
    "SelfDistilledKernelRidge": "estimators.kernel_ridge",
    "SelfDistilledRidgeClassifier": "estimators.ridge_classifier",
    "SelfDistilledSoftmaxRegression": "estimators.softmax_regression",
}


def __getattr__(name: str) -> Any:
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_ESTIMATORS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
