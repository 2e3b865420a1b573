"""Self-distillation amplifies regularization in Hilbert space (Mobahi, Farajtabar & Bartlett; NeurIPS 2020)."""

# What the paper claims, as the report says it; and its figures in the order of its story.
CLAIMED = (
    "Fit a function of least norm to a training error, fit the next one to its values, and go on. The "
    "paper claims that every round shrinks the directions of small eigenvalues most, so that the solution "
    "becomes sparser in a way that no early stopping can imitate; that a few rounds may help and more "
    "must hurt, until nothing is left; and that so many rounds are safe as r₀ and the condition number "
    "allow."
)
ORDER = (
    "sinusoid",
    "filters",
    "adjacent_ratios",
    "target_norm",
    "phase_diagram",
    "near_interpolation",
    "early_stopping",
    "one_round",
    "risk",
    "ground_truth",
    "real_data",
    "network_fall_and_rise",
    "network_collapse",
    "network_width",
    "network_early_stopping",
    "network_rounds",
)
