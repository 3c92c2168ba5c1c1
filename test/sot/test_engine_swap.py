"""A change of engines between two frames: what a tracker has kept of its target goes on."""

from __future__ import annotations

import importlib.util

import pytest
from other_engines import Workshop
from patch_scene import scene

from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.open import open_multi_tracker
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS, LoadedModel, trackers_with_weights
from tracker_ros.sot.backends import AUTO, EngineChoice
from tracker_ros.sot.model import open_model
from tracker_ros.sot.passes import run_together
from tracker_ros.sot.target import Target
from tracker_ros.track import Track, TrackState

BOXES = [Box(200, 150, 60, 48), Box(420, 300, 60, 60)]
FRAMES, CHANGE = 8, 4
"""Frames that are followed, and after how many of them the engines change."""


@pytest.fixture(scope="module", params=TRACKERS)
def name(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of every paper; with random weights where no others are here."""
    tracker = str(request.param)
    if tracker in trackers_with_weights():
        return tracker
    if importlib.util.find_spec("torch") is None:
        pytest.skip(f"no weights of {tracker} are here, and no torch to make some")
    from tracker_ros.zoo.exporting import export_untrained

    return str(export_untrained(DEFAULT_MODELS[tracker], 0, tmp_path_factory.mktemp(tracker)))


def opened(name: str, workshop: Workshop) -> LoadedModel:
    return open_model(
        name, EngineChoice(AUTO, threads=1, wait=False, accelerator=workshop.accelerator)
    )


def take_over(model: LoadedModel) -> None:
    assert model.upgrade is not None
    model.upgrade.build()
    model.upgrade.take_over()


def started(model: LoadedModel) -> list[Target]:
    targets = [model.new_target(str(number)) for number in range(len(BOXES))]
    for target, box in zip(targets, BOXES, strict=True):
        target.start(scene(200, 150), box)
    return targets


def follow(targets: list[Target], frames: range) -> list[Track]:
    tracks = []
    for step in frames:
        image = scene(200 + 3 * step, 150 + step)
        tracks += [done.result() for done in run_together([t.following(image) for t in targets])]
    return tracks


def test_the_same_numbers_from_other_engines_are_the_same_tracks(name: str) -> None:
    """Whatever is learnt on line (ATOM's classifier, the others' filters) included.

    The other engines give arrays that cannot be written, as TensorRT's do.
    """
    changed, plain = opened(name, Workshop()), opened(name, Workshop())
    with_change, without = started(changed), started(plain)
    before = follow(with_change, range(1, CHANGE))
    take_over(changed)
    after = follow(with_change, range(CHANGE, FRAMES))
    assert changed.backend == "other" and plain.backend == "onnxruntime"
    assert [*before, *after] == follow(without, range(1, FRAMES))


def test_a_target_can_be_learnt_on_the_other_engines(name: str) -> None:
    changed, plain = opened(name, Workshop()), opened(name, Workshop())
    take_over(changed)
    frames = range(1, FRAMES)
    assert follow(started(changed), frames) == follow(started(plain), frames)


def test_engines_that_fail_between_two_frames_change_nothing(name: str) -> None:
    workshop = Workshop()
    changed, plain = opened(name, workshop), opened(name, Workshop())
    take_over(changed)
    targets, frames = started(changed), range(1, FRAMES)
    tracks = follow(targets, range(1, CHANGE))
    for engine in workshop.built:
        engine.broken = True
    tracks += follow(targets, range(CHANGE, FRAMES))
    assert changed.backend == "onnxruntime"
    assert tracks == follow(started(plain), frames)


@pytest.mark.parametrize("tracker", trackers_with_weights())
def test_half_precision_from_one_frame_to_the_next_loses_no_target(tracker: str) -> None:
    model = opened(tracker, Workshop(half=True))
    targets = started(model)
    follow(targets, range(1, CHANGE))
    take_over(model)
    tracks = follow(targets, range(CHANGE, 12))
    assert model.precision == "fp16 (1 of 9 layers fp32)"
    assert [track.state for track in tracks[::2]] == [TrackState.TRACKING] * (12 - CHANGE)
    assert tracks[-2].box.iou(Box(233, 161, 60, 48)) > 0.5


def test_identities_of_several_objects_go_on() -> None:
    def walked(*, change: bool) -> list[Track]:
        engines = EngineChoice(AUTO, 1, wait=False, accelerator=Workshop().accelerator)
        tracker, tracks = open_multi_tracker("famnet", engines=engines), list[Track]()
        for step in range(FRAMES):
            if change and step == CHANGE:
                assert tracker.upgrade is not None
                tracker.upgrade.build()
                tracker.upgrade.take_over()
            boxes = [Box(200 + 3 * step, 150, 60, 48), *([BOXES[1]] if step != 6 else [])]
            found = [Detection(box, 0.9, "thing") for box in boxes]
            if step % 2:
                found.reverse()
            tracks += tracker.update(scene(200 + 3 * step, 150), found, step / 30)
        return tracks

    tracks = walked(change=True)
    assert tracks == walked(change=False)
    assert {track.id for track in tracks} == {"1", "2"}
