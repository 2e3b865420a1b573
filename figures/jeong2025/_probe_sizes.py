"""Sizes of the sets that probes learn and are tested on, which two figures share."""

from __future__ import annotations

from typing import Any

from ...empirical.experiments.learned_features import PRETRAINING
from ..scale import Scale


def probe_sizes(scale: Scale, n_train: int) -> dict[str, Any]:
    """Data and sizes of `LabelRounds`; fewer samples where the reader's own data have not so many."""
    n_test = scale.choose(smoke=100, quick=397, full=397)
    if scale.data is None:
        return {"n_train": n_train, "n_test": n_test}
    n_train, further, n_test = scale.data.sizes(n_train, PRETRAINING, n_test, least=20)
    return {"data": scale.data, "n_train": n_train, "n_test": n_test, "n_pretraining": further}
