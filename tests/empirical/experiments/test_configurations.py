"""Every configuration refuses what cannot be run when it is made, before any work."""

from dataclasses import replace

import pytest

from selfdistill.empirical.data.problems import Problems
from selfdistill.empirical.experiments.bias_variance import BiasVariance, Learner
from selfdistill.empirical.experiments.comparison import Comparison
from selfdistill.empirical.experiments.kernel_rounds import KernelRounds
from selfdistill.empirical.experiments.label_rounds import LabelRounds
from selfdistill.empirical.experiments.matched import MatchedConfig
from selfdistill.empirical.experiments.progressive_kernel import ProgressiveKernel
from selfdistill.empirical.experiments.rounds import RoundsConfig
from selfdistill.empirical.experiments.soft_labels.border import Cell
from selfdistill.empirical.experiments.soft_labels.hard_examples import HardExamples
from selfdistill.empirical.experiments.soft_labels.students import Student, Study
from selfdistill.empirical.experiments.stopping import StoppingConfig
from selfdistill.empirical.methods.catalogue import CROSS_ENTROPY, METHODS, PROGRESSIVE, SELF_DISTILLATION
from selfdistill.empirical.training.members import TrainingConfig
from selfdistill.theory import InputError

MATCHED = MatchedConfig("diabetes", 0.1, 8, 0)
FIRST = Student("first", CROSS_ENTROPY)
SOFT = (("alpha", 0.5), ("temperature", 1.0))
SECOND = Student("second", SELF_DISTILLATION, SOFT, "first")
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
    (Comparison(), {"augmentation": "blur"}, "augmentation must be one of none, shift, crop and flip"),
    (Comparison(), {"teacher_sees": "nothing"}, "teacher_sees"),
    (Comparison(), {"past": "tomorrow"}, "past must be one of training pass, end of epoch"),
    (Comparison(), {"tuning_seeds": (0, 7)}, "what was tuned on a problem cannot be tested on it"),
    (FIRST, {"start": -1}, "start must be a whole number of at least 0"),
    (FIRST, {"settings": (("alpha", 0.5),)}, "takes the settings none; it was given alpha"),
    (FIRST, {"teacher": "second"}, "cross-entropy takes no teacher"),
    (FIRST, {"method": SELF_DISTILLATION, "settings": SOFT}, "self-distillation needs a teacher"),
    (Study(Comparison(), (FIRST,)), {"students": (FIRST, FIRST)}, "students need names of their own"),
    (Study(Comparison(), (FIRST,)), {"students": (SECOND, FIRST)}, "teacher of 'second' must come before it"),
    (Cell(Comparison(), ((CROSS_ENTROPY, ()),)), {"draws": 1}, "draws must be a whole number of at least 2"),
    (HardExamples(), {"alpha": 1.5}, "alpha must lie in"),
    (BiasVariance(), {"draws": 1}, "draws must be a whole number of at least 2"),
    (BiasVariance(), {"n_draw": 351}, "cannot be drawn without replacement from a pool of 350"),
    (BiasVariance(), {"weight_decay": NAN}, "weight_decay"),
    (Learner("plain", CROSS_ENTROPY), {"teacher": "given"}, "do not agree"),
    (Learner("plain", CROSS_ENTROPY), {"method": PROGRESSIVE}, "takes the settings alpha; it was given none"),
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
