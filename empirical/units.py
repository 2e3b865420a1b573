"""The former name of `selfdistill.empirical.jobs.runner`."""

from .jobs.runner import run_job as run_unit
from .jobs.runner import run_jobs as run_units

__all__ = ["run_unit", "run_units"]
