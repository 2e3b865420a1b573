"""``python -m selfdistill.figures`` is the ``selfdistill`` command."""

from .cli.entry import main

main()
