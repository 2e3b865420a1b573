"""What long runs of the fuzz found and was mended: each is answered rightly, or refused in words."""

import numpy as np
import pytest
import torch

from selfdistill import theory
from selfdistill.empirical import losses
from selfdistill.theory import InputError, SelfDistilledKernelRidge, Spectrum

from .problem import GRAM, LABELS, LOGITS, P, X, Y, clusters, spectrum


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.effective_penalty([1e199, 5e199], 10, 0.1),
        lambda: theory.collapse_rounds_grid([0.1, 2.0], [1.0, 3.0], [2e8]),
        lambda: theory.distill_to_tolerance(spectrum(), 5e-324, 2),
        lambda: Spectrum.from_eigenvalues([0.1, 5e-324], [1.0, 2.0]),
        lambda: Spectrum.krylov(1e200 * GRAM, Y),
        lambda: Spectrum.of(torch.tensor(0.4), Y),
        lambda: Spectrum.from_gram(GRAM.astype(np.float32), 1e100 * Y),
        lambda: theory.progressive_trajectory(spectrum(), [0.1, 0.2], 1e99, 2),
        lambda: theory.optimal_mixing(spectrum(), 0.1, 2, 1e299),
        lambda: theory.optimal_mixing(spectrum(), 7e-101, 6, 0.1),
        lambda: theory.most_rounds_that_help(1e200, 5e-324),
        lambda: theory.distill_distribution(spectrum(), [5e-324], GRAM[:2], np.ones(2)),
        lambda: theory.bias_variance_of_mean_log(np.log(P) + 0j, P),
        lambda: theory.out_of_sample_risk([0.1, 0.5], [1e300, 1.0], 10, 0.1, 0.1),
        lambda: clusters().last_round(theory.corruption_matrix("symmetric", 3, 0.3), 1e-309),
        lambda: SelfDistilledKernelRidge(gamma="1.5").fit(X, Y),
        lambda: SelfDistilledKernelRidge(gamma=np.array(True)).fit(X, Y),
        lambda: SelfDistilledKernelRidge(gamma=torch.tensor(0.4)).fit(X, Y),
        lambda: Spectrum.from_features(np.zeros((12, 4)), np.full(12, 8e299)),
        lambda: theory.left_out_weights(spectrum(), 5e-324, 2, 3),
        lambda: losses.log_probabilities(torch.tensor(LOGITS), 5e-324),
        lambda: losses.log_probabilities(torch.tensor(LOGITS).float(), 1e-50),
        lambda: SelfDistilledKernelRidge(ridge=np.ones(2)).fit(X, Y),
        lambda: SelfDistilledKernelRidge(gamma="best").fit(1e299 * X, Y),
        lambda: SelfDistilledKernelRidge(kernel="poly", degree=300).fit(X, Y).predict(1e3 * X),
        lambda: losses.label_smoothing_loss(
            torch.tensor(LOGITS), torch.tensor(LABELS), 0.1, ignore_index="a"
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(call):
    with np.errstate(all="ignore"), pytest.raises(InputError):
        call()


def test_points_infinitely_far_in_units_of_the_kernel_have_nothing_in_common():
    model = SelfDistilledKernelRidge(gamma=5e199).fit(X, Y)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(model.predict(1e100 * (1 + X)), 0 * Y)


def test_a_ratio_next_to_one_takes_one_round():
    """1 + 2⁻⁵² is above 1: the bound from above was 0 for a run of one round."""
    d, z = np.array([1.0, 2.0]), np.array([1.0, 1.0])
    bounds = theory.collapse_bounds(Spectrum.from_eigenvalues(d, z), float(np.nextafter(1.0, 0.0)))
    assert bounds.lower <= bounds.exact <= bounds.upper


def test_left_out_outputs_at_a_penalty_next_to_nothing():
    outputs = theory.leave_one_out_outputs(Spectrum.from_gram(GRAM, P - 1 / 3), 1e-101)
    near = theory.leave_one_out_outputs(Spectrum.from_gram(GRAM, P - 1 / 3), 1e-12)
    np.testing.assert_allclose(outputs, near, rtol=1e-5)


def test_alike_samples_of_all_classes_are_one_group():
    """Their similarity is 1 + 2⁻⁵²: a distance below zero was refused by SciPy's linkage."""
    assert set(theory.superclass_groups(np.tile([0.12573022, -0.13210486, 0.64042265], (12, 1)), LABELS)) == {
        0
    }


def test_no_size_of_features_changes_their_groups():
    plain = theory.superclass_groups(X, LABELS)
    np.testing.assert_array_equal(theory.superclass_groups(1e199 * X, LABELS), plain)


def test_features_of_one_direction_as_a_tensor():
    one = torch.tensor(np.outer(Y, X[0]))
    there = theory.distill_with_ridge(Spectrum.from_features(one, torch.tensor(Y)), 0.1, 1).fitted(1)
    here = theory.distill_with_ridge(Spectrum.from_features(one.numpy(), Y), 0.1, 1).fitted(1)
    np.testing.assert_allclose(there.numpy(), here, rtol=1e-10)


@pytest.mark.parametrize("labels", [LABELS[::-1], LABELS.astype(">i8"), LABELS.tolist()])
def test_labels_that_no_tensor_can_share_are_copied(labels):
    expected = losses.label_smoothing_loss(
        torch.tensor(LOGITS), torch.tensor(np.array(labels, dtype=int)), 0.1
    )
    assert losses.label_smoothing_loss(torch.tensor(LOGITS), labels, 0.1) == expected


def test_a_list_keeps_its_digits_beside_double_precision():
    student, teacher, labels = torch.tensor(LOGITS), torch.tensor(LOGITS / 3), torch.tensor(LABELS)
    expected = losses.distillation_loss(student, teacher, labels, 2.0, 0.4)
    assert losses.distillation_loss(student, teacher.tolist(), labels, 2.0, 0.4) == expected


@pytest.mark.parametrize("variance", ["0.4", torch.tensor(0.4, dtype=torch.float64), np.array(0.4)])
def test_the_variance_of_fresh_noise_is_a_number_however_it_is_held(variance):
    given, plain = (
        theory.own_outputs(spectrum(), 0.1, 2, 0.1, fresh_noise_variance=v) for v in (variance, 0.4)
    )
    np.testing.assert_array_equal(given.variances, plain.variances)


@pytest.mark.parametrize(("scale", "temperature"), [(1e99, 2e-300), (1e300, 1e-8), (1e308, 1.0)])
def test_log_probabilities_of_the_surest_outputs(scale, temperature):
    """What no number holds is −inf, and the class with the largest logit has all the mass."""
    logits = scale * torch.tensor([[0.5, -1.0, 0.2], [1.0, 1.0, -1.0]], dtype=torch.float64)
    expected = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    np.testing.assert_allclose(losses.log_probabilities(logits, temperature).exp(), expected, rtol=1e-15)


@pytest.mark.parametrize(("scale", "temperature"), [(1.0, 2e-300), (1e100, 2e-300), (1.5e308, 5e-324)])
@pytest.mark.parametrize(("reading", "expected"), [("push", [True, False]), ("magnitude", [True, False])])
def test_regularization_samples_at_no_temperature(scale, temperature, reading, expected):
    """The teacher's other class is as far ahead as no number tells: there the student's mass is the smaller."""
    student = scale * np.array([[-0.5, 0.7, 0.1], [-0.5, 1.0, 0.1]])
    teacher = scale * np.array([[-0.5, 1.0, 0.1], [-0.5, 0.7, 0.1]])
    with np.errstate(all="raise", under="ignore"):
        got = theory.regularization_samples(student, teacher, np.zeros(2, int), temperature, reading)
    np.testing.assert_array_equal(got, expected)


def test_the_tangent_kernel_of_nearly_opposite_points():
    """π less their angle is 1.3e-8: its cosine is −1 in double precision. The number is of 60 digits."""
    x, z = np.array([[78315498.64898542]]), np.array([[-2.32527212e99]])
    kernel = theory.relu_tangent_kernel(x, z, hidden_layers=1, weight_std=1.0, bias_std=1.0)
    np.testing.assert_allclose(kernel, [[-3.70078552e98]], rtol=1e-8)


@pytest.mark.parametrize(("threshold", "kept"), [(1e40, 0), (0.5, 1), (1e-300, 3)])
def test_filters_of_single_precision_beside_any_threshold(threshold, kept):
    with np.errstate(all="raise"):
        assert theory.effective_basis_size(np.array([0.2, 0.5, 0.9], np.float32), threshold) == kept


def test_a_refusal_of_many_groups_stays_short():
    with pytest.raises(InputError, match="exactly once") as error:
        theory.corruption_matrix("superclass", 4, 0.1, [[0] * 12] * 12)
    assert len(str(error.value)) < 200
