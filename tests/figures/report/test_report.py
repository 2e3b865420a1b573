"""The report's text: verdicts first, nothing unescaped, every claim linked to its figure and function."""

from __future__ import annotations

import re

import pytest

from selfdistill.figures.artefact import Artefact
from selfdistill.figures.claim import Claim
from selfdistill.figures.outcomes import Outcome
from selfdistill.figures.report.page import format_difference, prose, render_report
from selfdistill.figures.report.sources import find_source
from selfdistill.figures.scale import Scale


def outcome(name, claims, error="", doc="Title: of the figure.\n\nShows ``a < b``."):
    artefact = Artefact("mobahi2020", name)
    vars(artefact)["docstring"] = doc  # there is no file to read it from
    return Outcome(artefact, [c.located("mobahi2020", artefact.key) for c in claims], None, 1.0, error)


HOLDS = Claim.theorem("M7", "Rounds < bound.", 1.0, 1.0, source="selfdistill.theory.collapse_bounds")
FAILS = Claim.from_samples("M19", "Error falls.", [-1.0, -1.1, -0.9], relation="≥")
UNDECIDED = Claim.from_samples("M18", "Error falls with width.", [-1.0, 1.0, 0.5], relation="≥")


def test_what_does_not_hold_comes_before_the_figures():
    page = render_report([outcome("one", [HOLDS, FAILS, UNDECIDED])], Scale("smoke"))
    head = page[: page.index('id="mobahi2020"')]
    assert "Error falls." in head
    assert "Error falls with width." in head
    assert "Rounds &lt; bound." not in head
    assert "Every claim holds" not in page


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
    assert page.count("3 samples") == 2  # at the top, since it fails, and under its figure
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
