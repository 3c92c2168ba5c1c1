"""Siamese trackers with the filter learnt on line, with the weights that ship."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
from patch_scene import BACKGROUND, PATCH, scene, texture

from tracker_ros.engines.memory import Outputs
from tracker_ros.engines.network import Network
from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box
from tracker_ros.sot import LoadedModel, load_model
from tracker_ros.sot.model import PAPERS
from tracker_ros.sot.online import FilteredTracker, OnlineFilter, OnlineParameters
from tracker_ros.sot.passes import run_together
from tracker_ros.track import TrackState

FILTERED = ["siamfc", "siamrpnpp", "spm"]
BOX = Box(200, 150, 60, 48)


@pytest.fixture(scope="module", params=FILTERED)
def shipped(request: pytest.FixtureRequest) -> LoadedModel:
    return load_model(request.param, threads=1)


@pytest.fixture(scope="module")
def model(shipped: LoadedModel) -> LoadedModel:
    return weighing(shipped, 0.5)


def weighing(model: LoadedModel, weight: float, **others: Any) -> LoadedModel:
    return model.with_tracking({**model.card.tracking, "online_weight": weight, **others})


def filter_in(tracker: Any) -> OnlineFilter:
    online = tracker._online
    assert isinstance(online, OnlineFilter)
    return online


def boxes(model: LoadedModel, frames: int = 8) -> list[Box]:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), BOX)
    return [tracker.track(scene(200 + 7 * i, 150 + 4 * i)).box for i in range(1, frames)]


def test_a_weight_of_nothing_leaves_every_box_as_it_is(shipped: LoadedModel) -> None:
    none = {k: v for k, v in shipped.card.tracking.items() if not k.startswith("online_")}
    without = shipped.with_tracking(none)
    off = without.with_tracking(
        {**none, "online_weight": 0.0, "online_interval": 1, "online_sigma": 1.0}
    )
    for model, filtered in ((off, False), (weighing(without, 0.1), True)):
        tracker = model.new_tracker()
        assert isinstance(tracker, FilteredTracker)
        assert (tracker._online is not None) == filtered
    assert boxes(off) == boxes(without)


BESIDE = ((64, 0), (-64, 0), (0, 52), (0, -52))
_RNG = np.random.default_rng(11)
OTHERS = [cv2.resize(_RNG.integers(0, 256, (7, 8, 3), np.uint8), (60, 48)) for _ in BESIDE]


def crowd(x: int, y: int, likes: list[int], share: float, gain: float) -> np.ndarray:
    """The patch at (x, y), darker by `gain`, and look-alikes beside it that stay bright."""
    image = BACKGROUND.copy()
    for i in likes:
        left, top = x + BESIDE[i][0], y + BESIDE[i][1]
        look = share * PATCH + (1 - share) * np.asarray(OTHERS[i], np.float64)
        image[top : top + 48, left : left + 60] = look
    image[y : y + 48, x : x + 60] = gain * PATCH
    return image


def times_found(model: LoadedModel, share: float, dark: float) -> int:
    """How often a target that darkens among look-alikes is found: of 4 times 5."""
    count = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        likes = rng.permutation(4)[:2].tolist()
        x, y = 260, 200
        tracker = model.new_tracker()
        tracker.init(scene(x, y), Box(x, y, 60, 48))
        for i in range(16):
            x, y = x + int(rng.integers(-6, 7)), y + int(rng.integers(-5, 6))
            found = tracker.track(crowd(x, y, likes, share, 1 - (1 - dark) * i / 15))
        truth = Box(x, y, 60, 48)
        count += found.box.iou(truth) > 0.3
        last = crowd(x, y, likes, share, dark)
        for i in likes:  # from a place where the look-alike is nearer
            for part in (0.7, 0.85):
                place = x + 30 + part * BESIDE[i][0], y + 24 + part * BESIDE[i][1]
                count += tracker.look_at(last, *place).box.iou(truth) > 0.3
    return count


def test_a_target_among_look_alikes_is_found_where_the_siamese_head_alone_fails(
    shipped: LoadedModel,
) -> None:
    kinds = ((0.7, 0.5), (0.5, 0.4))
    free = {"hold_score": 0.0} if "hold_score" in shipped.card.tracking else {}
    alone, both = (
        sum(times_found(weighing(shipped, w, online_interval=2, **free), *k) for k in kinds)
        for w in (0.0, 0.5)
    )
    assert alone < 30, "the look-alikes are too easy for the Siamese head: draw better ones"
    assert both >= alone + 2


def test_a_moving_target_is_followed_and_learnt(model: LoadedModel) -> None:
    tracker = model.with_tracking({**model.card.tracking, "online_interval": 2}).new_tracker()
    tracker.init(scene(200, 150), BOX)
    first = filter_in(tracker).learnt
    for i in range(1, 15):
        truth = Box(200 + 7 * i, 150 + 4 * i, 60, 48)
        assert tracker.track(scene(int(truth.x), int(truth.y))).box.iou(truth) > 0.4, f"frame {i}"
    assert filter_in(tracker).learnt > first


def test_the_same_frames_give_the_same_boxes(model: LoadedModel) -> None:
    assert boxes(model) == boxes(model)


def test_looking_elsewhere_teaches_nothing(model: LoadedModel) -> None:
    tracker = weighing(model, 0.5, online_interval=1).new_tracker()
    tracker.init(scene(200, 150), BOX)
    tracker.track(scene(200, 150))
    before = filter_in(tracker).learnt
    for place in ((100, 100), (230, 174), (560, 400)):
        tracker.look_at(scene(200, 150), *place)
    assert filter_in(tracker).learnt == before


def test_what_is_accepted_from_elsewhere_drops_what_waited(model: LoadedModel) -> None:
    tracker = weighing(model, 0.5, online_interval=1).new_tracker()
    tracker.init(scene(200, 150), BOX)
    tracker.track(scene(200, 150))
    before = filter_in(tracker).learnt
    for _ in range(4):  # each frame would be learnt with the next
        seen = tracker.track(scene(200, 150))
        tracker.accept(seen)
    assert filter_in(tracker).learnt - before <= 1


def test_a_target_that_is_covered_and_comes_back_is_found_again(model: LoadedModel) -> None:
    if model.tracker == "spm":
        pytest.skip("spm_small calls what covers this patch UNCERTAIN, not LOST: docs/trackers.md")
    target = weighing(model, 0.5, online_interval=2).new_target("a")
    target.start(scene(200, 150), BOX)
    for i in range(12):
        target.follow(scene(200 + 2 * i, 150))
    tracker: Any = target._tracker
    learnt = filter_in(tracker).learnt
    covered = BACKGROUND.copy()
    covered[130:220, 190:320] = texture(130, 90, 40)
    states = [target.follow(covered).state for _ in range(40)]
    assert TrackState.TRACKING not in states[12:]
    assert filter_in(tracker).learnt <= learnt + 1  # what was seen just before may still be
    for _ in range(60):
        track = target.follow(scene(300, 250))
    assert track.state.visible and track.box.iou(Box(300, 250, 60, 48)) > 0.5


def test_targets_of_one_model_have_filters_of_their_own(model: LoadedModel) -> None:
    def pair() -> tuple[Any, Any]:
        one, two = model.new_tracker(), model.new_tracker()
        one.init(scene(200, 150), BOX)
        two.init(scene(200, 150), Box(420, 250, 60, 48))
        return one, two

    one, two = pair()
    apart = [[t.track(scene(200 + 3 * i, 150)).box for i in range(1, 9)] for t in (one, two)]
    one, two = pair()
    together: list[list[Box]] = [[], []]
    for i in range(1, 9):
        done = run_together([t.following(scene(200 + 3 * i, 150)) for t in (one, two)])
        for found, each in zip(done, together, strict=True):
            found_box = found.result().box
            each.append(found_box)
    for alone, shared in zip(apart, together, strict=True):
        for a, b in zip(alone, shared, strict=True):
            assert list(a) == pytest.approx(list(b), abs=0.05)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_same_view_in_another_size_is_followed(model: LoadedModel, factor: float) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), BOX)
    for _ in range(6):
        tracker.track(scene(200, 150))
    tracker.rescale(factor, factor)
    for i in range(8):
        x = 200 + 4 * i
        image = cv2.resize(scene(x, 150), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        box = tracker.track(np.asarray(image, np.uint8)).box
        assert box.iou(Box(x * factor, 150 * factor, 60 * factor, 48 * factor)) > 0.6, f"frame {i}"


@pytest.mark.parametrize("box", [Box(200, 150, 10, 10), Box(0, 0, 640, 480), Box(-5, -5, 650, 490)])
def test_tiny_targets_and_those_as_large_as_the_image_are_followed(
    model: LoadedModel, box: Box
) -> None:
    tracker = weighing(model, 0.5, online_interval=1).new_tracker()
    tracker.init(scene(200, 150), box)
    for _ in range(8):
        estimate = tracker.track(scene(200, 150))
        assert estimate.is_finite
    assert estimate.box.iou(box) > 0.3


def test_a_network_that_answers_nan_breaks_neither_filter_nor_tracker(
    model: LoadedModel,
) -> None:
    class Broken(Network):
        """The real search network; while `on`, one of its values is NaN."""

        on = False

        def run(self, inputs: Any, read: Any = None) -> Any:
            outputs = dict(super().run(inputs, read))
            if self.on:
                outputs["feature_0"] = outputs["feature_0"].copy()
                outputs["feature_0"][:, 3, 5, 5] = np.nan
            return Outputs(outputs)

    broken = Broken(model._networks["search"].engine)
    networks = {**model._networks, "search": broken}
    target = LoadedModel(model.card, networks).new_target("a")
    target.start(scene(200, 150), BOX)
    for _ in range(4):
        target.follow(scene(200, 150))
    broken.on = True
    for _ in range(3):  # SPM's second stage can tell the target from the cells that are left
        track = target.follow(scene(200, 150))
        assert track.state is TrackState.LOST or track.box.iou(BOX) > 0.5
    broken.on = False
    for _ in range(20):
        track = target.follow(scene(200, 150))
    assert track.state.visible and track.box.iou(BOX) > 0.5


@pytest.mark.parametrize(
    ("key", "value"),
    [("online_weight", 1.5), ("online_memory", 1), ("online_sigma", 0.0), ("online_interval", 0)],
)
def test_impossible_values_are_refused_by_name(
    shipped: LoadedModel, key: str, value: float
) -> None:
    with pytest.raises(ModelError, match=rf"{key} is .*; possible is"):
        shipped.with_tracking({**shipped.card.tracking, key: value})


def test_every_siamese_tracker_takes_the_filters_parameters() -> None:
    names = {field.name for field in dataclasses.fields(OnlineParameters)}
    assert all(name.startswith("online_") for name in names)
    for tracker in ("siamfc", "siamrpnpp", "spm"):
        assert names <= {field.name for field in dataclasses.fields(PAPERS[tracker].parameters)}
