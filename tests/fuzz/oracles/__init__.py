"""Answers by another route: more digits, loops from the definitions, general solvers."""

from . import clusters, distillation, estimators, kernels, labels, losses, metrics, mixtures, softmax, spectra
from .cases import CASES

__all__ = ["CASES", "clusters", "distillation", "estimators", "kernels", "labels", "losses", "metrics", "mixtures",
           "softmax", "spectra"]  # fmt: skip
