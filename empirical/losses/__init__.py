"""Losses with soft labels, as functions and as modules."""
