"""The report's text: verdicts first, nothing unescaped, every claim linked to its figure and function."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from selfdistill.figures.artefact import Artefact
from selfdistill.figures.claim import Claim, correct_for_number
from selfdistill.figures.conditions import DullRule, Precondition
from selfdistill.figures.outcomes import Outcome
from selfdistill.figures.report.page import render_report
from selfdistill.figures.report.sources import find_source
from selfdistill.figures.report.words import format_difference, prose, verdict_matrices, why
from selfdistill.figures.results import history
from selfdistill.figures.scale import Scale


def outcome(name, claims, error="", doc="Title: of the figure.\n\nShows ``a < b``."):
    artefact = Artefact("mobahi2020", name)
    vars(artefact)["docstring"] = doc  # there is no file to read it from
    judged = correct_for_number([c.located("mobahi2020", artefact.key) for c in claims])
    return Outcome(artefact, judged, None, 1.0, error)


HOLDS = Claim.theorem("M7", "Rounds < bound.", 1.0, 1.0, source="selfdistill.theory.collapse_bounds")
FAILS = Claim.from_samples("M19", "Error falls.", [-1.0, -1.1, -0.9], relation="≥")
UNDECIDED = Claim.from_samples("M18", "Error falls with width.", [-1.0, 1.0, 0.5], relation="≥")


def before_the_figures(page):
    return page[: page.index('<section id="mobahi2020.one"')]


def test_a_section_opens_with_what_is_claimed_what_was_found_and_the_verdicts():
    page = render_report([outcome("one", [HOLDS, FAILS, UNDECIDED])], Scale("smoke"))
    opening = before_the_figures(page)[page.index('id="mobahi2020"') :]
    assert "The paper claims." in opening
    said = "The theorem holds; of 2 measured claims 1 does not hold, 1 cannot be told at this scale; 1 of the 1 decided"
    assert said in opening
    assert "Error falls</td>" in opening
    assert "Error falls with width</td>" in opening
    assert "Rounds &lt; bound." not in opening
    assert "Every claim holds" not in page


def claim(statement, value=1.0):
    return Claim.from_samples("W2", statement, value * np.array([1.0, 1.1, 0.9]), relation="≥")


def test_statements_by_settings():
    named = [
        "Variance falls (clean digits).", "Variance falls (noisy digits).", "Bias rises (clean digits).",
        "Bias rises (noisy digits).", "Alone (in brackets).", "digits: error falls (by more than 0).",
        "diabetes: error falls (by more than 0).",
    ]  # fmt: skip
    first, second, third = verdict_matrices([(claim(s), f"a.{i}") for i, s in enumerate(named)])
    assert first.settings == ["clean digits", "noisy digits"]
    assert [row.text for row in first.rows] == ["Variance falls", "Bias rises"]
    assert first.rows[1].claims["noisy digits"][1] == "a.3"
    assert (second.settings, second.rows[0].text) == (["verdict"], "Alone (in brackets)")
    assert (third.settings, third.rows[0].text) == (["digits", "diabetes"], "error falls (by more than 0)")


def test_every_verdict_says_why():
    unmet = Precondition("room", 0.0, met=False)
    assert why(claim("…")) == "The whole interval is at least 0."
    assert why(claim("…", -1)) == "None of the interval is at least 0."
    assert re.fullmatch(
        r"The interval reaches to both sides; about \d+ samples would decide\.", why(UNDECIDED)
    )
    assert "precondition is not met" in why(replace(FAILS, precondition=unmet))
    assert why(HOLDS) == "At the worst of all values it is equal to 1."
    assert "is not equal to 1, to within 0.5" in why(Claim.theorem("M1", "…", 1, 2, tolerance=0.5))
    assert "too few" in why(Claim.from_samples("M1", "…", [1.0], relation="≥"))


def test_conditions_are_shown():
    rule = DullRule("a constant", 0.25, beaten=False)
    shown = replace(UNDECIDED, precondition=Precondition("fits its labels", 0.99, met=True), dull_rule=rule)
    page = render_report([outcome("one", [shown])], Scale("quick"))
    assert "Precondition met: fits its labels (measured 0.99)" in page
    assert "Does not beat a constant (0.25)" in page
    assert "behind a constant" in before_the_figures(page)


def test_what_changed_since_the_kept_run_is_said(monkeypatch):
    run = {
        "scale": "smoke",
        "seed": 0,
        "claims": [c.to_json() for c in outcome("one", [HOLDS, FAILS]).claims],
    }
    kept = history.renew({"runs": {}, "changes": []}, run, "abc", "")
    monkeypatch.setattr(history, "read", lambda _: kept)
    page = render_report([outcome("one", [HOLDS, FAILS])], Scale("smoke"))
    assert "Every verdict is that of the run kept with the package (commit abc)." in page
    page = render_report([outcome("one", [HOLDS, replace(FAILS, verdict="holds")])], Scale("smoke"))
    assert "not that of the run kept with the package (commit abc)" in page
    assert "→" in before_the_figures(page)
    elsewhere = render_report([outcome("one", [HOLDS])], Scale("smoke", seed=1))
    assert "kept with the package" not in elsewhere
    changed = {**run, "claims": [{**c, "verdict": "undecided"} for c in run["claims"]]}
    log = history.renew(kept, changed, "def", "a reason")["changes"]
    assert [(c["from"], c["to"], c["why"]) for c in log] == [
        ("holds", "undecided", "a reason"), ("fails", "undecided", "a reason"),
    ]  # fmt: skip


def test_theory_measurement_and_our_own_are_marked():
    page = render_report([outcome("one", [HOLDS, FAILS])], Scale("smoke"))
    assert '<span class="kind theorem">theorem</span> <span class="kind ours">ours</span>' in page  # M7
    assert '<span class="kind measured">measured</span>' in page
    assert 'id="claim-M7"' in page


def test_all_hold():
    page = render_report([outcome("one", [HOLDS])], Scale("smoke"))
    assert "Every claim holds at this scale." in page


@pytest.mark.parametrize(
    ("scale", "words"),
    [("smoke", "measured claims mean little"), ("quick", "small networks"), ("full", "papers")],
)
def test_the_head_says_at_which_scale_and_what_that_means(scale, words):
    page = render_report([outcome("one", [HOLDS])], Scale(scale))
    head = " ".join(page[page.index("<header>") : page.index("</header>")].split())
    assert f"Scale {scale}:" in head
    assert words in head
    assert "by chance" not in head  # theorems are not decided by chance


def test_the_head_says_that_intervals_are_not_corrected_for_their_number():
    def head(n):
        page = render_report([outcome("one", [HOLDS] + [FAILS] * n)], Scale("quick"))
        return " ".join(page[page.index("<header>") : page.index("</header>")].split())

    assert "not corrected for the number of claims: of this 1 measured claim one in twenty may be" in head(1)
    assert "of these 60 measured claims one in twenty, about 3, may be decided wrongly by chance" in head(60)


def test_samples_are_shown_where_a_claim_knows_them():
    page = render_report([outcome("one", [FAILS, HOLDS])], Scale("quick"))
    assert page.count("3 samples") == 1
    assert "None samples" not in page


def test_the_explorer_speaks_of_no_figure_that_may_not_be_there():
    page = render_report([outcome("one", [HOLDS])], Scale("smoke"))
    assert "figures above" not in " ".join(page.split())


def test_a_broken_figure_is_named_at_the_top_and_shows_its_error():
    page = render_report([outcome("one", [], error="ValueError: <boom>")], Scale("smoke"))
    assert "stopped with an error" in page[: page.index('id="mobahi2020"')]
    assert "ValueError: &lt;boom&gt;" in page


def test_text_is_escaped_and_code_is_marked():
    page = render_report([outcome("one", [HOLDS])], Scale("smoke"))
    assert "<code>a &lt; b</code>" in page
    assert str(prose("<script> `x`")) == "&lt;script&gt; <code>x</code>"


def test_every_link_inside_the_page_leads_somewhere():
    page = render_report([outcome("one", [HOLDS, FAILS]), outcome("two", [UNDECIDED])], Scale("smoke"))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert {"mobahi2020.one", "mobahi2020.one.1", "selfdistill.theory.collapse_bounds"} <= links <= set(ids)
    assert "def collapse_bounds(" in page


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("selfdistill.theory.distillation.collapse.paper_norm_bounds", "def paper_norm_bounds("),
        ("selfdistill.theory.Spectrum.from_gram", "def from_gram("),
        ("selfdistill.theory.Spectrum.condition_number", "def condition_number("),
        ("selfdistill.theory.Spectrum.null_energy", "def null_energy("),
        ("selfdistill.theory.RiskCurve", "class RiskCurve"),
    ],
)
def test_sources_are_found(name, line):
    source = find_source(name)
    assert line in source.text
    assert source.summary


@pytest.mark.parametrize("name", ["selfdistill.theory.nothing", "nowhere.at_all", "math.pi"])
def test_unknown_sources_are_left_out(name):
    assert find_source(name) is None


def test_differences_are_signed_and_never_nan():
    assert [format_difference(v) for v in (0.0, 0.25, -3.0, float("nan"), float("inf"))] == [
        "0", "+0.25", "-3", "", "",
    ]  # fmt: skip
