"""Noisy label problems, and the models whose left-out probabilities cleanlab is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from selfdistill.theory import corrupt_labels, corruption_matrix, superclass_groups

# Samples are drawn from the digits, since tuning the rivals on all of them takes minutes a problem.
SETS: dict[str, tuple[Callable[..., Any], int]] = {
    "iris": (load_iris, 150),
    "wine": (load_wine, 178),
    "breast cancer": (load_breast_cancer, 569),
    "digits": (load_digits, 600),
}
NOISE = [
    ("symmetric", 0.2), ("symmetric", 0.4), ("symmetric", 0.6), ("asymmetric", 0.2), ("asymmetric", 0.4),
    ("next class", 0.2), ("next class", 0.4), ("superclass", 0.3), ("by features", 0.2),
]  # fmt: skip
# With two classes, asymmetric noise turns one of them alone; the other kinds are symmetric, and at 60 % labels lie.
NOISE_OF_TWO = [
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("one way", 0.2),
    ("one way", 0.4),
    ("by features", 0.2),
]


RIVALS: dict[str, tuple[Any, dict[str, list[Any]]]] = {
    "logistic": (LogisticRegression(max_iter=300), {"C": [0.001, 0.01, 0.1, 1.0]}),
    "SVC": (SVC(), {"C": [0.1, 1.0, 10.0], "gamma": [0.001, 0.005, 0.02, 0.1]}),
    "k-NN": (KNeighborsClassifier(), {"n_neighbors": [5, 10, 20, 40]}),
    "random forest": (
        RandomForestClassifier(30, oob_score=True, random_state=0),
        {"min_samples_leaf": [1, 5, 15]},
    ),
    "boosting": (HistGradientBoostingClassifier(max_iter=30, random_state=0), {"max_leaf_nodes": [4, 15]}),
    "network": (
        MLPClassifier(32, solver="lbfgs", max_iter=100, random_state=0),
        {"alpha": [0.1, 1.0, 10.0]},
    ),
}


# What the settings of each are chosen by: what found more on seed 100.
SCORING = {
    "logistic": "neg_log_loss", "SVC": "accuracy", "k-NN": "neg_log_loss", "boosting": "neg_log_loss",
    "network": "accuracy",
}  # fmt: skip


class Problem(NamedTuple):
    """A set, a kind of noise and its rate, and the seed of what is drawn."""

    name: str
    kind: str
    rate: float
    seed: int

    @property
    def cell(self) -> str:
        """In words, without the seed."""
        return f"{self.name}, {self.kind} {100 * self.rate:.0f} %"


class Samples(NamedTuple):
    """Training samples with their true and given labels, and clean samples to test on."""

    x: np.ndarray
    true: np.ndarray
    given: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def problems(seed: int) -> Iterator[Problem]:
    """All problems of one seed."""
    for name in SETS:
        for kind, rate in NOISE_OF_TWO if name == "breast cancer" else NOISE:
            if kind != "superclass" or name == "digits":  # three classes fall into no groups
                yield Problem(name, kind, rate, seed)


def samples(problem: Problem) -> Samples:
    """Draw a problem: standardised features, three quarters to learn from with noisy labels."""
    name, kind, rate, seed = problem
    load, size = SETS[name]
    x, y = load(return_X_y=True)
    rng = np.random.default_rng([seed, len(name), len(kind), round(10 * rate)])
    order = rng.permutation(len(y))[:size]
    x, y = x[order][:, x[order].std(axis=0) > 0], y[order]
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(x)
    x = scaler.transform(x)
    return Samples(x, y, mislabelled(kind, rate, x, y, rng), scaler.transform(x_test), y_test)


def mislabelled(kind: str, rate: float, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels with noise of one kind."""
    k = int(y.max()) + 1
    if kind == "by features":  # the nearer another class's mean, the likelier its label
        means = np.array([x[y == c].mean(axis=0) for c in range(k)])
        distances = pairwise_distances(x, means)
        own = distances[np.arange(len(y)), y]
        distances[np.arange(len(y)), y] = np.inf
        doubt = np.argsort(np.argsort(own / distances.min(axis=1))) / len(y)
        return np.where(rng.random(len(y)) < np.minimum(2 * rate * doubt, 0.95), distances.argmin(axis=1), y)
    if kind == "next class":
        corruption = (1 - rate) * np.eye(k) + rate * np.roll(np.eye(k), 1, axis=1)
    elif kind == "one way":
        corruption = np.array([[1 - rate, rate], [0.0, 1.0]])
    else:
        groups = superclass_groups(x, y) if kind == "superclass" else None
        corruption = corruption_matrix(kind, k, rate, groups)  # type: ignore[arg-type]
    return corrupt_labels(y, corruption, rng)


def log_likelihood_left_out(forest: RandomForestClassifier, x: np.ndarray, y: np.ndarray) -> float:
    """Fit a forest, and judge it by the trees that did not draw a sample: no folds are needed."""
    p = forest.fit(x, y).oob_decision_function_[np.arange(len(y)), np.searchsorted(forest.classes_, y)]
    return float(np.mean(np.log(np.maximum(np.nan_to_num(p), 1e-3))))


def tuned_probabilities(rival: str, x: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, float]:
    """Out-of-fold probabilities of a model tuned inside every fold, and the processor's seconds."""
    model, grid = RIVALS[rival]
    least = int(np.bincount(given).min())
    inner = StratifiedKFold(max(2, min(3, least)), shuffle=True, random_state=1)
    outer = StratifiedKFold(max(2, min(5, least)), shuffle=True, random_state=0)
    p = np.zeros((len(x), int(given.max()) + 1))
    start = time.process_time()
    for others, fold in outer.split(x, given):
        tuned: Any
        if rival == "random forest":
            forests = [clone(model).set_params(**setting) for setting in ParameterGrid(grid)]
            tuned = max(forests, key=partial(log_likelihood_left_out, x=x[others], y=given[others]))
        else:
            tuned = GridSearchCV(model, grid, cv=inner, scoring=SCORING[rival]).fit(x[others], given[others])
        if not hasattr(tuned, "predict_proba"):
            tuned = CalibratedClassifierCV(tuned.best_estimator_, cv=inner, ensemble=False)
            tuned.fit(x[others], given[others])
        p[np.ix_(fold, tuned.classes_)] = tuned.predict_proba(x[fold])
    return p, time.process_time() - start
