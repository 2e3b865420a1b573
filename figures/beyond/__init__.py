"""Figures past the five papers."""
