"""Data sets: bundled, made by rule, downloaded, or larger than memory."""
