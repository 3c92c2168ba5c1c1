"""ATOM's tracker. Its classifier learns online, and so does well on a random backbone; the overlap
network has seen the patch for some seconds. Needs torch, which trains it and exports the graphs.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from patch_scene import BACKGROUND, PATCH, scene

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from atom_on_patches import card_of, crops, jittered, learnt, overlap_of  # noqa: E402

from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.errors import ModelError, TargetError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.models.card import read_card  # noqa: E402
from tracker_ros.networks.atom import ATOM  # noqa: E402
from tracker_ros.sot import LoadedModel, load_model  # noqa: E402
from tracker_ros.sot.atom import AtomTracker  # noqa: E402
from tracker_ros.sot.atom_localisation import Flag  # noqa: E402
from tracker_ros.sot.atom_parameters import AtomParameters  # noqa: E402
from tracker_ros.sot.monitor import Thresholds  # noqa: E402
from tracker_ros.sot.passes import run_together  # noqa: E402
from tracker_ros.track import TrackState  # noqa: E402

BOX = Box(200, 150, 60, 48)
ELSEWHERE = np.ascontiguousarray(BACKGROUND[::-1, ::-1])
"""A picture without the target, and of another place."""


@pytest.fixture(scope="module")
def network() -> ATOM:
    return learnt()


@pytest.fixture(scope="module")
def model(network: ATOM, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(str(card_of(network, tmp_path_factory.mktemp("atom"))), threads=1)


def started(model: LoadedModel, image: np.ndarray | None = None, box: Box = BOX) -> AtomTracker:
    tracker = model.new_tracker()
    assert isinstance(tracker, AtomTracker)
    tracker.init(scene(200, 150) if image is None else image, box)
    return tracker


def off(box: Box, x: float, y: float) -> float:
    """Distance of a box's middle from that of the patch at (x, y)."""
    return math.hypot(box.cx - (x + 30), box.cy - (y + 24))


def test_the_overlap_network_draws_boxes_to_the_target(model: LoadedModel) -> None:
    pictures, truth = crops(6, 288)
    torch.manual_seed(3)
    boxes = jittered(truth, 10)
    run = {role: OnnxEngine(model.card.graph(role), threads=1) for role in AtomTracker.roles}
    layers = run["search"].run({"search": pictures.numpy()})
    target = run["modulate"].run({**layers, "box": truth.numpy()})
    inputs = {**run["project"].run(layers), **target, "boxes": boxes.numpy()}
    refined = torch.from_numpy(run["refine"].run(inputs)["refined"])
    before, after = (overlap_of(b, truth[:, None]).mean() for b in (boxes, refined))
    assert before < 0.7 and after > before + 0.08


def test_a_moving_patch_is_followed(model: LoadedModel) -> None:
    tracker = started(model)
    for i in range(1, 17):
        x, y = 200 + 3 * i, 150 + 2 * i
        estimate = tracker.track(scene(x, y))
        assert estimate.box.iou(Box(x, y, 60, 48)) > 0.5, f"lost in frame {i}: {estimate}"
        assert estimate.evidence.score > 0.25


def test_the_same_pictures_give_the_same_boxes_and_another_seed_others(model: LoadedModel) -> None:
    pictures = [scene(200 + 5 * i, 150) for i in range(1, 8)]
    first, second = started(model), started(model)
    boxes = [first.track(picture).box for picture in pictures]
    assert boxes == [second.track(picture).box for picture in pictures]
    first.init(scene(200, 150), BOX)
    assert boxes == [first.track(picture).box for picture in pictures]
    other = started(model.with_tracking({**model.card.tracking, "seed": 1}))
    assert boxes != [other.track(picture).box for picture in pictures]


def test_looking_elsewhere_changes_nothing_that_follows(model: LoadedModel) -> None:
    looking, plain = started(model), started(model)
    for i in range(1, 13):
        picture = scene(200 + 5 * i, 150)
        looking.look_at(picture, 500, 400)
        assert looking.track(picture).box == plain.track(picture).box


def test_what_is_found_elsewhere_can_be_accepted(model: LoadedModel) -> None:
    tracker = started(model)
    found = tracker.look_at(scene(420, 330), 440, 340)
    assert off(found.box, 420, 330) < 18 and found.evidence.score > 0.4
    tracker.accept(dataclasses.replace(found, box=Box(420, 330, 60, 48)))
    assert off(tracker.track(scene(424, 330)).box, 424, 330) < 18


def test_a_target_that_is_not_there_leaves_the_box_and_the_memory_as_they_are(
    model: LoadedModel,
) -> None:
    tracker = started(model)
    seen = tracker.track(scene(200, 150)).box
    memory = tracker._learnt().memory
    count, weights = memory.count, memory.weights.copy()
    for _ in range(6):
        estimate = tracker.track(ELSEWHERE)
        assert estimate.evidence.score < 0.25
        assert tuple(estimate.box) == pytest.approx(tuple(seen))
        assert estimate.evidence.size_change == pytest.approx(1)
    assert memory.count == count and np.array_equal(memory.weights, weights)


def test_the_classifier_learns_every_tenth_frame_and_of_a_look_alike_at_once(
    model: LoadedModel,
) -> None:
    tracker = started(model)
    target = tracker._learnt()
    learns, flags = [], []
    for frame in range(2, 32):
        picture = scene(200 + 2 * frame, 150)
        if frame in (16, 17, 24):
            picture[240:288, 200:260] = PATCH
        before, weights = target.classifier.kernels, target.memory.weights.copy()
        last = target.memory._last
        tracker.track(picture)
        flags.append(tracker.flag)
        certain = tracker.flag in (Flag.NORMAL, Flag.HARD_NEGATIVE)
        assert certain != np.array_equal(weights, target.memory.weights)
        if certain and last >= 0:
            rate = 0.02 if tracker.flag is Flag.HARD_NEGATIVE else 0.01
            new = target.memory.weights[target.memory._last]
            assert target.memory.weights[last] / new == pytest.approx(1 - rate)
        if not np.array_equal(before, target.classifier.kernels):
            learns.append(frame)
    hard = [frame for frame, flag in enumerate(flags, start=2) if flag is Flag.HARD_NEGATIVE]
    assert learns == sorted({11, 21, 31, *hard})
    assert hard and flags.count(Flag.NORMAL) > 15


def test_a_look_alike_raises_the_peak_ratio(model: LoadedModel) -> None:
    tracker = started(model)
    alone = tracker.track(scene(200, 150)).evidence.peak_ratio
    twins = scene(200, 150)
    twins[240:288, 200:260] = PATCH
    assert tracker.track(twins).evidence.peak_ratio > alone + 0.2


def test_a_refused_box_leaves_the_current_target_alone(model: LoadedModel) -> None:
    tracker = started(model)
    target = tracker._learnt()
    with pytest.raises(TargetError):
        tracker.init(scene(200, 150), Box(math.nan, 0, 10, 10))
    assert tracker._learnt() is target
    assert off(tracker.track(scene(204, 150)).box, 204, 150) < 18


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_same_view_in_another_size_is_followed(model: LoadedModel, factor: float) -> None:
    tracker = started(model)
    tracker.track(scene(200, 150))
    tracker.rescale(factor, factor)
    for i in range(6):
        x = 200 + 4 * i
        image = cv2.resize(scene(x, 150), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        box = tracker.track(np.asarray(image, np.uint8)).box
        unscaled = Box(box.x / factor, box.y / factor, box.w / factor, box.h / factor)
        assert off(unscaled, x, 150) < 18, f"frame {i}"


def test_the_likeness_tells_the_target_from_the_background(model: LoadedModel) -> None:
    tracker = started(model)
    for i in range(12):
        tracker.track(scene(200 + 4 * i, 150))
    there = [tracker.likeness(scene(x, 200), Box(x, 200, 60, 48)) for x in range(100, 500, 50)]
    gone = [tracker.likeness(BACKGROUND, Box(x, 200, 60, 48)) for x in range(100, 500, 50)]
    assert np.mean(there) > 0.5 and np.mean(gone) < 0.25


def test_a_box_that_was_just_found_is_compared_without_another_look(model: LoadedModel) -> None:
    tracker = started(model)
    for i in range(5):
        image = scene(200 + 4 * i, 150)
        found = tracker.track(image)
    assert set(next(tracker.comparing(image, found.box)).inputs) > {"box"}
    for other, box in ((image.copy(), found.box), (image, Box(300, 200, 60, 48))):
        assert set(next(tracker.comparing(other, box)).inputs) == {"search"}
    near, anew = tracker.likeness(image, found.box), tracker.likeness(image.copy(), found.box)
    assert near == pytest.approx(anew, abs=0.15) and near > 0.4


def test_targets_that_share_passes_are_where_they_are_alone(model: LoadedModel) -> None:
    places = [(200, 150), (320, 240), (60, 300)]
    together = [started(model, scene(x, y), Box(x, y, 60, 48)) for x, y in places]
    alone = [started(model, scene(x, y), Box(x, y, 60, 48)) for x, y in places]
    # The picture shows the second one only: the others are not found, and need fewer passes.
    picture = scene(326, 244)
    finished = run_together([tracker.following(picture) for tracker in together])
    for done, tracker in zip(finished, alone, strict=True):
        assert tuple(done.result().box) == pytest.approx(tuple(tracker.track(picture).box), abs=0.1)
    assert off(finished[1].result().box, 326, 244) < 18


# --- what a camera may show -----------------------------------------------------------------------


def sane(box: Box, width: int, height: int) -> None:
    assert all(math.isfinite(value) for value in box)
    assert 2 <= box.w <= 2 * width and 2 <= box.h <= 2 * height
    assert -0.3 * box.w - 1 <= box.cx <= width + 0.3 * box.w + 1
    assert -0.3 * box.h - 1 <= box.cy <= height + 0.3 * box.h + 1


@pytest.mark.parametrize(
    "box",
    [
        Box(318, 238, 4, 4),
        Box(0, 0, 60, 48),
        Box(610, 460, 60, 48),
        Box(-50, -40, 60, 48),
        Box(-20, -20, 700, 520),
        Box(-300, -200, 1200, 900),
        Box(10, 200, 600, 4),
    ],
)
def test_any_box_that_is_accepted_is_followed_without_running_away(
    model: LoadedModel, box: Box
) -> None:
    tracker = started(model, BACKGROUND, box)
    for i in range(12):
        moved = np.roll(BACKGROUND, 3 * i, 1)
        sane(tracker.track(moved).box, 640, 480)
    sane(tracker.look_at(BACKGROUND, 0, 480).box, 640, 480)


def test_on_a_4k_image_boxes_are_in_its_pixels(model: LoadedModel) -> None:
    large = cv2.resize(scene(200, 150), (3840, 2160), interpolation=cv2.INTER_CUBIC)
    tracker = started(model, large, Box(1200, 675, 360, 216))
    box = tracker.track(large).box
    assert math.hypot(box.cx - 1380, box.cy - 783) < 80
    sane(box, 3840, 2160)


def test_black_frames_are_lost_and_the_box_does_not_run_away(model: LoadedModel) -> None:
    target = model.new_target("1")
    target.start(scene(200, 150), BOX)
    for _ in range(5):
        target.follow(scene(200, 150))
    black = np.zeros_like(BACKGROUND)
    tracks = [target.follow(black) for _ in range(20)]
    assert {track.state for track in tracks} == {TrackState.LOST}
    tracker = started(model)
    for _ in range(30):
        estimate = tracker.track(black)
        sane(estimate.box, 640, 480)
    assert estimate.evidence.contrast == 0


def test_a_target_that_leaves_and_returns_is_lost_and_found(model: LoadedModel) -> None:
    # What tells these random features apart: the published model's thresholds are not theirs.
    own = Thresholds(
        lost_score=0.4, uncertain_score=0.45, recover_score=0.55, look_alike=0.8,
        verify_likeness=0.5,
    )  # fmt: skip
    target = model.new_target("1", thresholds=own)
    target.start(scene(200, 150), BOX)
    there = [target.follow(scene(200 + 2 * i, 150)).state for i in range(8)]
    assert there[-1] is TrackState.TRACKING
    gone = [target.follow(ELSEWHERE).state for _ in range(30)]
    assert TrackState.TRACKING not in gone and gone[-1] is TrackState.LOST
    back = [target.follow(scene(220, 156)) for _ in range(30)]
    assert back[-1].state is TrackState.TRACKING
    assert off(back[-1].box, 220, 156) < 18


class _BrokenEngine(OnnxEngine):
    """Its answers become NaN when told to, as those of a half-precision engine may."""

    broken = False

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        answers = super().run(inputs)
        return {k: v * np.float32(np.nan) for k, v in answers.items()} if self.broken else answers


@pytest.mark.parametrize("role", ["search", "refine"])
def test_answers_that_are_no_numbers_leave_the_target_as_it_is(
    model: LoadedModel, role: str
) -> None:
    engine = _BrokenEngine(model.card.graph(role), threads=1)
    networks = {name: Network(OnnxEngine(model.card.graph(name), threads=1))
                for name in AtomTracker.roles}  # fmt: skip
    networks[role] = Network(engine)
    tracker = AtomTracker(networks, AtomParameters(memory=60))
    tracker.init(scene(200, 150), BOX)
    count = tracker._learnt().memory.count
    engine.broken = True
    estimate = tracker.track(scene(204, 150))
    if role == "search":
        assert not estimate.is_finite and tracker._learnt().memory.count == count
    else:  # the classifier's place, the size of before
        assert (estimate.box.w, estimate.box.h) == (60, 48)
        assert off(estimate.box, 204, 150) < 18
    engine.broken = False
    assert off(tracker.track(scene(204, 150)).box, 204, 150) < 18


def test_graphs_of_another_crop_size_than_the_card_says_are_refused(model: LoadedModel) -> None:
    with pytest.raises(ModelError, match=r"288 px.*sample: 224"):
        model.with_tracking({**model.card.tracking, "sample": 224})


def test_the_setting_for_the_vot_challenges_follows_too(network: ATOM, tmp_path: Path) -> None:
    vot = dict(read_card("atom_resnet18_vot").tracking)
    sample = int(vot["sample"])
    assert sample == 224
    loaded = load_model(str(card_of(network, tmp_path, sample)), threads=1).with_tracking(vot)
    tracker = started(loaded)
    for i in range(1, 10):
        box = tracker.track(scene(200 + 3 * i, 150)).box
        assert box.iou(Box(200 + 3 * i, 150, 60, 48)) > 0.5, f"frame {i}"
