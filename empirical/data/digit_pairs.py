"""A hundred classes from ten digits: images of two digits side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ...theory.base.validation import Array, InputError

N_CLASSES = 100


def digit_pairs(sizes: Sequence[int], rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Compose images of two digits, a part at a time, from source images that no other part uses.

    The class is the number that is read: ``10 · left + right``. Classes that share a digit look alike, so that
    what a network is unsure between has structure, as in natural images.

    Parameters
    ----------
    sizes : sequence of int
        Images of each part (training, test, …), multiples of 100: every class has the same number.
        The 1797 source images are split between the parts, digit by digit: half for the first, the others
        share the rest equally.
    rng : numpy.random.Generator

    Returns
    -------
    list of (ndarray (n, 1, 8, 16), ndarray (n,))
        Pixels 0 … 16 and classes of each part.

    Raises
    ------
    InputError
        If a size is no positive multiple of 100.

    Examples
    --------
    >>> import numpy as np
    >>> from selfdistill.empirical.data.digit_pairs import digit_pairs
    >>> (x, y), (x_test, y_test) = digit_pairs((200, 100), np.random.default_rng(0))
    >>> x.shape, bool((np.bincount(y) == 2).all())
    ((200, 1, 8, 16), True)
    """
    for size in sizes:
        if size < N_CLASSES or size % N_CLASSES:
            raise InputError(
                f"digit-pairs has {N_CLASSES} classes of equal size: every part must be a multiple of "
                f"{N_CLASSES}; got {size}."
            )
    images, digits = load_digits(return_X_y=True)
    images, rest = images.reshape(-1, 8, 8), np.arange(len(digits))
    parts = []
    for i, size in enumerate(sizes):
        share = 0.5 if i == 0 and len(sizes) > 1 else 1 / (len(sizes) - i)
        own = rest
        if share < 1:
            own, rest = train_test_split(
                rest, train_size=share, random_state=int(rng.integers(2**31)), stratify=digits[rest]
            )
        parts.append(_compose(images, digits, own, size // N_CLASSES, rng))
    return parts


def _compose(
    images: Array, digits: Array, sources: Array, each: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    labels = np.repeat(np.arange(N_CLASSES), each)
    of_digit = [sources[digits[sources] == d] for d in range(10)]
    left = np.array([rng.choice(of_digit[d]) for d in labels // 10])
    right = np.array([rng.choice(of_digit[d]) for d in labels % 10])
    return np.concatenate([images[left], images[right]], axis=2)[:, None], labels
