"""Rethinking self-distillation: label averaging and partial labels (Jeong & Chung; ICLR 2025)."""

# What the paper claims, as the report says it; and its figures in the order of its story.
CLAIMED = (
    "With features fixed and cross-entropy linearised, a round averages labels among samples that are "
    "alike. The paper claims that a number of rounds, known beforehand, corrects every wrong label as "
    "long as true labels are the most frequent in their class; and that one round on the teacher's two "
    "largest outputs does as much as many rounds, most of all under heavy noise."
)
ORDER = (
    "gram_blocks",
    "sample_outputs",
    "minimum_rounds",
    "convergence",
    "groups_of_two",
    "accuracy_rounds",
    "distillation_gain",
)
