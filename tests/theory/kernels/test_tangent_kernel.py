import mpmath
import numpy as np
import pytest

from selfdistill.theory import InputError, relu_tangent_kernel


def by_integration(x, z, hidden_layers, weight_std, bias_std):
    """The same recursion with the Gaussian expectations integrated numerically, for one pair of points."""
    w2, b2, p = weight_std**2, bias_std**2, len(x)
    xx, xz, zz = (w2 / p * float(u @ v) + b2 for u, v in ((x, x), (x, z), (z, z)))
    tangent = xz
    for _ in range(hidden_layers):
        # u = √xx·g, v = correlation part + rest; polar coordinates: only the angle is left to integrate.
        rho = xz / np.sqrt(xx * zz)
        theta = np.arccos(rho)

        def both(angle, power, theta=theta):
            a, b = np.cos(angle), np.cos(angle - theta)
            return (a * b) ** power if a > 0 and b > 0 else 0.0

        span = [theta - np.pi / 2, np.pi / 2]  # both pre-activations positive
        value = float(mpmath.quad(lambda t: both(float(t), 1), span)) / np.pi  # E[r²] = 2
        slope = float(mpmath.quad(lambda t: both(float(t), 0), span)) / (2 * np.pi)
        xz = w2 * np.sqrt(xx * zz) * value + b2
        tangent = xz + w2 * tangent * slope
        xx, zz = w2 * xx / 2 + b2, w2 * zz / 2 + b2
    return tangent


@pytest.mark.parametrize(("layers", "w", "b"), [(0, 1.0, 0.5), (1, 2**0.5, 0.0), (3, 1.3, 0.4)])
def test_closed_form_equals_integration_of_its_definition(layers, w, b, rng):
    x, z = rng.normal(size=(3, 5)), rng.normal(size=(2, 5))
    kernel = relu_tangent_kernel(x, z, hidden_layers=layers, weight_std=w, bias_std=b)
    expected = [[by_integration(u, v, layers, w, b) for v in z] for u in x]
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)


def test_kernel_is_symmetric_positive_and_agrees_with_its_cross_form(rng):
    x = rng.normal(size=(40, 6))
    kernel = relu_tangent_kernel(x, hidden_layers=2, bias_std=0.1)
    np.testing.assert_allclose(kernel, kernel.T, rtol=1e-12)
    assert np.linalg.eigvalsh(kernel).min() > 0
    # Off the diagonal no angle is near 0, so that the cross form has no rounding to fear.
    cross = relu_tangent_kernel(x, x, hidden_layers=2, bias_std=0.1)
    np.testing.assert_allclose(cross, kernel, rtol=1e-6)


def test_diagonal_is_exact():
    """With weight_std √2 and no bias each of L+1 layers adds ``2‖x‖²/p``: Θ(x, x) = (L + 1)·2‖x‖²/p."""
    x = np.array([[3.0, 4.0], [1.0, 0.0]])
    diagonal = np.diag(relu_tangent_kernel(x, hidden_layers=4))
    np.testing.assert_allclose(diagonal, 5 * np.array([25.0, 1.0]), rtol=1e-14)


def test_blocks_of_rows_change_nothing(rng, monkeypatch):
    from selfdistill.theory.kernels import relu_ntk as tangent_kernel

    x = rng.normal(size=(17, 3))
    whole = relu_tangent_kernel(x)
    monkeypatch.setattr(tangent_kernel, "_BLOCK_BYTES", 8 * 17 * 5)
    np.testing.assert_allclose(relu_tangent_kernel(x), whole, rtol=1e-14)


def test_zero_point_and_opposite_points_are_no_trouble():
    x = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, -2.0]])
    assert np.isfinite(relu_tangent_kernel(x)).all()


def test_mistakes_are_named():
    with pytest.raises(InputError, match="as many columns"):
        relu_tangent_kernel(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(InputError, match="bias_std"):
        relu_tangent_kernel(np.ones((2, 3)), bias_std=-1)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-20, 1e20, 1e150])
def test_no_scale_of_points_over_or_underflows(scale, rng):
    """Without biases the kernel is homogeneous: scaled points give the scale times as much on one side."""
    x, z = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    kernel = relu_tangent_kernel(x * scale, z, hidden_layers=3)
    np.testing.assert_allclose(kernel, scale * relu_tangent_kernel(x, z, hidden_layers=3), rtol=1e-10)


def test_extreme_parameters_and_mixed_scales_equal_forty_digits(rng):
    x = np.array([[1e-200, 2e-200], [1.0, -0.5], [3e120, 1e120]])
    kernel = relu_tangent_kernel(x[:2], x[1:], hidden_layers=3, weight_std=1e20, bias_std=1e-90)
    expected = [[in_forty_digits(u, v, 3, 1e20, 1e-90) for v in x[1:]] for u in x[:2]]
    np.testing.assert_allclose(kernel[0], [float(v) for v in expected[0]], rtol=1e-10)
    np.testing.assert_allclose(kernel[1, 1], float(expected[1][1]), rtol=1e-10)


def in_forty_digits(x, z, hidden_layers, weight_std, bias_std):
    """The recursion of the docstring with numbers that have no largest and no smallest."""
    with mpmath.workdps(40):
        w2, b2, p = mpmath.mpf(weight_std) ** 2, mpmath.mpf(bias_std) ** 2, len(x)
        x, z = ([mpmath.mpf(float(v)) for v in point] for point in (x, z))
        xx, xz, zz = (w2 / p * mpmath.fdot(u, v) + b2 for u, v in ((x, x), (x, z), (z, z)))
        tangent = xz
        for _ in range(hidden_layers):
            scale = mpmath.sqrt(xx * zz)
            angle = mpmath.acos(xz / scale)
            xz = (
                w2 * scale * (mpmath.sin(angle) + (mpmath.pi - angle) * mpmath.cos(angle)) / (2 * mpmath.pi)
                + b2
            )
            tangent = xz + w2 * tangent * (mpmath.pi - angle) / (2 * mpmath.pi)
            xx, zz = w2 * xx / 2 + b2, w2 * zz / 2 + b2
        return tangent


def test_a_kernel_beyond_the_largest_number_is_refused():
    with pytest.raises(InputError, match="overflows: after 2 hidden layers"):
        relu_tangent_kernel(np.full((2, 2), 1e200))
    with pytest.raises(InputError, match="overflows"):
        relu_tangent_kernel(np.ones((2, 2)), hidden_layers=5, weight_std=1e200)
    with pytest.raises(InputError, match="whole number between 0 and 10000"):
        relu_tangent_kernel(np.ones((2, 2)), hidden_layers=10**9)
