"""The page of `selfdistill rounds --html`: what it computes is what Python computes, and it needs nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from selfdistill.figures.own_data import round_page
from selfdistill.theory import (
    Spectrum,
    distill_to_tolerance,
    distill_with_ridge,
    effective_basis_size,
    estimated_risk,
    mix_rounds,
    optimal_mixing,
)

DEFAULTS = {
    "schedule": "tolerance",
    "epsilon": 0.1,
    "ridge": 0.01,
    "weight": 0.0,
    "noise": 0.04,
    "weights": [0, 0, 0],
}


def computed(page, **settings):
    return page.evaluate("(s) => selfdistill.ownRounds.compute(s)", DEFAULTS | settings)


def spectra(frame):
    """The spectra behind the two tables below, by another way than the command's."""
    X = frame[["a", "b"]].to_numpy()
    targets = frame.filter(regex="^y").to_numpy()
    distances = ((X[:, None] - X[None]) ** 2).sum(-1)
    return Spectrum.from_gram(np.exp(-5 * distances), targets), Spectrum.from_gram(X @ X.T, targets)


@pytest.fixture(params=[1, 2], ids=["one target", "two targets"])
def many(frame, request):
    """The table with one or two targets, and the option that names them."""
    return (frame.assign(y2=np.cos(4 * frame["b"])) if request.param == 2 else frame), (
        "y,y2" if request.param == 2 else "y"
    )


def test_rounds_errors_and_sizes_are_pythons(opened, many):
    frame, target = many
    page = opened("rounds", frame, "--target", target, "--gamma", 5, "--epsilon", 0.1)
    spectrum, _ = spectra(frame)
    for epsilon, noise in ((0.1, 0.04), (0.03, 0.2)):
        found, own = computed(page, epsilon=epsilon, noise=noise), distill_to_tolerance(spectrum, epsilon)
        np.testing.assert_allclose(found["run"]["penalties"], own.multipliers, rtol=1e-6)
        np.testing.assert_allclose(found["run"]["norms"], own.target_norms, rtol=1e-8)
        np.testing.assert_allclose(found["risks"], estimated_risk(own, noise), rtol=1e-6)
        fitted = [np.sum((own.fitted(t) - spectrum.targets) ** 2) / 30 for t in range(1, own.rounds + 1)]
        np.testing.assert_allclose(found["training"], fitted, rtol=1e-6)
        assert found["sizes"] == list(effective_basis_size(own.filters))
    assert computed(page)["mixture"] is None


def test_ground_truth_and_mixtures_are_pythons(opened, many):
    frame, target = many
    page = opened("rounds", frame, "--target", target, "--gamma", 5, "--epsilon", 0.1)
    spectrum, _ = spectra(frame)
    found = computed(page, schedule="ridge", weight=0.3)
    own = distill_with_ridge(spectrum, 0.01, 30, 0.3)
    np.testing.assert_allclose(found["risks"], estimated_risk(own, 0.04), rtol=1e-7)
    weights = [0.5, -0.75, 0.25]
    mixed = mix_rounds(spectrum, 0.01, [1 - sum(weights), *weights])
    found = computed(page, schedule="ridge", weights=weights)["mixture"]
    np.testing.assert_allclose(found["filter"], mixed.filter, atol=1e-9)
    best = page.evaluate("(s) => selfdistill.ownRounds.best(s)", DEFAULTS | {"schedule": "ridge"})
    least = optimal_mixing(spectrum, 0.01, 3, 0.04)
    np.testing.assert_allclose(best, least.round_weights, rtol=1e-5)
    found = computed(page, schedule="ridge", weights=best[1:])["mixture"]
    np.testing.assert_allclose(found["risk"], least.risk, rtol=1e-6)


def test_fewer_features_than_samples_leave_a_part_that_no_fit_reaches(opened, frame):
    page = opened("rounds", frame, "--target", "y", "--kernel", "linear", "--epsilon", 0.3)
    _, spectrum = spectra(frame)
    own = distill_to_tolerance(spectrum, 0.3)
    found = computed(page, epsilon=0.3)
    np.testing.assert_allclose(found["run"]["norms"], own.target_norms, rtol=1e-7)
    np.testing.assert_allclose(found["risks"], estimated_risk(own, 0.04), rtol=1e-6)
    with pytest.raises(Exception, match="No fit reaches this ε: the kernel leaves an error of"):
        computed(page, epsilon=spectrum.least_feasible_epsilon / 2)


def number(page, key):
    return float(page.locator(f'[data-key="{key}"]').inner_text())


def test_it_works_by_keyboard_and_says_what_sliders_stand_for(opened, frame):
    page = opened("rounds", frame, "--target", "y", "--gamma", 5, "--epsilon", 0.02)
    spectrum, _ = spectra(frame)
    own = distill_to_tolerance(spectrum, 0.02)
    assert number(page, "exact") == own.rounds > 2
    assert page.get_by_role("slider", name="training error ε").get_attribute("aria-valuetext") == "0.02"
    page.locator("[name=round]").focus()
    page.keyboard.press("ArrowRight")
    current = page.locator("tr[aria-current=true]")
    assert current.locator("th").inner_text() == "2"
    assert float(current.locator("td").first.inner_text()) == pytest.approx(own.multipliers[1], rel=1e-4)
    page.get_by_role("button", name="best for this noise").press("Enter")
    assert page.locator('[data-key="mixed-risk"]').count() == 1
    page.get_by_role("button", name="round 1 alone").press("Enter")
    assert page.locator('[data-key="mixed-risk"]').count() == 0
    for control in page.locator("input, select").all():
        assert control.evaluate("e => e.labels.length") == 1
    for drawing in page.locator("svg").all():
        assert drawing.get_attribute("aria-label")


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1440, "light")])
def test_nothing_overflows(opened, frame, width, scheme):
    page = opened(
        "rounds", frame, "--target", "y", "--gamma", 5, "--epsilon", 0.1, width=width, scheme=scheme
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(media="print")
    assert not page.locator("input[name=epsilon]").is_visible()
    assert page.locator("svg").first.is_visible()


def test_collapse_before_the_first_round_is_said(opened, frame):
    page = opened("rounds", frame, "--target", "y", "--epsilon", 9)
    assert "Collapsed from the start" in page.locator(".message").inner_text()
    assert not page.locator('svg[data-plot="errors"]').is_visible()


def test_products_with_the_gram_show_the_commands_rounds(run, frame, tmp_path, monkeypatch):
    monkeypatch.setattr("selfdistill.figures.own_data.paths.FACTORISED_UP_TO", 10)
    frame.to_csv(tmp_path / "own.csv", index=False)
    page = tmp_path / "own.html"
    assert run(tmp_path / "own.csv", "--target", "y", "--gamma", 5, "--epsilon", 0.1, "--html", page)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "whole spectrum of this kernel matrix was not computed" in text
    assert "<script" not in text


def test_what_a_file_says_cannot_break_the_page(run, frame, tmp_path):
    odd = frame.rename(columns={"y": "</script><script>alert(1)"})
    odd.to_csv(tmp_path / "own.csv", index=False)
    page = tmp_path / "own.html"
    assert run(tmp_path / "own.csv", "--target", odd.columns[2], "--epsilon", 0.1, "--html", page)[0] == 0
    assert "<script>alert" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("page.txt", "--html must name a file that ends in one of .html, .htm"),
        ("folder.html", "it is a folder"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(fails, frame, tmp_path, monkeypatch, name, said):
    frame.to_csv(tmp_path / "own.csv", index=False)
    (tmp_path / "folder.html").mkdir()
    monkeypatch.setattr("selfdistill.figures.own_data.command.read_table", None)
    assert said in fails(tmp_path / "own.csv", "--target", "y", "--html", tmp_path / name)
    assert "cannot write to the output folder" in fails(
        tmp_path / "own.csv", "--target", "y", "--html", tmp_path / "own.csv" / "page.html"
    )


def test_large_data_are_left_out_of_what_takes_long(monkeypatch, opened, frame):
    monkeypatch.setattr(round_page, "_MOST_LEFT_OUT", 10)
    page = opened("rounds", frame, "--target", "y", "--gamma", 5, "--epsilon", 0.1)
    assert page.evaluate("JSON.parse(document.getElementById('rounds-data').textContent).leftOut") == []
