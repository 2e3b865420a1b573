"""Kernels with closed forms: Green's functions, tangent kernels, random features."""
