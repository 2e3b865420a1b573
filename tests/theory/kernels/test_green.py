"""M14: the kernels against SymPy's derivation and against the splines that they must interpolate with."""

import numpy as np
import pytest
import sympy
from scipy.interpolate import CubicSpline

from selfdistill.theory import InputError, brownian_bridge_kernel, cubic_green_kernel
from selfdistill.theory.kernels.green_derivation import cubic_conditions, derive_green_function

KNOTS = np.array([0.07, 0.2, 0.31, 0.55, 0.8, 0.93])
GRID = np.linspace(0, 1, 57)


@pytest.mark.parametrize(
    ("order", "conditions", "kernel"),
    [(1, [(0, 0), (1, 0)], brownian_bridge_kernel), (2, cubic_conditions(), cubic_green_kernel)],
)
def test_kernel_is_the_derived_green_function(order, conditions, kernel):
    green = derive_green_function(order, conditions)
    for side in (green.left, green.right):
        assert sympy.diff(side, green.x, 2 * order) == 0
    assert green.jumps() == [0] * (2 * order - 1) + [(-1) ** order]
    for point, derivative in conditions:
        side = (green.left, green.right)[point]
        assert sympy.simplify(sympy.diff(side, green.x, derivative).subs(green.x, point)) == 0
    symbolic = sympy.lambdify((green.x, green.s), green.expression())
    expected = [[float(symbolic(a, b)) for b in KNOTS] for a in GRID]
    np.testing.assert_allclose(kernel(GRID, KNOTS), expected, atol=1e-15)


def test_cubic_kernel_interpolates_as_the_natural_spline(rng):
    values = rng.normal(size=len(KNOTS))
    dual = np.linalg.solve(cubic_green_kernel(KNOTS, KNOTS), values)
    spline = CubicSpline(np.r_[0, KNOTS, 1], np.r_[0, values, 0], bc_type="natural")
    np.testing.assert_allclose(cubic_green_kernel(GRID, KNOTS) @ dual, spline(GRID), atol=1e-9)


def test_brownian_bridge_interpolates_piecewise_linearly(rng):
    values = rng.normal(size=len(KNOTS))
    dual = np.linalg.solve(brownian_bridge_kernel(KNOTS, KNOTS), values)
    expected = np.interp(GRID, np.r_[0, KNOTS, 1], np.r_[0, values, 0])
    np.testing.assert_allclose(brownian_bridge_kernel(GRID, KNOTS) @ dual, expected, atol=1e-12)


@pytest.mark.parametrize("kernel", [cubic_green_kernel, brownian_bridge_kernel])
def test_points_outside_the_interval_are_refused(kernel):
    with pytest.raises(InputError, match=r"\[0, 1\].*Rescale"):
        kernel([0.5, 1.2], [0.5])
    with pytest.raises(InputError, match="vector"):
        kernel(np.zeros((2, 2)), [0.5])


def test_wrong_boundary_conditions_are_refused():
    with pytest.raises(InputError, match="4 conditions"):
        derive_green_function(2, [(0, 0), (1, 0)])
    with pytest.raises(InputError, match="do not determine"):
        derive_green_function(1, [(0, 1), (1, 1)])  # constants are free
