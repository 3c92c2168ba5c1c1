"""A target as the node follows it: identity, state, loss and return, with a real tracker."""

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np
import pytest
from patch_scene import BACKGROUND, PATCH, scene

from tracker_ros.demo.scene import Scene
from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.network import Network
from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.sot import LoadedModel, load_model
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.target import Target
from tracker_ros.track import Estimate, TrackState

BOX = Box(200, 150, 60, 48)
SHIPPED = ("siamrpnpp", "siamfc")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model("siamrpnpp", threads=1)


def started(model: LoadedModel) -> Target:
    target = model.new_target("7", "patch")
    track = target.start(scene(200, 150), BOX)
    assert (track.id, track.label, track.state, track.box) == (
        "7",
        "patch",
        TrackState.TENTATIVE,
        BOX,
    )
    return target


def test_a_target_in_view_becomes_tracking_and_ages(model: LoadedModel) -> None:
    target = started(model)
    tracks = [target.follow(scene(200 + 3 * i, 150)) for i in range(1, 7)]
    assert tracks[-1].state is TrackState.TRACKING
    assert [track.age for track in tracks] == [1, 2, 3, 4, 5, 6]


def test_a_black_frame_is_never_tracking_and_the_box_stays_where_it_was_seen(
    model: LoadedModel,
) -> None:
    target = started(model)
    for _ in range(5):
        seen = target.follow(scene(200, 150))
    black = np.zeros_like(BACKGROUND)
    tracks = [target.follow(black) for _ in range(30)]
    assert {track.state for track in tracks} == {TrackState.LOST}
    assert all(track.box == seen.box for track in tracks)
    assert tracks[-1].frames_since_seen == 30


def test_a_target_that_leaves_is_reported_lost_and_its_return_reacquired(
    model: LoadedModel,
) -> None:
    target = started(model)
    for _ in range(5):
        target.follow(scene(200, 150))
    gone = [target.follow(BACKGROUND).state for _ in range(40)]
    assert TrackState.TRACKING not in gone
    assert gone[-1] is TrackState.LOST
    # It comes back on the other side of the picture: the sweep finds it.
    back = [target.follow(scene(480, 330)) for _ in range(40)]
    states = [track.state for track in back]
    assert TrackState.LOST not in states[states.index(TrackState.REACQUIRED) :], "it is followed"
    assert back[-1].state is TrackState.TRACKING
    assert back[-1].box.iou(Box(480, 330, 60, 48)) > 0.5
    assert back[-1].id == "7"


def test_a_return_that_must_be_confirmed_is_looked_for_where_it_was_seen(
    model: LoadedModel,
) -> None:
    strict = dataclasses.replace(model.thresholds, confirm_return=3)
    target = model.new_target("7", thresholds=strict)
    target.start(scene(200, 150), BOX)
    target.lose("tried")
    back = [target.follow(scene(480, 330)) for _ in range(70)]  # 30 cells, every other frame
    states = [track.state for track in back]
    found = states.index(TrackState.REACQUIRED)
    reasons = [track.reason for track in back[found - 2 : found]]
    assert reasons == ["seen in 1 of 3 frames", "seen in 2 of 3 frames"]
    assert back[-1].state is TrackState.TRACKING
    assert back[-1].box.iou(Box(480, 330, 60, 48)) > 0.5


def test_a_lost_target_is_looked_for_in_the_size_that_it_had_while_it_was_sure(
    model: LoadedModel,
) -> None:
    tracker = model.new_tracker()
    target = Target("7", "", tracker, model.thresholds)
    target.start(scene(200, 150), BOX)
    for _ in range(3):
        seen = target.follow(scene(200, 150))
    shrunk = Box.from_center(seen.box.cx, seen.box.cy, 20, 16)
    tracker.accept(Estimate(shrunk, seen.evidence))
    gone = [target.follow(BACKGROUND) for _ in range(20)]
    lost = next(track for track in gone if track.state is TrackState.LOST)
    assert lost.box.w < 40, "the box that is told stays as it was last seen"
    # What is looked for: a box of nothing is mostly the size that was expected.
    assert tracker._state.w == pytest.approx(60, rel=0.3)
    cells = {target._sweep(BACKGROUND, step) for step in range(64)}
    assert len(cells) == 30, "cells of the picture as large as a look in that size"


_OTHER_CELLS = np.random.default_rng(11).integers(0, 256, (6, 7, 3), np.uint8)
OTHER_PATCH = cv2.resize(_OTHER_CELLS, (60, 48), interpolation=cv2.INTER_CUBIC)


def other_scene(x: int, y: int) -> np.ndarray:
    """Another object at (x, y) on the same background."""
    image = np.array(BACKGROUND)
    image[y : y + 48, x : x + 60] = OTHER_PATCH
    return image


@pytest.mark.parametrize("name", SHIPPED)
def test_another_object_does_not_get_the_id_and_the_target_does_when_it_is_back(name: str) -> None:
    model = load_model(name, threads=1)
    # To these small networks all coloured noise is much alike: 0.6 to 0.7, the target itself 0.9.
    strict = dataclasses.replace(model.thresholds, verify_likeness=0.8, recover_score=0.5)
    target = model.new_target("7", thresholds=strict)
    target.start(scene(200, 150), BOX)
    for _ in range(5):
        target.follow(scene(200, 150))
    for _ in range(20):
        target.follow(BACKGROUND)
    other = [target.follow(other_scene(200, 150)) for _ in range(30)]
    assert {track.state for track in other} == {TrackState.LOST}
    assert any("seen something else" in track.reason for track in other), "it scores high enough"
    back = [target.follow(scene(200, 150)) for _ in range(10)]
    assert TrackState.REACQUIRED in [track.state for track in back]
    assert back[-1].state is TrackState.TRACKING
    assert (back[-1].id, back[-1].box.iou(BOX) > 0.5) == ("7", True)


def test_what_is_compared_with_the_first_frame_decides_and_not_the_score(
    model: LoadedModel,
) -> None:
    strict = dataclasses.replace(model.thresholds, verify_likeness=1.0)
    target = model.new_target("7", thresholds=strict)
    target.start(scene(200, 150), BOX)
    tracks = [target.follow(scene(201 + i % 2, 150)) for i in range(8)]
    assert TrackState.TRACKING not in {track.state for track in tracks}
    assert "unlike the first frame" in tracks[-1].reason or "no doubt" in tracks[-1].reason
    target.lose("tried")
    tracks = [target.follow(scene(200, 150)) for _ in range(6)]
    assert {track.state for track in tracks} == {TrackState.LOST}
    assert any("seen something else" in track.reason for track in tracks)


def test_another_model_does_not_vouch_for_a_target_that_it_has_not_compared(
    model: LoadedModel,
) -> None:
    target = started(model)
    for i in range(1, 7):
        seen = target.follow(scene(200 + i, 150))
    assert seen.state is TrackState.TRACKING and target.first is not None
    other = load_model("siamfc", threads=1).new_tracker()
    target.first.teach(other)
    never = Thresholds(uncertain_score=0.0, lost_score=0.0, verify_likeness=1.0)
    target.change(other, never)
    track = target.follow(scene(207, 150))
    assert track.state is TrackState.UNCERTAIN
    assert "unlike the first frame" in track.reason


def test_a_target_that_leaves_over_the_border_is_not_tracking_outside(model: LoadedModel) -> None:
    def at(x: int) -> np.ndarray:
        wide = np.hstack([BACKGROUND, BACKGROUND[:, ::-1]])
        wide[150:198, 560:620] = PATCH
        return np.array(wide[:, x : x + 640])

    target = model.new_target("7")
    target.start(at(300), Box(260, 150, 60, 48))
    inside = [target.follow(at(300 + 6 * i)) for i in range(1, 44)]
    assert inside[30].state is TrackState.TRACKING
    outside = [target.follow(at(300 + 6 * i)) for i in range(54, 57)]
    outside += [target.follow(at(636)) for _ in range(100)]
    assert TrackState.TRACKING not in {track.state for track in outside}
    assert outside[-1].state is TrackState.LOST
    box = outside[-1].box
    assert max(abs(box.x), abs(box.y)) < 640 and box.w < 200 and box.h < 200
    back = [target.follow(at(max(636 - 12 * i, 400))) for i in range(40)]
    assert back[-1].state is TrackState.TRACKING
    assert back[-1].box.iou(Box(160, 150, 60, 48)) > 0.5


def test_a_rendered_target_that_is_out_of_the_picture_for_100_frames_comes_back(
    model: LoadedModel,
) -> None:
    film = Scene()
    truth = film.truth()
    gone = [i for i in range(420, 560) if truth[i] is None]
    there_and_back = [*gone, *gone[::-1]] * 2
    frames = [*range(410, gone[0]), *there_and_back[:100], *range(gone[-1] + 1, 600)]
    target = model.new_target("7")
    first = truth[400]
    assert first is not None
    target.start(film.frame(400).image, first)
    pictures = {index: film.frame(index).image for index in set(frames)}
    tracks = [(index, target.follow(pictures[index])) for index in frames]
    absent = [track.state for index, track in tracks if truth[index] is None]
    assert len(absent) == 100
    assert absent.count(TrackState.TRACKING) <= 2, "two percent"
    assert absent[-50:] == [TrackState.LOST] * 50
    last, end = truth[599], tracks[-1][1]
    assert last is not None
    assert end.state is TrackState.TRACKING and end.box.iou(last) > 0.5
    assert end.id == "7"


def test_the_evidence_tells_how_the_box_moved_and_how_much_of_it_is_on_the_image(
    model: LoadedModel,
) -> None:
    target = started(model)
    still = [target.follow(scene(200, 150)) for _ in range(4)][-1].evidence
    assert still.jump < 0.1 and still.inside == pytest.approx(1.0) and abs(still.drift) < 0.2
    assert still.likeness > 0.7
    moved = target.follow(scene(240, 150)).evidence
    assert moved.jump == pytest.approx(40 / (60 * 48) ** 0.5, abs=0.25)
    gone = target.follow(BACKGROUND).evidence
    assert gone.drift < -0.3


@pytest.mark.parametrize("name", SHIPPED)
def test_a_lost_target_costs_one_look_a_frame_and_a_followed_one_few_comparisons(
    name: str,
) -> None:
    loaded = load_model(name, threads=1)
    networks = {role: Counting(network.engine) for role, network in loaded._networks.items()}
    model = LoadedModel(loaded.card, {role: Network(n) for role, n in networks.items()})
    target = model.new_target("7")
    target.start(scene(200, 150), BOX)
    before = networks["search"].runs, networks["template"].runs
    for _ in range(30):
        target.follow(scene(200, 150))
    assert networks["search"].runs - before[0] == 30
    assert networks["template"].runs - before[1] <= 5
    target.lose("tried")
    before = networks["search"].runs, networks["template"].runs
    for _ in range(30):
        target.follow(BACKGROUND)
    assert target.state is TrackState.LOST
    assert networks["search"].runs - before[0] == 30
    assert networks["template"].runs - before[1] <= 30


def test_the_sweep_visits_the_whole_picture(model: LoadedModel) -> None:
    target = started(model)
    places = {target._sweep(BACKGROUND, step) for step in range(64)}
    reach = 2 * (60 * 48) ** 0.5
    for x in range(0, 640, 40):
        for y in range(0, 480, 40):
            assert min(max(abs(x - px), abs(y - py)) for px, py in places) <= reach / 2 + 1


def test_a_refused_box_leaves_the_target_as_it_is(model: LoadedModel) -> None:
    target = started(model)
    target.follow(scene(200, 150))
    with pytest.raises(TargetError, match="w=0"):
        target.start(scene(200, 150), Box(10, 10, 0, 5))
    assert target.follow(scene(200, 150)).box.iou(BOX) > 0.7


def test_losing_a_target_for_an_outside_reason_says_so(model: LoadedModel) -> None:
    target = started(model)
    track = target.lose("the camera changed its resolution")
    assert (track.state, track.reason) == (TrackState.LOST, "the camera changed its resolution")
    assert track.frames_since_seen > 0


class Counting:
    """An engine that counts its runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.runs = engine, 0
        self.backend, self.precision = engine.backend, engine.precision
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.runs += 1
        return self._engine.run(inputs)


class BrokenEngine:
    """A network whose answers become NaN, as an fp16 engine's may."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.broken = engine, False
        self.backend, self.precision = engine.backend, engine.precision
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        answers = self._engine.run(inputs)
        if self.broken:
            return {name: np.full_like(answer, np.nan) for name, answer in answers.items()}
        return answers


@pytest.mark.parametrize("name", SHIPPED)
def test_answers_that_are_no_numbers_are_a_loss_and_the_target_is_found_after_them(
    name: str,
) -> None:
    loaded = load_model(name, threads=1)
    engine = BrokenEngine(loaded._networks["match"].engine)
    model = LoadedModel(loaded.card, {**loaded._networks, "match": Network(engine)})
    target = model.new_target("7")
    target.start(scene(200, 150), BOX)
    seen = target.follow(scene(200, 150))
    engine.broken = True
    tracks = [target.follow(scene(200, 150)) for _ in range(5)]
    assert {track.state for track in tracks} == {TrackState.LOST}
    assert all("not a number" in track.reason and track.box == seen.box for track in tracks)
    assert tracks[-1].frames_since_seen == 5
    engine.broken = False
    back = [target.follow(scene(200, 150)) for _ in range(20)]
    assert back[-1].state is TrackState.TRACKING
    assert back[-1].box.iou(BOX) > 0.5


def test_after_another_view_the_picture_is_not_called_blank(model: LoadedModel) -> None:
    target = model.new_target("7", "")
    target.start(scene(500, 380), Box(500, 380, 60, 48))
    target.lose("another view")
    small = np.ascontiguousarray(scene(200, 150)[:200, :200])
    assert not any("blank" in target.follow(small).reason for _ in range(6))
