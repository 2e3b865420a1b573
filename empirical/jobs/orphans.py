"""Worker processes end with the run that started them, however it ends."""

from __future__ import annotations

import os
import threading
import time

# A process that is killed cannot tell its workers: they look for it so often, in seconds.
_LOOK_EVERY = 1.0


def end_with_parent() -> None:
    """Have this worker process end as soon as the run that started it is gone.

    Without this a worker of a killed run would keep its memory for the five minutes that joblib lets it wait for work.
    What it keeps is written whole or not at all, so that it may end at any moment.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)
