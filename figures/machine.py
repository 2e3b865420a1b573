"""Where and from which code a result came: the processor, the memory, and the commit of the checkout."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import psutil

_CPU_FACTS = Path("/proc/cpuinfo")


def hardware(device: str) -> str:
    """Processor, cores and memory in a line; the accelerator too where networks trained on one."""
    memory = psutil.virtual_memory().total / 2**30
    found = f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    if not device.startswith("cuda"):
        return found
    import torch

    return f"{found}; {torch.cuda.get_device_name(device)}"


@lru_cache
def processor() -> str:
    """Name of the processor, as far as the system tells it."""
    try:
        lines = _CPU_FACTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def commit() -> str:
    """Commit of the checkout that the package is imported from ("-dirty" if files differ), or its version."""
    # An installation may lie inside a checkout of something else, which does not track this file.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    described = _git("describe", "--always", "--dirty", "--exclude", "*") if tracked else None
    return described or f"version {version('selfdistill')}"


def _git(*arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    asked = [git, "-C", str(Path(__file__).parent), *arguments]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else None
