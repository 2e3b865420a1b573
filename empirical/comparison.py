"""The former place of `selfdistill.empirical.experiments.comparison`."""

from .experiments.comparison import Comparison, compare

__all__ = [
    "Comparison",
    "compare",
]
