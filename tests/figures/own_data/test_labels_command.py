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
    assert "the target 'y' has no value at 1 of 60 samples (the first at data row 5)" in fails(
        path, "--target", "y"
    )
    holes = frame.assign(b=frame["b"].where(frame.index < 50), a=frame["a"].where(frame.index != 4), who=1)
    holes.to_csv(path, index=False)
    said = fails(path, "--target", "y")
    assert "'gaps.csv' has 11 empty cells in 2 columns, the first in column 'a' at data row 5." in said
    holes = frame.assign(who=frame["place"].where(frame.index != 7), a=np.where(frame.index == 8, np.inf, 1))
    holes.to_csv(path, index=False)
    assert "1 infinite cell in 1 column, the first in column 'a' at data row 9." in fails(
        path, "--target", "y", "--drop", "who"
    )
    assert "in column 'who' at data row 8." in fails(path, "--target", "y", "--groups", "who")


def test_a_quantity_is_refused_by_the_name_of_its_column(fails, frame, tmp_path):
    path = tmp_path / "quantity.csv"
    pd.concat([frame.assign(y=i) for i in range(31)]).iloc[::7].to_csv(path, index=False)
    assert "the target 'y' has 31 different numbers in 266 rows: is it a quantity?" in fails(
        path, "--target", "y"
    )


def test_what_an_earlier_run_wrote_is_no_feature(fails, rows, run, csv, tmp_path):
    cleaned = tmp_path / "cleaned.csv"
    assert run(csv, "--target", "y", "--output", cleaned)[0] == 0
    first = rows(csv, "--target", "y")
    said = fails(cleaned, "--target", "y")
    assert "columns given y, suspicion, confidence were made from the labels" in said
    assert "--drop 'given y,suspicion,confidence'" in said
    dropped = rows(cleaned, "--target", "y", "--drop", "given y,suspicion,confidence")
    assert dropped["feature_names"] == first["feature_names"]
    # The labels as they were: the suggested ones are an answer too.
    assert "--drop 'y,suspicion,confidence'" in fails(cleaned, "--target", "given y")
    assert (
        rows(cleaned, "--target", "given y", "--drop", "y,suspicion,confidence")["errors"] == first["errors"]
    )
    assert "columns suspicion were" in fails(cleaned, "--target", "y", "--features", "a,suspicion")


def test_columns_of_such_names_that_no_run_wrote_are_features(rows, frame, tmp_path):
    frame.assign(confidence=frame["a"]).to_csv(tmp_path / "own.csv", index=False)
    assert "confidence" in rows(tmp_path / "own.csv", "--target", "y")["feature_names"]


def test_what_cannot_be_written_is_refused_before_any_work(fails, frame, csv, tmp_path, monkeypatch):
    def work(*arguments, **options):
        raise AssertionError

    monkeypatch.setattr("selfdistill.figures.own_data.labels.find_label_errors", work)
    before = csv.read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(csv)
    for same in (csv, csv.parent / "new" / ".." / csv.name, link):
        (csv.parent / "new").mkdir(exist_ok=True)
        assert "--output would overwrite the file that is read" in fails(
            csv, "--target", "y", "--output", same
        )
    assert csv.read_bytes() == before
    frame.assign(suspicion=1).to_csv(tmp_path / "taken.csv", index=False)
    assert "'taken.csv' has suspicion already" in fails(
        tmp_path / "taken.csv", "--target", "y", "--output", tmp_path / "out.csv"
    )


def test_it_says_which_number_of_rounds_applies(run, csv):
    out = re.sub(r"\s+", " ", run(csv, "--target", "y")[1])
    assert "(for the training labels, in the clustered model of the theory)" in out
    assert "scores and suggestions are of this fit)" in out
    shown = run("--help")[1]
    assert shown.count("comma-separated") == 2
