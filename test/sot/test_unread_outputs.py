"""Trackers on engines that leave on their device what nobody reads: the same, number for number.

And what becomes of it when such an engine fails, within a frame and between two.
"""

from __future__ import annotations

import numpy as np
import pytest
from far_engines import FarDevice, FarEngine, FarWorkshop
from patch_scene import scene

from tracker_ros.engines.memory import Outputs
from tracker_ros.engines.network import Network
from tracker_ros.errors import EngineError
from tracker_ros.geometry import Box
from tracker_ros.models.card import read_card
from tracker_ros.sot import LoadedModel, trackers_with_weights
from tracker_ros.sot.backends import AUTO, EngineChoice
from tracker_ros.sot.model import open_model
from tracker_ros.sot.passes import Call, Steps, run_together
from tracker_ros.sot.target import Target
from tracker_ros.track import Track

BOXES = [Box(200, 150, 60, 48), Box(420, 300, 60, 60)]
FRAMES, CHANGE = 8, 4
LATER = {"siamfc": "match", "siamrpnpp": "match", "spm": "refine", "atom": "refine"}
"""Of each tracker the network that is given what another one left on the device."""
LEFT = {
    ("siamfc", True): {"search": set()},
    ("siamfc", False): {"search": {"feature_0"}},
    ("siamrpnpp", True): {"search": {"feature_1"}},
    ("siamrpnpp", False): {"search": {"feature_0", "feature_1"}},
    ("spm", True): {"search": {"feature_1", "map"}},
    ("spm", False): {"search": {"feature_0", "feature_1", "map"}},
    ("atom", False): {"search": {"layer2"}, "project": {"c3", "c4"}},
}
"""By tracker, and whether its filter is on: what is never read of a frame."""


@pytest.fixture(scope="module", params=trackers_with_weights())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(name: str, workshop: FarWorkshop | None = None) -> LoadedModel:
    if workshop is None:
        return open_model(name, EngineChoice(threads=1))
    return open_model(name, EngineChoice(AUTO, threads=1, accelerator=workshop.accelerator))


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


@pytest.fixture(scope="module")
def plain(name: str) -> list[Track]:
    """What is found on ONNX Runtime, the search crops cut out by the CPU in both."""
    return follow(started(opened(name)), range(1, FRAMES))


@pytest.mark.parametrize("filtered", [True, False])
def test_what_no_tracker_reads_stays_on_the_device_and_changes_nothing(
    name: str, filtered: bool
) -> None:
    if (name, filtered) not in LEFT:
        pytest.skip(f"{name} has no such filter")
    workshop = FarWorkshop(cuts=False)
    models = [opened(name, workshop), opened(name)]
    if not filtered and "online_weight" in models[0].card.tracking:
        models = [m.with_tracking({**m.card.tracking, "online_weight": 0.0}) for m in models]
    far, near = (follow(started(model), range(1, FRAMES)) for model in models)
    assert far == near
    left = {engine.stem.split(".")[-1]: engine.unread for engine in workshop.far if engine.unread}
    left.pop("template", None)  # SPM compares by a part of it
    assert left == {role: names for role, names in LEFT[name, filtered].items() if names}
    assert workshop.device.fetched == 0


def test_one_engine_that_fails_within_a_frame_leaves_the_rest_of_it_to_the_cpu(
    name: str, plain: list[Track]
) -> None:
    workshop = FarWorkshop(cuts=False)
    model = opened(name, workshop)
    targets = started(model)
    tracks = follow(targets, range(1, CHANGE))
    (later,) = workshop.of(LATER[name])
    later.broken = True
    assert [*tracks, *follow(targets, range(CHANGE, FRAMES))] == plain
    assert model.backend == "onnxruntime"
    assert (workshop.device.fetched > 0) is (name != "siamfc"), "its filter reads all there is"


def test_a_device_that_is_gone_between_two_frames_changes_nothing(
    name: str, plain: list[Track]
) -> None:
    """What trackers keep of their targets was read."""
    workshop = FarWorkshop(cuts=False)
    model = opened(name, workshop)
    targets = started(model)
    tracks = follow(targets, range(1, CHANGE))
    workshop.device.gone = True
    assert [*tracks, *follow(targets, range(CHANGE, FRAMES))] == plain
    assert model.backend == "onnxruntime" and workshop.device.fetched == 0


def test_a_device_that_is_gone_within_a_frame_is_the_failure_of_that_frame_alone(
    name: str, plain: list[Track]
) -> None:
    workshop = FarWorkshop(cuts=False)
    model = opened(name, workshop)
    if "online_weight" in model.card.tracking:
        model = model.with_tracking({**model.card.tracking, "online_weight": 0.0})
    targets = started(model)
    follow(targets, range(1, CHANGE))
    (search,) = workshop.of("search")
    search.after = lambda: setattr(workshop.device, "gone", True)
    image = scene(200 + 3 * CHANGE, 150 + CHANGE)
    for done in run_together([target.following(image) for target in targets]):
        with pytest.raises(EngineError, match="left on a device that does not answer; onnxruntime"):
            done.result()
    assert "other has failed, onnxruntime goes on" in model.parts[0].trouble
    later = zip(follow(targets, range(CHANGE + 1, FRAMES)), plain[2 * CHANGE :], strict=True)
    for track, old in later:
        assert track.box.iou(old.box) > 0.6 and track.state is old.state


def test_a_look_of_before_can_be_compared_by_other_engines(name: str) -> None:
    """ATOM compares by the features of its last look: perhaps those of engines that are gone."""
    workshop = FarWorkshop(cuts=False)
    far, near = opened(name, workshop), opened(name)
    image = scene(203, 151)
    trackers = [model.new_tracker() for model in (far, near)]
    for tracker in trackers:
        tracker.init(scene(200, 150), BOXES[0])
    found, expected = (tracker.track(image) for tracker in trackers)
    assert found.box == expected.box
    far.parts[0].take_over({role: network.engine for role, network in near.parts[0].items()})
    likeness = trackers[1].likeness(image, expected.box)
    assert trackers[0].likeness(image, found.box) == likeness
    assert workshop.device.fetched == (1 if name == "atom" else 0)
    workshop.device.gone = True
    if name == "atom":
        with pytest.raises(EngineError, match="left on a device that does not answer"):
            trackers[0].likeness(image, found.box)
    assert trackers[0].likeness(image.copy(), found.box) == pytest.approx(likeness, abs=0.05)


def test_a_shared_pass_reads_what_any_of_its_targets_reads() -> None:
    engine = FarEngine(read_card("siamrpnpp_resnet18").graph("search"), FarDevice())
    network = Network(engine)

    def asking(*read: str) -> Steps[Outputs]:
        given = {"search": np.zeros((1, 3, 255, 255), np.float32)}
        return (yield Call(network, given, read=read))

    for one in (done.result() for done in run_together([asking("feature_0"), asking()])):
        assert one.keys() == {"feature_0"} and one["feature_0"].shape[0] == 1
        with pytest.raises(KeyError, match="feature_1 was left on the device"):
            one["feature_1"]
    assert engine.unread == {"feature_1"} and engine.rows == [2]
