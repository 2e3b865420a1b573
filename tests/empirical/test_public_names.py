"""What can be imported from `selfdistill.empirical`, and what comes along."""

import subprocess
import sys
from importlib import import_module

import pytest

import selfdistill.empirical as empirical


@pytest.mark.parametrize("name", empirical.__all__)
def test_every_public_name_is_there(name):
    assert getattr(empirical, name).__doc__ or name == "METHODS"
    assert name in dir(empirical)


def test_torch_is_loaded_when_it_is_asked_for():
    code = (
        "import sys, selfdistill.empirical as e; before = 'torch' in sys.modules; e.distillation_loss; "
        "print(before, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True"]


def test_other_names_are_unknown():
    with pytest.raises(AttributeError, match="no attribute 'distilation_loss'"):
        empirical.distilation_loss  # noqa: B018 - the look-up is the test


@pytest.mark.parametrize(
    ("old", "names"),
    [
        ("losses", ("distillation_loss", "draw_beta", "log_probabilities", "soft_cross_entropy")),
        ("loss_modules", ("BetaSmoothingLoss", "BornAgainLoss", "ProgressiveLoss", "WeightedSoftLabelLoss")),
        ("guides", ("Method", "Samples", "Term")),
        ("methods", ("METHODS", "budget")),
        ("methods.guides", ("Method", "Samples", "Term")),
        ("comparison", ("Comparison", "compare")),
        ("problems", ("Problems",)),
        ("kernel_rounds", ("KernelRounds", "measure_kernel_rounds")),
        ("units", ("run_unit", "run_units")),
        ("metrics", ("expected_calibration_error", "area_under_risk_coverage")),
    ],
)
def test_names_that_were_taught_before_still_import(old, names):
    module = import_module(f"selfdistill.empirical.{old}")
    for name in names:
        assert getattr(empirical, name, getattr(module, name)) is getattr(module, name)
