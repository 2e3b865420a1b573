"""The same examples in every run of the suite; `make fuzz MINUTES=…` goes on from there with new ones."""

import pytest

from .runner import ALL, Tally, run_case

EXAMPLES = {"anything": 300, "command": 20}


@pytest.mark.parametrize("name", ALL)
def test_examples_are_answered_rightly_or_refused(name):
    tally = Tally()
    run_case(name, EXAMPLES.get(name, 25), 2026, tally)
    assert not tally.faults, "\n".join(tally.faults.values())
    assert tally.total() >= 20
    assert tally.total("right") > 0


def test_wrong_answers_are_seen(monkeypatch):
    """A softmax that forgets its temperature is found out, and so is one that raises what no user should see."""
    from selfdistill import theory

    whole = theory.softmax
    monkeypatch.setattr(theory, "softmax", lambda logits, temperature=1.0: whole(logits))
    tally = Tally()
    run_case("softmax", 25, 1, tally)
    assert tally.total("wrong") >= 3
    monkeypatch.setattr(theory, "softmax", lambda logits, temperature=1.0: 1 / 0)
    tally = Tally()
    run_case("softmax", 25, 1, tally)
    assert tally.total("wrong") == tally.total()
