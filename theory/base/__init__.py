"""Checks at the border, and arrays of the kinds that users bring."""
