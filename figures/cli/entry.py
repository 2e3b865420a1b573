"""Where the `selfdistill` command starts and ends: an interruption while Python imports or leaves it is quiet too."""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Import the command and run it."""
    try:
        from .app import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    try:
        run()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        for number in (signal.SIGINT, signal.SIGTERM):  # nothing is left to keep
            signal.signal(number, lambda *_: os._exit(130))
