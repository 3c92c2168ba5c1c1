"""Detections made from the truth: those of a detector whose errors are known."""

from __future__ import annotations

import zlib

import numpy as np

from tracker_ros.evaluation.metrics import FloatArray

JITTER = 0.05
"""Standard deviation of centre and size, in sides of the box."""
MISS = 0.05
"""Probability that a target which was detected is not in the next frame."""
FOUND_AGAIN = 0.35
"""Probability that one which was not detected is in the next frame: misses last about 3 frames."""
FALSE_ALARMS = 0.1
"""Mean number of boxes on nothing, for each box of the truth."""
CONVENTION = (
    f"truth with noise: jitter {JITTER:g} of the side, misses {MISS:g} (found again "
    f"{FOUND_AGAIN:g}), false alarms {FALSE_ALARMS:g} a box"
)


def noisy_detections(
    truth: FloatArray, size: tuple[int, int], *, name: str, seed: int
) -> FloatArray:
    """Detections of shape (n, 6): frame, x, y, w, h, score, in the order of frames.

    truth: boxes that are to be found, (m, 6): frame, id, x, y, w, h, in the order of frames and
    ids. size: width and height of the picture, pixels. The noise of a frame depends on `seed`, the
    `name` of the sequence and the frames before, so it is the same for every tracker and however
    many frames are used.
    """
    random = np.random.default_rng((seed, zlib.crc32(name.encode())))
    missed: dict[float, bool] = {}
    rows = []
    frames, starts = np.unique(truth[:, 0], return_index=True)
    for frame, boxes in zip(frames, np.split(truth, starts[1:]), strict=True):
        for identity, *box in boxes[:, 1:].tolist():
            changes = random.random() < (FOUND_AGAIN if missed.get(identity) else MISS)
            missed[identity] = missed.get(identity, False) != changes
            dx, dy, dw, dh, confidence = random.standard_normal(5)
            if not missed[identity]:
                x, y, w, h = box
                wide, high = w * np.exp(JITTER * dw), h * np.exp(JITTER * dh)
                cx, cy = x + w / 2 + JITTER * dx * w, y + h / 2 + JITTER * dy * h
                score = np.clip(0.85 + 0.1 * confidence, 0.3, 1.0)
                rows.append((frame, cx - wide / 2, cy - high / 2, wide, high, score))
        for _ in range(random.poisson(FALSE_ALARMS * len(boxes))):
            w, h = boxes[random.integers(len(boxes)), 4:6]
            cx, cy = random.uniform((0, 0), size)
            rows.append((frame, cx - w / 2, cy - h / 2, w, h, random.uniform(0.3, 0.8)))
    return np.array(rows, np.float64).reshape(-1, 6)
