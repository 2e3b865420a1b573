"""The thorough run is taken up artefact by artefact, with all that belongs to it, and shown wherever it is needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from selfdistill.empirical.jobs.store import write_dataset
from selfdistill.figures import machine
from selfdistill.figures.artefact import find_artefacts, select_artefacts
from selfdistill.figures.claim import Claim
from selfdistill.figures.cli.costs import expected_seconds
from selfdistill.figures.cli.printing import sample_line
from selfdistill.figures.conditions import DullRule, Precondition
from selfdistill.figures.outcomes import Outcome, keep_outcome, kept_fields
from selfdistill.figures.reference import read
from selfdistill.figures.report import page as report
from selfdistill.figures.results import take_up as command
from selfdistill.figures.results.history import same_claim
from selfdistill.figures.results.pages import claims_page, results_page, summary
from selfdistill.figures.results.take_up import take_up
from selfdistill.figures.results.thorough import ThoroughVerdicts, finished_artefacts
from selfdistill.figures.scale import Scale
from selfdistill.theory import InputError

ROOT = Path(__file__).parents[3]
FIRST, SECOND = select_artefacts(["near_interpolation", "early_stopping"])
THOROUGH = Scale("thorough")
MET = Precondition("it fits its labels", 0.99, met=True)
EFFECT = Claim.from_samples(
    "M19", "Error | falls by round 20.", [1.0, 1.25, 0.875, 1.0625], relation="≥", precondition=MET,
    dull_rule=DullRule("a constant", 0.123456789, beaten=None),
)  # fmt: skip
THEOREM = Claim.theorem("M7", "Rounds < bound.", float("inf"), 1.0, relation="≤")


def finish(folder, artefact, *claims, seconds=100.0, scale=THOROUGH, own_data=""):
    """Leave in a folder what a run leaves of an artefact."""
    located = [claim.located("mobahi2020", artefact.key) for claim in claims]
    keep_outcome(Outcome(artefact, located, None, seconds, own_data=own_data), scale, folder)
    (folder / f"{artefact.key}.png").write_bytes(artefact.key.encode())


@pytest.fixture
def checkout(tmp_path):
    """A checkout as far as the command knows it."""
    root = tmp_path / "checkout"
    for name in ("README.md", "figures/data/history.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    (root / "figures" / "data" / "thorough.json").write_text('{"artefacts": {}}')
    (root / "figures" / "gallery").mkdir()
    (root / "docs").mkdir()
    return root


def kept(checkout):
    return finished_artefacts(json.loads((checkout / "figures" / "data" / "thorough.json").read_text()))


def test_a_run_is_taken_up_part_by_part(checkout, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    finish(folder, FIRST, EFFECT, THEOREM)
    finish(folder, SECOND, EFFECT, scale=Scale("quick"))
    (folder / ".cache" / "outcomes" / "torn.json").write_text('{"artefact"')
    first, missing = take_up(folder, checkout=checkout)
    assert first.startswith("1 artefacts taken up; 1 of ")
    assert SECOND.key in missing.split()
    assert FIRST.key not in missing.split()
    one = kept(checkout)[FIRST.key]
    assert (one.seconds, one.seed, one.jobs, one.device) == (100.0, 0, 1, "cpu")
    assert "cores" in one.hardware
    effect, theorem = one.claims
    assert (effect.verdict, effect.detectable) == ("holds", pytest.approx(EFFECT.detectable, rel=1e-5))
    assert effect.interval == pytest.approx(EFFECT.interval, rel=1e-5)
    assert (effect.precondition, effect.samples, effect.dull_rule.value) == (MET, 4, 0.123457)
    assert (effect.artefact, theorem.predicted) == (FIRST.key, float("inf"))
    assert (checkout / "figures" / "gallery" / f"{FIRST.key}.png").read_bytes() == FIRST.key.encode()
    assert not (checkout / "figures" / "gallery" / f"{SECOND.key}.png").exists()

    shutil.rmtree(folder)
    folder.mkdir()
    finish(folder, SECOND, EFFECT)
    assert take_up(folder, checkout=checkout)[0].startswith("1 artefacts taken up; 2 of ")
    assert set(kept(checkout)) == {FIRST.key, SECOND.key}


def test_changed_verdicts_are_logged_with_their_reason(checkout, tmp_path):
    finish(tmp_path, FIRST, EFFECT, THEOREM)
    take_up(tmp_path, checkout=checkout)
    other = Claim.from_samples("M19", EFFECT.statement, [-1.0, -1.25, -0.875], relation="≥")
    finish(tmp_path, FIRST, other, THEOREM, seconds=200.0)
    lines = take_up(tmp_path, "more seeds", checkout=checkout)
    assert f"{FIRST.key} M19 {EFFECT.statement}: holds -> fails" in lines
    *_, logged = json.loads((checkout / "figures" / "data" / "history.json").read_text())["changes"]
    assert (logged["run"], logged["to"], logged["why"]) == ("thorough, seed 0", "fails", "more seeds")


def test_what_was_measured_is_judged_and_drawn_anew_without_measuring(
    checkout, tmp_path, monkeypatch, capsys
):
    data = FIRST.measure(Scale("smoke"))
    write_dataset(data, tmp_path / f"{FIRST.key}.nc")
    finish(tmp_path, FIRST, EFFECT)
    monkeypatch.setattr(command, "commit", lambda: "a-later-one")
    monkeypatch.setattr(type(FIRST), "measure", lambda *_: pytest.fail("measured again"))
    take_up(tmp_path, checkout=checkout, anew=True)
    one = kept(checkout)[FIRST.key]
    assert [c.statement for c in one.claims] == [c.statement for c in FIRST.claims(data)]
    assert (one.commit, one.judged) == (machine.commit(), "a-later-one")
    picture = (checkout / "figures" / "gallery" / f"{FIRST.key}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert "(judged and drawn by a-later-one)" in (checkout / "docs" / "results.md").read_text(
        encoding="utf-8"
    )
    monkeypatch.setattr(command, "take_up", lambda *given, **named: print(given, named) or [])
    monkeypatch.setattr("sys.argv", ["take_up", "--anew", "out", "two", "words"])
    command.main()
    assert "'two words'" in (said := capsys.readouterr().out)
    assert "'anew': True" in said


def test_pages_show_what_was_found(checkout, tmp_path):
    finish(tmp_path, FIRST, EFFECT, THEOREM)
    take_up(tmp_path, checkout=checkout)
    run = kept(checkout)
    results = (checkout / "docs" / "results.md").read_text(encoding="utf-8")
    assert results == results_page(run)
    for said in (
        "| [M19](claims.md#m19) | **holds** | Error \\| falls by round 20. | 1.05 [",
        "met: it fits its labels (measured 0.99); cannot be told from a constant (0.1235); 4 samples; enough for an",
        "Checks of theorems (M7): 1 holds.",
        "1 of 1 checks hold | 1 | 0 | 0 | 0 | 0 | 0 of 1 |",  # the last: the constant could not be told from it
    ):
        assert said in results
    assert f"Thorough: 1 holds in [{FIRST.key}](results.md#mobahi2020near_interpolation)" in claims_page(run)
    settings = (checkout / "docs" / "settings.md").read_text(encoding="utf-8")
    for regime, searched in read("settled.json")["regimes"].items():
        seeds = ", ".join(map(str, searched["seeds"]))
        assert f"## {regime[0].upper()}{regime[1:]}" in settings
        assert f"Settled on seeds {seeds}." in settings
        assert f"| {searched['methods']['progressive']['validation_nll']:.3f} |" in settings
    assert summary(run) in (checkout / "README.md").read_text(encoding="utf-8")
    assert "(thorough, commit" in (checkout / "docs" / "gallery.md").read_text(encoding="utf-8")


def test_what_cannot_be_taken_up_is_said(checkout, tmp_path):
    with pytest.raises(InputError, match="holds no artefact that was finished at scale thorough"):
        take_up(tmp_path / "nowhere", checkout=checkout)
    finish(tmp_path, FIRST, EFFECT, own_data="wine.npz")
    with pytest.raises(InputError, match="holds no artefact that was finished at scale thorough"):
        take_up(tmp_path, checkout=checkout)
    finish(tmp_path, FIRST, EFFECT)
    with pytest.raises(InputError, match="checkout of the project"):
        take_up(tmp_path, checkout=tmp_path / "docs")


def test_other_code_is_said(checkout, tmp_path, monkeypatch):
    finish(tmp_path, FIRST, EFFECT)
    monkeypatch.setattr(command, "fingerprint", lambda _: "changed")
    assert f"the code has changed since of {FIRST.key}" in take_up(tmp_path, checkout=checkout)


def test_going_on_does_not_forget_how_long_it_took(tmp_path):
    finish(tmp_path, FIRST, EFFECT, seconds=100.0)
    finish(tmp_path, FIRST, EFFECT, seconds=0.5)  # read from what is kept
    assert [fields["seconds"] for fields in kept_fields(tmp_path)] == [100.0]
    finish(tmp_path, FIRST, EFFECT, seconds=0.5, scale=Scale("thorough", seed=1))
    assert [fields["seconds"] for fields in kept_fields(tmp_path)] == [0.5]


def test_claims_that_name_other_sizes_are_the_same_claim():
    claim = Claim.theorem("M1", "At width 64 within 5 %.", 1, 1).located("kim2021", "a.b")
    known = {"a.b M1 At width 512 within 5 %.": 1, "a.b M2 At width 64 within 5 %.": 2, "a.b M1 Else 3.": 3}
    assert same_claim(known, claim) == 1
    assert same_claim({**known, "a.b M1 At width 9 within 5 %.": 4}, claim) is None
    assert same_claim({**known, "a.b M1 At width 64 within 5 %.": 5}, claim) == 5
    assert same_claim({}, claim) is None


def test_a_smaller_run_says_that_it_is_a_sample(monkeypatch, checkout, tmp_path):
    finish(tmp_path, FIRST, EFFECT, THEOREM)
    take_up(tmp_path, checkout=checkout)
    run = kept(checkout)
    monkeypatch.setattr(report, "thorough_run", lambda: run)
    fewer = Claim.from_samples("M19", "Error | falls by round 5.", [1.0, -1.0, 0.5], relation="≥")
    claims = [claim.located("mobahi2020", FIRST.key) for claim in (fewer, THEOREM)]
    outcomes = [Outcome(FIRST, claims, None, 1.0)]
    text = " ".join(report.render_report(outcomes, Scale("quick")).split())
    commit = run[FIRST.key].commit
    assert f"2 of these claims were also judged by it (commit {commit})" in text
    assert "It has another verdict on 1 of them" in text
    assert text.count('thorough run: <span class="verdict holds">holds</span>') == 1  # in the matrix
    assert f'Thorough run ({commit}): <span class="verdict holds">holds</span>, 1.047 [' in text
    assert "over 4 samples" in text
    again = " ".join(report.render_report(outcomes, THOROUGH).split())
    assert "A sample" not in again
    assert f"1 verdict is not that of the run kept with the package (commit {commit})" in again
    assert "kept with the package (commit" not in report.render_report(outcomes, Scale("thorough", seed=1))
    line = sample_line(claims, ThoroughVerdicts(run))
    assert "verdicts on 2 of these claims, other ones on 1;" in line
    assert sample_line(claims, ThoroughVerdicts({})) == ""


def test_a_commit_is_that_of_the_checkout_or_the_version(tmp_path, monkeypatch):
    described = machine.commit().removesuffix("-dirty")
    assert re.fullmatch(r"[0-9a-f]{7,40}|version \S+", described)
    # Installed inside a checkout of something else, whose commit says nothing of this package.
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "machine.py"))
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert machine.commit() == f"version {version('selfdistill')}"


def test_how_long_a_run_takes_is_foretold():
    costs = {"a": {"smoke": 1.0, "quick": 5.0, "thorough": 60.0}, "b": {"smoke": 2.0, "quick": 3.0}}
    assert expected_seconds(["a", "b"], "quick", costs) == (8.0, 0)
    assert expected_seconds(["a", "b", "c"], "thorough", costs) == (63.0, 2)
    assert expected_seconds(["a"], "smoke", costs) == (1.0, 0)


def test_every_artefact_of_the_kept_run_is_there():
    known = {artefact.key for artefact in find_artefacts()}
    stored = json.loads((ROOT / "figures" / "data" / "thorough.json").read_text(encoding="utf-8"))
    assert set(finished_artefacts(stored)) <= known
