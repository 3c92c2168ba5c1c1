"""SPM-Tracker with random weights: its boxes are those of the authors' code. Needs torch.

Where the boxes come from: seeded_spm.py.
"""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from patch_scene import BACKGROUND, scene  # noqa: E402
from seeded_spm import seeded_spm  # noqa: E402

from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.errors import ModelError, TargetError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.networks.export import export_parts  # noqa: E402
from tracker_ros.networks.spm import SPM  # noqa: E402
from tracker_ros.networks.spm_parts import spm_parts  # noqa: E402
from tracker_ros.sot import load_model  # noqa: E402
from tracker_ros.sot.passes import run_together  # noqa: E402
from tracker_ros.sot.spm import SPMParameters, SPMTracker  # noqa: E402

FOOTAGE = Path(__file__).parents[3] / "shared/data/sot/Jogging/img"
BOX = Box(200, 150, 60, 48)
Networks = dict[str, Network]


def exported(network: SPM, stem: Path) -> Networks:
    roles = export_parts(spm_parts(network), stem)
    paths = {role: stem.with_name(f"{stem.name}.{role}.onnx") for role in roles}
    return {role: Network(OnnxEngine(path, threads=1)) for role, path in paths.items()}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """The network in full size, as the authors' code ran it."""
    return exported(seeded_spm(0), tmp_path_factory.mktemp("full") / "net")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """A small network: what it finds is worth nothing, how it is used is the same."""
    small = seeded_spm(1, (16, 24, 32, 32, 16), hidden=16)
    return exported(small, tmp_path_factory.mktemp("small") / "net")


@pytest.fixture
def tracker(networks: Networks) -> SPMTracker:
    return SPMTracker(networks, SPMParameters())


def corners(box: Box) -> list[float]:
    return [box.x, box.y, box.x + box.w, box.y + box.h]


def sound(box: Box, width: int, height: int) -> bool:
    """Whether a box is finite, no larger than one that a tracker starts on, and on the image."""
    finite = all(math.isfinite(value) for value in box)
    sized = 10 <= box.w <= 2 * width and 10 <= box.h <= 2 * height
    return finite and sized and 0 <= box.cx <= width and 0 <= box.cy <= height


def test_the_boxes_are_those_of_the_authors_code(full: Networks) -> None:
    tracker = SPMTracker(full, SPMParameters())
    tracker.init(scene(200, 150), BOX)
    expected = [
        [200.572, 153.845, 256.713, 201.343],
        [199.219, 159.955, 252.558, 206.258],
        [197.585, 165.571, 248.825, 210.264],
        [185.333, 166.976, 234.208, 210.770],
        [186.065, 167.476, 233.355, 209.818],
        [187.258, 167.049, 233.334, 208.057],
        [188.664, 167.093, 233.541, 206.765],
        [190.005, 167.033, 233.633, 205.475],
    ]
    for i, box in enumerate(expected, 1):
        found = tracker.track(scene(200 + 7 * i, 150 + 4 * i)).box
        assert corners(found) == pytest.approx(box, abs=0.05), f"frame {i}"


def test_the_boxes_of_50_frames_of_footage_are_those_of_the_authors_code(full: Networks) -> None:
    if not FOOTAGE.is_dir():
        pytest.skip(f"the sequence Jogging is not here ({FOOTAGE})")
    frames = sorted(FOOTAGE.glob("*.jpg"))[:51]
    tracker = SPMTracker(full, SPMParameters())
    tracker.init(np.asarray(cv2.imread(str(frames[0])), np.uint8), Box(110, 97, 25, 101))
    expected = {  # it goes over the left border of the image
        10: [49.261, 139.796, 101.592, 185.763],
        20: [28.993, 153.670, 71.563, 190.671],
        30: [14.184, 164.929, 48.623, 194.470],
        40: [2.323, 174.511, 30.455, 198.490],
        50: [-7.024, 182.569, 17.033, 202.764],
    }
    for i, path in enumerate(frames[1:], 1):
        found = tracker.track(np.asarray(cv2.imread(str(path)), np.uint8)).box
        if i in expected:
            assert corners(found) == pytest.approx(expected[i], abs=0.5), f"frame {i}"


def test_targets_that_share_passes_are_found_where_each_alone_is(networks: Networks) -> None:
    assert networks["search"].batches and networks["refine"].batches
    boxes = [BOX, Box(300, 220, 50, 50), Box(90, 60, 40, 70)]
    alone = [SPMTracker(networks, SPMParameters()) for _ in boxes]
    together = [SPMTracker(networks, SPMParameters()) for _ in boxes]
    for one, other, box in zip(alone, together, boxes, strict=True):
        one.init(scene(200, 150), box)
        other.init(scene(200, 150), box)
    for i in range(1, 4):
        image = scene(200 + 5 * i, 150)
        found = [
            finished.result() for finished in run_together([t.following(image) for t in together])
        ]
        for one, estimate in zip(alone, found, strict=True):
            assert corners(one.track(image).box) == pytest.approx(corners(estimate.box), abs=0.01)


def test_a_score_below_the_threshold_leaves_the_box_where_it_was(networks: Networks) -> None:
    tracker = SPMTracker(networks, SPMParameters(max_score_threshold=1.0))
    tracker.init(scene(200, 150), BOX)
    estimate = tracker.track(scene(260, 180))
    assert corners(estimate.box) == pytest.approx(corners(BOX))
    assert 0 < estimate.evidence.score < 1, "what was found is told all the same"


def test_looking_elsewhere_does_not_move_the_tracker(tracker: SPMTracker) -> None:
    image = scene(200, 150)
    tracker.init(image, BOX)
    seen = tracker.look_at(image, 560, 400)
    first = tracker.track(image)
    tracker.init(image, BOX)
    assert tracker.track(image).box == first.box
    assert math.hypot(seen.box.cx - 560, seen.box.cy - 400) < 150
    tracker.accept(seen)
    assert tracker.track(image).box.iou(first.box) == 0, "it goes on from there"


def test_the_target_is_like_itself_and_not_like_its_surroundings(tracker: SPMTracker) -> None:
    image = scene(200, 150)
    tracker.init(image, BOX)
    assert tracker.likeness(image, BOX) == pytest.approx(1.0, abs=1e-4)
    assert tracker.likeness(image, Box(450, 330, 60, 48)) < 0.9


def test_the_same_view_in_another_size_is_followed_with_the_same_boxes(
    networks: Networks,
) -> None:
    tracker, other = (SPMTracker(networks, SPMParameters()) for _ in range(2))
    for each in (tracker, other):
        each.init(scene(200, 150), BOX)
        each.track(scene(200, 150))
    other.rescale(2, 2)
    box = tracker.track(scene(204, 150)).box
    large = cv2.resize(scene(204, 150), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    twice = other.track(np.asarray(large, np.uint8)).box
    half = Box(twice.x / 2, twice.y / 2, twice.w / 2, twice.h / 2)
    assert half.iou(box) > 0.9


@pytest.mark.parametrize(
    "box",
    [
        Box(300, 200, 4, 4),
        Box(0, 0, 40, 30),
        Box(-20, 440, 60, 60),
        Box(620, 460, 18, 18),
        Box(-100, -100, 900, 700),
        Box(300, 0, 2, 480),
    ],
)
def test_targets_of_any_size_and_place_keep_a_sound_box(tracker: SPMTracker, box: Box) -> None:
    tracker.init(scene(200, 150), box)
    for i in range(12):
        estimate = tracker.track(scene(200 + 3 * i, 150))
        assert sound(estimate.box, 640, 480), f"{estimate.box} in frame {i}"
        assert 0 <= estimate.evidence.score <= 1
        assert 0 <= estimate.evidence.peak_ratio <= 1


def test_a_target_in_a_4k_image_is_tracked_in_its_pixels(tracker: SPMTracker) -> None:
    image = np.asarray(cv2.resize(scene(200, 150), (3840, 2160)), np.uint8)
    tracker.init(image, Box(1200, 675, 360, 216))
    for _ in range(3):
        estimate = tracker.track(image)
        assert sound(estimate.box, 3840, 2160)
    assert math.hypot(estimate.box.cx - 1380, estimate.box.cy - 783) < 1000


def test_black_frames_give_no_contrast_and_no_runaway_box(tracker: SPMTracker) -> None:
    tracker.init(scene(200, 150), BOX)
    black = np.zeros_like(BACKGROUND)
    for i in range(60):
        estimate = tracker.track(black)
        assert estimate.evidence.contrast == 0
        assert sound(estimate.box, 640, 480), f"{estimate.box} in frame {i}"


@pytest.mark.parametrize("key", ["cm.rpn_head.bbox_refine.bias", "fm.rcnn_cls.bias"])
def test_answers_that_are_no_numbers_are_told_and_the_tracker_goes_on_from_where_it_was(
    networks: Networks, tmp_path: Path, key: str
) -> None:
    broken = seeded_spm(1, (16, 24, 32, 32, 16), hidden=16)
    with torch.no_grad():
        broken.state_dict()[key].fill_(math.nan)
    tracker = SPMTracker(exported(broken, tmp_path / "net"), SPMParameters())
    tracker.init(scene(200, 150), BOX)
    assert not tracker.track(scene(200, 150)).is_finite
    tracker._networks = networks
    assert tracker.track(scene(200, 150)).is_finite


def test_a_refused_box_leaves_the_current_target_alone(tracker: SPMTracker) -> None:
    image = scene(200, 150)
    tracker.init(image, BOX)
    before = tracker.track(image).box
    with pytest.raises(TargetError):
        tracker.init(image, Box(math.nan, 0, 10, 10))
    assert tracker.track(image).box.iou(before) > 0.5


def test_tracking_before_a_target_is_set_is_refused(tracker: SPMTracker) -> None:
    with pytest.raises(RuntimeError, match="before init"):
        tracker.track(scene(200, 150))


def test_the_published_models_say_where_their_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(tmp_path))  # whatever was imported here
    for name in ("spm_alexnet_otb", "spm_alexnet_lasot"):
        with pytest.raises(ModelError, match=f"'{name}' has no weights here"):
            load_model(name)
