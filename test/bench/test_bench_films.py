"""The films of the benchmark: real messages, and the truth about them."""

from __future__ import annotations

import numpy as np
import pytest

from tracker_ros.bench.encodings import ENCODINGS, serialize, stamped
from tracker_ros.bench.films import (
    MOST_TARGETS,
    CrowdFilm,
    Film,
    SceneFilm,
    beside,
    there_and_back,
)
from tracker_ros.demo.scene import Scene
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import Frame


def received(raw: bytes, encoding: str) -> Frame:
    return Frame.of(raw, compressed=encoding in ("jpeg", "png"), received=0.0)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_picture_is_the_same_after_its_message_was_read(encoding: str) -> None:
    image = Scene(160, 120).frame(0).image
    frame = received(
        serialize(
            image,
            encoding,
            3_000_000_017,
        ),
        encoding,
    )
    assert (frame.header.sec, frame.header.nanosec) == (3, 17)
    decoded = frame.decode()
    assert decoded.shape == image.shape
    difference = np.abs(decoded.astype(int) - image).mean()
    if encoding in ("bgr8", "rgb8", "bgra8", "rgba8", "png"):
        assert difference == 0
    elif encoding != "mono8":
        assert 0 < difference < 12, "colours are halved or compressed, and not mixed up"


def test_another_stamp_leaves_the_picture_as_it_is() -> None:
    raw = serialize(Scene(64, 64).frame(0).image, "bgr8", 10**9)
    frame = received(stamped(raw, 7_000_000_009), "bgr8")
    assert frame.header.ns == 7_000_000_009
    assert (frame.decode() == received(raw, "bgr8").decode()).all()


@pytest.mark.parametrize(
    "film", [SceneFilm(160, 120, "bgr8"), CrowdFilm(160, 120, "bgr8", 3)], ids=lambda f: str(f.name)
)
def test_a_film_can_be_had_anew_while_it_goes_on_itself(film: Film) -> None:
    opening, later = film.take(3), film.take(2)
    again = film.anew().take(5)
    assert again == [*opening, *later]
    assert film.take(1)[0].raw[:12] > later[-1].raw[:12], "this one has gone on"


def test_a_film_goes_there_and_back_without_a_jump() -> None:
    assert [there_and_back(number, 4) for number in range(8)] == [0, 1, 2, 3, 2, 1, 0, 1]
    assert [there_and_back(number, 2) for number in range(4)] == [0, 1, 0, 1]


def test_frames_come_in_order_with_their_truth_and_rising_stamps() -> None:
    film, scene = SceneFilm(160, 120, "bgr8"), Scene(160, 120)
    shots = [*film.take(2), *film.take(3)]
    stamps = [received(shot.raw, "bgr8").header.ns for shot in shots]
    assert stamps == sorted(set(stamps))
    for index, shot in enumerate(shots):
        assert shot.truth == scene.frame(index).box
        assert (received(shot.raw, "bgr8").decode() == scene.frame(index).image).all()


@pytest.mark.parametrize("size", [(64, 64), (640, 480), (1920, 1080), (480, 640)])
def test_there_is_room_for_as_many_targets_as_a_node_takes(size: tuple[int, int]) -> None:
    film = SceneFilm(*size, "bgr8")
    boxes = film.boxes(MOST_TARGETS)
    assert len(boxes) == MOST_TARGETS and boxes[:4] == film.boxes(4)
    first = boxes[0]
    assert first == Scene(*size).frame(0).box
    assert len({(box.cx, box.cy) for box in boxes}) == MOST_TARGETS
    for box in boxes[1:]:
        box.require_trackable(*size)
        assert box.iou(first) < 0.1 and (box.w, box.h) == pytest.approx((first.w, first.h))


def test_a_target_that_leaves_no_room_for_others_is_told() -> None:
    with pytest.raises(DataError, match="--targets 2: the target of 640x480 leaves room for 1"):
        beside(Box(0, 0, 640, 480), (640, 480), 2)


def test_the_detections_of_the_walkers_belong_to_their_picture() -> None:
    film = CrowdFilm(320, 240, "bgr8", objects=6)
    counts = []
    for shot in film.take(40):
        assert shot.detections is not None
        array = DetectionArray.of(shot.detections, received=0.0)
        frame = received(shot.raw, "bgr8")
        assert array.header == frame.header
        found = array.read()
        counts.append(len(found))
        image = frame.decode()
        for item in found:
            assert (item.w, item.h) == CrowdFilm.SIDES
            assert -20 < item.cx < image.shape[1] + 20 and -20 < item.cy < image.shape[0] + 20
    # One in ten is missed, and as many are found where there is nobody.
    assert 5 < np.mean(counts) < 7 and len(set(counts)) > 1


def test_the_walkers_walk() -> None:
    first, second = CrowdFilm(320, 240, "bgr8", objects=6).take(2)
    assert first.raw[100:] != second.raw[100:]
