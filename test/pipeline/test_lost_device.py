"""A GPU that is gone in the middle of a frame: the frame is lost, and neither target nor worker."""

from __future__ import annotations

import pytest
from far_engines import FarWorkshop
from patch_scene import scene
from sot_rig import BOX, Rig

from tracker_ros.geometry import Box
from tracker_ros.sot.backends import AUTO, EngineChoice
from tracker_ros.sot.model import open_model
from tracker_ros.track import TrackState

OTHER = Box(420, 300, 60, 60)
GONE = 5
"""The image in which it goes."""


@pytest.mark.parametrize("name", ["siamrpnpp", "atom"])
def test_the_next_frame_is_tracked_by_onnx_runtime_and_all_is_told(name: str) -> None:
    workshop = FarWorkshop(cuts=False)
    model = open_model(name, EngineChoice(AUTO, 1, accelerator=workshop.accelerator))
    rig = Rig(model, max_targets=2)
    try:
        rig.show(0, scene(200, 150))
        ids = [rig.set(box).id for box in (BOX, OTHER)]
        for number in range(1, GONE):
            before = rig.show(number, scene(200, 150)).tracks
        assert [track.state for track in before] == [TrackState.TRACKING] * 2

        (search,) = workshop.of("search")
        search.after = lambda: setattr(workshop.device, "gone", True)
        lost = rig.show(GONE, scene(200, 150)).tracks
        for track, old in zip(lost, before, strict=True):
            assert (track.id, track.state) == (old.id, TrackState.LOST)
            assert "left on a device that does not answer; onnxruntime goes on" in track.reason
        assert [words.partition(":")[0] for words in rig.failures] == [f"target {id}" for id in ids]
        assert "other has failed, onnxruntime goes on" in model.parts[0].trouble

        found = rig.show(GONE + 1, scene(200, 150)).tracks
        for track, old in zip(found, before, strict=True):
            assert (track.id, track.state) == (old.id, TrackState.REACQUIRED), track.reason
            assert track.box.iou(old.box) > 0.8
        assert rig.worker.alive and len(rig.failures) == 2 and model.backend == "onnxruntime"
    finally:
        rig.worker.stop("the test has ended")
