"""Results that are kept with the package: the thorough run, verdicts over time, and the pages made from them."""
