"""Reports of several runs into one folder add up; what is damaged or changed is not taken for what it was."""

from __future__ import annotations

import json

import pytest

from selfdistill.figures import outcomes as kept
from selfdistill.figures.artefact import select_artefacts
from selfdistill.figures.outcomes import Outcome, with_kept
from selfdistill.figures.run import run_artefacts
from selfdistill.figures.scale import Scale

FIRST, SECOND = select_artefacts(["near_interpolation", "early_stopping"])


@pytest.fixture
def folder(tmp_path):
    """A folder into which one artefact was run."""
    run_artefacts([FIRST], Scale("smoke", seed=3), tmp_path)
    return tmp_path


def test_an_earlier_artefact_stays_in_the_report(folder):
    (now,) = run_artefacts([SECOND], Scale("smoke"), folder)
    merged = with_kept([now], folder)
    assert {o.artefact for o in merged} == {FIRST, SECOND}
    earlier = next(o for o in merged if o.artefact == FIRST)
    assert (earlier.scale.name, earlier.scale.seed, earlier.outdated) == ("smoke", 3, False)
    assert earlier.picture.exists()
    assert earlier.claims == run_artefacts([FIRST], Scale("smoke", seed=3), None)[0].claims


def test_what_ran_now_replaces_what_ran_before(folder):
    broken = Outcome(FIRST, [], None, 1.0, "ValueError")
    assert with_kept([broken], folder) == [broken]


def test_what_could_not_run_now_does_not_replace_what_did(folder):
    (merged,) = with_kept([Outcome(FIRST, [], None, 0.0, "needs a thing")], folder)
    assert merged.claims


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"artefact": "gone.gone"}'])
def test_a_damaged_outcome_is_left_out(folder, damage):
    (path,) = (folder / ".cache" / "outcomes").glob("*.json")
    path.write_text(damage)
    assert with_kept([], folder) == []


def test_no_damaged_byte_changes_what_was_kept(folder, rng):
    """A digit of a number is still a number: only a digest tells that it is another."""
    (path,) = (folder / ".cache" / "outcomes").glob("*.json")
    whole, (expected,) = path.read_bytes(), with_kept([], folder)
    digit = whole.index(b'"measured": ') + len(b'"measured": 0.')
    left_out = 0
    for place in (digit, *rng.integers(len(whole), size=60)):
        flip = 1 if place == digit else int(rng.integers(1, 256))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        found = with_kept([], folder)
        left_out += not found
        assert found in ([], [expected]), place
        assert place != digit or not found
    assert left_out > 50


def test_an_outcome_without_a_digest_is_read(folder):
    """As they were written before there were digests."""
    (path,) = (folder / ".cache" / "outcomes").glob("*.json")
    fields = json.loads(path.read_text())
    del fields["digest"]
    path.write_text(json.dumps(fields))
    assert len(with_kept([], folder)) == 1


def test_an_outcome_of_other_code_says_so(folder, monkeypatch):
    monkeypatch.setattr(kept, "fingerprint", lambda *_: "changed")
    (earlier,) = with_kept([], folder)
    assert earlier.outdated


def test_one_file_an_artefact(folder):
    run_artefacts([FIRST], Scale("smoke"), folder)
    (path,) = (folder / ".cache" / "outcomes").glob("*.json")
    assert json.loads(path.read_text())["seed"] == 0
