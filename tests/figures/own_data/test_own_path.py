"""The path chosen for a size, and a run on products beside a run on the factorisation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from selfdistill.figures.cli.app import app
from selfdistill.figures.own_data import paths as own_path
from selfdistill.theory import InputError


@pytest.fixture
def file(rng, tmp_path):
    x = rng.standard_normal((120, 2))
    np.savez(tmp_path / "d.npz", X=x, y=np.sin(2 * x[:, 0]) + 0.2 * rng.standard_normal(120))
    return str(tmp_path / "d.npz")


def said(file, *more):
    arguments = ["rounds", file, "--target", "y", "--epsilon", "0.15", "--gamma", "0.5", "--json", *more]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("kind", ["products with the gram", "kernel in tiles"])
def test_products_answer_like_the_factorisation(file, kind, monkeypatch):
    whole = said(file)
    assert whole["cost"]["path"] == "factorised gram"
    assert whole["cost"]["memory_bytes"] >= 4 * 8 * 120**2
    monkeypatch.setattr(own_path, "FACTORISED_UP_TO", 10)
    if kind == "kernel in tiles":
        monkeypatch.setattr(own_path, "fits", lambda cost: False)
    few = said(file)
    assert few["cost"]["path"] == kind
    assert few["cost"]["products_made"] < 60
    assert few["cost"]["estimated_error"] < 1e-8
    assert any("whole spectrum is not known" in note for note in few["notes"])
    assert few["condition_number"] is None  # unknown is not infinite
    assert few["bounds"]["paper_lower"] is None
    assert 0 < few["condition_number_bounds"][0] <= float(whole["condition_number"])
    arguments = ["rounds", file, "--target", "y", "--epsilon", "0.15", "--gamma", "0.5"]
    table = " ".join(CliRunner().invoke(app, arguments).stdout.split())
    assert "condition number, κ not known; at least" in table
    for a, b in zip(few["rounds"], whole["rounds"], strict=True):
        assert a["multiplier"] == pytest.approx(b["multiplier"], rel=1e-7)
        assert a["sparsity_index"] is None
        assert a["effective_basis_size"] <= b["effective_basis_size"]
    assert few["bounds"]["upper"] >= whole["bounds"]["upper"]


def test_sizes_choose_their_path(monkeypatch):
    monkeypatch.setattr("selfdistill.theory.spectra.memory_cost.available_memory", lambda: 16 * 2**30)
    kinds = [own_path.choose_path(n, 10, 1, "rbf").kind for n in (5_000, 20_000, 60_000)]
    assert kinds == ["factorised gram", "products with the gram", "kernel in tiles"]
    assert own_path.choose_path(60_000, 10, 1, "linear").kind == "factorised features"
    with pytest.raises(InputError, match="from_chunks"):
        own_path.choose_path(3_000_000, 10, 1, "rbf")


def test_long_work_is_announced(file, monkeypatch):
    monkeypatch.setattr("selfdistill.figures.own_data.command.LONG", 0)
    result = CliRunner().invoke(app, ["rounds", file, "--target", "y", "--epsilon", "0.15"])
    assert "Expecting factorised gram: about" in result.stderr
