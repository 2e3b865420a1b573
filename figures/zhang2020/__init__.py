"""Self-distillation as instance-specific label smoothing (Zhang & Sabuncu; NeurIPS 2020)."""

# What the paper claims, as the report says it; and its figures in the order of its story.
CLAIMED = (
    "A teacher is a prior over the class probabilities of each instance, and the student its most "
    "probable explanation of the label: label smoothing is the case of a prior that knows nothing. The "
    "paper claims that what helps a student is not only that its teacher is less sure but that it is so "
    "differently for different samples, and that Beta smoothing brings some of this without a teacher."
)
ORDER = (
    "posterior",
    "generations",
    "temperature",
    "diverse_teachers",
    "comparison_table",
    "calibration",
)
