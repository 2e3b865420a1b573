"""``python -m selfdistill.figures`` is the ``selfdistill`` command."""

from .cli.app import main

main()
