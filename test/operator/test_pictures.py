"""Camera images as pictures that a browser shows."""

from __future__ import annotations

import json
import struct
import threading
import time
from typing import Any

import cv2
import image_messages as made
import numpy as np
import pytest

from tracker_ros.errors import ImageError
from tracker_ros.operator.pictures import Encoder, Picture, Quality
from tracker_ros.operator.pictures import encoded as as_picture
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.picture_size import picture_size

STAMP = 12_345_678_901
SMOOTH = made.picture(60, 80)


def frame_of(raw: bytes, *, compressed: bool) -> Frame:
    return Frame.of(raw, compressed=compressed, received=0.0)


def taken_apart(picture: Picture) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from(">I", picture.wire)
    return json.loads(picture.wire[4 : 4 + length]), picture.wire[4 + length :]


def shown(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def test_a_raw_image_becomes_a_jpeg_with_its_exact_stamp() -> None:
    frame = frame_of(made.image_bytes(SMOOTH, encoding="bgr8"), compressed=False)
    picture = as_picture("/image", frame, Quality(jpeg=95), 0.25)
    head, data = taken_apart(picture)
    assert head == {
        "topic": "/image", "stamp": str(STAMP), "width": 80, "height": 60, "mime": "image/jpeg",
        "age": 0.25,
    }  # fmt: skip
    assert picture.stamp == STAMP
    assert np.abs(shown(data).astype(int) - SMOOTH).mean() < 4  # colours at half the resolution


def test_a_large_image_is_sent_smaller_and_says_how_large_it_was() -> None:
    frame = frame_of(made.image_bytes(made.picture(600, 900), encoding="bgr8"), compressed=False)
    head, data = taken_apart(as_picture("/image", frame, Quality(longest_side=300), None))
    assert (head["width"], head["height"], head["age"]) == (900, 600, None)
    assert shown(data).shape == (200, 300, 3)
    whole = as_picture("/image", frame, Quality(longest_side=0), None)
    assert shown(taken_apart(whole)[1]).shape == (600, 900, 3)


@pytest.mark.parametrize(("suffix", "mime"), [(".jpg", "image/jpeg"), (".png", "image/png")])
def test_compressed_images_go_through_byte_for_byte(suffix: str, mime: str) -> None:
    file = made.encoded(suffix, made.picture(90, 2000))
    frame = frame_of(made.compressed_bytes(file, mime[6:]), compressed=True)
    picture = as_picture("/image/compressed", frame, Quality(longest_side=300), 0.0)
    head, data = taken_apart(picture)
    assert data == file
    assert (head["width"], head["height"], head["mime"]) == (2000, 90, mime)


def test_a_compressed_image_that_would_hold_up_a_slow_link_is_made_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3)).astype(np.uint8)
    file = made.encoded(".jpg", noise, cv2.IMWRITE_JPEG_QUALITY, 100)
    assert len(file) > 1 << 20
    frame = frame_of(made.compressed_bytes(file, "jpeg"), compressed=True)
    head, data = taken_apart(as_picture("/image", frame, Quality(longest_side=400), None))
    assert len(data) < 1 << 18 and shown(data).shape == (300, 400, 3)
    assert (head["width"], head["height"]) == (1600, 1200)


def test_depth_that_is_compressed_is_stretched_to_be_seen() -> None:
    depth = np.linspace(400, 900, 60 * 80).reshape(60, 80).astype(np.uint16)
    raw = made.compressed_bytes(made.encoded(".png", depth), "16UC1; png compressed ")
    head, data = taken_apart(as_picture("/depth", frame_of(raw, compressed=True), Quality(), None))
    assert head["mime"] == "image/jpeg"
    assert int(shown(data).max()) - int(shown(data).min()) > 200


def test_a_damaged_jpeg_is_not_sent_on() -> None:
    file = bytearray(made.encoded(".jpg", np.random.default_rng(0).integers(0, 255, (200, 200, 3))))
    file[6000:8000] = np.random.default_rng(1).bytes(2000)
    frame = frame_of(made.compressed_bytes(bytes(file), "jpeg"), compressed=True)
    with pytest.raises(ImageError, match="corrupt"):
        as_picture("/image", frame, Quality(), None)


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3, 2000)])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_size_is_read_from_the_header(suffix: str, size: tuple[int, int]) -> None:
    file = made.encoded(suffix, np.zeros((size[1], size[0], 3), np.uint8))
    assert picture_size(file) == picture_size(memoryview(file)) == size


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xe0\x00\x00", b"\x89PNG\r\n\x1a\n",
     b"\x89PNG" + bytes(30), b"\xff\xd8" + b"\xff" * 50, b"\xff\xd8\xff\xe0" + bytes(200)],
)  # fmt: skip
def test_a_header_without_a_size_is_damaged(data: bytes) -> None:
    with pytest.raises(ImageError, match="damaged"):
        picture_size(data)


class Gate:
    """Holds the encoder's thread in the call that hands a picture over."""

    def __init__(self) -> None:
        self.stamps: list[int] = []
        self.entered, self.open = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, picture: Picture) -> None:
        self.stamps.append(picture.stamp)
        self.entered.release()
        self.open.acquire(timeout=5)


def test_of_frames_that_come_while_one_is_encoded_only_the_newest_is() -> None:
    gate, broken = Gate(), []
    encoder = Encoder(gate, lambda topic, error: broken.append((topic, error.cause)), lambda _: 0.0)

    def take(second: int, topic: str = "/a") -> None:
        raw = made.image_bytes(SMOOTH, encoding="bgr8", stamp=(second, 0))
        encoder.take(topic, frame_of(raw, compressed=False))

    take(1)
    assert gate.entered.acquire(timeout=5)
    for second in range(2, 10):
        take(second)
    take(20, "/b")
    encoder.take("/c", frame_of(made.image_bytes(SMOOTH, encoding="nonsense"), compressed=False))
    take(30, "/gone")
    encoder.forget("/gone")
    for _ in range(2):
        gate.open.release()
        assert gate.entered.acquire(timeout=5)
    gate.open.release()
    encoder.close()
    assert [stamp // 10**9 for stamp in gate.stamps] == [1, 9, 20]
    assert broken in ([("/c", "encoding")], [])  # it may have ended before


def test_an_image_that_no_jpeg_can_hold_does_not_end_the_thread() -> None:
    shown, broken = [], []
    encoder = Encoder(shown.append, lambda topic, error: broken.append(str(error)), lambda _: 0.0)
    encoder.quality = Quality(longest_side=0)
    wide = np.zeros((1, 70_000, 3), np.uint8)
    for i, image in enumerate((wide, SMOOTH), 1):
        raw = made.image_bytes(image, encoding="bgr8", stamp=(i, 0))
        encoder.take(f"/{i}", frame_of(raw, compressed=False))
    for _ in range(500):
        if shown and broken:
            break
        time.sleep(0.01)
    encoder.close()
    assert [picture.topic for picture in shown] == ["/2"]
    assert "cannot be encoded" in broken[0]
