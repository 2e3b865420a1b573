"""Every way to get ``selfdistill rounds`` wrong ends in one message."""

import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

from selfdistill.figures.own_data import paths as own_path

EPSILON = "0.09"


@pytest.mark.parametrize("epsilon", ["0", "-0.1", "nan", "inf"])
def test_epsilon_must_be_positive(fails, csv, epsilon):
    assert "epsilon must be a finite number above 0" in fails(csv, "--target", "y", "--epsilon", epsilon)


def test_an_epsilon_that_cannot_be_reached_names_one_that_can(fails, rows, csv):
    message = fails(csv, "--target", "y", "--kernel", "linear", "--epsilon", "1e-3")
    named = message.split("Choose epsilon above ")[1].split(",")[0]
    assert rows(csv, "--target", "y", "--kernel", "linear", "--epsilon", named)["bounds"]["exact"] >= 1


def test_duplicated_points_with_different_targets(fails, rows, frame, tmp_path):
    twice = pd.concat([frame, frame.assign(y=frame["y"] + 1)])
    twice.to_csv(tmp_path / "twice.csv", index=False)
    options = ("--target", "y", "--gamma", "50", "--epsilon")
    assert "duplicated points" in fails(tmp_path / "twice.csv", *options, "0.2")
    said = rows(tmp_path / "twice.csv", *options, "0.3")
    assert said["least_feasible_epsilon"] >= 0.25 - 1e-9  # each pair is half its difference off


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "text.csv",
            "a,y\n1,2\nred,3\n4,5\n",
            "column 'a' of 'text.csv' must be numeric; data row 2 holds 'red'",
        ),
        (
            "text.csv",
            "a,y\n1,2\n3,high\n",
            "column 'y' of 'text.csv' must be numeric; data row 2 holds 'high'",
        ),
        (
            "date.csv",
            "day,y\n2020-01-01,2\n2020-01-02,3\n",
            "column 'day' of 'date.csv' must be numeric; data row 1",
        ),
        ("gap.csv", "a,y\n1,2\n,3\n", "column 'a' of 'gap.csv' has no value (or NaN) in data row 2"),
        ("nan.csv", "a,y\n1,2\n3,nan\n", "column 'y' of 'nan.csv' has no value (or NaN) in data row 2"),
        ("inf.csv", "a,y\n1,2\n3,4\n-inf,3\n", "column 'a' of 'inf.csv' has an infinite value in data row 3"),
        ("none.csv", "a,z\n1,2\n3,4\n", "'none.csv' has no column 'y'. It has: a, z."),
        ("alone.csv", "y\n1\n2\n", "has no column besides the target 'y'"),
        ("flat.csv", "a,y\n1,2\n3,2\n", "the target 'y' is constant (2)"),
        ("one.csv", "a,y\n1,2\n", "'one.csv' has one sample: at least two are needed"),
        ("zero.csv", "a,y\n", "'zero.csv' has no rows: at least two samples"),
        ("empty.csv", "", "'empty.csv' cannot be read as CSV"),
        ("ragged.csv", "a,y\n1,2\n3,4,5,6\n", "'ragged.csv' cannot be read as CSV"),
        ("wide.csv", "a,y\n1,2,3\n3,4,5\n", "CSV: data row 1 has 3 values, and the header 2 names."),
        ("late.csv", "a,y\n1,2\n3,4\n5,6,7\n", "CSV: data row 3 has 3 values, and the header 2 names."),
        ("packed.csv.gz", b"\x1f\x8b no archive", "'packed.csv.gz' cannot be read as CSV"),
        ("packed.npz.gz", b"\x1f\x8b", "cannot tell the format of 'packed.npz.gz'"),
        ("text.npy", b"no array", "'text.npy' cannot be read as NPY"),
        ("ids.csv", "id,y\n9007199254740993,1\n9007199254740995,2\n", "identifiers leave them out (--drop)"),
        ("decimal.csv", 'a,y\n"1,5",2\n"2,5",3\n', "holds '1,5'. Decimals have commas: add --decimal ,."),
        ("binary.csv", b"a,y\n\xff\xfe\x00,1\n", "'binary.csv' cannot be read as CSV"),
        ("index.csv", ",a,y\n0,1,2\n1,3,4\n", "column 1 of 'index.csv' has no name: it may be an index"),
        ("again.csv", "Unnamed: 0,a,y\n0,1,2\n1,3,4\n", "no name but 'Unnamed: 0': it may be an index"),
        ("comma.csv", "a,y,\n1,2,\n3,4,\n", "column 3 of 'comma.csv' has no name"),
        ("index.tsv", "\ta\ty\n0\t1\t2\n1\t3\t4\n", "to_csv(…, index=False)"),
        ("twice.csv", "a,y,y\n1,2,5\n3,4,5\n", "columns of different names; 'y' comes more than once"),
        ("twice.csv", "a,a,y\n1,2,5\n3,4,5\n", "columns of different names; 'a' comes more than once"),
        (
            "semi.csv",
            "a;y\n1;2\n3;4\n",
            "by commas, and its header, 'a;y', is by semicolons. Add --separator ';'",
        ),
        ("semi.csv", "a;y\n1,5;2\n3,1;4\n", "Add --separator ';' (and --decimal , if decimals have commas)."),
        ("tabs.csv", "a\ty\n1\t2\n3\t4\n", "is by tabs. Add --separator tab."),
        ("commas.tsv", "a,y\n1,2\n3,4\n", "read as separated by tabs, and its header, 'a,y', is by commas"),
        ("text.npz", b"no archive at all", "'text.npz' cannot be read as NPZ: it is no such archive"),
        ("bad.parquet", b"PAR1 no PAR1", "'bad.parquet' cannot be read as PARQUET"),
        ("bad.npz", b"PK\x03\x04 no archive", "'bad.npz' cannot be read as NPZ"),
        ("empty.npz", b"", "'empty.npz' cannot be read as NPZ"),
        (
            "data.xlsx",
            b"PK",
            "the format of 'data.xlsx': name it one of .csv, .tsv, .csv.gz, .tsv.gz, .parquet, .npz, .npy",
        ),
    ],
)
def test_files_that_cannot_be_used(fails, tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in fails(path, "--target", "y", "--epsilon", EPSILON)


def test_no_file_and_a_folder(fails, tmp_path):
    assert "there is no file" in fails(tmp_path / "no.csv", "--target", "y", "--epsilon", EPSILON)
    (tmp_path / "folder.csv").mkdir()
    assert "there is no file" in fails(tmp_path / "folder.csv", "--target", "y", "--epsilon", EPSILON)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series(["a", "b", "c"]), "column 'x' of 'd.parquet' must be numeric; data row 1 holds 'a'"),
        (pd.Series(["a", "b", "a"], dtype="category"), "must be numeric; data row 1 holds 'a'"),
        (pd.to_datetime(pd.Series(["2020-01-01"] * 3)), "must be numeric; data row 1"),
        (pd.Series([1.0, None, 2.0]), "has no value (or NaN) in data row 2"),
        (pd.Series([1, None, 2], dtype="Int64"), "has no value (or NaN) in data row 2"),
        (pd.Series([[1], [2], [3]]), "must be numeric; data row 1"),
    ],
)
def test_parquet_columns_that_cannot_be_used(fails, tmp_path, column, message):
    pd.DataFrame({"x": column, "y": [1.0, 2.0, 4.0]}).to_parquet(tmp_path / "d.parquet")
    assert message in fails(tmp_path / "d.parquet", "--target", "y", "--epsilon", EPSILON)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"X": np.ones((3, 2)), "y": np.ones(4)},
            "'X' of 'd.npz' must have one row for each of the 4 samples",
        ),
        ({"X": np.ones((3, 2, 2)), "y": np.arange(3)}, "it has shape (3, 2, 2)"),
        ({"X": np.ones((3, 2)), "y": np.float64(3)}, "must have shape (n,) or (n, outputs)"),
        ({"X": np.ones((0, 2)), "y": np.ones(0)}, "must have shape (n,) or (n, outputs)"),
        (
            {"X": np.array([[1, np.nan], [1, 2]]), "y": np.arange(2)},
            "NaN or infinite value in data row 1, entry 2",
        ),
        ({"X": np.array([["a"], ["b"]]), "y": np.arange(2)}, "array 'X' of 'd.npz' must hold real numbers"),
        ({"X": np.ones((2, 2)) * 1j, "y": np.arange(2)}, "must hold real numbers; it has type complex128"),
        ({"X": np.ones((2, 2))}, "has no array 'y'. It has: X."),
        ({"y": np.arange(2)}, "has no array besides the target 'y'"),
        (
            {"a": np.ones(3), "b": np.ones((3, 2)), "y": np.arange(3)},
            "must have its features in one array called 'X'; besides the target it has a, b.",
        ),
        (
            {"gram": np.eye(3), "y": np.arange(3)},
            "an array 'gram' and no features 'X': add --kernel precomputed",
        ),
        (
            {"gram": np.eye(3), "extra": np.ones(3), "y": np.arange(3)},
            "it has gram, extra (its array 'gram' is for another kernel)",
        ),
    ],
)
def test_npz_arrays_that_cannot_be_used(fails, tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    assert message in fails(tmp_path / "d.npz", "--target", "y", "--epsilon", EPSILON)


def test_damage_inside_an_archive(fails, tmp_path):
    path = tmp_path / "d.npz"
    np.savez_compressed(path, X=np.random.default_rng(0).normal(size=(40, 2)), y=np.arange(40.0))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(200) + whole[300:])
    message = fails(path, "--target", "y", "--epsilon", EPSILON)
    assert "'d.npz' cannot be read" in message
    assert "pickle" not in message
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fort")
        archive.writestr("y.npy", b"text")
    assert "cannot be read: it is damaged" in fails(path, "--target", "X", "--epsilon", EPSILON)
    assert "must hold real numbers" in fails(path, "--target", "y", "--epsilon", EPSILON)
    np.save(tmp_path / "array.npy", np.ones((3, 2)))
    (tmp_path / "array.npy").rename(path)
    assert "it is no such archive, or damaged" in fails(path, "--target", "y", "--epsilon", EPSILON)


def test_a_parquet_column_that_is_an_index(fails, tmp_path):
    pd.DataFrame({"Unnamed: 0": [0, 1, 2], "y": [1.0, 2.0, 4.0]}).to_parquet(tmp_path / "d.parquet")
    assert "it may be an index" in fails(tmp_path / "d.parquet", "--target", "y", "--epsilon", EPSILON)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize(
    ("scale", "options", "message"),
    [
        (-1.0, ["--kernel", "poly", "--degree", "2.5", "--coef0", "0"], "Take a whole degree."),
        (1e120, ["--kernel", "poly"], "the poly kernel is infinite or overflows on these features"),
        (1e200, [], "the feature 'a' is too large to be squared (up to"),
        (1e200, ["--kernel", "linear"], "scale it down first"),
    ],
)
def test_features_that_a_kernel_cannot_take(
    fails, frame, tmp_path, monkeypatch, scale, options, message, tiles
):
    frame["a"] = np.where(np.arange(30) % 2, scale, 1.0) * frame["a"]
    frame.to_csv(tmp_path / "d.csv", index=False)
    if tiles and "linear" not in options:
        monkeypatch.setattr(own_path, "FACTORISED_UP_TO", 0)
        monkeypatch.setattr(own_path, "fits", lambda cost: False)
    said = fails(tmp_path / "d.csv", "--target", "y", "--epsilon", EPSILON, *options)
    assert message in said
    assert said.count("error:") == 1


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a file was unpickled",))


def test_nothing_is_ever_unpickled(fails, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.array([Bomb(), Bomb()], dtype=object), y=np.arange(2.0))
    assert "never unpickled" in fails(tmp_path / "d.npz", "--target", "y", "--epsilon", EPSILON)
    (tmp_path / "p.npz").write_bytes(pickle.dumps(Bomb()))
    assert "cannot be read as NPZ" in fails(tmp_path / "p.npz", "--target", "y", "--epsilon", EPSILON)


@pytest.mark.parametrize(
    ("gram", "message"),
    [
        (np.ones((3, 2)), "gram must be square"),
        (
            np.array([[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]]),
            "gram[0, 1] = 0.5 and gram[1, 0] = 0.4 differ by 0.1",
        ),
        (np.diag([1.0, -2.0, 1.0]), "has an eigenvalue -2"),
    ],
)
def test_a_precomputed_kernel_must_be_a_gram(fails, tmp_path, gram, message):
    np.savez(tmp_path / "g.npz", gram=gram, y=np.arange(3.0))
    options = ("--target", "y", "--kernel", "precomputed", "--epsilon", EPSILON)
    assert message in fails(tmp_path / "g.npz", *options)
    assert "precomputed kernel has none" in fails(tmp_path / "g.npz", *options, "--standardize")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kernel", "gauss"], "--kernel must be one of additive_chi2, chi2, cosine"),
        (
            ["--kernel", "linear", "--gamma", "1"],
            "the linear kernel has no parameter --gamma; it takes no parameters",
        ),
        (["--kernel", "rbf", "--degree", "3"], "the rbf kernel has no parameter --degree; it takes --gamma"),
        (["--gamma", "-1"], "--gamma must be a finite number above 0"),
        (["--gamma", "inf"], "--gamma must be a finite number above 0"),
        (["--kernel", "poly", "--coef0", "nan"], "--coef0 must be a finite number"),
        (["--kernel", "poly", "--degree", "2000", "--gamma", "9"], "infinite"),
        (["--max-rounds", "-1"], "--max-rounds"),
    ],
)
def test_options_that_cannot_be_used(fails, csv, options, message):
    assert message in fails(csv, "--target", "y", "--epsilon", EPSILON, *options)


def test_what_does_not_fit_into_memory_is_said_before_it_is_built(fails, tmp_path):
    samples = 3_000_000  # a kernel matrix of 65 TiB
    np.savez(tmp_path / "d.npz", X=np.ones((samples, 1), dtype=np.int8), y=np.arange(samples) % 2 == 0)
    message = fails(tmp_path / "d.npz", "--target", "y", "--epsilon", EPSILON)
    assert message.startswith("error: 3000000 samples need about 3352")
    assert "GiB are free" in message


def test_negative_features_for_a_histogram_kernel(fails, frame, tmp_path):
    frame.assign(a=-frame["a"]).to_csv(tmp_path / "d.csv", index=False)
    message = fails(tmp_path / "d.csv", "--target", "y", "--kernel", "chi2", "--epsilon", EPSILON)
    assert "the chi2 kernel cannot take these features" in message


def test_a_name_with_square_brackets_is_printed_as_it_is(fails, tmp_path):
    (tmp_path / "d.csv").write_text("[bold],y\nred,1\nblue,2\n")
    assert "column '[bold]'" in fails(tmp_path / "d.csv", "--target", "y", "--epsilon", EPSILON)
