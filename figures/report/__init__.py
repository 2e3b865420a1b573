"""The report: pictures, verdicts and an explorer on one page."""
