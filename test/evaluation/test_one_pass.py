"""OpenCV's trackers, run once over a small film."""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import PATCH, corner, picture, true_lines, write_sequence, write_undecodable_jpeg

from tracker_ros.errors import DataError, ModelError, TargetError
from tracker_ros.evaluation.datasets import VideoSequence, load_sequence
from tracker_ros.evaluation.metrics import accuracy
from tracker_ros.evaluation.one_pass import run_one_pass
from tracker_ros.evaluation.opencv_trackers import OPENCV_TRACKERS, OpenCVTracker
from tracker_ros.geometry import Box, UInt8Image

STANDING_STILL = 0.55
"""AUC on the moving patch of a box that stays where it began; the test below checks that."""


def follow(tmp_path: Path, name: str) -> float:
    sequence = load_sequence(write_sequence(tmp_path / "patch", true_lines(12)))
    followed = run_one_pass(OpenCVTracker(name), sequence)
    assert followed.boxes.shape == (12, 4) and followed.seconds.shape == (11,)
    assert followed.seconds.shape == (11,) and (followed.seconds > 0).all()
    still = np.tile(followed.boxes[:1], (12, 1))
    assert accuracy(still, sequence.truth).auc < STANDING_STILL
    return accuracy(followed.boxes, sequence.truth).auc


@pytest.mark.parametrize("name", ["kcf", "csrt"])
def test_a_moving_patch_is_followed(tmp_path: Path, name: str) -> None:
    assert follow(tmp_path, name) > 0.75


def test_mil_follows_a_moving_patch_in_one_of_four_runs(tmp_path: Path) -> None:
    # It draws its samples by the clock and cannot be seeded: about one run in 25 is worse.
    assert max(follow(tmp_path / str(run), "mil") for run in range(4)) > 0.75


def test_it_begins_with_the_first_visible_box(tmp_path: Path) -> None:
    sequence = load_sequence(write_sequence(tmp_path / "patch", true_lines(8, absent=[0, 1, 5])))
    ticks: list[int] = []
    followed = run_one_pass(OpenCVTracker("kcf"), sequence, lambda: ticks.append(1))
    assert followed.start == 2
    assert followed.boxes[0].tolist() == [*corner(2), *PATCH]
    assert len(followed.boxes) == 6 and len(ticks) == 5
    scored = accuracy(followed.boxes, sequence.truth[followed.start :])
    assert scored.frames == 4 and scored.auc > 0.6


class SlowToRead(VideoSequence):
    """A sequence on a slow disk."""

    def read(self, index: int) -> UInt8Image:
        time.sleep(0.25)
        return super().read(index)


def test_reading_images_does_not_count(tmp_path: Path) -> None:
    fast = load_sequence(write_sequence(tmp_path / "patch", true_lines(5)))
    followed = run_one_pass(OpenCVTracker("kcf"), SlowToRead(fast.name, fast.images, fast.truth))
    assert followed.seconds.sum() < 0.5 < 4 * 0.25


def test_a_damaged_image_ends_the_run_by_its_name(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "patch", true_lines(4), ".jpg")
    write_undecodable_jpeg(folder / "img/000003.jpg")
    with pytest.raises(DataError, match=r"000003\.jpg cannot be decoded"):
        run_one_pass(OpenCVTracker("kcf"), load_sequence(folder))


def test_a_failed_tracker_keeps_its_last_box_and_has_no_score() -> None:
    tracker = OpenCVTracker("kcf")
    tracker.init(picture(0), Box(*corner(0), *PATCH))
    last = tracker.track(picture(1)).box
    estimate = tracker.track(np.zeros_like(picture(0)))
    assert estimate.box == last
    assert estimate.evidence.score == 0 and math.isnan(estimate.evidence.peak_ratio)


@pytest.mark.parametrize("name", OPENCV_TRACKERS)
def test_a_box_over_the_border_can_be_followed(name: str) -> None:
    tracker = OpenCVTracker(name)
    tracker.init(picture(0), Box(-10.4, 200.2, 60.0, 80.0))
    assert all(math.isfinite(value) for value in tracker.track(picture(0)).box)


def test_a_box_that_cannot_be_tracked_leaves_the_target_alone() -> None:
    tracker = OpenCVTracker("csrt")
    tracker.init(picture(0), Box(*corner(0), *PATCH))
    with pytest.raises(TargetError, match="lies outside the 320x240 image"):
        tracker.init(picture(0), Box(400, 10, 40, 32))
    assert tracker.track(picture(0)).box.iou(Box(*corner(0), *PATCH)) > 0.6


def test_a_run_gives_the_same_boxes_every_time(tmp_path: Path) -> None:
    sequence = load_sequence(write_sequence(tmp_path / "patch", true_lines(6)))
    first, second = (run_one_pass(OpenCVTracker("csrt"), sequence) for _ in range(2))
    np.testing.assert_array_equal(first.boxes, second.boxes)


def test_an_opencv_without_contrib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "TrackerKCF_create")
    with pytest.raises(ModelError, match="pip install 'opencv-contrib-python-headless") as refused:
        OpenCVTracker("kcf")
    assert "\n" not in str(refused.value)
    OpenCVTracker("mil")
