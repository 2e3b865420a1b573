"""The command `selfdistill`."""
