"""One's own data in the place of a bundled set: arrays, NPZ files, folders of images, and every experiment on them."""

import joblib
import numpy as np
import pytest
import torch
from PIL import Image

from selfdistill.empirical.data.datasets import load
from selfdistill.empirical.data.own import OwnData, as_data
from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.empirical.experiments.kernel_rounds import KernelRounds, measure_kernel_rounds
from selfdistill.empirical.experiments.label_rounds import LabelRounds, label_rounds
from selfdistill.empirical.experiments.matched import MatchedConfig, measure_matched
from selfdistill.empirical.experiments.rounds import RoundsConfig, measure_rounds
from selfdistill.theory import InputError


@pytest.fixture
def blobs(rng):
    """Three classes whose samples scatter around points of their own."""
    labels = np.repeat([0, 1, 2], [90, 80, 70])
    return rng.normal(size=(240, 6)) + 3 * np.eye(6)[labels], np.array(["ash", "birch", "cedar"])[labels]


@pytest.fixture
def photos(tmp_path, rng):
    folder = tmp_path / "photos"
    for kind, mean in (("dark", 60), ("light", 180)):
        (folder / kind).mkdir(parents=True)
        for i in range(30):
            pixels = np.clip(rng.normal(mean, 30, (6, 5)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{i:02}.png")
    return folder


def test_classes_and_values_are_told_apart(blobs):
    own = OwnData.of(*blobs)
    assert own.classes == ("ash", "birch", "cedar")
    assert np.bincount(own.targets).tolist() == [90, 80, 70]
    assert OwnData.of(blobs[0], np.linspace(0, 1, 240)).classes == ()
    assert OwnData.of(blobs[0], blobs[1] == "ash").classes == ("False", "True")
    assert OwnData.of(torch.from_numpy(blobs[0]), torch.arange(240) % 4).n_classes == 4


def test_a_split_holds_different_samples_and_classes_keep_their_proportions(blobs):
    data = load(OwnData.of(*blobs), 120, (60, 60), 0)
    assert np.bincount(data.targets).tolist() == [45, 40, 35]
    assert np.allclose(data.inputs.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(data.inputs.std(axis=0), 1, atol=1e-5)
    rows = np.concatenate([data.inputs, data.test_inputs])
    assert len(np.unique(rows, axis=0)) == 240
    again = load(blobs, 120, (60, 60), 0)
    assert np.array_equal(again.inputs, data.inputs)


def test_npz_and_arrays_are_the_same_data(blobs, tmp_path):
    np.savez(tmp_path / "mine.npz", X=blobs[0], y=blobs[1])
    read = as_data(str(tmp_path / "mine.npz"))
    assert read == OwnData.of(*blobs, "mine")
    assert read.digest == as_data(blobs).digest
    changed = blobs[0].copy()
    changed[7, 3] += 1e-12
    assert as_data((changed, blobs[1])).digest != read.digest
    assert as_data((blobs[0], np.roll(blobs[1], 1))).digest != read.digest
    assert as_data((blobs[0], np.char.upper(blobs[1]))).digest != read.digest


def test_what_is_kept_of_a_job_depends_on_the_data_and_on_nothing_else(blobs):
    def key(own):
        return joblib.hash(Problems(own, 100, 60, 80))

    asked = OwnData.of(*blobs)
    assert asked.digest  # whether it was asked for changes nothing
    assert key(asked) == key(OwnData.of(*blobs))
    assert key(OwnData.of(blobs[0] + 1, blobs[1])) != key(asked)


def test_folders_of_images_are_classes(photos):
    own = as_data(photos)
    assert own.inputs.shape == (60, 1, 6, 5)
    assert own.classes == ("dark", "light")
    assert own.inputs[own.targets == 0].mean() < 0.35 < 0.6 < own.inputs[own.targets == 1].mean()
    assert own.inputs.max() <= 1
    colour = np.zeros((6, 5, 3), np.uint8)
    colour[..., 2] = 255
    Image.fromarray(colour).save(photos / "dark" / "00.png")
    mixed = as_data(photos)
    assert mixed.inputs.shape == (60, 3, 6, 5)
    assert mixed.inputs[0, :, 0, 0].tolist() == [0, 0, 1]
    grey = mixed.inputs[1]
    assert np.array_equal(grey[0], grey[1])
    assert np.array_equal(grey[0], grey[2])


def test_images_of_several_sizes_and_damaged_ones_are_named(photos):
    Image.fromarray(np.zeros((7, 5), np.uint8)).save(photos / "light" / "03.png")
    with pytest.raises(InputError, match=r"light/03\.png is 5×7, and the first 5×6"):
        as_data(photos)
    (photos / "light" / "03.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"image light/03\.png cannot be read"):
        as_data(photos)


def archive(tmp_path, **arrays):
    np.savez(tmp_path / "mine.npz", **arrays)
    return tmp_path / "mine.npz"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "nothing.npz", r"there is no file or folder .*nothing\.npz"),
        (lambda p: archive(p, X=np.ones((4, 2))), r"targets in an array y; it has X"),
        (lambda p: archive(p, X=np.ones((4, 2)), y=np.array([{}] * 4)), "never unpickled"),
        (lambda p: archive(p, X=np.array([[1.0], [np.nan]]), y=[0, 1]), r"NaN .* index \(1, 0\)"),
        (lambda p: p, "one folder of images for each class"),
        (lambda p: (np.ones((4, 2)), [0, 1, 1]), r"one for each of its 4 samples; got shape \(3,\)"),
        (lambda p: (np.ones((4, 2)), [1, 1, 1, 1]), "all samples of own data are of class 1"),
        (lambda p: (np.ones((4, 2)), [0.5] * 4), "constant"),
        (lambda p: (np.ones((9, 2)), np.arange(9)), "9 different classes in 9 samples"),
        (lambda p: (np.ones((4, 2)), [0, 1, 0, 1]), "all samples of own data have the same inputs"),
        (lambda p: (np.arange(768.0).reshape(4, 8, 8, 3), [0, 1, 0, 1]), r"transpose\(0, 3, 1, 2\)"),
        (lambda p: (np.ones((4, 2, 2, 2, 2)), [0, 1, 0, 1]), "must be features"),
        (lambda p: (np.array([["a"], ["b"]]), [0, 1]), "array of real numbers"),
        (lambda p: 7, "a pair of inputs and targets; got 7"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(make, message, tmp_path):
    with pytest.raises(InputError, match=message):
        as_data(make(tmp_path))


def test_a_damaged_archive_is_refused(tmp_path):
    path = archive(tmp_path, X=np.ones((4, 2)), y=[0, 1, 0, 1])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be read as NPZ"):
        as_data(path)


def test_sizes_and_classes_that_do_not_suffice_are_said_before_any_work(blobs):
    own = OwnData.of(*blobs)
    with pytest.raises(InputError, match="has 240 samples; 300 are asked for in all"):
        Problems(own, 100, 100, 100)
    with pytest.raises(InputError, match="has real targets, and classes are needed"):
        Problems((blobs[0], np.linspace(0, 1, 240)), 100, 50, 50)
    with pytest.raises(InputError, match="has 3 classes; two or real targets"):
        MatchedConfig(own, 0.1, 16, 0)
    with pytest.raises(InputError, match="four classes; own data has 3"):
        LabelRounds("other classes", (("symmetric", 0.3),), (1e-3,), 2, 100, 60, 0, data=own)
    with pytest.raises(InputError, match="pixel_noise is for digits"):
        Problems(own, 100, 50, 50, pixel_noise=0.1)
    rare = np.append(np.zeros(200, int), 1)
    with pytest.raises(
        InputError, match=r"class '1' of own data has 1 of 201 samples: of 100 training points"
    ):
        Problems((np.eye(201), rare), 100, 50, 50)


def test_fewer_samples_make_all_parts_smaller_alike(blobs):
    own = OwnData.of(*blobs)
    assert own.sizes(60, 60, least=20) == (60, 60)
    assert own.sizes(300, 200, 500, least=20) == (72, 48, 120)
    with pytest.raises(InputError, match=r"sets of 300, 200 and 500, .* at least 50 each: 250 are needed"):
        own.sizes(300, 200, 500, least=50)


def test_two_commonest_classes(blobs):
    pair = OwnData.of(*blobs).two_commonest()
    assert pair.classes == ("ash", "birch")
    assert np.bincount(pair.targets).tolist() == [90, 80]
    assert str(pair) == "own data, ash or birch"
    assert pair.two_commonest() is pair


# --- every experiment ---------------------------------------------------------------------------


def test_rounds_learn_own_classes(blobs):
    table = measure_rounds(
        RoundsConfig(
            "cross_entropy",
            blobs,
            seeds=(0,),
            rounds=2,
            n_train=100,
            n_validation=50,
            n_test=80,
            label_noise=0.0,
            hidden=(16,),
            epochs=20,
            decays=(),
        )
    )
    assert table.test_accuracy.min() > 0.9  # the classes lie three deviations apart


def test_images_reach_a_convolutional_network_as_they_are(photos):
    split = draw_problems(Problems(photos, 30, 10, 16, seeds=(0,)))
    assert split.inputs.shape == (1, 30, 1, 6, 5)
    table = measure_rounds(
        RoundsConfig("squared", photos, "convnet", (0,), 1, 30, 10, 16, 0.0, (4,), epochs=15, decays=())
    )
    assert table.test_accuracy.shape == (1, 1)


def test_collapse_on_own_classes_and_values(blobs):
    pair = OwnData.of(*blobs).two_commonest()
    cell = measure_matched(MatchedConfig(pair, 0.15, 16, 0, n_train=20, label_noise=0.0, n_test=40))
    assert cell["converged"] == 1
    assert cell["lower_bound"] - 1e-9 <= cell["rounds"].sel(source="network") <= cell["upper_bound"]
    values = (blobs[0], blobs[0] @ np.arange(6.0))
    run = measure_kernel_rounds(KernelRounds(values, 100, 80, 0.1, 0.05, 1.0, 0))
    assert run["refit_deviation"] < 1e-8
    assert run["test_error"].isel(round=0).max() < 0.5  # of the variance of a linear function


def test_label_averaging_on_own_classes(blobs):
    config = LabelRounds(
        "clean network",
        (("symmetric", 0.0),),
        (1e-3,),
        2,
        80,
        60,
        0,
        students=(),
        data=blobs,
        n_pretraining=60,
    )
    found = label_rounds(config)["accuracy"].sel(part="test", source="probe")
    assert found.min() > 0.85
