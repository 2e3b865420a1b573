"""Rethinking soft labels for knowledge distillation: a bias-variance tradeoff perspective (Zhou et al.; ICLR 2021)."""

# What the paper claims, as the report says it; and its figures in the order of its story.
CLAIMED = (
    "Soft labels lower the variance of what is learned and raise its bias, sample by sample. The paper "
    "claims that samples on which the variance term wins, regularization samples, decide how well "
    "distillation works, and that weighing soft labels sample by sample is better than treating all "
    "alike."
)
ORDER = (
    "bias_variance",
    "weights",
    "regularization_samples",
    "teachers",
    "weighted_soft_labels",
)
