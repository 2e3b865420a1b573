"""Clustered features, for which every round is a formula."""
