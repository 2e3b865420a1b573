"""The former place of `selfdistill.empirical.methods.method`."""

from .methods.method import Method, Samples, Term

__all__ = [
    "Method",
    "Samples",
    "Term",
]
