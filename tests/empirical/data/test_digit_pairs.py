"""Digit pairs: classes read as numbers, parts without common sources; and pixels that are noisy."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from selfdistill.empirical.data.datasets import load
from selfdistill.empirical.data.digit_pairs import digit_pairs
from selfdistill.empirical.data.problems import Problems, draw_problems
from selfdistill.theory import InputError


def test_a_class_is_the_number_that_is_read():
    """Both halves of every image are source images of the digits that its class names."""
    images, digits = load_digits(return_X_y=True)
    digit_of = {row.tobytes(): d for row, d in zip(images, digits, strict=True)}
    ((x, y),) = digit_pairs((200,), np.random.default_rng(3))
    for image, label in zip(x[:, 0], y, strict=True):
        left, right = (digit_of[half.reshape(-1).tobytes()] for half in (image[:, :8], image[:, 8:]))
        assert 10 * left + right == label
    np.testing.assert_array_equal(np.bincount(y), np.full(100, 2))


def test_parts_share_no_source_image():
    halves = []
    for x, _ in digit_pairs((300, 200, 400), np.random.default_rng(0)):
        halves.append({h.tobytes() for image in x[:, 0] for h in (image[:, :8], image[:, 8:])})
    for i in range(3):
        for j in range(i):
            assert not halves[i] & halves[j]


def test_validation_and_test_of_problems_share_no_source_image():
    split = draw_problems(Problems("digit-pairs", 100, 200, 300, seeds=(1,)))
    assert split.n_classes == 100
    halves = [
        {h.numpy().tobytes() for image in part[0, :, 0] for h in (image[:, :8], image[:, 8:])}
        for part in (split.inputs, split.validation_inputs, split.test_inputs)
    ]
    assert not halves[0] & halves[1]
    assert not halves[0] & halves[2]
    assert not halves[1] & halves[2]


def test_pixel_noise_is_added_once_to_the_same_images():
    clean, noisy = (load("digits", 200, 100, 5, pixel_noise=s) for s in (0.0, 0.3))
    np.testing.assert_array_equal(clean.targets, noisy.targets)
    # Standardised by their own scale: digits spread by 0.376 of the grey scale, so the noise adds 0.3.
    images = load_digits().data / 16
    expected = images.std() / np.hypot(images.std(), 0.3)
    pairs = np.corrcoef(clean.inputs.ravel(), noisy.inputs.ravel())[0, 1]
    assert pairs == pytest.approx(expected, abs=0.01)
    again = load("digits", 200, 100, 5, pixel_noise=0.3)
    np.testing.assert_array_equal(noisy.inputs, again.inputs)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: load("digit-pairs", 150, 100, 0), "multiple of 100; got 150"),
        (lambda: load("wine", 50, 50, 0, pixel_noise=0.1), "needs pixels"),
        (lambda: load("digits", 50, 50, 0, pixel_noise=-0.1), "pixel_noise"),
        (lambda: Problems("cifar100", pixel_noise=0.1), "pixel_noise is for digits"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
