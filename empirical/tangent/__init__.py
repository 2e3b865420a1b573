"""Tangent kernels of networks, and networks driven to their exact optimum."""
