"""A textured patch anywhere on a textured background: the simplest thing to track."""

import cv2
import numpy as np

_RNG = np.random.default_rng(5)


def texture(width: int, height: int, grain: int) -> np.ndarray:
    """Smooth coloured noise with blobs of about `grain` pixels."""
    small = _RNG.integers(0, 256, (height // grain + 2, width // grain + 2, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


BACKGROUND = texture(640, 480, 40)
PATCH = texture(60, 48, 9)


def scene(x: int, y: int) -> np.ndarray:
    """The patch at (x, y) on the background."""
    image = BACKGROUND.copy()
    image[y : y + 48, x : x + 60] = PATCH
    return image
