"""Every artefact at smoke scale: theorems hold, data survive the disk, no panel is empty."""

import re

import numpy as np
import pytest
import xarray as xr

from selfdistill.empirical.jobs.store import read_dataset
from selfdistill.figures.artefact import PAPERS, find_artefacts, select_artefacts
from selfdistill.figures.run import save
from selfdistill.figures.scale import Scale
from selfdistill.figures.statements import statements
from selfdistill.theory import InputError

ARTEFACTS = find_artefacts()


@pytest.mark.parametrize("artefact", ARTEFACTS, ids=lambda a: a.key)
def test_artefact(artefact, tmp_path):
    data = artefact.measure(Scale("smoke"))
    claims = artefact.claims(data)
    assert claims
    assert {c.id for c in claims} <= set(statements()), "state it in figures/data/claims.toml"
    assert [c for c in claims if c.kind == "theorem" and c.verdict != "holds"] == []
    figure = artefact.draw(data)
    for axes in figure.axes:
        assert axes.has_data() or axes.images or axes.tables, f"{artefact.key} has an empty panel"
        for axis in (axes.xaxis, axes.yaxis):
            assert np.isfinite(axis.get_view_interval()).all()
    picture = save(artefact, data, figure, tmp_path)
    assert picture.stat().st_size > 5000
    # What a resumed run reads back gives the same verdicts.
    again = artefact.claims(read_dataset(tmp_path / f"{artefact.key}.nc"))
    assert [c.verdict for c in again] == [c.verdict for c in claims]


def test_same_seed_same_numbers():
    artefact = select_artefacts(["real_data"])[0]
    first, second, other = (artefact.measure(Scale("smoke", seed=s)) for s in (3, 3, 4))
    xr.testing.assert_identical(first, second)
    assert not first["test_error"].equals(other["test_error"])


def test_every_artefact_says_what_it_shows():
    for artefact in ARTEFACTS:
        assert artefact.title.endswith(".")
        assert len(artefact.explanation) > 100
        assert artefact.paper in PAPERS


def test_selection_by_paper_name_and_short_name():
    assert {a.paper for a in select_artefacts(["mobahi2020"])} == {"mobahi2020"}
    assert [a.key for a in select_artefacts(["sinusoid", "mobahi2020.sinusoid"])] == ["mobahi2020.sinusoid"]
    with pytest.raises(
        InputError, match=r"no artefact is called 'nonsense'\. The papers are mobahi2020.*list"
    ):
        select_artefacts(["nonsense"])
    with pytest.raises(InputError, match=r"Did you mean mobahi2020\.network_width or "):
        select_artefacts(["network-width"])


@pytest.mark.parametrize(("middle", "verdict"), [(0.5, "holds"), (0.05, "holds"), (-0.5, "undecided")])
def test_a_rise_of_diversity_is_claimed_apart_from_its_fall(rng, middle, verdict):
    noise = 0.01 * rng.normal(size=(3, 8))
    diversity = noise + np.array([[0], [middle], [-2]])
    students = [f"self-distillation, τ = {tau:g}" for tau in (1, 3, 10)] + ["cross-entropy"]
    blank = np.full((4, 8), 0.5)
    table = xr.Dataset(
        {
            "taught_uncertainty": (
                ("student", "seed"),
                np.vstack([diversity * 0 + [[1], [2], [3]], blank[:1]]),
            ),
            "taught_diversity": (("student", "seed"), np.vstack([diversity, blank[:1]])),
            **dict.fromkeys(("accuracy", "nll", "scaled_nll", "confidence"), (("student", "seed"), blank)),
            "training_accuracy": (("student", "seed"), np.ones((4, 8))),
        },
        coords={"student": students},
    )
    claims = {c.statement: c.verdict for c in select_artefacts(["temperature"])[0].claims(table)}
    (rise,) = (v for text, v in claims.items() if "above that at temperature 1" in text)
    (fall,) = (v for text, v in claims.items() if "below its largest" in text)
    assert (rise, fall) == (verdict, "holds")


@pytest.mark.parametrize(
    "name",
    ["temperature", "schedules", "teachers", "regularization_samples", "accuracy_rounds"],
)
def test_no_axis_of_accuracies_goes_past_what_an_accuracy_can_be(name):
    """Two seeds have intervals of several hundred per cent."""
    artefact = select_artefacts([name])[0]
    panels = artefact.draw(artefact.measure(Scale("smoke"))).axes
    panels = [a for a in panels if "accuracy" in a.get_ylabel() and "above" not in a.get_ylabel()]
    assert panels
    for panel in panels:
        difference = "points" in panel.get_ylabel()
        largest = 100 if difference or "%" in panel.get_ylabel() else 1
        low, high = panel.get_ylim()
        assert -(1.02 if difference else 0.02) * largest <= low < high <= 1.02 * largest


def test_no_title_states_a_result_that_is_measured():
    """What networks do is for the claims to say, at the scale at hand."""
    for artefact in ARTEFACTS:
        text = artefact.source.read_text(encoding="utf-8")
        if "from_samples" in text or "from_proportion" in text:
            assert not re.search(r"\b(networks? (collapse|follows?)|rises|falls|cannot)\b", artefact.title), (
                artefact.key
            )
