"""Detection of scattered digits: the scenes, the measure of precision, and that the methods are what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfdistill.empirical.data.scattered_digits import CANVAS, NOTHING, boxes, draw_scenes
from selfdistill.empirical.experiments.domains.detection import (
    METHODS,
    Detection,
    average_precision,
    intersection_over_union,
    mean_average_precision,
    measure_detection,
)
from selfdistill.empirical.experiments.domains.translation import RESCALED
from selfdistill.theory import InputError

TINY = Detection(3, n_train=20, n_validation=10, n_test=20, epochs=2, channels=4)


@pytest.fixture(scope="module")
def scenes():
    return draw_scenes(40, 40, np.random.default_rng(0))


def perfect(scenes):
    """Outputs of a detector that knows the scenes."""
    outputs = torch.zeros(len(scenes.images), 14, 4, 4)
    full = scenes.kinds != NOTHING
    outputs[:, 0] = torch.where(full, 9.0, -9.0)
    outputs[:, 1:11] = 30 * torch.nn.functional.one_hot(scenes.kinds.clamp_min(0), 10).movedim(-1, 1)
    outputs[:, 11:] = scenes.places.movedim(-1, 1)
    return outputs


def test_boxes_hold_whole_digits_in_their_own_cells(scenes):
    train, _ = scenes
    full = train.kinds != NOTHING
    assert 1 <= full.flatten(1).sum(1).min() <= full.flatten(1).sum(1).max() <= 4
    assert ((train.places[full][:, :2] >= 0) & (train.places[full][:, :2] < 1)).all()
    found = boxes(train.places)[full]
    assert found.min() >= 0
    assert found.max() <= CANVAS
    sides = (found[:, 2:] - found[:, :2]).unique()
    assert sides.tolist() == [8, 11, 14]
    for image, kinds, place in zip(train.images, train.kinds, boxes(train.places), strict=True):
        for top, left, bottom, right in place[kinds != NOTHING].long().tolist():
            assert image[0, top:bottom, left:right].mean() > image.mean()


def test_training_and_test_scenes_are_of_different_digits():
    first, second = draw_scenes(1, 200, np.random.default_rng(1), most=1, noise=1e-9)
    again, _ = draw_scenes(1, 5, np.random.default_rng(1), most=1, noise=1e-9)
    assert torch.equal(first.images, again.images)
    assert not any(torch.equal(first.images[0], image) for image in second.images)


def test_a_detector_that_knows_has_precision_one_and_each_mistake_costs(scenes):
    _, test = scenes
    truth, outputs = boxes(test.places), perfect(test)
    assert mean_average_precision(outputs, test.kinds, truth) == 1
    moved = outputs.clone()
    moved[:, 11:13] += 1.0
    assert mean_average_precision(moved, test.kinds, truth) < 0.2
    confused = outputs.clone()
    confused[:, 1:11] = outputs[:, 1:11].roll(1, dims=1)
    assert mean_average_precision(confused, test.kinds, truth) < 0.2
    blind = outputs.clone()
    blind[:20, 0] = -9.0
    assert mean_average_precision(blind, test.kinds, truth) < 1


def test_average_precision_is_the_area_that_the_definition_gives(rng):
    """At each recall the best precision at that recall or above, averaged over the digits that are there."""
    for _ in range(20):
        right = rng.random(30) < 0.4
        n_there = int(right.sum()) + int(rng.integers(1, 5))
        hits = [int(right[: i + 1].sum()) for i in range(30)]
        best = [
            max([h / (i + 1) for i, h in enumerate(hits) if h >= found], default=0.0)
            for found in range(1, n_there + 1)
        ]
        assert average_precision(right, n_there) == pytest.approx(np.mean(best), rel=1e-12)


def test_one_digit_is_found_once():
    """Two cells offer the same box: the surer is right, the other is not."""
    kinds = torch.full((1, 4, 4), NOTHING)
    places = torch.zeros(1, 4, 4, 3)
    kinds[0, 1, 1], places[0, 1, 1] = 3, torch.tensor([0.5, 0.5, 1.0])
    outputs = torch.full((1, 14, 4, 4), -20.0)
    for column, sure in ((1, 2.0), (2, 5.0)):
        outputs[0, 0, 1, column], outputs[0, 1 + 3, 1, column] = sure, 20.0
        outputs[0, 11:, 1, column] = torch.tensor([0.5, 1.5 - column, 1.0])
    assert mean_average_precision(outputs, kinds, boxes(places)) == 1
    outputs[0, 12, 1, 2] = 3.0  # the surer offer is elsewhere now
    assert mean_average_precision(outputs, kinds, boxes(places)) == 0.5


def test_overlap_of_boxes():
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    b = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0], [1.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(intersection_over_union(a, b), torch.tensor([[1.0, 1 / 3, 0.0, 0.0]]))


def test_the_rescaled_detector_is_the_same_one_and_without_past_all_are_cross_entropy():
    data = measure_detection(TINY)
    plain, rescaled = (data.sel({"method": name}) for name in (METHODS[0], RESCALED))
    assert plain["accuracy"] == rescaled["accuracy"]
    assert float(rescaled["temperature"][0]) != 1
    same = measure_detection(replace(TINY, epsilon=0.0, alpha=0.0, gamma=0.0))
    values = same["nll"].sel({"method": list(METHODS)}).values
    np.testing.assert_allclose(values, np.broadcast_to(values[:1], values.shape), rtol=1e-4)
    for method in METHODS[1:]:
        assert (same["nll"].sel({"method": method}) != data["nll"].sel({"method": method})).all()


def test_what_cannot_be_is_refused():
    for changes in (
        {"alpha": 1.5},
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"weight_decay": -1.0},
        {"gamma": -1.0},
    ):
        with pytest.raises(InputError, match=next(iter(changes))):
            replace(TINY, **changes)
