"""Experiments cut into jobs that run side by side and are kept."""
