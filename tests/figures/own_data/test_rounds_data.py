"""``selfdistill rounds`` on data as people have them: offsets, identifiers, classes, packed and foreign files."""

import gzip
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from selfdistill.figures.own_data import analysis
from selfdistill.theory.estimators.scaling import standardized

OPTIONS = ("--target", "y", "--epsilon", "0.09")


def multipliers(said):
    return [row["multiplier"] for row in said["rounds"]]


# --- offsets and scales ---------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [101325.0, 5.4e6, 1e9])
@pytest.mark.parametrize("kernel", ["rbf", "laplacian"])
def test_offsets_leave_kernels_of_differences_as_they_are(rows, frame, tmp_path, offset, kernel):
    """Coordinates in metres, pressures in pascals: the sums of squares of the raw numbers have no digits left."""
    step = 2.0**-20  # so that the offset numbers hold the same differences exactly
    for name in ("a", "b"):
        frame[name] = np.round(frame[name] / step) * step
    frame.to_csv(tmp_path / "d.csv", index=False, float_format="%.17g")
    frame.assign(a=frame["a"] + offset, b=frame["b"] - offset).to_csv(
        tmp_path / "moved.csv", index=False, float_format="%.17g"
    )
    options = (*OPTIONS, "--kernel", kernel, "--gamma", "5")
    here, moved = rows(tmp_path / "d.csv", *options), rows(tmp_path / "moved.csv", *options)
    assert multipliers(moved) == pytest.approx(multipliers(here), rel=1e-6)
    assert any("dwarfs its spread" in note and "were centred first" in note for note in moved["notes"])
    assert not any("dwarfs" in note for note in here["notes"])


def test_an_offset_is_not_taken_off_where_that_would_change_the_kernel(rows, frame, tmp_path):
    frame.assign(a=frame["a"] + 1e5).to_csv(tmp_path / "d.csv", index=False)
    said = rows(tmp_path / "d.csv", "--target", "y", "--kernel", "linear", "--epsilon", "0.5")
    assert any("nearly alike. --standardize takes means off" in note for note in said["notes"])


def test_identifiers_are_noticed_and_can_be_dropped(rows, csv, frame, tmp_path):
    frame.assign(id=10**9 + 7919 * np.arange(30)).to_csv(tmp_path / "d.csv", index=False)
    said = rows(tmp_path / "d.csv", *OPTIONS, "--gamma", "5")
    assert any("'id' spreads over" in note and "--drop it" in note for note in said["notes"])
    dropped = rows(tmp_path / "d.csv", *OPTIONS, "--gamma", "5", "--drop", "id")
    assert multipliers(dropped) == pytest.approx(multipliers(rows(csv, *OPTIONS, "--gamma", "5")))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
def test_standardize_at_every_scale(rows, csv, frame, tmp_path, scale):
    frame.assign(a=frame["a"] * scale).to_csv(tmp_path / "d.csv", index=False, float_format="%.17g")
    options = (*OPTIONS, "--gamma", "0.5", "--standardize")
    assert multipliers(rows(tmp_path / "d.csv", *options)) == pytest.approx(
        multipliers(rows(csv, *options)), rel=1e-6
    )


def test_standardized_columns_have_mean_0_and_variance_1_and_constants_vanish(rng):
    columns = np.column_stack([rng.normal(size=50) * 1e-170, rng.normal(3, 2, 50), np.full(50, 0.1)])
    values = standardized(columns)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(values.std(axis=0), [1, 1, 0], rtol=1e-12)
    np.testing.assert_array_equal(values[:, 2], 0)


# --- which columns --------------------------------------------------------------------------------


def test_features_that_are_named_are_used_and_no_other(rows, frame, tmp_path):
    frame.assign(text="no number", c=1.0).to_csv(tmp_path / "d.csv", index=False)
    frame[["b", "a", "y"]].to_csv(tmp_path / "plain.csv", index=False)
    plain = rows(tmp_path / "plain.csv", *OPTIONS)
    for named in (["--features", "b,a"], ["--features", "b", "--features", "a"], ["--drop", "text, c"]):
        said = rows(tmp_path / "d.csv", *OPTIONS, *named)
        assert sorted(said["feature_names"]) == ["a", "b"]
        assert multipliers(said) == pytest.approx(multipliers(plain))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--features", "z"], "has no column 'z'. It has: a, b, y."),
        (["--drop", "a,z"], "has no column 'z'"),
        (["--features", "a", "--drop", "b"], "Give one of them."),
        (["--features", "a,y"], "'y' cannot be target and feature at once"),
        (["--features", "a,a"], "--features names 'a' twice"),
        (["--target", "y"], "--target names 'y' twice"),
        (["--drop", "a,b"], "no column besides the target 'y' that may be a feature"),
        (["--categorical"], "has 30 different values in 30 rows, too many for classes"),
        (["--categorical", "--target", "a"], "--categorical takes one target; got y, a."),
        (["--separator", "::"], "--separator must be one character"),
        (["--decimal", ";"], "--decimal must be a point or a comma"),
        (["--decimal", ","], "a comma cannot separate values and decimals at once"),
        (["--encoding", "klingon"], "--encoding must be one that Python knows"),
        (["--max-rounds", "100000000"], "--max-rounds must be at most 100000 for 30 samples"),
    ],
)
def test_choices_that_cannot_be_made(fails, csv, options, message):
    assert message in fails(csv, *OPTIONS, *options)


def test_a_column_whose_name_has_a_comma_is_meant_as_a_whole(rows, frame, tmp_path):
    frame.rename(columns={"a": "b,y"}).to_csv(tmp_path / "d.csv", index=False)
    assert rows(tmp_path / "d.csv", *OPTIONS, "--features", "b,y")["feature_names"] == ["b,y"]


def test_several_targets_are_distilled_side_by_side(rows, frame, tmp_path):
    frame.assign(z=np.cos(5 * frame["b"])).to_csv(tmp_path / "d.csv", index=False)
    np.savez(
        tmp_path / "d.npz",
        X=frame[["a", "b"]],
        Y=np.column_stack([frame["y"], np.cos(5 * frame["b"])]),
    )
    expected = rows(tmp_path / "d.npz", "--target", "Y", "--epsilon", "0.09", "--gamma", "5")
    for targets in (["--target", "y", "--target", "z"], ["--target", "y,z"]):
        said = rows(tmp_path / "d.csv", *targets, "--epsilon", "0.09", "--gamma", "5")
        assert (said["target"], said["n_outputs"], said["feature_names"]) == ("y, z", 2, ["a", "b"])
        assert multipliers(said) == pytest.approx(multipliers(expected), rel=1e-9)


@pytest.mark.parametrize("names", [["cat", "dog", "eel"], [3, 7, 9], [True, False, True]])
def test_classes_are_distilled_as_columns_of_0_and_1(rows, frame, tmp_path, names):
    labels = np.arange(30) % 3 if len(set(names)) == 3 else np.arange(30) % 2
    frame.assign(y=[names[label] for label in labels]).to_csv(tmp_path / "d.csv", index=False)
    order = np.argsort(
        np.argsort([str(name) if isinstance(name, bool) else name for name in names[: labels.max() + 1]])
    )
    np.savez(tmp_path / "d.npz", X=frame[["a", "b"]], y=np.eye(labels.max() + 1)[order[labels]])
    options = ("--target", "y", "--epsilon", "0.2", "--gamma", "50")
    said = rows(tmp_path / "d.csv", *options, "--categorical")
    assert multipliers(said) == pytest.approx(multipliers(rows(tmp_path / "d.npz", *options)))
    assert said["n_outputs"] == len(said["classes"]) == len(set(names))
    assert any("was taken as" in note for note in said["notes"])


# --- files ----------------------------------------------------------------------------------------


def test_packed_foreign_and_numpy_files_hold_the_same(rows, csv, frame, tmp_path):
    first = rows(csv, *OPTIONS)
    frame.to_csv(tmp_path / "d.csv.gz", index=False)
    assert gzip.decompress((tmp_path / "d.csv.gz").read_bytes())[:5] == b"a,b,y"
    frame.to_csv(tmp_path / "d.TSV.gz", index=False, sep="\t", compression="gzip")
    frame.to_csv(tmp_path / "german.csv", index=False, sep=";", decimal=",")
    frame.rename(columns={"a": "Größe"}).to_csv(tmp_path / "latin.csv", index=False, encoding="latin-1")
    frame.to_csv(tmp_path / "tabs.csv", index=False, sep="\t")
    np.save(tmp_path / "d.npy", frame.to_numpy())
    np.save(tmp_path / "named.npy", frame.to_records(index=False))
    for name, *options in (
        ("d.csv.gz", *OPTIONS),
        ("d.TSV.gz", *OPTIONS),
        ("german.csv", *OPTIONS, "--separator", ";", "--decimal", ","),
        ("latin.csv", *OPTIONS, "--encoding", "latin-1"),
        ("tabs.csv", *OPTIONS, "--separator", "tab"),
        ("d.npy", "--target", "2", "--epsilon", "0.09"),
        ("named.npy", *OPTIONS),
    ):
        assert multipliers(rows(tmp_path / name, *options)) == pytest.approx(multipliers(first), rel=1e-9)


def test_an_encoding_is_asked_for_and_is_for_text(fails, frame, tmp_path):
    frame.rename(columns={"a": "Größe"}).to_csv(tmp_path / "latin.csv", index=False, encoding="latin-1")
    assert "name the encoding that it was written in with --encoding" in fails(
        tmp_path / "latin.csv", *OPTIONS
    )
    np.save(tmp_path / "d.npy", frame.to_numpy())
    message = fails(tmp_path / "d.npy", "--target", "2", "--epsilon", "1", "--separator", ";")
    assert "are for CSV and TSV files" in message


# --- time -----------------------------------------------------------------------------------------


def test_kept_tiles_answer_like_the_stored_gram(rows, csv, monkeypatch):
    whole = rows(csv, *OPTIONS, "--gamma", "5")
    monkeypatch.setattr("selfdistill.figures.own_data.paths.FACTORISED_UP_TO", 10)
    few = rows(csv, *OPTIONS, "--gamma", "5")
    assert few["cost"]["path"] == "products with the gram"
    assert few["cost"]["expected_seconds"] > 0
    assert multipliers(few) == pytest.approx(multipliers(whole), rel=1e-6)
    assert few["condition_number_bounds"][0] > 0


@pytest.mark.parametrize(("samples", "path"), [(5_000, "factorised gram"), (1_000_000, "kernel in tiles")])
def test_an_interruption_ends_long_work_at_once_and_says_so(tmp_path, samples, path):
    """Eigenvalues of 5,000 samples are one call of LAPACK, a product of a million takes hours of tiles in threads."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "d.npy", rng.normal(size=(samples, 3)))
    command = [sys.executable, "-m", "selfdistill.figures", "rounds", str(tmp_path / "d.npy"), "--target", "2",
               "--epsilon", "0.5", "--json"]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as run:
        assert f"Expecting {path}: about" in run.stderr.readline()
        time.sleep(0.5)
        run.send_signal(signal.SIGTERM)
        start = time.monotonic()
        out, err = run.communicate(timeout=60)
    assert time.monotonic() - start < 10
    assert (run.returncode, out) == (130, "")
    assert "interrupted after" in err
    assert f"while distilling by {path}. Nothing was written." in err


def test_an_interruption_stops_tiles(monkeypatch):
    """What was submitted to threads before the interruption is not worked off first."""
    from selfdistill.theory.spectra import gram_products

    seen = []

    def work(item):
        seen.append(item)
        time.sleep(0.01)
        return item

    results = gram_products._in_order(work, list(range(1000)), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()
    done = len(seen)
    time.sleep(0.1)
    assert len(seen) == done < 20


def test_rounds_that_are_kept_fit_into_memory():
    for n in (10, 20_000, 1_000_000):
        assert 1000 <= analysis.most_rounds(n) <= analysis.MOST_ROUNDS
    assert analysis.most_rounds(10) == analysis.MOST_ROUNDS


def test_unread_columns_may_hold_what_they_like(rows, frame, tmp_path):
    frame.assign(when=pd.Timestamp("2020-01-01"), gap=np.nan).to_csv(tmp_path / "d.csv", index=False)
    assert rows(tmp_path / "d.csv", *OPTIONS, "--features", "a,b")["n_features"] == 2
