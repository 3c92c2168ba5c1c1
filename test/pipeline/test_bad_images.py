"""What bad images get: an ImageError with a cause to count by and words that name the value."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from image_messages import compressed_bytes, encoded, image_bytes, picture

from tracker_ros.errors import ImageError
from tracker_ros.pipeline.images import ENCODINGS, decode_compressed, decode_image, read_header


def refusal(raw: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_image(raw)
    return caught.value


def of_size(width: int, height: int, encoding: str = "bgr8", **fields: Any) -> bytes:
    """An image of 96 bytes that claims to be of this size."""
    data = np.zeros(96, np.uint8)
    step = fields.pop("step", 3 * width)
    return image_bytes(data, width=width, height=height, encoding=encoding, step=step, **fields)


@pytest.mark.parametrize("encoding", ["rgb565", "", "BGR8", "bgr8 ", "8UC2", "jpeg"])
def test_an_unknown_encoding_is_named_and_the_known_ones_are_listed(encoding: str) -> None:
    error = refusal(of_size(4, 4, encoding))
    assert error.cause == "encoding"
    assert f"encoding '{encoding}'" in str(error)
    assert all(known in str(error) for known in ENCODINGS)


@pytest.mark.parametrize("encoding", ["32FC1", "64FC1"])
def test_real_numbers_are_refused_saying_what_to_subscribe_to(encoding: str) -> None:
    error = refusal(of_size(4, 4, encoding))
    assert error.cause == "encoding"
    assert encoding in str(error) and "16UC1" in str(error)


def test_a_name_of_a_megabyte_does_not_flood_the_log() -> None:
    error = refusal(of_size(4, 4, "\n\x1b[31mx" * 200_000))
    assert error.cause == "encoding"
    assert len(str(error)) < 1000
    assert "\n" not in str(error) and "\x1b" not in str(error)


@pytest.mark.parametrize(
    ("encoding", "step", "row"),
    [("bgr8", 11, 12), ("bgr8", 0, 12), ("mono16", 4, 8), ("rgba8", 12, 16), ("yuv422", 7, 8)],
)
def test_a_step_smaller_than_a_row_is_named(encoding: str, step: int, row: int) -> None:
    error = refusal(of_size(4, 2, encoding, step=step))
    assert error.cause == "step"
    assert f"step {step}" in str(error) and f"a row takes {row} bytes" in str(error)


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, 0), (0, 0)])
def test_a_size_of_zero_is_named(width: int, height: int) -> None:
    error = refusal(of_size(width, height))
    assert error.cause == "size"
    assert f"{width}x{height}" in str(error)


def test_too_little_data_names_what_is_needed_and_what_is_there() -> None:
    error = refusal(of_size(8, 5, step=24))  # 120 bytes, and 96 are there
    assert error.cause == "data"
    assert "takes 120 bytes" in str(error) and "data are 96 bytes" in str(error)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_one_byte_too_few_is_too_little_for_every_encoding(encoding: str) -> None:
    bytes_of_pixel = ENCODINGS[encoding].pixel_bytes
    size = 6 * 4 * bytes_of_pixel * (3 if encoding.startswith("nv") else 2) // 2
    fields = {"width": 6, "height": 4, "encoding": encoding, "step": 6 * bytes_of_pixel}
    assert decode_image(image_bytes(np.zeros(size, np.uint8), **fields)).shape == (4, 6, 3)
    assert refusal(image_bytes(np.zeros(size - 1, np.uint8), **fields)).cause == "data"


@pytest.mark.parametrize("step", [0, 2**32 - 1, 3 * 2**30])
def test_an_absurd_size_is_refused_without_asking_for_memory(step: int) -> None:
    error = refusal(of_size(2**32 - 1, 2**32 - 1, step=step))
    assert error.cause in ("step", "data")
    assert "4294967295x4294967295" in str(error)


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21"])
def test_an_odd_width_is_refused_where_pairs_of_pixels_share_a_colour(encoding: str) -> None:
    error = refusal(of_size(5, 4, encoding, step=10))
    assert error.cause == "size"
    assert "5x4" in str(error) and "even" in str(error)


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_an_odd_height_is_refused_where_pairs_of_rows_share_a_colour(encoding: str) -> None:
    assert refusal(of_size(4, 5, encoding, step=4)).cause == "size"


def test_another_message_is_not_taken_for_an_image() -> None:
    assert refusal(b"").cause == "message"
    assert refusal(b"\0\1\0\0" + struct.pack("<II", 5, 6)).cause == "message"


# --- compressed ----------------------------------------------------------------------------------

JPEG, PNG = encoded(".jpg", picture()), encoded(".png", picture())


def compressed_refusal(data: bytes, form: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_compressed(compressed_bytes(data, form))
    return caught.value


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize(("data", "form"), [(JPEG, "jpeg"), (PNG, "png")], ids=["jpeg", "png"])
def test_a_picture_cut_short_is_corrupt(data: bytes, form: str, share: float) -> None:
    error = compressed_refusal(data[: int(len(data) * share)], form)
    assert error.cause == "compressed"
    assert f"format '{form}'" in str(error) and "corrupt" in str(error)


def test_a_png_with_a_wrong_byte_is_corrupt() -> None:
    at = len(PNG) // 2
    wrong = PNG[:at] + bytes([PNG[at] ^ 1]) + PNG[at + 1 :]
    assert compressed_refusal(wrong, "png").cause == "compressed"


def test_bytes_that_are_no_picture_are_named() -> None:
    error = compressed_refusal(b"\x00\x00\x00\x01\x67h264", "h264")
    assert error.cause == "compressed"
    assert "00 00 00 01" in str(error) and "'h264'" in str(error)


def test_no_data_are_named() -> None:
    error = compressed_refusal(b"", "jpeg")
    assert error.cause == "data"
    assert "0 bytes" in str(error)


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "32FC1; compressedDepth rvl"])
def test_compressed_depth_says_to_subscribe_to_another_topic(form: str) -> None:
    error = compressed_refusal(bytes(12) + PNG, form)
    assert error.cause == "compressed"
    assert "subscribe to" in str(error)


def test_a_png_of_an_absurd_size_is_refused() -> None:
    huge = bytearray(PNG)
    struct.pack_into(">II", huge, 16, 2**31 - 1, 2**31 - 1)
    assert compressed_refusal(bytes(huge), "png").cause == "compressed"


def test_a_depth_png_must_hold_depth() -> None:
    assert compressed_refusal(PNG, "16UC1; png compressed ").cause == "compressed"


# --- anything at all -----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_spoilt_bytes_of_an_image_give_an_image_or_an_image_error(encoding: str) -> None:
    rng = np.random.default_rng(len(encoding))
    step = 6 * ENCODINGS[encoding].pixel_bytes
    good = image_bytes(
        np.zeros(step * 6, np.uint8), width=6, height=4, encoding=encoding, step=step
    )
    assert decode_image(good).shape == (4, 6, 3)
    refused = 0
    for _ in range(400):
        raw = spoil(good, rng)
        try:
            image = decode_image(raw)
            read_header(raw)
        except ImageError as error:
            refused += 1
            assert error.cause in ("encoding", "step", "size", "data", "message")
            continue
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        assert image.size <= 3 * len(raw)
    assert refused > 100


@pytest.mark.parametrize(("data", "form"), [(JPEG, "jpeg"), (PNG, "png")], ids=["jpeg", "png"])
def test_spoilt_bytes_of_a_compressed_image_give_an_image_or_an_image_error(
    data: bytes, form: str
) -> None:
    rng = np.random.default_rng(3)
    good = compressed_bytes(data, form)
    refused = 0
    for _ in range(300):
        try:
            image = decode_compressed(spoil(good, rng))
        except ImageError as error:
            refused += 1
            assert error.cause in ("compressed", "data", "message")
            continue
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    assert refused > 50


def spoil(good: bytes, rng: np.random.Generator) -> bytes:
    """Cut the bytes short, flip bits (most of them in the fields before the data), or both."""
    raw = bytearray(good)
    kind = rng.integers(3)
    if kind != 0:
        for _ in range(rng.integers(1, 4)):
            reach = min(len(raw), 80) if rng.random() < 0.7 else len(raw)
            raw[rng.integers(reach)] ^= 1 << int(rng.integers(8))
    if kind != 1:
        del raw[rng.integers(len(raw)) :]
    return bytes(raw)
