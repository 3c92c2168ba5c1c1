"""Compressed images become the colours that were in front of the camera; damage is refused."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from image_messages import (
    compressed_bytes,
    encoded,
    image_bytes,
    in_16_bits,
    largest_difference,
    picture,
    with_alpha,
)

from tracker_ros.pipeline.images import ImageError, decode_compressed, decode_image


def test_a_png_comes_out_exactly() -> None:
    raw = compressed_bytes(encoded(".png", picture()), "png")
    assert largest_difference(decode_compressed(raw), picture()) == 0


@pytest.mark.parametrize("form", ["jpeg", "jpg", "", "bgr8; jpeg compressed bgr8", "rgb8; jpeg"])
def test_a_jpeg_comes_out_in_its_colours_whatever_it_is_called(form: str) -> None:
    raw = compressed_bytes(encoded(".jpg", picture(), cv2.IMWRITE_JPEG_QUALITY, 98), form)
    assert largest_difference(decode_compressed(raw), picture()) <= 8


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (picture()[..., 0], np.dstack([picture()[..., 0]] * 3)),
        (with_alpha(picture()), picture()),
        (in_16_bits(picture()), picture()),
        (in_16_bits(picture()[..., 0]), np.dstack([picture()[..., 0]] * 3)),
        (in_16_bits(with_alpha(picture())), picture()),
    ],
    ids=["grey", "alpha", "16_bit_colour", "16_bit_grey", "16_bit_alpha"],
)
def test_any_png_becomes_8_bit_bgr(stored: npt.NDArray[Any], shown: npt.NDArray[np.uint8]) -> None:
    image = decode_compressed(compressed_bytes(encoded(".png", stored), "png"))
    assert image.dtype == np.uint8
    # libpng of one build keeps the high byte, that of another rounds.
    assert largest_difference(image, shown) <= 1


def test_a_grey_jpeg_becomes_bgr() -> None:
    raw = compressed_bytes(encoded(".jpg", picture()[..., 0]), "jpeg")
    assert decode_compressed(raw).shape == (24, 32, 3)


def test_depth_in_a_png_looks_as_it_does_raw() -> None:
    values = np.random.default_rng(1).integers(0, 9000, (24, 32)).astype(np.uint16)
    raw = compressed_bytes(encoded(".png", values), "16UC1; png compressed ")
    assert np.array_equal(
        decode_compressed(raw), decode_image(image_bytes(values, encoding="16UC1"))
    )


def test_the_orientation_in_a_jpeg_does_not_turn_the_picture() -> None:
    plain_jpeg = encoded(".jpg", picture())
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    turned = plain_jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    turned += plain_jpeg[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (32, 24)
    assert decode_compressed(compressed_bytes(turned, "jpeg")).shape == (24, 32, 3)


JPEG_KINDS = {
    "baseline": [],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "restarts": [cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
    "optimised": [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
}


@pytest.mark.parametrize("options", JPEG_KINDS.values(), ids=JPEG_KINDS)
def test_a_jpeg_with_overwritten_bytes_in_its_pixels_is_corrupt(options: list[int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
    data = np.frombuffer(encoded(".jpg", noise, *options), np.uint8)
    assert decode_compressed(compressed_bytes(data.tobytes(), "jpeg")).shape == (200, 300, 3)
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(50):
        spoiled = data.copy()
        at = rng.integers(1000, len(data) - 2100)
        spoiled[at : at + 2000] = rng.integers(0, 256, 2000)
        try:
            decode_compressed(compressed_bytes(spoiled.tobytes(), "jpeg"))
        except ImageError as error:
            assert error.cause == "compressed" and "corrupt" in str(error)
            refused += 1
    assert refused >= 45


def test_what_stands_behind_the_end_of_a_jpeg_is_no_damage() -> None:
    data = encoded(".jpg", picture())
    assert decode_compressed(compressed_bytes(data + b"\xff\x02\x00" * 9, "jpeg")).shape == (
        24,
        32,
        3,
    )
