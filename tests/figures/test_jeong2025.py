"""The figures of label averaging: measured small, judged, drawn; theorems hold."""

import numpy as np
import pytest
from scipy.cluster import hierarchy

from selfdistill.empirical.experiments.learned_features import digits_features
from selfdistill.figures.artefact import select_artefacts
from selfdistill.figures.jeong2025.gram_blocks import class_correlations, class_tree
from selfdistill.figures.scale import Scale
from selfdistill.theory import superclass_groups
from selfdistill.theory.labels.noise import LINKAGE_CUT

NAMES = [artefact.name for artefact in select_artefacts(["jeong2025"])]


def test_every_figure_is_found():
    assert {
        "accuracy_rounds", "convergence", "distillation_gain", "gram_blocks", "groups_of_two",
        "minimum_rounds", "sample_outputs",
    } <= set(NAMES)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_measured_judged_and_drawn(name, tmp_path):
    (artefact,) = select_artefacts([f"jeong2025.{name}"])
    data = artefact.measure(Scale("smoke", cache=tmp_path))
    claims = artefact.claims(data)
    assert claims
    assert all(claim.verdict == "holds" for claim in claims if claim.kind == "theorem"), claims
    figure = artefact.draw(data)
    assert all(axes.get_title() or axes.get_ylabel() for axes in figure.axes)
    figure.savefig(tmp_path / "figure.png")


def test_another_seed_keeps_every_theorem():
    for name in ("minimum_rounds", "groups_of_two"):
        (artefact,) = select_artefacts([f"jeong2025.{name}"])
        claims = artefact.claims(artefact.measure(Scale("smoke", seed=7)))
        assert all(claim.verdict == "holds" for claim in claims if claim.kind == "theorem"), claims


def test_the_tree_of_classes_is_the_one_that_superclasses_are_cut_from():
    data = digits_features("pixels", 300, 50, seed=1)
    tree = class_tree(class_correlations(data), np.bincount(data.labels))
    cut = hierarchy.fcluster(tree, LINKAGE_CUT * tree[:, 2].max(), "distance")
    groups = superclass_groups(data.features, data.labels, 10)
    together = cut[:, None] == cut
    assert 1 < len(set(cut)) < 10
    assert (groups[:, None] == groups)[together].all()
    alone = [k for k in range(10) if together[k].sum() == 1]
    kept = [k for k in range(10) if k not in alone]
    assert ((groups[:, None] == groups)[np.ix_(kept, kept)] == together[np.ix_(kept, kept)]).all()


def test_correlations_of_classes_are_means_over_pairs_of_different_samples():
    data = digits_features("pixels", 60, 50, seed=1)
    gram, found = data.features @ data.features.T, class_correlations(data)
    for k, j in ((0, 0), (2, 5)):
        pairs = [
            gram[a, b]
            for a in np.flatnonzero(data.labels == k)
            for b in np.flatnonzero(data.labels == j)
            if a != b
        ]
        assert found[k, j] == pytest.approx(np.mean(pairs))
