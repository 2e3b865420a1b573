"""The former place of `selfdistill.empirical.experiments.kernel_rounds`."""

from .experiments.kernel_rounds import KernelRounds, measure_kernel_rounds

__all__ = ["KernelRounds", "measure_kernel_rounds"]
