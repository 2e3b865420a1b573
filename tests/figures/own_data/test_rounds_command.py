"""``selfdistill rounds`` as a user meets it: numbers, files of every format, and pictures."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

EPSILON = "0.09"


# --- numbers --------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_kernel_ridge_refits(rows, csv, frame):
    said = rows(csv, "--target", "y", "--kernel", "rbf", "--gamma", "5", "--epsilon", "0.02")
    gram = rbf_kernel(frame[["a", "b"]].to_numpy(), gamma=5)
    y = frame["y"].to_numpy()
    assert said["n_samples"] == 30
    assert said["initial_ratio"] == pytest.approx(np.linalg.norm(y) / np.sqrt(30 * 0.02))
    assert said["collapsed"] is True
    assert said["bounds"]["exact"] == len(said["rounds"]) >= 4
    kept = []
    for t, row in enumerate(said["rounds"], start=1):
        assert row["round"] == t
        fit = KernelRidge(kernel="precomputed", alpha=30 * row["multiplier"]).fit(gram, y).predict(gram)
        assert np.mean((fit - y) ** 2) == pytest.approx(0.02, rel=1e-6)
        y = fit
        assert row["target_norm"] == pytest.approx(np.linalg.norm(y), rel=1e-6)
        assert row["ratio"] == pytest.approx(np.linalg.norm(y) / np.sqrt(30 * 0.02), rel=1e-6)
        kept.append(row["effective_basis_size"])
        assert row["sparsity_index"] >= 1 - 1e-15
    assert np.mean(y**2) <= 0.02
    assert kept == sorted(kept, reverse=True)
    lower, upper = said["bounds"]["lower"], said["bounds"]["upper"]
    assert said["bounds"]["paper_lower"] <= lower <= len(kept) <= upper
    eigenvalues = np.linalg.eigvalsh(gram) / 30
    multiplier = said["rounds"][0]["multiplier"]
    assert kept[0] == np.sum(eigenvalues / (eigenvalues + multiplier) > 1e-3)


def test_the_terminal_shows_the_same_numbers(run, rows, csv):
    arguments = (csv, "--target", "y", "--gamma", "5", "--epsilon", EPSILON)
    said = rows(*arguments)
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert f"exactly {said['bounds']['exact']}" in " ".join(out.split())
    assert f"κ {said['condition_number']:.6g}" in " ".join(out.split())
    for row in said["rounds"]:
        for name in ("multiplier", "target_norm", "ratio"):
            assert f"{row[name]:.6g}" in out
        assert f" {row['effective_basis_size']} " in out


def test_a_long_run_is_cut_in_the_terminal_and_whole_in_json(run, rows, csv):
    arguments = (csv, "--target", "y", "--gamma", "5", "--epsilon", "1e-5")
    said = rows(*arguments)
    total = said["bounds"]["exact"]
    assert total == len(said["rounds"]) > 100
    _, out, _ = run(*arguments)
    assert out.count("│") / 7 == 25  # twelve rounds at either end and a row that stands for the rest
    assert f"{total - 24} rounds in the middle are left out" in " ".join(out.split())
    assert f"{said['rounds'][-1]['target_norm']:.6g}" in out


def test_max_rounds_stops_and_says_so(run, rows, csv):
    arguments = (csv, "--target", "y", "--gamma", "5", "--epsilon", "0.01", "--max-rounds", "2")
    said = rows(*arguments)
    assert len(said["rounds"]) == 2
    assert said["collapsed"] is False
    assert said["bounds"]["exact"] is None
    _, out, _ = run(*arguments)
    assert "Stopped after 2 rounds, not collapsed" in out
    assert "more than 2" in out


def test_what_collapsed_before_the_first_round_is_said_and_is_no_error(run, rows, csv):
    code, out, err = run(csv, "--target", "y", "--epsilon", "9")
    assert (code, err) == (0, "")
    assert "Collapsed before the first round" in out
    said = rows(csv, "--target", "y", "--epsilon", "9")
    assert said["collapsed"] is True
    assert said["rounds"] == []
    assert said["bounds"]["exact"] == said["bounds"]["upper"] == 0
    assert "before the first round" in said["notes"][0]


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "poly", "polynomial", "linear", "cosine", "chi2"])
def test_every_kernel_of_scikit_learn(rows, csv, kernel, frame):
    X, y = frame[["a", "b"]].to_numpy(copy=True), frame["y"].to_numpy()
    epsilon = 0.9 * np.mean(y**2)
    gamma = () if kernel in ("linear", "cosine") else ("--gamma", "0.7")
    said = rows(csv, "--target", "y", "--kernel", kernel, *gamma, "--epsilon", epsilon)
    assert said["bounds"]["exact"] >= 1
    model = KernelRidge(kernel=kernel, gamma=0.7, alpha=30 * said["rounds"][0]["multiplier"]).fit(X, y)
    assert np.mean((model.predict(X) - y) ** 2) == pytest.approx(epsilon, rel=1e-6)


@pytest.mark.parametrize("kernel", ["sigmoid", "additive_chi2"])
def test_kernels_that_are_not_positive_name_the_eigenvalue(fails, csv, kernel):
    assert "has an eigenvalue -" in fails(csv, "--target", "y", "--kernel", kernel, "--epsilon", EPSILON)


def test_an_infinite_condition_number_is_text_and_is_explained(rows, csv):
    said = rows(csv, "--target", "y", "--kernel", "linear", "--epsilon", "0.5")
    assert said["condition_number"] == "inf"
    assert said["bounds"]["paper_lower"] == 0
    assert any("cannot reach" in note for note in said["notes"])


def test_standardize_and_center(rows, csv, tmp_path, frame):
    scaled = frame.copy()
    for name in ("a", "b"):
        scaled[name] = 100 * frame[name] - 7
    scaled["constant"] = 3.0
    scaled["y"] = frame["y"] + 11
    path = tmp_path / "scaled.csv"
    scaled.to_csv(path, index=False)
    options = ("--target", "y", "--gamma", "0.5", "--epsilon", EPSILON, "--standardize", "--center")
    first, other = rows(csv, *options), rows(path, *options)
    assert other["initial_ratio"] == pytest.approx(first["initial_ratio"])
    assert [r["multiplier"] for r in other["rounds"]] == pytest.approx(
        [r["multiplier"] for r in first["rounds"]], rel=1e-6
    )


# --- formats --------------------------------------------------------------------------------------


def test_csv_tsv_parquet_and_npz_hold_the_same(rows, csv, frame, tmp_path):
    frame.to_csv(tmp_path / "data.tsv", sep="\t", index=False)
    frame.to_parquet(tmp_path / "data.parquet")
    np.savez(tmp_path / "data.npz", X=frame[["a", "b"]].to_numpy(), y=frame["y"].to_numpy())
    np.savez(tmp_path / "gram.npz", gram=rbf_kernel(frame[["a", "b"]], gamma=5), y=frame["y"].to_numpy())
    options = ("--target", "y", "--epsilon", EPSILON)
    first = pd.DataFrame(rows(csv, *options, "--gamma", "5")["rounds"])
    calls = [(name, "--gamma", "5") for name in ("data.tsv", "data.parquet", "data.npz")]
    for name, *kernel in (*calls, ("gram.npz", "--kernel", "precomputed")):
        again = pd.DataFrame(rows(tmp_path / name, *options, *kernel)["rounds"])
        pd.testing.assert_frame_equal(again, first, rtol=1e-9)  # memory order moves the last digit


def test_a_precomputed_kernel_may_stand_in_a_csv(rows, frame, tmp_path):
    gram = rbf_kernel(frame[["a", "b"]], gamma=5)
    table = pd.DataFrame(gram).assign(y=frame["y"])
    table.to_csv(tmp_path / "gram.csv", index=False)
    said = rows(tmp_path / "gram.csv", "--target", "y", "--kernel", "precomputed", "--epsilon", EPSILON)
    assert said["bounds"]["exact"] >= 2


def test_npz_arrays_that_are_not_asked_for_are_left_alone(rows, frame, tmp_path):
    x, y = frame[["a", "b"]].to_numpy(), frame["y"].to_numpy()
    gram, extra = rbf_kernel(x, gamma=5), np.array(["text"])
    np.savez(tmp_path / "all.npz", gram=gram, X=x, extra=extra, y=y)
    np.savez(tmp_path / "one.npz", anything=x, y=y)
    options = ("--target", "y", "--epsilon", EPSILON)
    said = rows(tmp_path / "all.npz", *options, "--gamma", "5")
    assert (said["n_features"], said["feature_names"]) == (2, ["X[0]", "X[1]"])
    given = rows(tmp_path / "all.npz", *options, "--kernel", "precomputed")
    assert (given["n_features"], given["feature_names"]) == (
        len(x),
        [],
    )  # samples have no names that say anything
    for other in (given, rows(tmp_path / "one.npz", *options, "--gamma", "5")):
        assert [r["target_norm"] for r in other["rounds"]] == pytest.approx(
            [r["target_norm"] for r in said["rounds"]], rel=1e-6
        )


def test_the_features_that_are_used_are_named(run, rows, csv, frame, tmp_path):
    options = ("--target", "y", "--epsilon", EPSILON)
    assert rows(csv, *options)["feature_names"] == ["a", "b"]
    assert "features 2: a, b\n" in re.sub(" +", " ", run(csv, *options)[1])
    frame.assign(**{f"c{i}": frame["a"] for i in range(9)}).to_csv(tmp_path / "wide.csv", index=False)
    said = re.sub(" +", " ", run(tmp_path / "wide.csv", *options)[1])
    assert "features 11: a, b, c0, c1, c2, c3, c4, c5, … (3 more)\n" in said


def test_rounds_that_look_alike_are_not_printed_again_and_again(run, rows, csv):
    arguments = (csv, "--target", "y", "--gamma", "5", "--epsilon", "1e-30", "--max-rounds", "500")
    assert len(rows(*arguments)["rounds"]) == 500
    _, out, _ = run(*arguments)
    assert out.count("│") / 7 == 5  # two rounds at either end and a row that stands for the rest
    said = "to these digits all rounds are the same; 496 rounds in the middle are left out"
    assert said in " ".join(out.split())


def test_several_outputs_in_npz(rows, frame, tmp_path):
    labels = np.eye(3)[np.arange(30) % 3] - 1 / 3
    np.savez(tmp_path / "data.npz", X=frame[["a", "b"]], labels=labels)
    said = rows(tmp_path / "data.npz", "--target", "labels", "--gamma", "50", "--epsilon", "0.1")
    assert said["n_outputs"] == 3
    assert said["initial_ratio"] == pytest.approx(np.linalg.norm(labels) / np.sqrt(3))


def test_blanks_after_commas_are_no_part_of_names(rows, tmp_path):
    (tmp_path / "d.csv").write_text("a, y\n1, 2\n3, 4\n5, 5\n")
    assert rows(tmp_path / "d.csv", "--target", "y", "--epsilon", "1")["n_features"] == 1


def test_integers_and_booleans_are_numbers(rows, frame, tmp_path):
    frame["a"] = frame["a"] > 0.5
    frame["b"] = (10 * frame["b"]).astype(int)
    for name, write in (("d.csv", frame.to_csv), ("d.parquet", frame.to_parquet)):
        write(tmp_path / name, index=False)
        assert rows(tmp_path / name, "--target", "y", "--epsilon", "0.4")["n_samples"] == 30


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", ["0.09", "9", "1e-4"])
def test_a_picture_is_written(run, csv, tmp_path, epsilon):
    target = tmp_path / "new folder" / "rounds.png"
    code, out, err = run(csv, "--target", "y", "--gamma", "5", "--epsilon", epsilon, "--plot", target)
    assert (code, err) == (0, "")
    assert target.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert str(target) in out
    assert [p.name for p in target.parent.iterdir()] == ["rounds.png"]  # no temporary file is left


def test_a_picture_that_cannot_be_written_is_refused_before_the_data_are_read(fails, tmp_path, csv):
    missing = tmp_path / "missing.csv"
    options = ("--target", "y", "--epsilon", EPSILON, "--plot")
    assert "--plot must name a file that ends in one of" in fails(missing, *options, tmp_path / "rounds.docx")
    assert "--plot must name a file that ends in one of" in fails(missing, *options, tmp_path / "rounds")
    assert "cannot write" in fails(missing, *options, csv / "rounds.png")  # a file is no folder
    (tmp_path / "taken.png").mkdir()
    assert "it is a folder" in fails(missing, *options, tmp_path / "taken.png")


# --- without epsilon ------------------------------------------------------------------------------


def test_without_epsilon_the_noise_is_estimated_and_the_best_round_named(run, rows, csv, frame):
    said = rows(csv, "--target", "y", "--gamma", "5")
    gram, y = rbf_kernel(frame[["a", "b"]], gamma=5), frame["y"].to_numpy()
    smoothest = []
    for alpha in 30 * np.logspace(-3, 3, 13) / 30:
        errors, others = np.zeros(8), [np.delete(np.arange(30), i) for i in range(30)]
        for i in range(30):
            targets = y[others[i]]
            inner = gram[np.ix_(others[i], others[i])]
            for t in range(8):
                dual = np.linalg.solve(inner + alpha * np.eye(29), targets)
                targets = inner @ dual
                errors[t] += (gram[i, others[i]] @ dual - y[i]) ** 2 / 30
        smoothest.append(errors.min())
    assert said["epsilon"] == pytest.approx(min(smoothest), rel=1e-6)
    left_out = []
    for t in range(1, len(said["rounds"]) + 1):
        errors = []
        for i in range(30):
            kept = np.delete(np.arange(30), i)
            targets = y[kept]
            for row in said["rounds"][:t]:
                model = KernelRidge(kernel="precomputed", alpha=30 * row["multiplier"])
                targets = model.fit(gram[np.ix_(kept, kept)], targets).predict(gram[np.ix_(kept, kept)])
            errors.append((model.predict(gram[[i]][:, kept])[0] - y[i]) ** 2)
        left_out.append(np.mean(errors))
    assert said["best_round"] == np.argmin(left_out) + 1
    assert any("leave-one-out" in note for note in said["notes"])
    code, out, _ = run(csv, "--target", "y", "--gamma", "5")
    assert code == 0
    assert f"left-out samples best {said['best_round']}" in " ".join(out.split())


def test_with_epsilon_nothing_is_estimated(rows, csv):
    assert rows(csv, "--target", "y", "--gamma", "5", "--epsilon", EPSILON)["best_round"] is None


def test_a_kernel_that_predicts_less_than_the_mean_is_named(rows, frame, tmp_path):
    """Far from zero and on narrow kernels the left-out error is the size of the target itself."""
    (tmp_path / "far.csv").write_text(frame.assign(y=frame["y"] + 40, b=1e3 * frame["b"]).to_csv(index=False))
    note = " ".join(rows(tmp_path / "far.csv", "--target", "y", "--kernel", "rbf", "--gamma", "1")["notes"])
    assert "The mean of the target alone would leave" in note
    assert "--center" in note
    assert "--standardize" in note
    centred = ["--target", "y", "--kernel", "rbf", "--gamma", "1", "--standardize", "--center"]
    assert "mean of the target" not in " ".join(rows(tmp_path / "far.csv", *centred)["notes"])
