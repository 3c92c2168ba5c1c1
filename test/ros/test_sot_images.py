"""The node tracks in whatever a camera sends, and survives what it should not send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from sensor_msgs.msg import CompressedImage, Image
from sot_harness import (
    BEST_EFFORT,
    GOOD_OVERLAP,
    RELIABLE,
    Answer,
    Sot,
    compressed_message,
    fresh,
    header,
    image_message,
    nanoseconds,
    scene,
    truth,
)

from tracker_ros.geometry import Box
from tracker_ros.msg import Track


@pytest.fixture
def sot(process: Sot) -> Iterator[Sot]:
    yield from fresh(process)
    process.remove_camera()


def bayer_rggb(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    grey = bgr[..., 1].copy()
    grey[0::2, 0::2], grey[1::2, 1::2] = bgr[0::2, 0::2, 2], bgr[1::2, 1::2, 0]
    return grey


def grey(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)


ENCODINGS: dict[str, Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]] = {
    "bgr8": lambda bgr: bgr,
    "rgb8": lambda bgr: bgr[..., ::-1],
    "mono8": grey,
    "bgra8": lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
    "rgba8": lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA),
    "yuv422": lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_UYVY),
    "yuv422_yuy2": lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_YUYV),
    "bayer_rggb8": bayer_rggb,
    "mono16": lambda bgr: grey(bgr).astype("<u2") << 8,
    "16UC1": lambda bgr: grey(bgr).astype("<u2") + 7000,
}


def require_following(answers: list[Answer], first: int) -> None:
    """The box holds the target in every answer; `first` is the scene's frame of the first."""
    for index, answer in enumerate(answers, first):
        assert answer.box.iou(truth(index)) > GOOD_OVERLAP, f"in frame {index}"


# --- what cameras send ---------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_target_is_followed_in_every_common_encoding(sot: Sot, encoding: str) -> None:
    sot.show(ENCODINGS[encoding](scene()[0].image), encoding)
    assert sot.set_target(truth(0)).success
    answers = [sot.show(ENCODINGS[encoding](scene()[i].image), encoding) for i in range(1, 10)]
    require_following(answers, 1)
    assert answers[-1].status.frames_rejected == 0


def test_padded_rows_are_skipped(sot: Sot) -> None:
    def padded(index: int) -> Image:
        wide = np.full((480, 700, 3), 255, np.uint8)
        wide[:, :640] = scene()[index].image
        return image_message(wide, sot.next_stamp(), width=640, step=2100)

    sot.answer_to(sot.send(padded(0)))
    assert sot.set_target(truth(0)).success
    require_following([sot.answer_to(sot.send(padded(i))) for i in range(1, 10)], 1)


def test_sixteen_bits_in_big_endian_are_tracked(sot: Sot) -> None:
    def message(index: int) -> Image:
        swapped = ENCODINGS["mono16"](scene()[index].image).byteswap()
        return image_message(swapped, sot.next_stamp(), "mono16", is_bigendian=1)

    sot.answer_to(sot.send(message(0)))
    assert sot.set_target(truth(0)).success
    require_following([sot.answer_to(sot.send(message(i))) for i in range(1, 10)], 1)


@pytest.mark.parametrize("topic", ["image", "image/compressed"])
@pytest.mark.parametrize(("extension", "form"), [(".jpg", "jpeg"), (".png", "png")])
def test_compressed_images_are_taken_when_only_they_are_published(
    sot: Sot, topic: str, extension: str, form: str
) -> None:
    camera = sot.ros.publisher(CompressedImage, topic, RELIABLE)
    sot.ros.wait_for_subscriber(camera)

    def show(index: int) -> Answer:
        data = cv2.imencode(extension, scene()[index].image)[1].tobytes()
        stamp = sot.next_stamp()
        camera.publish(compressed_message(data, form, stamp))
        return sot.answer_to(stamp)

    show(0)
    assert sot.set_target(truth(0)).success
    require_following([show(index) for index in range(1, 10)], 1)
    sot.process.wait_for(rf"subscribed to /{topic} \(CompressedImage, reliable\)")
    sot.ros.node.destroy_publisher(camera)


def test_raw_images_are_taken_where_both_are_published(sot: Sot) -> None:
    raw = sot.camera
    compressed = sot.ros.publisher(CompressedImage, "image/compressed", RELIABLE)
    sot.wait_for_diagnostics("images", "topic: /image (Image, reliable)")
    assert sot.film(range(2))[-1].status.frames_received == 2
    assert (raw.get_subscription_count(), compressed.get_subscription_count()) == (1, 0)
    sot.ros.node.destroy_publisher(compressed)


def test_the_parameter_transport_takes_the_compressed_images_of_both(sot: Sot) -> None:
    camera = sot.camera
    compressed = sot.ros.publisher(CompressedImage, "image/compressed", BEST_EFFORT)
    assert sot.set_parameters(transport="compressed")[0].successful
    try:
        sot.ros.wait_for_subscriber(compressed)
        sot.ros.wait_until(lambda: camera.get_subscription_count() == 0, what="the raw one left")
    finally:
        assert sot.set_parameters(transport="auto")[0].successful
    sot.ros.wait_for_subscriber(camera)
    sot.ros.node.destroy_publisher(compressed)


# --- what they should not send -------------------------------------------------------------------


def picture(**fields: Any) -> Callable[[int], Image]:
    """A picture with wrong fields."""
    return lambda stamp: image_message(scene()[1].image, stamp, **fields)


def empty(stamp: int) -> Image:
    """No pixels at all."""
    return Image(header=header(stamp), encoding="bgr8")


BAD_IMAGES: dict[str, tuple[Callable[[int], Image], str, str]] = {
    "unknown_encoding": (picture(encoding="rgb565"), "encoding", "'rgb565'"),
    "depth_in_metres": (picture(encoding="32FC1"), "encoding", "'32FC1'"),
    "step_smaller_than_a_row": (picture(step=1000), "step", "step 1000"),
    "too_little_data": (picture(height=600), "data", "640x600"),
    "no_size": (empty, "size", "0x0"),
}


@pytest.mark.parametrize(("bad", "cause", "words"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_is_dropped_counted_and_named_and_the_target_is_followed_on(
    sot: Sot, bad: Callable[[int], Image], cause: str, words: str
) -> None:
    identity = sot.follow()
    sot.film(range(1, 3))
    bad_stamp = sot.next_stamp()
    sot.send_bad(sot.camera, bad(bad_stamp))
    answers = sot.film(range(3, 8))
    require_following(answers, 3)
    status = answers[-1].status
    assert answers[-1].track.id == identity
    assert status.frames_rejected == 1
    assert status.frames_received == status.frames_processed + 1 == 9
    assert bad_stamp not in [nanoseconds(array.header.stamp) for array in sot.tracks]
    entry = sot.wait_for_diagnostics("images", f"rejected: {cause}")
    values = {pair.key: pair.value for pair in entry.values}
    assert words in values[f"rejected: {cause}"]
    assert values["frames rejected"] == "1"
    assert entry.level != b"\x00" and words in entry.message


def test_a_message_that_is_no_image_is_counted_and_named(sot: Sot) -> None:
    sot.follow()
    sot.send_bad(sot.camera, b"\x00\x01\x00\x00" + b"\xff" * 40)  # bytes go out as they are
    answers = sot.film(range(1, 5))
    require_following(answers, 1)
    assert answers[-1].status.frames_rejected == 1
    sot.wait_for_diagnostics("images", "rejected: message")


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xe0 not really", b"GIF89a", b""])
def test_a_corrupt_jpeg_is_dropped_counted_and_named(sot: Sot, data: bytes) -> None:
    camera = sot.ros.publisher(CompressedImage, "image/compressed", RELIABLE)
    sot.ros.wait_for_subscriber(camera)

    def show(index: int) -> Answer:
        jpeg = cv2.imencode(".jpg", scene()[index].image)[1].tobytes()
        stamp = sot.next_stamp()
        camera.publish(compressed_message(jpeg, "jpeg", stamp))
        return sot.answer_to(stamp)

    show(0)
    assert sot.set_target(truth(0)).success
    sot.send_bad(camera, compressed_message(data, "jpeg", sot.next_stamp()))
    answers = [show(index) for index in range(1, 5)]
    require_following(answers, 1)
    assert answers[-1].status.frames_rejected == 1
    sot.wait_for_diagnostics("images", f"'jpeg', {len(data)} bytes")
    sot.ros.node.destroy_publisher(camera)


def test_the_same_fault_in_many_images_is_logged_once(sot: Sot) -> None:
    sot.show(scene()[0].image)
    for index in range(3):
        bad = image_message(scene()[index].image, sot.next_stamp(), "yuv999")
        sot.send_bad(sot.camera, bad)
    sot.wait_for_diagnostics("images", "rejected: encoding: 3 times, last: encoding 'yuv999'")
    assert sot.process.output.count("'yuv999'") == 1
    assert "(counted in diagnostics from now on)" in sot.process.output


# --- a camera that changes -----------------------------------------------------------------------


def test_at_another_resolution_of_the_same_view_the_target_is_followed_on(sot: Sot) -> None:
    identity = sot.follow()
    require_following(sot.film(range(1, 6)), 1)
    for index in range(6, 12):
        answer = sot.show(cv2.resize(scene()[index].image, (320, 240)))
        half = Box(*(value / 2 for value in truth(index)))
        assert answer.track.id == identity
        assert answer.box.iou(half) > GOOD_OVERLAP, f"in frame {index}"


def test_at_another_view_the_target_is_lost_and_the_reason_names_both_sizes(sot: Sot) -> None:
    sot.follow()
    answer = sot.show(scene()[1].image[:, 200:])
    assert answer.track.state == Track.LOST
    assert "640x480" in answer.track.reason and "440x480" in answer.track.reason
    assert list(answer.tracks.detections) == []


def test_a_camera_that_changes_its_encoding_is_followed_on(sot: Sot) -> None:
    sot.follow()
    answers = [
        sot.show(ENCODINGS[encoding](scene()[index].image), encoding)
        for index, encoding in enumerate(("rgb8", "yuv422", "mono8", "bgra8", "bgr8"), 1)
    ]
    require_following(answers, 1)
