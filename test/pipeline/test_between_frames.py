"""What changes under a tracker changes between two frames, never in the middle of one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from other_engines import Workshop
from patch_scene import scene
from sot_rig import Rig, frame

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.sot import LoadedModel
from tracker_ros.sot.backends import AUTO, EngineChoice
from tracker_ros.sot.model import open_model
from tracker_ros.track import TrackState


@pytest.fixture
def model() -> LoadedModel:
    engines = EngineChoice(AUTO, 1, wait=False, accelerator=Workshop().accelerator)
    return open_model("siamrpnpp", engines)


@pytest.fixture
def rig(model: LoadedModel) -> Iterator[Rig]:
    rig = Rig(model, max_targets=2)
    yield rig
    rig.gate.set()
    if rig.worker.alive:
        rig.worker.stop("the test has ended")


def test_engines_wait_for_the_end_of_the_frame(rig: Rig, model: LoadedModel) -> None:
    rig.show(0, scene(200, 150))
    ids = [rig.set().id, rig.set(Box(420, 300, 60, 60)).id]
    assert model.upgrade is not None
    model.upgrade.build()
    rig.gate.clear()
    came = frame(1, scene(203, 150))
    rig.history.add(came)
    rig.worker.offer(came)
    rig.wait(lambda: rig.at_gate is came)  # it is being published
    done = rig.worker.between_frames(model.upgrade.take_over)
    assert not done.done() and model.backend == "onnxruntime"
    rig.gate.set()
    done.result(10)
    assert model.backend == "other"
    for step in range(2, 8):
        tracks = rig.show(step, scene(200 + 3 * step, 150)).tracks
    assert [(track.id, track.age) for track in tracks] == [(id, 7) for id in ids]
    assert tracks[0].state is TrackState.TRACKING
    assert tracks[0].box.iou(Box(221, 150, 60, 48)) > 0.4
    assert rig.failures == []


def test_a_stopped_worker_does_nothing_more(rig: Rig) -> None:
    rig.worker.stop("the node was deactivated")
    done: list[int] = []
    with pytest.raises(TargetError, match="deactivated"):
        rig.worker.between_frames(lambda: done.append(1)).result(10)
    assert done == []
