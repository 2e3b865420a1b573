"""Self-knowledge distillation with progressive refinement of targets (Kim et al.; ICCV 2021)."""

# What the paper claims, as the report says it; and its figures in the order of its story.
CLAIMED = (
    "The model of the epoch before is the teacher, and is trusted more from epoch to epoch. The paper "
    "claims that this gives hard samples more weight than those learned already, and better accuracy, "
    "calibration and ranking of mistakes than label smoothing."
)
ORDER = (
    "rescaling",
    "wide_network",
    "schedules",
    "comparison",
    "translation",
    "detection",
    "combination",
    "hard_examples",
)
