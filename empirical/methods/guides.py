"""The former name of `selfdistill.empirical.methods.method`."""

from .method import Method, Samples, Term

__all__ = ["Method", "Samples", "Term"]
