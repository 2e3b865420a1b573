"""A kernel and its targets in the basis in which every round is diagonal."""
