"""The page of `selfdistill labels --html` in a browser: what it shows is what Python finds, and it can be searched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from selfdistill.figures.own_data import label_page
from selfdistill.theory import find_label_errors
from selfdistill.theory.labels.confident_joint import contradiction

NAMES = np.array(["ant", "bee", "cat"])
pytestmark = pytest.mark.browser


@pytest.fixture
def frame(rng):
    """Three overlapping clusters, 15 % of the labels moved."""
    true = np.repeat([0, 1, 2], 40)
    x = np.array([[0, 0], [3, 0], [0, 3]])[true] + rng.normal(size=(120, 2))
    given = true.copy()
    wrong = rng.choice(120, 18, replace=False)
    given[wrong] = (given[wrong] + rng.integers(1, 3, 18)) % 3
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": NAMES[given]})


@pytest.fixture
def found(frame):
    return find_label_errors(frame[["a", "b"]], frame["y"], random_state=0)


def table(page):
    """The rows shown, as lists of texts without the reasons."""
    return page.evaluate(
        "[...document.querySelectorAll('table.rows > tbody > tr')].filter((r) => r.cells.length > 1)"
        ".map((r) => [...r.cells].slice(0, 5).map((c) => c.textContent))"
    )


def choose_rounds(page, found, rounds):
    page.locator("[name=rounds]").fill(str(sorted({*range(1, 9), found.rounds}).index(rounds)))


def test_it_shows_what_python_finds(opened, found, frame):
    page = opened("labels", frame, "--target", "y")
    flagged = [i for i in found.ranking if found.flagged[i]]
    shown = table(page)
    assert [int(row[0]) - 1 for row in shown] == flagged
    assert [row[1:3] for row in shown] == [[frame["y"][i], str(found.suggested[i])] for i in flagged]
    scores = [float(row[3].replace("−", "-")) for row in shown]
    np.testing.assert_allclose(scores, found.scores[flagged], atol=6e-4)
    assert f"contradict {len(flagged)} of 120 labels" in page.get_by_role("status").inner_text()


@pytest.mark.parametrize("rounds", [1, 3, 8])
def test_other_rounds_are_another_fit_of_the_same_kind(opened, frame, found, rounds):
    page = opened("labels", frame, "--target", "y")
    choose_rounds(page, found, rounds)
    page.get_by_label("only those that the others contradict").uncheck()
    page.get_by_role("button", name="show more rows").click()
    scores, other = contradiction(found.fit.probabilities_after(found.given, rounds), found.given)
    suggested = np.where(scores > 0, other, found.given)
    shown = {int(row[0]) - 1: row for row in table(page)}
    assert len(shown) == 120
    assert [shown[i][2] for i in range(120)] == list(NAMES[suggested])
    wrong = int((scores > 0).sum())
    assert f"the others contradict {wrong} of 120 labels" in page.get_by_role("status").inner_text()


def test_probabilities_after_other_rounds_are_those_of_a_fit_with_these_rounds(frame, found):
    X, y = frame[["a", "b"]], frame["y"]
    alone = find_label_errors(X, y, gamma=found.gamma, ridge=found.ridge, rounds=2, consensus=0)
    for rounds in (1, 5):
        other = find_label_errors(X, y, gamma=found.gamma, ridge=found.ridge, rounds=rounds, consensus=0)
        np.testing.assert_allclose(
            alone.fit.probabilities_after(alone.given, rounds), other.probabilities, atol=1e-9
        )
    same = found.fit.probabilities_after(found.given, found.rounds)
    np.testing.assert_allclose(same, found.probabilities, atol=1e-12)


def test_rows_are_sorted_and_filtered(opened, frame, found):
    page = opened("labels", frame, "--target", "y")
    for name, key, number in (
        ("row", "row", int),
        ("confidence", "confidence", float),
        ("given", "given", str),
    ):
        column = ["row", "given", "suggested", "score", "confidence"].index(key)
        heading = page.locator(f'th[data-key="{key}"]')
        heading.get_by_role("button", name=name).click()
        order = heading.get_attribute("aria-sort")
        values = [number(row[column]) for row in table(page)]
        assert values == sorted(values, reverse=order == "descending")
        heading.get_by_role("button", name=name).click()
        assert heading.get_attribute("aria-sort") != order
    page.get_by_label("given label").select_option("ant")
    page.get_by_label("suggested label").select_option("cat")
    expected = [i + 1 for i in range(120) if NAMES[found.given[i]] == "ant" and found.suggested[i] == "cat"]
    assert sorted(int(row[0]) for row in table(page)) == expected
    page.get_by_label("given label").select_option("")
    page.get_by_label("suggested label").select_option("")
    page.get_by_label("only those").uncheck()
    page.get_by_label("rows, by number").fill("7")
    assert [row[0] for row in table(page)] == ["7"]
    page.get_by_label("rows, by number").fill("")
    page.get_by_role("slider", name="least confidence").fill("0.9")
    assert 0 < len(table(page)) == int((found.confidence >= 0.9).sum())


def test_reasons_open_by_keyboard(opened, found, frame):
    page = opened("labels", frame, "--target", "y")
    worst = int(found.ranking[0])
    why = found.explain(worst, 5)
    page.get_by_role("button", name=f"why row {worst + 1}", exact=True).press("Enter")
    button = page.get_by_role("button", name=f"why row {worst + 1}", exact=True)
    assert button.get_attribute("aria-expanded") == "true"
    assert button.evaluate("b => b === document.activeElement")
    lines = page.locator("td.reasons tr").all_inner_texts()
    assert len(lines) == 7
    assert lines[0].split() == ["row", "label", "weight", "a", "b"]
    assert lines[1].split()[:3] == [str(worst + 1), "itself", frame["y"][worst]]
    for line, i, label, weight in zip(lines[2:], why.neighbours, why.labels, why.weights, strict=True):
        row, shown, w, a, _ = line.split()
        assert (int(row), shown) == (i + 1, label)
        assert float(w) == pytest.approx(weight, abs=6e-4)
        assert float(a) == pytest.approx(frame["a"][i], rel=1e-3)
    button.press("Enter")
    assert page.locator("td.reasons").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1440, "light")])
def test_nothing_overflows(opened, frame, width, scheme):
    page = opened("labels", frame, "--target", "y", width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator("input, select").all():
        assert control.evaluate("e => e.labels.length") == 1
    page.emulate_media(media="print")
    assert page.locator("table.rows tbody tr").first.is_visible()
    assert not page.get_by_label("rows, by number").is_visible()


def test_a_page_of_many_labels_holds_the_most_suspicious(found, frame, monkeypatch):
    monkeypatch.setattr(label_page, "_MOST_LABELS", 10)
    monkeypatch.setattr(label_page, "_MOST_EXPLAINED", 3)
    data = label_page.page_data(found, frame[["a", "b"]], 2)
    assert data["rows"] == [i + 1 for i in found.ranking[:10]]
    assert (len(data["neighbours"]), data["left_out"]) == (3, 110)
    assert data["names"] == ["a", "b"]
