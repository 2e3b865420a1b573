"""What a case draws its input with: everything from whole numbers, whether Hypothesis or a stream gives them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st


class Draws:
    """Draw parts of one input.

    The suite lets Hypothesis give the whole numbers, which makes a fault small; a long run takes them from a
    stream of pseudo-random numbers, several times as fast.
    """

    def __init__(self, whole: Callable[[int, int], int]) -> None:
        self.count = whole

    @classmethod
    def of_hypothesis(cls, draw: st.DrawFn) -> Draws:
        """From strategies."""
        return cls(lambda low, high: draw(st.integers(low, high)))

    @classmethod
    def of_seed(cls, seed: str) -> Draws:
        """From a stream of its own."""
        return cls(random.Random(seed).randint)

    def pick(self, *options: Any) -> Any:
        """One of some values."""
        return options[self.count(0, len(options) - 1)]

    def chance(self, one_in: int) -> bool:
        """Whether something happens that happens once in so many times."""
        return self.count(1, one_in) == one_in

    def power(self, *exponents: float) -> float:
        """Ten to one of some exponents."""
        return float(10.0 ** self.pick(*exponents))

    def generator(self) -> np.random.Generator:
        """A stream of random numbers."""
        return np.random.default_rng(self.count(0, 2**32 - 1))
