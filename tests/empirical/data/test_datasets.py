import numpy as np
import pytest

from selfdistill.empirical.data.datasets import available, load
from selfdistill.theory import InputError, one_hot


@pytest.mark.parametrize("name", [*available(), "digits-3-8"])
def test_every_bundled_set_is_standardised_and_split(name, rng):
    n_train, n_test = (200, 100) if name == "digit-pairs" else (60, 40)
    data = load(name, n_train=n_train, n_test=n_test, rng=rng)
    assert len(data.inputs) == n_train
    assert len(data.test_inputs) == n_test
    assert data.inputs.dtype == np.float32
    assert abs(data.inputs.mean()) < 1e-5
    if data.n_classes:
        assert set(np.unique(data.targets)) <= set(range(data.n_classes))
        assert data.one_hot.shape == (n_train, data.n_classes)
    else:
        assert data.targets.std() == pytest.approx(1, abs=1e-5)


def test_a_seed_decides_the_split():
    a, b, c = (load("digits-3-8", 60, 40, np.random.default_rng(s)) for s in (0, 0, 1))
    assert np.array_equal(a.inputs, b.inputs)
    assert not np.array_equal(a.inputs, c.inputs)


def test_a_seed_opens_a_generator():
    first, second = (load("digits", 20, 20, rng) for rng in (3, np.random.default_rng(3)))
    np.testing.assert_array_equal(first.inputs, second.inputs)


def test_no_point_is_in_both_parts(rng):
    data = load("digits", 500, 500, rng)
    train_rows = {row.tobytes() for row in data.inputs}
    assert not any(row.tobytes() in train_rows for row in data.test_inputs)


def test_pairs_hold_two_classes_in_order(rng):
    data = load("digits-8-3", 60, 40, rng)
    assert data.n_classes == 2
    assert set(data.signed) == {-1.0, 1.0}


def test_noise_touches_only_the_given_labels(rng):
    data = load("digits", 100, 50, rng)
    noisy = data.corrupted(lambda labels: (labels + 1) % 10)
    assert (noisy.targets != noisy.clean_targets).all()
    assert np.array_equal(noisy.clean_targets, data.targets)
    assert np.array_equal(noisy.test_targets, data.test_targets)


def test_mistakes_are_named(rng):
    with pytest.raises(InputError, match="Known: digits"):
        load("digit", 10, 10, rng)
    with pytest.raises(InputError, match="1797 points"):
        load("digits", 1797, 10, rng)
    with pytest.raises(InputError, match="digits-3-3"):
        load("digits-3-3", 10, 10, rng)
    with pytest.raises(InputError, match="10 classes"):
        load("digits", 50, 9, rng)
    with pytest.raises(InputError, match="0 … 2"):
        one_hot(np.array([0, 3]), 3)
    with pytest.raises(InputError, match="two classes"):
        _ = load("digits", 50, 50, rng).signed
