"""``selfdistill labels`` as a user meets it: what is wrong, why, the files that it writes, and mistakes."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest

from selfdistill.theory import find_label_errors

NAMES = np.array(["ant", "bee", "cat"])


@pytest.fixture
def true(rng):
    return np.repeat([0, 1, 2], 20)


@pytest.fixture
def frame(rng, true):
    x = np.array([[0, 0], [6, 0], [0, 6]])[true] + rng.normal(size=(60, 2))
    given = true.copy()
    given[[3, 25, 50]] = [1, 2, 0]
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "place": NAMES[true], "y": NAMES[given]})


@pytest.fixture
def run(command):
    """Run `selfdistill labels`."""
    return partial(command, "labels")


def test_json_says_what_the_function_finds(rows, csv, frame):
    said = rows(csv, "--target", "y", "--top", "10")
    found = find_label_errors(frame[["a", "b", "place"]], frame["y"], random_state=0)
    assert [e["row"] - 1 for e in said["errors"]] == [int(i) for i in found.ranking if found.flagged[i]]
    assert {e["row"] for e in said["errors"]} == {4, 26, 51}
    assert {e["suggested"] for e in said["errors"]} == set(NAMES)
    np.testing.assert_allclose(said["corruption"], found.corruption)
    assert said["noise_rate"] == pytest.approx(found.noise_rate)
    assert said["minimum_rounds"] == found.minimum_rounds
    assert said["rounds"] == found.rounds
    for error in said["errors"]:
        assert len(error["neighbours"]) == 5
        assert all(n["label"] == error["suggested"] for n in error["neighbours"])
        assert error["row"] not in [n["row"] for n in error["neighbours"]]
        assert max(error["weights_by_label"], key=error["weights_by_label"].get) == error["suggested"]


def test_the_terminal_shows_the_same(run, csv):
    code, out, err = run(csv, "--target", "y", "--top", "2")
    assert (code, err) == (0, "")
    assert "contradict 3 (5.0 %)" in re.sub(r"\s+", " ", out)
    assert len(re.findall(r"│ +(4|26|51) │", out)) == 2
    assert "1 more are contradicted: --top shows them" in re.sub(r"\s+", " ", out)


def test_it_writes_a_page_and_a_cleaned_table(run, csv, frame, true, tmp_path):
    page, cleaned = tmp_path / "new" / "page.html", tmp_path / "cleaned.csv"
    code, out, _ = run(csv, "--target", "y", "--html", page, "--output", cleaned)
    assert code == 0
    assert str(page) in out.replace("\n", "")
    text = page.read_text(encoding="utf-8")
    assert "data:image/png;base64," in text
    assert "http" not in text  # needs no other file
    table = pd.read_csv(cleaned)
    np.testing.assert_array_equal(table["y"], NAMES[true])
    np.testing.assert_array_equal(table["given y"], frame["y"])
    assert list(table.columns[:4]) == list(frame.columns)


def test_what_a_file_says_cannot_break_the_page(run, frame, tmp_path):
    frame["y"] = frame["y"].replace("ant", "<script>alert(1)</script>")
    frame.to_csv(tmp_path / "odd.csv", index=False)
    assert run(tmp_path / "odd.csv", "--target", "y", "--html", tmp_path / "p.html")[0] == 0
    assert "<script>alert" not in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_arrays_and_groups(rows, frame, tmp_path):
    numbers = frame["y"].map({"ant": 0, "bee": 1, "cat": 2}).to_numpy()
    np.savez(tmp_path / "data.npz", X=frame[["a", "b"]].to_numpy(), y=numbers)
    said = rows(tmp_path / "data.npz", "--target", "y")
    assert {e["row"] for e in said["errors"]} == {4, 26, 51}
    frame["who"] = np.arange(60) // 2
    frame.to_csv(tmp_path / "groups.csv", index=False)
    grouped = rows(tmp_path / "groups.csv", "--target", "y", "--groups", "who", "--drop", "place")
    assert grouped["feature_names"] == ["a", "b"]
    for error in grouped["errors"]:
        partner = error["row"] + 1 if error["row"] % 2 else error["row"] - 1
        assert partner not in [n["row"] for n in error["neighbours"]]


def test_clean_labels_are_said_to_be_clean(run, rows, frame, true, tmp_path):
    frame["y"] = NAMES[true]
    frame.to_csv(tmp_path / "clean.csv", index=False)
    assert rows(tmp_path / "clean.csv", "--target", "y")["errors"] == []
    code, _, _ = run(tmp_path / "clean.csv", "--target", "y", "--html", tmp_path / "p.html")
    assert code == 0
    assert "No label is contradicted" in (tmp_path / "p.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "z"), "no column 'z'"),
        (("--target", "a"), "classes"),
        (("--target", "y", "--groups", "z"), "no column 'z'"),
        (("--target", "y", "--features", "y"), "target and feature at once"),
        (("--target", "y", "--drop", "a,b,place"), "may be a feature"),
        (("--target", "y", "--html", "page.txt"), "--html must name a file that ends in"),
        (("--target", "y", "--output", "cleaned.npz"), "--output must name a file that ends in"),
        (("--target", "y", "--kernel", "nonsense"), "kernel must be"),
        (("--target", "y", "--gamma", "-1"), "gamma must be"),
    ],
)
def test_mistakes_get_one_message(fails, csv, arguments, message):
    assert message in fails(csv, *arguments)


def test_gaps_are_named(fails, frame, tmp_path):
    path = tmp_path / "gaps.csv"
    frame.assign(y=frame["y"].where(frame.index != 4)).to_csv(path, index=False)
    assert "no value at 1 of 60 samples" in fails(path, "--target", "y")
    frame.assign(a=frame["a"].where(frame.index != 4)).to_csv(path, index=False)
    assert "column 'a' of X has no value in row 5" in fails(path, "--target", "y")
