"""Rounds of self-distillation on a spectrum, and what can be said of them."""
