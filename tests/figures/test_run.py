"""Running artefacts: what cannot be run is found before any work, and the others run."""

from __future__ import annotations

import pytest

from selfdistill.empirical.jobs.runner import LostProcessError
from selfdistill.empirical.jobs.store import read_dataset
from selfdistill.figures import artefact as artefacts
from selfdistill.figures.artefact import Artefact, find_artefacts, select_artefacts
from selfdistill.figures.machine import commit, hardware
from selfdistill.figures.report.page import environment
from selfdistill.figures.run import find_obstacles, run_artefacts
from selfdistill.figures.scale import Scale
from selfdistill.theory import InputError


@pytest.fixture
def needy(tmp_path, monkeypatch):
    """An artefact that lists a package which nobody has."""
    source = tmp_path / "needy.py"
    source.write_text('"""Needy: for this test."""\nPACKAGES = ("a_package_that_nobody_has", "json")\n')
    monkeypatch.setattr(Artefact, "source", property(lambda self: source))
    return Artefact("mobahi2020", "needy")


def test_a_missing_package_is_found_before_any_work(needy):
    assert needy.missing_packages() == ["a_package_that_nobody_has"]
    with pytest.raises(InputError, match=r"python -m pip install a_package_that_nobody_has$"):
        find_obstacles([needy], Scale("smoke"))


def test_what_has_an_obstacle_is_reported_and_the_others_run():
    first, second = select_artefacts(["near_interpolation", "early_stopping"])
    outcomes = run_artefacts([first, second], Scale("smoke"), None, obstacles={first: "it needs a thing"})
    assert [(o.artefact, o.error, bool(o.claims)) for o in outcomes] == [
        (first, "it needs a thing", False),
        (second, "", True),
    ]


def test_an_artefact_whose_process_was_ended_is_said_in_a_sentence_and_the_others_run(monkeypatch):
    first, second = select_artefacts(["near_interpolation", "early_stopping"])
    whole = Artefact.measure

    def measure(artefact, scale):
        if artefact == first:
            raise LostProcessError("something else ended a worker process.")
        return whole(artefact, scale)

    monkeypatch.setattr(Artefact, "measure", measure)
    lost, other = run_artefacts([first, second], Scale("smoke"), None)
    assert (lost.error, lost.claims) == ("something else ended a worker process.", [])
    assert other.claims


def test_no_bundled_artefact_needs_an_optional_package():
    assert {a.key: a.missing_packages() for a in find_artefacts() if a.missing_packages()} == {}


def test_figures_stand_in_the_order_of_their_story(monkeypatch):
    from selfdistill.figures import mobahi2020

    monkeypatch.setattr(mobahi2020, "ORDER", ("sinusoid", "filters"), raising=False)
    names = [a.name for a in find_artefacts() if a.paper == "mobahi2020"]
    assert names[:2] == ["sinusoid", "filters"]
    assert names[2:] == sorted(names[2:])


def test_an_artefact_that_moved_keeps_its_old_name(monkeypatch):
    monkeypatch.setitem(artefacts.FORMER_KEYS, "kim2021.former", "mobahi2020.sinusoid")
    assert [a.key for a in select_artefacts(["kim2021.former"])] == ["mobahi2020.sinusoid"]


def test_data_and_report_say_where_they_come_from(tmp_path):
    (artefact,) = select_artefacts(["near_interpolation"])
    scale = Scale("smoke", 3)
    run_artefacts([artefact], scale, tmp_path)
    made = read_dataset(tmp_path / f"{artefact.key}.nc").attrs
    told = {"artefact": artefact.key, "scale": "smoke", "seed": 3, "commit": commit()}
    assert {name: made[name] for name in told} == told
    facts = environment(scale)
    assert (facts["commit"], facts["hardware"]) == (commit(), hardware("cpu"))
