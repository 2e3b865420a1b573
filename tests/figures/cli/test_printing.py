"""What programs read: JSON of a run, of the list, costs, and completion of names."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from selfdistill.figures.artefact import find_artefacts
from selfdistill.figures.claim import Claim
from selfdistill.figures.cli.app import app, artefact_names, scale_names
from selfdistill.figures.cli.costs import alone, merge_costs, read_costs
from selfdistill.figures.cli.printing import outcome_line, run_json
from selfdistill.figures.outcomes import Outcome
from selfdistill.figures.scale import Scale


def run(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_verify_json_is_one_document_with_every_claim():
    result = run("verify", "near_interpolation", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["scale"] == "smoke"
    assert [a["artefact"] for a in document["artefacts"]] == ["mobahi2020.near_interpolation"]
    assert {c["verdict"] for c in document["claims"]} == {"holds"}
    assert set(document["claims"][0]) >= {"id", "statement", "kind", "predicted", "measured", "source"}


def test_verify_quiet_prints_the_verdicts_only():
    lines = run("verify", "near_interpolation", "--quiet").stdout.strip().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("0 fails, 0 undecided")


@pytest.mark.parametrize("option", ["--quiet", "--json", None])
def test_what_breaks_is_said_once_however_quiet(monkeypatch, option):
    def broken(scale):
        raise ZeroDivisionError("of a broken figure")

    monkeypatch.setattr("selfdistill.figures.mobahi2020.near_interpolation.measure", broken)
    result = run("verify", "near_interpolation", *([option] if option else []))
    assert result.exit_code == 1
    assert result.stderr.count("mobahi2020.near_interpolation broke") == 1
    assert "ZeroDivisionError: of a broken figure" in result.stderr


def test_reproduce_json_names_its_files(tmp_path):
    result = run("reproduce", "near_interpolation", "--scale", "smoke", "--out", str(tmp_path), "--json")
    (entry,) = json.loads(result.stdout)["artefacts"]
    assert entry["picture"] == str(tmp_path / "mobahi2020.near_interpolation.png")
    assert entry["seconds"] > 0
    assert entry["error"] is None


def test_json_has_no_infinite_numbers():
    artefact = find_artefacts()[0]
    claim = Claim.theorem("M8", "Rounds.", math.inf, math.nan)
    document = run_json([Outcome(artefact, [claim], None, 1.0)], Scale("smoke"))
    json.dumps(document, allow_nan=False)


def test_list_has_one_line_an_artefact_with_its_cost():
    keys = [artefact.key for artefact in find_artefacts()]
    lines = run("list").stdout.strip().splitlines()
    assert [line.split()[0] for line in lines] == keys
    costs = read_costs()
    for key, line in zip(keys, lines, strict=True):
        for scale, seconds in alone(key, costs).items():
            assert f"{scale} {seconds:g} s" in line
    assert run("list", "--quiet").stdout.split() == keys
    rows = json.loads(run("list", "mobahi2020.risk", "--json").stdout)
    assert [row["artefact"] for row in rows] == ["mobahi2020.risk"]


def test_costs_of_a_run_replace_those_kept():
    kept = {"cores": 1, "seconds": {"a": {"smoke": 1.0, "quick": 9.0}, "b": {"smoke": 2.0}}}
    measured = {
        "scale": "smoke",
        "artefacts": [
            {"artefact": "a", "seconds": 3.04, "error": None},
            {"artefact": "b", "seconds": 0.1, "error": "Traceback"},
        ],
    }
    assert merge_costs(kept, measured)["seconds"] == {"a": {"smoke": 3.0, "quick": 9.0}, "b": {"smoke": 2.0}}


def test_names_complete():
    assert artefact_names("mobahi2020.sin") == ["mobahi2020.sinusoid"]
    assert "jeong2025" in artefact_names("jeong")
    assert artefact_names("nothing") == []
    assert scale_names("q") == ["quick"]
    everything = artefact_names("")
    assert {artefact.key for artefact in find_artefacts()} <= set(everything)


@pytest.mark.parametrize("command", ["reproduce", "verify", "list", "rounds"])
def test_help_has_examples(command):
    text = run(command, "--help").stdout
    assert f"selfdistill {command}" in text[text.index("Examples:") :]


def test_help_documents_exit_codes():
    text = " ".join(run("--help").stdout.split())
    assert "Exit codes: 0 done; 1 a theorem failed" in text
    assert "130 interrupted" in text


def test_an_error_with_brackets_is_printed_as_it_is():
    outcome = Outcome(find_artefacts()[0], [], None, 1.0, "KeyError: [red]")
    assert r"\[red]" in outcome_line(outcome)
