"""The reader of serialized images, with rosbags as the oracle that writes them."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable

import numpy as np
import pytest
from image_messages import compressed_bytes, image_bytes

from tracker_ros.errors import ImageError
from tracker_ros.pipeline.cdr import Stamped, read_compressed, read_header, read_image

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8)
BOTH_ORDERS = pytest.mark.parametrize("little_endian", [True, False], ids=["little", "big"])


@BOTH_ORDERS
@pytest.mark.parametrize("frame_id", ["", "a", "ab", "abc", "abcd", "kamera_für_vorn"])
@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "bayer_rggb8"])
def test_an_image_is_read_as_it_was_written_whatever_the_alignment(
    frame_id: str, encoding: str, little_endian: bool
) -> None:
    raw = image_bytes(
        PIXELS, width=3, height=2, encoding=encoding, step=9, is_bigendian=1,
        stamp=(1_700_000_000, 999_999_999), frame_id=frame_id, little_endian=little_endian,
    )  # fmt: skip
    message = read_image(raw)
    assert message.header == Stamped(1_700_000_000, 999_999_999, frame_id)
    assert (message.width, message.height, message.step) == (3, 2, 9)
    assert message.encoding == encoding
    assert message.is_bigendian is True
    assert message.data.tobytes() == PIXELS.tobytes()


@BOTH_ORDERS
@pytest.mark.parametrize("form", ["", "jpeg", "bgr8; jpeg compressed bgr8"])
def test_a_compressed_image_is_read_as_it_was_written(form: str, little_endian: bool) -> None:
    raw = compressed_bytes(b"\xff\xd8\xff data", form, frame_id="c", little_endian=little_endian)
    message = read_compressed(raw)
    assert message.header == Stamped(12, 345_678_901, "c")
    assert message.format == form
    assert message.data.tobytes() == b"\xff\xd8\xff data"


@BOTH_ORDERS
def test_the_header_is_read_without_the_rest(little_endian: bool) -> None:
    raw = image_bytes(
        PIXELS, width=3, height=2, encoding="bgr8", stamp=(-5, 7), little_endian=little_endian
    )
    header = read_header(raw[: len(raw) // 2])
    assert header == Stamped(-5, 7, "camera")
    assert header.ns == -4_999_999_993


def test_the_data_are_a_view_into_the_message() -> None:
    raw = image_bytes(PIXELS, width=3, height=2, encoding="bgr8")
    data = np.frombuffer(read_image(raw).data, np.uint8)
    assert np.shares_memory(data, np.frombuffer(raw, np.uint8))


def test_reading_holds_no_memory_but_the_message() -> None:
    raw = image_bytes(PIXELS, width=3, height=2, encoding="bgr8")
    before = sys.getrefcount(raw)
    message = read_image(raw)
    assert sys.getrefcount(raw) > before  # the view keeps it alive
    del message
    assert sys.getrefcount(raw) == before


def test_an_empty_string_may_lack_its_nul() -> None:
    raw = b"\0\1\0\0" + struct.pack("<iII", 1, 2, 0)
    assert read_header(raw) == Stamped(1, 2, "")


def spoilt(change: Callable[[bytearray], object]) -> bytes:
    """A good message ("camera": its length lies at byte 12, the text at 16), then changed."""
    raw = bytearray(image_bytes(PIXELS, width=3, height=2, encoding="bgr8"))
    change(raw)
    return bytes(raw)


def set_length(at: int, length: int) -> Callable[[bytearray], object]:
    return lambda raw: struct.pack_into("<I", raw, at, length)


def set_text(at: int, text: bytes) -> Callable[[bytearray], object]:
    return lambda raw: raw.__setitem__(slice(at, at + len(text)), text)


DATA = len(image_bytes(PIXELS, width=3, height=2, encoding="bgr8")) - len(PIXELS)
"""Where the pixels begin."""


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "begins with the bytes ''"),
        (b"\0\1", "begins with the bytes '0001'"),
        (b"\0\1\0\0", "the stamp takes 8 bytes, and only 0 are left"),
        (b"\0\1\0\0\0\0", "the stamp takes 8 bytes, and only 2 are left"),
        (spoilt(set_text(0, b"\0\x07")), "'0007', so it is not plain CDR"),
        (spoilt(set_length(12, 2**32 - 1)), "frame_id takes 4294967295 bytes, and only"),
        (spoilt(set_length(12, 2**31)), "frame_id takes 2147483648 bytes, and only"),
        (spoilt(set_length(12, 6)), "frame_id does not end, or not only, with NUL"),
        (spoilt(set_text(18, b"\0")), "frame_id does not end, or not only, with NUL"),
        (spoilt(set_text(16, b"\xff\xfe")), "frame_id is not UTF-8: invalid start byte at byte 0"),
        (spoilt(set_length(DATA - 4, 2**32 - 1)), "data takes 4294967295 bytes, and only 18"),
        (spoilt(set_length(DATA - 4, 19)), "data takes 19 bytes, and only 18 are left"),
    ],
)
def test_a_broken_message_is_an_error_that_names_the_broken_part(raw: bytes, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(raw)
    assert caught.value.cause == "message"
    assert words in str(caught.value)


@pytest.mark.parametrize("read", [read_image, read_compressed])
def test_every_truncation_is_an_error(read: Callable[[bytes], object]) -> None:
    if read is read_image:
        raw = image_bytes(PIXELS, width=3, height=2, encoding="bgr8")
    else:
        raw = compressed_bytes(b"\xff\xd8\xff data", "jpeg")
    read(raw)
    for length in range(len(raw)):
        with pytest.raises(ImageError) as caught:
            read(raw[:length])
        assert caught.value.cause == "message"
