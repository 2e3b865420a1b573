"""Closed forms of self-distillation: arrays in, arrays out. Never imports torch."""

from typing import TYPE_CHECKING, Any

from .bias_variance import (
    Decomposition,
    bias_variance,
    bias_variance_of_logs,
    bias_variance_of_mean_log,
    label_gradients,
    regularization_samples,
)
from .chunked import FeatureSpectrum
from .clustered_softmax import ClusteredFit, distill_clustered_softmax, exact_minimum_rounds
from .collapse import CollapseBounds, collapse_bounds
from .cost import (
    Cost,
    TooLargeError,
    dense_cost,
    expected_products,
    features_cost,
    krylov_cost,
    require_memory,
)
from .distillation import Trajectory, distill_to_tolerance, distill_with_ridge, ground_truth_limit
from .green import brownian_bridge_kernel, cubic_green_kernel
from .grid import DistillationGrid, collapse_rounds_grid, distill_grid, distill_ridge_grid
from .krylov import KrylovAccuracyWarning, KrylovNotConvergedError, KrylovSpectrum
from .label_averaging import ClusteredFeatures
from .label_noise import (
    corrupt_labels,
    corruption_gap,
    corruption_matrix,
    estimate_corruption,
    superclass_groups,
)
from .one_round import GeneralizationBound, OneRoundKernel, generalization_bound, one_round_kernel
from .partial_labels import (
    leave_one_out_outputs,
    leave_one_out_targets,
    partial_label_condition,
    top_targets,
    top_two_targets,
)
from .posterior import (
    beta_mean,
    dirichlet_mode,
    distillation_weight,
    ema_decay,
    label_posterior,
    prior_strength,
)
from .progressive import gradient_rescaling, progressive_trajectory, progressive_weight
from .quadrature import KrylovError
from .random_features import RandomFeatures, fourier_features, relu_features
from .risk import RiskCurve, estimated_risk, risk_curve
from .soft_targets import beta_targets, label_smoothing, mixed_targets, one_hot, soft_label_weights, softmax
from .softmax_regression import SoftmaxFit, SoftmaxRegression, distill_linearised, fit_softmax_regression
from .sparsification import adjacent_ratios, effective_basis_size, sparsity_index
from .spectrum import Spectrum
from .tangent_kernel import relu_tangent_kernel
from .validation import IndefiniteGramError, InfeasibleToleranceError, InputError

if TYPE_CHECKING:
    from .ridge_estimator import SelfDistilledKernelRidge
    from .softmax_estimator import SelfDistilledSoftmaxRegression

__all__ = [
    "ClusteredFeatures",
    "ClusteredFit",
    "CollapseBounds",
    "Cost",
    "Decomposition",
    "DistillationGrid",
    "FeatureSpectrum",
    "GeneralizationBound",
    "IndefiniteGramError",
    "InfeasibleToleranceError",
    "InputError",
    "KrylovAccuracyWarning",
    "KrylovError",
    "KrylovNotConvergedError",
    "KrylovSpectrum",
    "OneRoundKernel",
    "RandomFeatures",
    "RiskCurve",
    "SelfDistilledKernelRidge",
    "SelfDistilledSoftmaxRegression",
    "SoftmaxFit",
    "SoftmaxRegression",
    "Spectrum",
    "TooLargeError",
    "Trajectory",
    "adjacent_ratios",
    "beta_mean",
    "beta_targets",
    "bias_variance",
    "bias_variance_of_logs",
    "bias_variance_of_mean_log",
    "brownian_bridge_kernel",
    "collapse_bounds",
    "collapse_rounds_grid",
    "corrupt_labels",
    "corruption_gap",
    "corruption_matrix",
    "cubic_green_kernel",
    "dense_cost",
    "dirichlet_mode",
    "distill_clustered_softmax",
    "distill_grid",
    "distill_linearised",
    "distill_ridge_grid",
    "distill_to_tolerance",
    "distill_with_ridge",
    "distillation_weight",
    "effective_basis_size",
    "ema_decay",
    "estimate_corruption",
    "estimated_risk",
    "exact_minimum_rounds",
    "expected_products",
    "features_cost",
    "fit_softmax_regression",
    "fourier_features",
    "generalization_bound",
    "gradient_rescaling",
    "ground_truth_limit",
    "krylov_cost",
    "label_gradients",
    "label_posterior",
    "label_smoothing",
    "leave_one_out_outputs",
    "leave_one_out_targets",
    "mixed_targets",
    "one_hot",
    "one_round_kernel",
    "partial_label_condition",
    "prior_strength",
    "progressive_trajectory",
    "progressive_weight",
    "regularization_samples",
    "relu_features",
    "relu_tangent_kernel",
    "require_memory",
    "risk_curve",
    "soft_label_weights",
    "softmax",
    "sparsity_index",
    "superclass_groups",
    "top_targets",
    "top_two_targets",
]

# Loaded when first asked for: scikit-learn doubles the time of the import.
_ESTIMATORS = {
    "SelfDistilledKernelRidge": "ridge_estimator",
    "SelfDistilledSoftmaxRegression": "softmax_estimator",
}


def __getattr__(name: str) -> Any:
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_ESTIMATORS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
