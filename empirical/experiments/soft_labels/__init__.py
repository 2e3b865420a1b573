"""Soft labels: students of any method and teacher, measured side by side."""
