"""The former place of `selfdistill.empirical.data.problems`."""

from .data.problems import Problems, Split, draw_problems

__all__ = [
    "Problems",
    "Split",
    "draw_problems",
]
