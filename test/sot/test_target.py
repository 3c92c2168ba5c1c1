"""A target as the node follows it: identity, state, loss and return, with a real tracker."""

from collections.abc import Mapping

import numpy as np
import pytest
from patch_scene import BACKGROUND, scene

from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.network import Network
from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.sot import TRACKERS, LoadedModel, load_model
from tracker_ros.sot.target import Target
from tracker_ros.track import TrackState

BOX = Box(200, 150, 60, 48)


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
    assert TrackState.REACQUIRED in [track.state for track in back]
    assert back[-1].state is TrackState.TRACKING
    assert back[-1].box.iou(Box(480, 330, 60, 48)) > 0.5
    assert back[-1].id == "7"


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


@pytest.mark.parametrize("name", TRACKERS)
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
