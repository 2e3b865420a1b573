"""Ways to make soft labels, and how networks learn from them."""

from .catalogue import METHODS, budget
from .method import Method, Samples, Term

__all__ = ["METHODS", "Method", "Samples", "Term", "budget"]
