"""Which device a worker process uses: on several GPUs each worker takes one."""

from __future__ import annotations

import multiprocessing
import re

import torch

from ...theory.base.validation import InputError


def own_device(device: str) -> torch.device:
    """Resolve "cuda" to one GPU for this process; "cpu" and "cuda:N" are what they say.

    Workers of joblib and multiprocessing are numbered in their names: worker i takes GPU i modulo their number.
    Dask's workers get theirs from CUDA_VISIBLE_DEVICES.

    Raises
    ------
    InputError
        If it is none of these, or a GPU is asked for that is not there.
    """
    named = re.fullmatch(r"cpu|cuda(:(?P<number>\d{1,4}))?", device) if isinstance(device, str) else None
    if named is None:
        raise InputError(f"device must be 'cpu', 'cuda' or 'cuda:N', N the number of a GPU; got {device!r}.")
    if device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise InputError(f"device={device!r} needs a CUDA GPU, and none is visible; use device='cpu'.")
    count = torch.cuda.device_count()
    if named["number"] is None:
        return torch.device("cuda", worker_number(multiprocessing.current_process().name) % count)
    if int(named["number"]) >= count:
        raise InputError(
            f"device={device!r} is not there: the GPUs are numbered from 0, the last is cuda:{count - 1}."
        )
    return torch.device("cuda", int(named["number"]))


def worker_number(process_name: str) -> int:
    """Return the number at the end of a process's name, from 0; 0 for the main process."""
    found = re.search(r"-(\d+)(?::\d+)*$", process_name)
    return max(0, int(found.group(1)) - 1) if found else 0
