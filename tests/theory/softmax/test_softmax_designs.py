"""What Newton's method asks of each form of the features: one quadratic model, seen three ways."""

import numpy as np
import pytest

from selfdistill.theory import ClusteredFeatures, SoftmaxRegression, corruption_matrix
from selfdistill.theory.clusters.exact_softmax import ClusteredDesign
from selfdistill.theory.softmax.operators import FactorDesign, GramDesign
from selfdistill.theory.softmax.pivoted_cholesky import PivotedCholesky

RIDGE = 1e-2


def designs(rng):
    x = rng.normal(size=(12, 5))
    noise = corruption_matrix("symmetric", 4, 0.5)
    nested = ClusteredFeatures(4, 9, 0.5, 0.1, RIDGE, 2, 0.3)
    return [
        SoftmaxRegression.from_features(x, RIDGE).design,
        GramDesign(x @ x.T),
        FactorDesign(PivotedCholesky.of(x @ x.T)),
        ClusteredDesign(ClusteredFeatures(4, 9, 0.5, 0.1, RIDGE), noise),
        ClusteredDesign(nested, noise),
    ]


@pytest.mark.parametrize("which", range(5))
def test_preconditioner_inverts_the_hessian_at_the_uniform_output(rng, which):
    design = designs(rng)[which]
    k = 4
    w = design.adjoint(rng.normal(size=(len(design.sample_weights), k)))
    hessian = design.adjoint(design.forward(w)) / k + RIDGE * w
    direction, logits = design.precondition(hessian, RIDGE)
    np.testing.assert_allclose(design.forward(direction), design.forward(w), atol=1e-9)
    np.testing.assert_allclose(logits, design.forward(direction), atol=1e-9)


@pytest.mark.parametrize("which", range(5))
def test_adjoint_is_the_adjoint_in_the_inner_product(rng, which):
    design = designs(rng)[which]
    n = len(design.sample_weights)
    w, r = design.adjoint(rng.normal(size=(n, 4))), rng.normal(size=(n, 4))
    adjoint = design.adjoint(r)
    left = design.inner(w, adjoint, design.forward(adjoint))
    assert left == pytest.approx(np.sum(design.forward(w) * design.sample_weights * r))
