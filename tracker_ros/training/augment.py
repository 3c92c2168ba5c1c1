"""What happens to the pixels of a training crop: colour, blur, noise, occluders.

Everything works in place of, or on copies of, small uint8 crops (side 127 to 287), so that a
pair costs a few milliseconds of one core.
"""

from __future__ import annotations

import cv2
import numpy as np

from tracker_ros.geometry import UInt8Image

Generator = np.random.Generator
_LEVELS = np.arange(256, dtype=np.float32) / 255


def colour_table(rng: Generator, strength: float) -> UInt8Image:
    """A look-up table (1, 256, 3): gain, offset and gamma, mostly shared by the channels."""
    gain = 1 + strength * rng.normal(0, 0.18) + strength * rng.normal(0, 0.06, 3)
    offset = strength * rng.normal(0, 0.08) + strength * rng.normal(0, 0.03, 3)
    gamma = np.exp(strength * rng.normal(0, 0.2))
    curve = _LEVELS[:, None] ** gamma * gain + offset
    table: UInt8Image = (np.clip(curve, 0, 1) * 255).astype(np.uint8)[None]
    return table


def blur(image: UInt8Image, rng: Generator) -> UInt8Image:
    """Defocus or motion blur of a few pixels."""
    if rng.random() < 0.5:
        sigma = rng.uniform(0.5, 2.0)
        return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8, copy=False)
    length = int(rng.integers(3, 12))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = (length - 1) / 2
    dx, dy = middle * np.cos(angle), middle * np.sin(angle)
    start = (round(middle - dx), round(middle - dy))
    end = (round(middle + dx), round(middle + dy))
    cv2.line(kernel, start, end, 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum()).astype(np.uint8, copy=False)


def jpeg(image: UInt8Image, rng: Generator) -> UInt8Image:
    """The artefacts of a strong JPEG compression."""
    quality = int(rng.integers(15, 60))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return decoded.astype(np.uint8, copy=False)


def noise(image: UInt8Image, rng: Generator) -> UInt8Image:
    """Sensor noise of up to 12 grey levels."""
    grain = rng.integers(-127, 128, image.shape, np.int16) * rng.uniform(0.02, 0.1)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def degrade(image: UInt8Image, rng: Generator, strength: float) -> UInt8Image:
    """The independent degradations of one crop of a pair; `strength` 0 leaves it alone."""
    if rng.random() < 0.25 * strength:
        image = blur(image, rng)
    if rng.random() < 0.1 * strength:
        image = jpeg(image, rng)
    if rng.random() < 0.1 * strength:
        image = noise(image, rng)
    image = cv2.LUT(image, colour_table(rng, 0.6 * strength)).astype(np.uint8, copy=False)
    return image


def occlude(image: UInt8Image, patch: UInt8Image, box: tuple[float, float, float, float]) -> None:
    """Cover a strip of a target, in place, with a piece of another picture.

    image (S, S, 3); patch (h, w, 3) is resized to the strip; box cx, cy, w, h of the strip.
    """
    size = image.shape[0]
    cx, cy, w, h = box
    x0, y0 = max(int(cx - w / 2), 0), max(int(cy - h / 2), 0)
    x1, y1 = min(int(cx + w / 2), size), min(int(cy + h / 2), size)
    if x1 - x0 >= 2 and y1 - y0 >= 2:
        image[y0:y1, x0:x1] = cv2.resize(patch, (x1 - x0, y1 - y0))
