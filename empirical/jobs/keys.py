"""The key under which a result is kept: equal configurations have the same, in any process."""

from __future__ import annotations

from typing import Any, ClassVar

from joblib.hashing import NumpyHasher


class _ByValue(NumpyHasher):  # type: ignore[misc]
    """joblib's hash of a pickle without its memory of what it has seen.

    With it the hash would tell a tuple that two fields share from two tuples that are equal, and which of these it is
    may change when a module is compiled anew or an argument has been to another process.
    """

    def memoize(self, obj: object) -> None:
        """Remember nothing."""

    def save_frozenset(self, items: frozenset[Any]) -> None:
        """As sets: in an order that is the same in every process."""
        self.save(("frozenset", set(items)))

    dispatch: ClassVar[dict[type, Any]] = {**NumpyHasher.dispatch, frozenset: save_frozenset}


def key_of(value: object) -> str:
    """Hash a configuration by its values, however its objects share them.

    Parameters
    ----------
    value : object
        Frozen dataclasses, tuples, sets, numbers, strings, arrays and functions that can be imported by name, none of
        which contains itself.
    """
    return str(_ByValue().hash(value))
