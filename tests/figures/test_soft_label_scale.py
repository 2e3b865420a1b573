"""What the soft-label figures share: settings and seeds, studies measured once, claims and their conditions."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from selfdistill.empirical.data.problems import Problems
from selfdistill.empirical.experiments.soft_labels import students
from selfdistill.empirical.methods.catalogue import CROSS_ENTROPY, SELF_DISTILLATION
from selfdistill.figures import soft_label_scale
from selfdistill.figures.artefact import select_artefacts
from selfdistill.figures.reference import read
from selfdistill.figures.run import find_obstacles
from selfdistill.figures.scale import Scale
from selfdistill.figures.soft_label_claims import (
    all_of,
    correlation,
    dull,
    effect,
    explained,
    fits,
    overconfident,
)
from selfdistill.figures.soft_label_scale import (
    above,
    contrast,
    convolutional,
    dots,
    hundred_classes,
    images,
    measured,
    paired,
    side_by_side,
    student,
    tables,
    teacher,
)
from selfdistill.figures.soft_label_settings import (
    PUBLISHED,
    REGIMES,
    TUNING_SEEDS,
    UNSEEN,
    describe,
    published,
    settled,
)
from selfdistill.theory import InputError


def table_of(**metrics):
    """A table of students by name, from values over seeds for each metric."""
    names = list(next(iter(metrics.values())))
    return xr.Dataset(
        {m: (("student", "seed"), np.array([rows[n] for n in names], float)) for m, rows in metrics.items()},
        coords={"student": names},
    )


def test_no_claim_is_judged_on_a_seed_that_settings_were_settled_on():
    assert max(TUNING_SEEDS) < UNSEEN
    for scale in (Scale("smoke"), Scale("quick"), Scale("thorough"), Scale("full", seed=3)):
        for setting in (*contrast(scale), hundred_classes(scale), convolutional(scale), *images(scale)):
            assert not set(TUNING_SEEDS) & set(setting.comparison.problems.seeds)


@pytest.mark.parametrize("regime", REGIMES)
def test_settled_settings_belong_to_the_regime_as_it_is(regime):
    """A regime that was changed needs another search; and what was settled is what its method takes."""
    found = read("settled.json")["regimes"][regime]
    assert found["comparison"] == describe(REGIMES[regime])
    assert found["seeds"] == list(REGIMES[regime].tuning_seeds)
    for method in PUBLISHED:
        if method.name in found["methods"]:
            method.check_settings(frozenset(dict(settled(regime, method))) - {"weight_decay"})
        method.check_settings(frozenset(dict(published(method))) - {"weight_decay"})


def test_parts_of_a_study_are_measured_once_and_joined(tmp_path, monkeypatch):
    scale = Scale("smoke", cache=tmp_path)
    setting = hundred_classes(scale)
    rows = [teacher(), student("second", SELF_DISTILLATION, "teacher")]
    monkeypatch.setattr(soft_label_scale, "SEEDS_TOGETHER", 1)
    first = measured(scale, setting, rows)
    assert dict(first.sizes)["seed"] == 2

    def fail(*_args, **_kwargs):
        raise AssertionError("trained twice")

    monkeypatch.setattr(students, "train_students", fail)
    xr.testing.assert_equal(measured(Scale("smoke", cache=tmp_path), setting, rows), first)


def test_settings_of_different_sizes_stand_side_by_side():
    first = table_of(accuracy={"plain": [0.5, 0.6, 0.7], "soft": [0.6, 0.7, 0.8]})
    second = table_of(accuracy={"plain": [0.1, 0.2]})
    joined = dict(tables(side_by_side({"a": first, "b": second})))
    assert dict(joined["a"].sizes) == {"student": 2, "seed": 3}
    assert dict(joined["b"].sizes) == {"student": 1, "seed": 2}
    np.testing.assert_allclose(paired(joined["a"], "accuracy", "soft", "plain"), 0.1)


def test_what_a_split_does_to_all_students_falls_out_of_their_differences():
    """Also in a picture where a setting lacks a student: rows are found by name, not by place."""
    table = table_of(accuracy={"plain": [0.5, 0.7, 0.9], "soft": [0.6, 0.8, 1.0], "other": [0.4, 0.5, 0.6]})
    np.testing.assert_allclose(above(table, "accuracy", "plain").sel(student="soft"), 0.1)
    both = side_by_side({"a": table, "b": table.sel(student=["plain", "other"])})
    panel = Figure().subplots()
    dots(panel, both, "accuracy", scale=100, against="plain")
    first, second = (c for c in panel.containers if c.has_xerr)
    np.testing.assert_allclose(first.lines[0].get_xdata(), [0, 10, -20], atol=1e-9)
    np.testing.assert_allclose(np.round(second.lines[0].get_ydata()), [0, 2])
    assert first.get_label() == "a (plain: 70)"


def test_a_claim_is_not_about_a_network_that_is_not_too_sure():
    table = table_of(
        accuracy={"cross-entropy": [0.8] * 4, "soft": [0.8] * 4},
        confidence={"cross-entropy": [0.81] * 4, "soft": [0.7] * 4},
        training_accuracy={"cross-entropy": [1.0] * 4, "soft": [1.0] * 4},
        ece={"cross-entropy": [0.05, 0.06, 0.05, 0.06], "soft": [0.01, 0.01, 0.02, 0.01]},
    )
    assert effect("Z7", table, "ece", "soft", "cross-entropy", "here", rules={}).verdict == "not this regime"
    surer = table.assign(confidence=table["confidence"] + 0.1)
    claim = effect("Z7", surer, "ece", "soft", "cross-entropy", "here", rules={})
    assert claim.verdict == "holds"
    assert "training accuracy" in claim.precondition.text
    assert "overconfident" in claim.precondition.text
    assert explained(claim, holds="so", otherwise="not so").note.startswith("so; ")
    lazy = surer.assign(training_accuracy=surer["training_accuracy"] - 0.2)
    assert all_of(overconfident(lazy), fits(lazy)) == fits(lazy)
    assert effect("Z7", lazy, "ece", "soft", "cross-entropy", "here", rules={}).verdict == "not this regime"


def test_the_strongest_dull_rule_is_the_one_to_beat():
    table = table_of(
        nll={"soft": [0.5, 0.51, 0.5], "tuned": [0.6, 0.62, 0.61], "stopped": [0.4, 0.41, 0.42]},
        scaled_nll={"soft": [0.3] * 3, "tuned": [0.45, 0.44, 0.45], "stopped": [0.4] * 3},
    )
    rules = {"decay": ("tuned", "nll"), "scaling": ("tuned", "scaled_nll")}
    assert dull(table, "nll", "soft", rules).name == "scaling"
    assert dull(table, "nll", "soft", rules).beaten is False
    assert dull(table, "nll", "soft", {"decay": ("tuned", "nll")}).beaten is True


def test_a_correlation_of_nothing_is_no_number():
    assert correlation([1, 2, 3], [2, 4, 9]) == pytest.approx(1)
    assert np.isnan(correlation([1, 1, 1], [1, 2, 3]))
    assert np.isnan(correlation([1, 2, np.nan], [1, 2, 3]))


def test_a_deep_networks_seed_is_a_job_of_its_own():
    """So that a kill costs no more than one."""
    (setting,) = images(Scale("full", seed=1))
    assert [p.problems.seeds for p in setting.parts()] == [(1010,), (1011,), (1012,)]
    small = hundred_classes(Scale("quick"))
    assert len(small.parts()) == 1


def test_a_setting_of_images_stands_in_the_table_with_the_others():
    problems = Problems("digits", 40, 20, 40, seeds=(10, 11))
    tiny = replace(REGIMES["overconfident digits"], problems=problems, hidden=(4,), epochs=1)
    rows = [student("cross-entropy", CROSS_ENTROPY)]
    table = measured(Scale("smoke"), soft_label_scale.Setting("images", tiny), rows)
    assert np.isfinite(table["nll"]).all()


def test_data_that_cannot_be_had_are_named_before_any_work_and_the_others_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFDISTILL_CIFAR", str(tmp_path))
    shared, alone = select_artefacts(["comparison_table"]), select_artefacts(["sinusoid"])
    obstacles = find_obstacles(shared + alone, Scale("full"))
    assert list(obstacles) == shared
    assert "holds neither" in obstacles[shared[0]]
    with pytest.raises(InputError, match=r"holds neither.*cifar-100"):
        find_obstacles(shared, Scale("full"))
    assert find_obstacles(shared + alone, Scale("quick")) == {}
