"""Figures on the reader's own data: every one that takes them, what it says, what it keeps, and what is refused."""

import json

import numpy as np
import pytest
from matplotlib.text import Text

from selfdistill.empirical.data.own import OwnData
from selfdistill.figures.artefact import find_artefacts, select_for_data
from selfdistill.figures.outcomes import with_kept
from selfdistill.figures.run import prepare_folder, run_artefacts
from selfdistill.figures.scale import Scale
from selfdistill.theory import InputError

TAKING = [a for a in find_artefacts() if a.own_data]
# One figure of each experiment that takes values.
FOR_VALUES = [a for a in TAKING if a.name in ("real_data", "network_early_stopping")]


def petals(rng, values=False):
    """Four kinds of flowers, or a value that grows along them."""
    labels = np.repeat(np.arange(4), 60)
    x = rng.normal(size=(240, 5)) + 1.5 * np.eye(4, 5)[labels]
    return OwnData.of(x, x @ np.arange(5.0) if values else np.array(list("abcd"))[labels], "petals")


def test_the_issue_s_experiments_all_take_data():
    keys = {a.key.split(".")[1] for a in TAKING}
    assert {"network_collapse", "network_rounds", "real_data", "accuracy_rounds", "comparison_table"} <= keys


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Figures share jobs."""
    return tmp_path_factory.mktemp("kept")


@pytest.mark.parametrize("artefact", TAKING, ids=lambda a: a.key)
def test_figure_on_own_classes(artefact, rng, cache):
    check(artefact, Scale("smoke", data=petals(rng), cache=cache))


@pytest.mark.parametrize("artefact", FOR_VALUES, ids=lambda a: a.key)
def test_figure_on_own_values(artefact, rng, cache):
    check(artefact, Scale("smoke", data=petals(rng, values=True), cache=cache))


def check(artefact, scale):
    own = scale.data
    artefact.check_data(scale)
    data = artefact.measure(scale)
    claims = artefact.claims(data)
    assert claims
    assert [c for c in claims if c.kind == "theorem" and c.verdict != "holds"] == []
    figure = artefact.draw(data)
    assert all(axes.has_data() or axes.tables for axes in figure.axes)
    said = [text.get_text() for text in figure.findobj(Text)] + artefact.paragraphs(own.description)
    said += [artefact.title, *(part for c in claims for part in (c.statement, c.note))]
    assert not [text for text in said if "digit" in text.lower() or "diabetes" in text or "CIFAR-10 " in text]
    assert any("petals" in text for text in said)


def test_what_is_kept_depends_on_the_data(rng, tmp_path):
    (artefact,) = select_for_data(["real_data"])
    first, other = petals(rng), petals(rng)
    runs = [artefact.measure(Scale("smoke", cache=tmp_path, data=own)) for own in (first, other, first, None)]
    assert runs[0].identical(runs[2])
    assert not runs[0]["test_error"].equals(runs[1]["test_error"])
    assert list(runs[3]["data"].values) == ["digits", "diabetes"]


def test_a_later_report_still_says_whose_data_they_were(rng, tmp_path):
    (artefact,) = select_for_data(["real_data"])
    own = petals(rng)
    run_artefacts([artefact], Scale("smoke", data=own), prepare_folder(tmp_path / "out"))
    (kept,) = with_kept([], tmp_path / "out")
    assert kept.own_data == "petals (240 samples of 5 features, 4 classes)"
    assert artefact.paragraphs(kept.own_data)[-1] == f"Data: {kept.own_data}."


def test_others_refuse_in_a_sentence_that_names_those_that_take_data():
    with pytest.raises(
        InputError, match=r"mobahi2020\.sinusoid draws on no data .* mobahi2020\.network_rounds"
    ):
        select_for_data(["sinusoid", "network_rounds"])
    with pytest.raises(InputError, match=r"beyond draws on no data"):
        select_for_data(["beyond"])
    assert {a.paper for a in select_for_data(["jeong2025"])} == {"jeong2025"}
    assert select_for_data([]) == TAKING


@pytest.fixture
def mine(tmp_path, rng):
    own = petals(rng)
    np.savez(tmp_path / "mine.npz", X=own.inputs, y=own.targets)
    np.savez(tmp_path / "few.npz", X=own.inputs[::8], y=own.targets[::8])
    np.savez(tmp_path / "values.npz", X=own.inputs, y=own.inputs[:, 0])
    return tmp_path


def test_the_command_takes_a_file(command, mine):
    code, out, err = command(
        "reproduce",
        "real_data",
        "--scale",
        "smoke",
        "--data",
        mine / "mine.npz",
        "--out",
        mine / "out",
        "--json",
    )
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert said["data"]["name"] == "mine"
    assert {c["statement"].split(":")[0] for c in said["claims"] if c["kind"] == "measured"} == {"mine"}
    report = (mine / "out" / "report.html").read_text()
    assert "On your own data:" in report
    assert "mine (240 samples of 5 features, 4 classes)" in report
    assert "the run kept with the package" not in report


def test_what_does_not_suffice_is_said_before_any_work(command, mine):
    code, out, err = command("reproduce", "real_data", "--data", mine / "few.npz", "--out", mine / "out")
    assert (code, out) == (2, "")
    assert "few has 30 samples, too few" in " ".join(err.split())
    code, _, err = command("verify", "network_rounds", "--data", mine / "values.npz")
    assert code == 2
    assert "values has real targets, and classes are needed" in " ".join(err.split())
    code, _, err = command("reproduce", "sinusoid", "--data", mine / "mine.npz", "--out", mine / "out")
    assert code == 2
    assert "those that take it are" in err


def test_of_all_figures_those_that_cannot_take_the_data_are_left_out(command, mine):
    code, out, err = command("verify", "mobahi2020.real_data", "jeong2025", "--data", mine / "values.npz")
    assert code == 0
    assert "left out: jeong2025.accuracy_rounds, jeong2025.distillation_gain:" in " ".join(err.split())
    assert "3 theorem claims: 3 holds" in out
