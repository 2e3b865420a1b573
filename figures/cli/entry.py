"""Where the `selfdistill` command starts: an interruption while Python still imports it ends quietly too."""


def main() -> None:
    """Import the command and run it."""
    try:
        from .app import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()
