"""`selfdistill rounds`: the theory on data of one's own."""
