"""Worker processes end with the run that started them, and before it, however it ends."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

import psutil

# A process that is killed cannot tell its workers: they look for it so often, in seconds.
_LOOK_EVERY = 1.0


def end_with(parent: int) -> None:
    """Have this worker process end as soon as the run that started it, the process of this number, is gone.

    Without this a worker of a killed run would keep its memory for the five minutes that joblib lets it wait for work.
    What it keeps is written whole or not at all, so that it may end at any moment.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def end_workers() -> None:
    """End the workers of this process, those that are only being started too.

    A worker that starts while its run ends would miss what the run had prepared for it, and print a traceback.
    """
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any("popen_loky" in part for part in child.cmdline()):
                child.kill()


def _watch(parent: int) -> None:
    while psutil.pid_exists(parent):
        time.sleep(_LOOK_EVERY)
    os._exit(1)
