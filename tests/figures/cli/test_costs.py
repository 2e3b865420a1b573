"""Seconds that artefacts take: together, and by themselves."""

import ast
from pathlib import Path

from selfdistill.figures import soft_label_studies
from selfdistill.figures.artefact import find_artefacts
from selfdistill.figures.cli.costs import TRAINED_BY, alone, expected_seconds

STUDIES = Path(soft_label_studies.__file__)
COSTS = {
    "zhang2020.comparison_table": {"quick": 60.0},
    "kim2021.comparison": {"quick": 4.0},
    "zhou2021.weights": {"quick": 1.0},
}


def test_networks_that_another_artefact_would_have_trained_count_once():
    together = ["zhang2020.comparison_table", "kim2021.comparison", "zhou2021.weights"]
    assert expected_seconds(together, "quick", COSTS) == (65.0, 0)
    assert expected_seconds(["kim2021.comparison"], "quick", COSTS) == (64.0, 0)
    assert alone("kim2021.comparison", COSTS) == {"quick": 64.0}
    assert alone("zhou2021.weights", COSTS) == {"quick": 1.0}
    assert expected_seconds(["kim2021.comparison"], "thorough", COSTS) == (64.0, 1)


def studies_of(artefact):
    """Names of the shared studies that a figure's module calls."""
    shared = {node.name for node in ast.parse(STUDIES.read_text()).body if isinstance(node, ast.FunctionDef)}
    calls = [
        node.func for node in ast.walk(ast.parse(artefact.source.read_text())) if isinstance(node, ast.Call)
    ]
    return {call.id for call in calls if isinstance(call, ast.Name) and call.id in shared}


def test_every_artefact_that_shares_a_study_says_with_which():
    trained: dict[str, str] = {}
    for artefact in find_artefacts():
        found = studies_of(artefact)
        before = {trained[name] for name in found if name in trained}
        assert before <= set(TRAINED_BY.get(artefact.key, ())), artefact.key
        trained |= {name: artefact.key for name in found if name not in trained}
    assert {"compared", "generations", "temperatures"} <= set(trained)
    keys = {artefact.key for artefact in find_artefacts()}
    assert set(TRAINED_BY) | {key for others in TRAINED_BY.values() for key in others} <= keys
