"""Ways to make soft labels, and how networks learn from them."""
