"""What happens to the pixels of a training crop: colour, darkness, blur, noise, lost detail.

Everything works on small uint8 crops (side 127 to 288), so that a pair costs a few milliseconds
of one core. Crops are never changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import UInt8Image
from tracker_ros.training.sampling import Sampling

Generator = np.random.Generator
_LEVELS = np.arange(256, dtype=np.float32) / 255
_USUAL = Sampling()


def switched(rng: Generator, shares: Sequence[float]) -> list[Generator | None]:
    """For each probability a generator of its own where chance says yes, and None where not.

    What is drawn of `rng`, and each generator, does not depend on the probabilities: switching one
    thing on or off leaves the others as they were.
    """
    return [
        np.random.default_rng(int(chance * 2**53)) if chance < share else None
        for chance, share in zip(rng.random(len(shares)).tolist(), shares, strict=True)
    ]


def colour_table(rng: Generator, strength: float) -> UInt8Image:
    """A look-up table (1, 256, 3): gain, offset and gamma, mostly shared by the channels.

    Strength 0 changes nothing; 1 has a deviation of 18 % in gain and 20 grey levels in offset.
    """
    gain = 1 + strength * rng.normal(0, 0.18) + strength * rng.normal(0, 0.06, 3)
    offset = strength * rng.normal(0, 0.08) + strength * rng.normal(0, 0.03, 3)
    gamma = np.exp(strength * rng.normal(0, 0.2))
    return _table(_LEVELS[:, None] ** gamma * gain + offset)


def night_table(rng: Generator) -> UInt8Image:
    """A look-up table (1, 256, 3) that leaves 5 to 40 % of a middling brightness."""
    gamma, gain = rng.uniform(1.2, 2.4), rng.uniform(0.3, 0.8)
    return _table(np.repeat(_LEVELS[:, None] ** gamma * gain, 3, 1))


def _table(curve: npt.NDArray[np.floating[Any]]) -> UInt8Image:
    table: UInt8Image = np.rint(np.clip(curve, 0, 1) * 255).astype(np.uint8)[None]
    return table


def recoloured(image: UInt8Image, table: UInt8Image) -> UInt8Image:
    """The colours of an image looked up in a table (1, 256, 3)."""
    return cv2.LUT(image, table).astype(np.uint8, copy=False)


def grey(image: UInt8Image) -> UInt8Image:
    """The brightness of an image in all three channels."""
    single = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.cvtColor(single, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)


def blur(image: UInt8Image, rng: Generator) -> UInt8Image:
    """Out of focus, by half a pixel to two."""
    sigma = rng.uniform(0.5, 2.0)
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8, copy=False)


def motion_blur(image: UInt8Image, rng: Generator) -> UInt8Image:
    """Moved by 3 to 11 px, in any direction, while the shutter was open."""
    length = int(rng.integers(3, 12))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = (length - 1) / 2
    dx, dy = middle * np.cos(angle), middle * np.sin(angle)
    start = (round(middle - dx), round(middle - dy))
    end = (round(middle + dx), round(middle + dy))
    cv2.line(kernel, start, end, 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum()).astype(np.uint8, copy=False)


def low_resolution(image: UInt8Image, rng: Generator) -> UInt8Image:
    """Scaled down by 1.5 to 4, and up again."""
    height, width = image.shape[:2]
    factor = rng.uniform(1.5, 4.0)
    small = (max(round(width / factor), 2), max(round(height / factor), 2))
    detail = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(detail, (width, height)).astype(np.uint8, copy=False)


def jpeg(image: UInt8Image, rng: Generator) -> UInt8Image:
    """The artefacts of a strong JPEG compression (quality 15 to 59)."""
    quality = int(rng.integers(15, 60))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return decoded.astype(np.uint8, copy=False)


def noise(image: UInt8Image, rng: Generator) -> UInt8Image:
    """Sensor noise of up to 12 grey levels."""
    grain = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    amount = rng.uniform(0.02, 0.1)
    noisy = cv2.addWeighted(image, 1.0, grain, amount, -127.5 * amount)
    return noisy.astype(np.uint8, copy=False)


def degrade(image: UInt8Image, rng: Generator, sampling: Sampling = _USUAL) -> UInt8Image:
    """The independent degradations of one crop of a pair, in the order a camera makes them."""
    s = sampling
    shares = (s.blur, s.motion_blur, s.low_resolution, s.noise, s.jpeg)
    changes = (blur, motion_blur, low_resolution, noise, jpeg)
    *hows, own = switched(rng, (*shares, s.own_colour > 0))
    for how, change in zip(hows, changes, strict=True):
        if how is not None:
            image = change(image, how)
    return image if own is None else recoloured(image, colour_table(own, s.own_colour))
