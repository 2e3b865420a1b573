"""Long work that can be interrupted: libraries of linear algebra do not look at signals, so it runs on a thread."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from time import perf_counter
from typing import Any, TypeVar

import typer
from rich.console import Console

T = TypeVar("T")


def attended(work: Callable[[], T], doing: Callable[[], str]) -> T:
    """Do work on a thread of its own, show the time that it takes, and leave it when the user interrupts.

    Parameters
    ----------
    work : callable
        Writes nothing, so that it can be left at any moment.
    doing : callable
        Says what is being done, for the progress line and for what an interruption says.

    Raises
    ------
    typer.Exit
        With code 130, on Ctrl-C or SIGTERM, after saying what was interrupted.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except BaseException as error:  # handed on to the main thread, whatever it is
            outcome["error"] = error

    console, start = Console(stderr=True), perf_counter()
    thread = Thread(target=run, daemon=True)  # an exit does not wait for it
    try:
        thread.start()
        with console.status("") as status:  # shows nothing where there is no terminal
            while thread.is_alive():
                status.update(f"{doing()}, {perf_counter() - start:.0f} s")
                thread.join(0.1)
    except KeyboardInterrupt:
        console.print(
            f"interrupted after {perf_counter() - start:.1f} s, while {doing()}. Nothing was written.",
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]
