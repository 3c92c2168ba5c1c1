"""Every encoding becomes the colours that were in front of the camera; nothing bad gets further."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from image_messages import image_bytes, in_16_bits, largest_difference, picture, with_alpha

from tracker_ros.pipeline.images import (
    ENCODINGS,
    Stamped,
    decode_image,
    read_header,
)

RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)


def plain(colour: tuple[int, int, int], height: int = 8, width: int = 8) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


def padded(pixels: npt.NDArray[Any], padding: int) -> tuple[npt.NDArray[np.uint8], int]:
    """The bytes of (H, W, ...) `pixels`, each row followed by bytes of 0xAA; and the step."""
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view(np.uint8)
    wide = np.full((rows.shape[0], rows.shape[1] + padding), 0xAA, np.uint8)
    wide[:, : rows.shape[1]] = rows
    return wide, wide.shape[1]


# What a camera of each encoding sends of a picture, made without the code under test: by plain
# indexing, or by the standard's formula (BT.601) in floating point. With it, how far the colours
# may be off.


def _chroma_in_pairs(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Y, U, V of BT.601 with studio swing, U and V averaged over pairs of columns."""
    b, g, r = (bgr[..., i] / 255.0 for i in range(3))
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    v = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    for chroma in (u, v):
        chroma[:, 0::2] = chroma[:, 1::2] = (chroma[:, 0::2] + chroma[:, 1::2]) / 2
    return np.stack((y, u, v), axis=-1).round().astype(np.uint8)


def uyvy(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    yuv = _chroma_in_pairs(bgr)
    chroma = np.where(np.arange(bgr.shape[1]) % 2 == 0, yuv[..., 1], yuv[..., 2])
    return np.stack((chroma, yuv[..., 0]), axis=-1)


def semi_planar(bgr: npt.NDArray[np.uint8], first: int) -> npt.NDArray[np.uint8]:
    yuv = _chroma_in_pairs(bgr)
    colours = yuv[0::2, :, 1:].copy()
    chroma = np.where(
        np.arange(bgr.shape[1]) % 2 == 0, colours[..., first], colours[..., 1 - first]
    )
    return np.concatenate((yuv[..., 0], chroma))


def mosaic(bgr: npt.NDArray[np.uint8], pattern: str) -> npt.NDArray[np.uint8]:
    """What a sensor behind a Bayer filter sees; `pattern` names its first row, then its second."""
    grey = np.empty(bgr.shape[:2], np.uint8)
    for position, name in enumerate(pattern):
        rows, columns = slice(position // 2, None, 2), slice(position % 2, None, 2)
        grey[rows, columns] = bgr[rows, columns, "bgr".index(name)]
    return grey


def mosaic_in_16_bits(bgr: npt.NDArray[np.uint8], pattern: str) -> npt.NDArray[np.uint16]:
    return in_16_bits(mosaic(bgr, pattern))


Camera = Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]
COLOUR: dict[str, tuple[Camera, int]] = {
    "bgr8": (lambda bgr: bgr, 0),
    "8UC3": (lambda bgr: bgr, 0),
    "rgb8": (lambda bgr: bgr[..., ::-1], 0),
    "bgra8": (with_alpha, 0),
    "8UC4": (with_alpha, 0),
    "rgba8": (lambda bgr: with_alpha(bgr[..., ::-1]), 0),
    "yuv422": (uyvy, 6),
    "uyvy": (uyvy, 6),
    "yuv422_yuy2": (lambda bgr: uyvy(bgr)[..., ::-1], 6),
    "yuyv": (lambda bgr: uyvy(bgr)[..., ::-1], 6),
    "nv12": (lambda bgr: semi_planar(bgr, 0), 8),
    "nv21": (lambda bgr: semi_planar(bgr, 1), 8),
    **{
        f"bayer_{pattern}8": (partial(mosaic, pattern=pattern), 4)
        for pattern in ("rggb", "bggr", "gbrg", "grbg")
    },
    **{
        f"bayer_{pattern}16": (partial(mosaic_in_16_bits, pattern=pattern), 4)
        for pattern in ("rggb", "bggr", "gbrg", "grbg")
    },
}
GREY: dict[str, Camera] = {
    "mono8": lambda grey: grey,
    "8UC1": lambda grey: grey,
    "mono16": in_16_bits,
}


def test_every_encoding_that_is_known_is_tested() -> None:
    assert set(ENCODINGS) == {*COLOUR, *GREY, "16UC1"}


@pytest.mark.parametrize("padding", [0, 1, 2, 13, 64], ids=lambda n: f"{n}_bytes_of_padding")
@pytest.mark.parametrize("encoding", COLOUR)
def test_a_picture_comes_out_in_its_colours(encoding: str, padding: int) -> None:
    camera, tolerance = COLOUR[encoding]
    bgr = picture()
    data, step = padded(camera(bgr), padding)
    raw = image_bytes(data, width=32, height=24, encoding=encoding, step=step)
    image = decode_image(raw)
    assert image.dtype == np.uint8
    inner = slice(2, -2)  # demosaicing guesses at the border
    assert largest_difference(image[inner, inner], bgr[inner, inner]) <= tolerance


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE, WHITE], ids=["red", "green", "blue", "white"])
@pytest.mark.parametrize("encoding", COLOUR)
def test_full_colours_are_not_swapped(encoding: str, colour: tuple[int, int, int]) -> None:
    camera, _ = COLOUR[encoding]
    bgr = plain(colour)
    data, step = padded(camera(bgr), 0)
    image = decode_image(image_bytes(data, width=8, height=8, encoding=encoding, step=step))
    assert largest_difference(image[2:-2, 2:-2], bgr[2:-2, 2:-2]) <= 4


@pytest.mark.parametrize("padding", [0, 1, 2, 13], ids=lambda n: f"{n}_bytes_of_padding")
@pytest.mark.parametrize("encoding", GREY)
def test_grey_comes_out_in_three_equal_channels(encoding: str, padding: int) -> None:
    grey = picture()[..., 0]
    data, step = padded(GREY[encoding](grey), padding)
    image = decode_image(image_bytes(data, width=32, height=24, encoding=encoding, step=step))
    assert largest_difference(image, np.dstack([grey] * 3)) == 0


def test_opencv_agrees_on_yuv_that_it_made_itself() -> None:
    bgr = picture()
    data = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_UYVY)
    image = decode_image(image_bytes(data, encoding="yuv422"))
    assert largest_difference(image, bgr) <= 6


def test_a_camera_may_leave_out_the_padding_of_the_last_row() -> None:
    bgr = picture()
    data, step = padded(bgr, 20)
    raw = image_bytes(data.reshape(-1)[:-20], width=32, height=24, encoding="bgr8", step=step)
    assert largest_difference(decode_image(raw), bgr) == 0


def test_data_beyond_the_image_do_not_matter() -> None:
    data = np.concatenate((picture(), plain(WHITE, 5, 32)))
    raw = image_bytes(data, width=32, height=24, encoding="bgr8", step=96)
    assert largest_difference(decode_image(raw), picture()) == 0


@pytest.mark.parametrize("padding", [0, 20])
def test_bgr8_is_not_copied(padding: int) -> None:
    data, step = padded(picture(), padding)
    raw = image_bytes(data, width=32, height=24, encoding="bgr8", step=step)
    image = decode_image(raw)
    assert np.shares_memory(image, np.frombuffer(raw, np.uint8))
    assert image.strides == (step, 3, 1)
    assert not image.flags.writeable  # the message belongs to the history too


@pytest.mark.parametrize("padding", [0, 20])
def test_the_view_of_bgr8_can_be_used_by_opencv(padding: int) -> None:
    data, step = padded(picture(), padding)
    image = decode_image(image_bytes(data, width=32, height=24, encoding="bgr8", step=step))
    resized = cv2.resize(image[4:20, 4:28], (12, 8), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(picture()[4:20, 4:28].copy(), (12, 8), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resized, expected)


def test_messages_in_both_byte_orders_are_decoded() -> None:
    for little_endian in (True, False):
        raw = image_bytes(picture(), encoding="bgr8", little_endian=little_endian)
        assert largest_difference(decode_image(raw), picture()) == 0
        assert read_header(raw) == Stamped(12, 345_678_901, "camera")


# --- 16 bits -------------------------------------------------------------------------------------


def depth(values: Any, *, order: str = "<u2", padding: int = 0) -> npt.NDArray[np.uint8]:
    """Decode (H, W) values of 16UC1; give back one of the three channels, which are equal."""
    data, step = padded(np.asarray(values).astype(order), padding)
    height, width = np.shape(values)
    image = decode_image(
        image_bytes(data, width=width, height=height, encoding="16UC1", step=step,
                    is_bigendian=int(order == ">u2"))
    )  # fmt: skip
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 0], image[..., 2])
    return image[..., 0]


@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb16", "bayer_gbrg16"])
def test_16_bits_in_big_endian_give_the_same_picture(encoding: str) -> None:
    grey = picture()[..., 0]
    little = image_bytes(in_16_bits(grey), encoding=encoding)
    big = image_bytes(in_16_bits(grey, ">u2"), encoding=encoding, is_bigendian=1)
    assert np.array_equal(decode_image(little), decode_image(big))


def test_mono16_keeps_the_high_byte() -> None:
    values = np.array([[0x0000, 0x00FF, 0x0100, 0x80FF, 0xFFFF]], "<u2")
    image = decode_image(image_bytes(values, encoding="mono16"))
    assert image[0, :, 0].tolist() == [0, 0, 1, 0x80, 0xFF]


@pytest.mark.parametrize("padding", [0, 1, 6])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_depth_is_stretched_over_what_was_measured(order: str, padding: int) -> None:
    levels = depth([[1000, 3000, 5000], [0, 1400, 0]], order=order, padding=padding)
    assert levels.tolist() == [[1, 128, 255], [0, 26, 0]]


def test_no_measurement_stays_black_and_does_not_count_as_the_smallest_value() -> None:
    with_holes = depth([[30_000, 0, 30_500, 31_000]])
    assert with_holes.tolist()[0][1] == 0
    assert with_holes.tolist()[0][0] == 1 and with_holes.tolist()[0][3] == 255


def test_the_noise_of_an_empty_thermal_picture_is_not_blown_up_to_texture() -> None:
    noise = np.random.default_rng(0).integers(7000, 7004, (20, 30))
    assert depth(noise).max() - depth(noise).min() <= 3


@pytest.mark.parametrize("value", [0, 1, 300, 65535])
def test_a_constant_picture_of_16_bits_stays_constant(value: int) -> None:
    levels = depth(np.full((5, 7), value))
    assert levels.min() == levels.max() <= 1


def test_the_full_range_of_16uc1_is_used() -> None:
    levels = depth([[1, 32768, 65535]])
    assert levels[0].tolist() == [1, 128, 255]
