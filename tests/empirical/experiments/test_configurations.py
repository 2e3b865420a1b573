"""Every configuration refuses what cannot be run when it is made, before any work."""

from dataclasses import replace

import pytest

from selfdistill.empirical.data.problems import Problems
from selfdistill.empirical.experiments.bias_variance import BiasVariance
from selfdistill.empirical.experiments.comparison import Comparison
from selfdistill.empirical.experiments.kernel_rounds import KernelRounds
from selfdistill.empirical.experiments.label_rounds import LabelRounds
from selfdistill.empirical.experiments.matched import MatchedConfig
from selfdistill.empirical.experiments.progressive_kernel import ProgressiveKernel
from selfdistill.empirical.experiments.rounds import RoundsConfig
from selfdistill.empirical.experiments.soft_label_experiments import (
    Generations,
    Schedules,
    Teachers,
    TemperatureSweep,
)
from selfdistill.empirical.experiments.stopping import StoppingConfig
from selfdistill.empirical.methods.catalogue import METHODS
from selfdistill.empirical.training.members import TrainingConfig
from selfdistill.theory import InputError

MATCHED = MatchedConfig("diabetes", 0.1, 8, 0)
NAN, INF = float("nan"), float("inf")
CASES = [
    (TrainingConfig(1), {"learning_rate": -1.0}, "learning_rate must be a finite number above 0; got -1"),
    (TrainingConfig(1), {"learning_rate": [0.1, NAN]}, "each of learning_rate"),
    (TrainingConfig(1), {"weight_decay": INF}, "weight_decay must be a finite number of at least 0"),
    (TrainingConfig(1), {"momentum": 1.0}, "momentum must lie in"),
    (TrainingConfig(1), {"optimiser": "lion"}, "optimiser must be one of sgd, adam"),
    (TrainingConfig(1), {"schedule": "step"}, "schedule must be one of"),
    (TrainingConfig(1), {"batch_size": 0}, "batch_size"),
    (RoundsConfig("squared"), {"loss": "hinge"}, "loss must be one of squared, cross_entropy"),
    (RoundsConfig("squared"), {"rounds": 0}, "rounds must be a whole number of at least 1"),
    (RoundsConfig("squared"), {"seeds": ()}, "seeds must be a tuple of at least one"),
    (RoundsConfig("squared"), {"seeds": (1, 1)}, "seeds must differ"),
    (RoundsConfig("squared"), {"seeds": (-1,)}, "each of seeds"),
    (RoundsConfig("squared"), {"label_noise": 1.0}, "label_noise"),
    (RoundsConfig("squared"), {"network": "resnet17"}, "network must be one of mlp"),
    (RoundsConfig("squared"), {"hidden": ()}, "hidden must be a tuple of at least one"),
    (RoundsConfig("squared"), {"hidden": (8, 0)}, "each of hidden"),
    (RoundsConfig("squared"), {"learning_rate": 0.0}, "learning_rate"),
    (Problems(), {"n_validation": 0}, "n_validation"),
    (Problems(), {"noise": -0.1}, "noise must lie in"),
    (Problems(), {"seeds": ()}, "seeds"),
    (Comparison(), {"epochs": 0}, "epochs"),
    (Comparison(), {"decay_scale": -1.0}, "decay_scale"),
    (Comparison(), {"methods": METHODS[:1] * 2}, "names of their own"),
    (Comparison(), {"learning_rate": NAN}, "learning_rate"),
    (Generations(), {"generations": 0}, "generations"),
    (Generations(), {"temperature": 0.0}, "temperature must be a finite number above 0"),
    (Generations(), {"alpha": 1.5}, "alpha must lie in"),
    (TemperatureSweep(), {"temperatures": ()}, "temperatures must be a tuple"),
    (TemperatureSweep(), {"temperatures": (1.0, -2.0)}, "each of temperatures"),
    (Teachers(), {"factors": (0.0,)}, "each of factors"),
    (Schedules(), {"schedules": ("cubic",)}, "schedules must be one of linear, constant, quadratic"),
    (Schedules(), {"finals": (2.0,)}, "each of finals"),
    (BiasVariance(), {"draws": 1}, "draws must be a whole number of at least 2"),
    (BiasVariance(), {"n_draw": 501}, "cannot be drawn from a pool of 500"),
    (BiasVariance(), {"wsl_alpha": NAN}, "wsl_alpha"),
    (MATCHED, {"epsilon": 0.0}, "epsilon"),
    (MATCHED, {"width": 0}, "width"),
    (StoppingConfig(MATCHED), {"largest_error": 1.0}, "largest_error"),
    (ProgressiveKernel(), {"final": 1.1}, "final"),
    (ProgressiveKernel(), {"steps": 0}, "steps"),
    (KernelRounds("digits", 10, 10, 0.1, 0.1, 1.0, 0), {"gamma": 0.0}, "gamma"),
    (LabelRounds("pixels", (("symmetric", 0.1),), (0.1,), 2, 10, 10, 0), {"cells": ()}, "cells"),
    (LabelRounds("pixels", (("symmetric", 0.1),), (0.1,), 2, 10, 10, 0), {"students": ("best",)}, "student must"),
]  # fmt: skip


NAMES = [f"{type(config).__name__}-{next(iter(change))}" for config, change, _ in CASES]


@pytest.mark.parametrize(("config", "change", "message"), CASES, ids=NAMES)
def test_what_cannot_be_run_is_refused(config, change, message):
    with pytest.raises(InputError, match=message):
        replace(config, **change)
