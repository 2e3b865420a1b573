"""Labels, softmax regression and clusters on numbers of any size: right by another route, or refused."""

import os
import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from selfdistill.theory import (
    ClusteredFeatures,
    InputError,
    SoftmaxAccuracyWarning,
    bias_variance_of_logs,
    corrupt_labels,
    fit_softmax_regression,
    label_smoothing,
    mixed_targets,
    one_hot,
    regularization_samples,
    soft_label_weights,
    softmax,
    top_targets,
)

# The same examples every time in the suite; other ones, and as many as are asked for, in a long run.
EXAMPLES = int(os.environ.get("SELFDISTILL_FUZZ_EXAMPLES", "0"))
SEEDED = settings(max_examples=EXAMPLES or 60, deadline=None, derandomize=not EXAMPLES)
SIZES = st.integers(-300, 300).map(lambda e: 10.0**e)
ANY = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int8, np.uint16, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def answer(function, *arguments, **options):
    """What a call returns, or None if it refuses in words; anything else is raised."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments, **options)
    except InputError as error:
        if len(str(error).split()) < 4:
            raise
        return None


def reference_softmax(logits, temperature=1.0):
    wide = np.asarray(logits).astype(np.longdouble)
    e = np.exp((wide - wide.max(axis=-1, keepdims=True)) / np.longdouble(temperature))
    return (e / e.sum(axis=-1, keepdims=True)).astype(float)


@SEEDED
@given(ANY, SIZES)
def test_softmax(values, temperature):
    found = answer(softmax, values, temperature)
    largest = np.asarray(values, float).max(axis=-1) if values.ndim and values.shape[-1] else np.nan
    usable = values.ndim > 0 and values.shape[-1] > 0 and np.isfinite(largest).all()
    usable = usable and not np.isnan(np.asarray(values, float)).any()
    assert (found is not None) == bool(usable)
    if found is not None:
        slack = 1e-5 if found.dtype == np.float32 else 1e-13
        np.testing.assert_allclose(found, reference_softmax(values, temperature), atol=slack)


@SEEDED
@given(ANY, st.integers(0, 300))
def test_one_hot_and_smoothing(labels, n_classes):
    usable = n_classes >= 2 and labels.dtype.kind in "iu" and ((labels >= 0) & (labels < n_classes)).all()
    for function in (one_hot, lambda y, k: label_smoothing(y, 0.25, k)):
        found = answer(function, labels, n_classes)
        assert (found is not None) == bool(usable)
        if found is not None:
            assert found.shape == (*labels.shape, n_classes)
            np.testing.assert_allclose(found.sum(axis=-1), 1)
            np.testing.assert_array_equal(found.argmax(axis=-1), labels)


@SEEDED
@given(ANY, ANY, st.floats(allow_nan=True))
def test_mixed_targets(labels, rows, weight):
    found = answer(mixed_targets, labels, rows, weight)
    if found is not None:
        assert 0 <= weight <= 1
        assert labels.shape == rows.shape[:-1]
        np.testing.assert_allclose(found.sum(axis=-1), 1, atol=2e-4)
        hot = np.eye(rows.shape[-1])[labels]
        np.testing.assert_allclose(found, (1 - weight) * hot + weight * rows, atol=1e-6)


@SEEDED
@given(
    hnp.arrays(np.float64, (5,), elements=st.floats(0, 1e300)),
    hnp.arrays(np.float64, (5,), elements=st.floats(0, 1e300)),
)
def test_soft_label_weights(student, teacher):
    found = answer(soft_label_weights, student, teacher)
    with np.errstate(over="ignore"):
        ratio = student.astype(np.longdouble) / np.where(teacher == 0, 1e-7, teacher)
    np.testing.assert_allclose(found, -np.expm1(-ratio).astype(float), rtol=1e-12, atol=1e-300)


@SEEDED
@given(st.integers(0, 2**32 - 1), st.integers(-8, 3), st.sampled_from([np.float32, np.float64]), SIZES)
def test_regularization_samples(seed, closeness, kind, size):
    """Near ties too, against extended precision; a tie within that is left out."""
    rng = np.random.default_rng(seed)
    size = float(np.clip(size, 1e-30, 1e30)) if kind == np.float32 else size
    student = (size * rng.normal(size=(40, 4))).astype(kind)
    teacher = (student + size * 10.0**closeness * rng.normal(size=(40, 4))).astype(kind)
    labels = rng.integers(0, 4, 40)
    tau = 2 * size
    found = answer(regularization_samples, student, teacher, labels, tau)

    def others(logits):
        wide = logits.astype(np.longdouble)
        lead = np.exp((wide - wide[np.arange(40), labels][:, None]) / np.longdouble(tau))
        return lead.sum(axis=1)

    difference = others(teacher) - others(student)
    clear = np.abs(difference) > 1e-14 * others(student)
    np.testing.assert_array_equal(found[clear], difference[clear] > 0)


@SEEDED
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), SIZES, st.floats(-6, 2), st.booleans())
def test_softmax_regression(seed, k, size, power, low_rank):
    """Against its own equation in extended precision, whatever the size of the features; new points as well."""
    rng = np.random.default_rng(seed)
    n, p = 12, 2 if low_rank else 15
    x, t = rng.normal(size=(n, p)), rng.dirichlet(np.ones(k), n)
    size = float(np.clip(size, 1e-120, 1e120))
    ridge = 10.0**power
    fits = [
        fit_softmax_regression(features=size * x, targets=t, ridge=ridge * size**2),
        fit_softmax_regression((size * x) @ (size * x).T, t, ridge * size**2),
    ]
    gram = x.astype(np.longdouble) @ x.T
    for fit, points in zip(fits, (size * x, (size * x) @ (size * x).T), strict=True):
        implied = reference_softmax(gram @ (t - fit.outputs) / (ridge * n))
        assert np.abs(fit.outputs - implied).max() < 1e-8 + 1e-12 / ridge
        np.testing.assert_allclose(fit.predict_proba(points), fit.outputs, atol=1e-8)


@SEEDED
@given(ANY, ANY, st.floats(allow_nan=True))
def test_softmax_regression_on_anything(gram, targets, ridge):
    fit = answer(fit_softmax_regression, gram, targets, ridge)
    if fit is not None:
        assert np.isfinite(fit.outputs).all()
        np.testing.assert_allclose(fit.outputs.sum(axis=1), 1)


@SEEDED
@given(ANY, st.integers(-1, 5))
def test_top_targets(outputs, candidates):
    found = answer(top_targets, outputs, candidates)
    if found is not None:
        np.testing.assert_allclose(found.sum(axis=1), 1)
        assert (
            np.diff(np.take_along_axis(found, np.argsort(outputs.astype(float), axis=1), axis=1), axis=1) >= 0
        ).all()


@SEEDED
@given(ANY, ANY, st.integers(-2, 2**40))
def test_corrupt_labels(labels, corruption, seed):
    for exact in (False, True):
        found = answer(corrupt_labels, labels, corruption, seed, exact)
        if found is not None:
            assert (corruption[labels.astype(int), found] > 0).all()


@SEEDED
@given(ANY, ANY)
def test_bias_variance(logs, targets):
    found = answer(bias_variance_of_logs, logs, targets)
    if found is not None:
        assert all((part >= -1e-6).all() and not np.isnan(part).any() for part in found)


@SEEDED
@given(
    st.integers(2, 5),
    st.integers(1, 10**6),
    st.floats(-1, 1),
    st.floats(-1, 1),
    SIZES,
    st.integers(0, 10**6),
    st.integers(0, 99),
)
def test_clusters(k, n, within, across, ridge, t, seed):
    model = answer(ClusteredFeatures, k, n, within, across, ridge)
    if model is None:
        return
    noise = np.random.default_rng(seed).dirichlet(np.ones(k), k)
    first, accuracy = model.minimum_rounds(noise), model.accuracy(noise, t)
    assert 0 <= accuracy <= 1
    assert first >= 1
    if np.isfinite(first):
        assert first > 1e15 or model.accuracy(noise, int(first)) == 1
    assert model.last_round(noise) >= 0
    assert not np.isnan(model.smoother_eigenvalues()).any()


def test_a_warning_is_not_lost_among_these():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit_softmax_regression(
            features=np.arange(12.0).reshape(6, 2) ** 2, targets=np.eye(3)[[0, 1, 2, 0, 1, 2]], ridge=1e-25
        )
    assert any(issubclass(w.category, SoftmaxAccuracyWarning) for w in told)
