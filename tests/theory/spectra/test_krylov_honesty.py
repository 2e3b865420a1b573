"""The estimated error of products over random problems: never below the error, seldom far above it."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator
from sklearn.metrics.pairwise import rbf_kernel

from selfdistill.theory import Spectrum, distill_with_ridge

from ..krylov_problems import KINDS, Judged, count


@pytest.fixture(scope="module")
def judged():
    return count(100, first=10_000)[0]


def test_no_error_exceeds_its_estimate_beyond_rounding(judged):
    assert len(judged) > 80
    assert [j for j in judged if j.beyond] == []


def test_few_estimates_are_a_hundred_times_too_large(judged):
    assert {j.kind.split(",")[0] for j in judged} == set(KINDS)
    assert sum(j.looseness > 100 for j in judged) <= 2
    assert np.median([j.looseness for j in judged]) < 10


def test_the_judge_sees_what_it_judges():
    """An estimate below the error is found, and so is an idle one."""
    true, none = np.full(3, 1e-3), np.zeros(3)
    assert Judged(0, "", true, np.full(3, 1e-4), none, 1e-16).beyond
    assert not Judged(0, "", true, np.full(3, 1e-2), none, 1e-16).beyond
    assert Judged(0, "", true, np.full(3, 0.5), none, 1e-16).looseness == pytest.approx(500)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore::selfdistill.theory.spectra.krylov.KrylovAccuracyWarning")
def test_products_that_are_less_precise_than_their_numbers_are_seen(seed):
    """As of a kernel that is computed in fewer digits: no unit of precision tells, the projection does."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, 2))
    gram, y = rbf_kernel(x, gamma=0.5), np.sin(3 * x[:, 0]) + 0.3 * rng.standard_normal(200)

    def product(block):
        image = gram @ block
        return image * (1 + 1e-9 * rng.standard_normal(image.shape))

    operator = LinearOperator(gram.shape, matvec=product, matmat=product, dtype=np.float64)
    exact = distill_with_ridge(Spectrum.from_gram(gram, y), 1e-4, 3)
    run = distill_with_ridge(Spectrum.krylov(operator, y, tolerance=1e-9), 1e-4, 3)
    apart = np.abs(run.target_norms / exact.target_norms - 1).max()
    assert 1e-13 < apart <= run.spectrum.error.norms < 1000 * apart
