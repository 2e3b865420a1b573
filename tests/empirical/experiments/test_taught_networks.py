"""Networks taught by networks: shapes, repeatability, and that each pipeline does what it is called."""

import numpy as np
import pytest
import xarray as xr

from selfdistill.empirical.experiments.taught_networks import TaughtNetworks, measure_taught_networks
from selfdistill.theory import InputError

SMALL = TaughtNetworks(n_train=40, n_test=60, width=8, generations=2, epochs=3)


def test_same_seed_same_numbers():
    first, second = measure_taught_networks(SMALL), measure_taught_networks(SMALL)
    xr.testing.assert_identical(first, second)
    assert 0 <= float(first["best_weight"]) <= 1
    assert np.isfinite(first["distance"]).all()


def test_pipelines_begin_alike_and_then_part():
    distance = measure_taught_networks(SMALL)["distance"].values
    assert np.ptp(distance[0]) < 1e-4
    assert len(set(distance[1].round(6))) == 4


def test_the_pure_student_is_predicted_by_itself():
    data = measure_taught_networks(SMALL)
    assert float(data["predicted_error"][0]) == pytest.approx(float(data["student_error"][0]))


def test_bad_input():
    with pytest.raises(InputError, match="width"):
        TaughtNetworks(width=0)
    with pytest.raises(InputError, match="noise"):
        TaughtNetworks(noise=0.0)
