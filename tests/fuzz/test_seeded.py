"""The same examples in every run of the suite, by Hypothesis; `make fuzz MINUTES=…` tries others for as long."""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from selfdistill import theory

from . import runner
from .draws import Draws
from .runner import ALL, Tally, run_case, try_input

EXAMPLES = {"anything": 300, "guises": 100, "command": 12, "command_oracle": 12, "names_and_scales": 3,
            "softmax_regression": 4, "label_errors": 6, "rounds_of_clusters": 10}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_examples_are_answered_rightly_or_refused(name):
    verdicts = []

    @seed(2026)
    @settings(
        max_examples=EXAMPLES.get(name, 15), deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(st.data())
    def check(data):
        verdict, detail = try_input(name, Draws.of_hypothesis(data.draw))
        verdicts.append(verdict)
        assert verdict != "wrong", detail

    check()
    assert len(verdicts) >= 3
    # Options drawn at random are mostly refused; those of its oracle are answered.
    assert "right" in verdicts or name == "command"


def test_wrong_answers_are_seen(monkeypatch):
    """A softmax that forgets its temperature is found out, and so are one that raises and one that hangs."""
    whole = theory.softmax
    monkeypatch.setattr(theory, "softmax", lambda logits, temperature=1.0: whole(logits))
    tally = Tally()
    run_case("softmax", 0, 25, tally)
    assert tally.total("wrong") >= 3
    monkeypatch.setattr(theory, "softmax", lambda logits, temperature=1.0: 1 / 0)
    tally = Tally()
    run_case("softmax", 0, 25, tally)
    assert tally.total("wrong") == tally.total()


def test_a_hang_is_broken_off(monkeypatch):
    def hang(logits, temperature=1.0):
        while True:
            pass

    monkeypatch.setattr(runner, "HANG", 1)
    monkeypatch.setattr(theory, "softmax", hang)
    assert try_input("softmax", Draws.of_seed("any")) == ("wrong", "took more than 1 s")
