"""Figures past the five papers."""

# What is claimed, as the report says it; and its figures in the order of its story.
CLAIMED = (
    "What the same closed forms give past the five papers. No paper claimed these statements first unless "
    "the text names one: they are proved or measured here, and stand apart from the papers' own."
)
ORDER = (
    "rounds_that_help",
    "network_gains",
    "out_of_sample",
    "collapse_phases",
    "mixing_weight",
    "mixing_steps",
    "mixing_real",
    "ground_truth_weights",
    "ground_truth_filters",
    "gaussian_process",
    "own_outputs",
    "two_kernels",
    "weak_to_strong",
    "taught_networks",
    "label_precision",
    "label_corruption",
    "label_rounds",
    "scaling",
    "soft_label_map",
)
