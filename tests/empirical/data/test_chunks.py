"""Files larger than memory: each kind opens as the array that was written."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from selfdistill.empirical.data.chunks import open_features
from selfdistill.theory import InputError, Spectrum


@pytest.fixture
def features(rng):
    return rng.standard_normal((50, 4))


def write(features, kind, folder):
    if kind == "npy":
        np.save(folder / "x.npy", features)
        return folder / "x.npy"
    if kind == "npy folder":
        np.save(folder / "b.npy", features[20:])
        np.save(folder / "a.npy", features[:20])
        return folder
    if kind == "zarr":
        da.from_array(features, chunks=(20, 2)).to_zarr(str(folder / "x.zarr"))
        return folder / "x.zarr"
    table = pd.DataFrame(features, columns=list("abcd"))
    if kind == "parquet folder":
        table[20:].to_parquet(folder / "2.parquet")
        table[:20].to_parquet(folder / "1.parquet", row_group_size=7)
        return folder
    table.to_parquet(folder / "x.parquet", row_group_size=15)
    return folder / "x.parquet"


@pytest.mark.parametrize("kind", ["npy", "npy folder", "zarr", "parquet", "parquet folder"])
def test_files_hold_what_was_written(features, kind, tmp_path):
    path = write(features, kind, tmp_path)
    columns = list("abcd") if "parquet" in kind else None
    opened = open_features(path, columns, chunk_rows=12)
    assert opened.numblocks[0] > 1
    np.testing.assert_array_equal(opened.compute(), features)
    spectrum = Spectrum.from_chunks(opened, features[:, 0])
    expected = Spectrum.from_features(features, features[:, 0])
    np.testing.assert_allclose(spectrum.eigenvalues, expected.eigenvalues, rtol=1e-10)


def test_some_columns_of_a_table(features, tmp_path):
    path = write(features, "parquet", tmp_path)
    np.testing.assert_array_equal(open_features(path, ["d", "a"]).compute(), features[:, [3, 0]])
    with pytest.raises(InputError, match="no column z"):
        open_features(path, ["z"])


def test_what_is_no_matrix_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        open_features(tmp_path / "missing.npy")
    (tmp_path / "x.txt").write_text("1")
    with pytest.raises(InputError, match=r"\.parquet"):
        open_features(tmp_path / "x.txt")
