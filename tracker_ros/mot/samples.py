"""What FAMNet's networks are given while it tracks: to calibrate and to check engines with."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from tracker_ros.engines.network import Networks
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.geometry import Box
from tracker_ros.models.card import Card
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.famnet import FamnetTracker
from tracker_ros.mot.model import GRAPHS, FamnetModel
from tracker_ros.sot.clips import HEIGHT, WIDTH, Clip, drawn_clips
from tracker_ros.sot.samples import RecordedNetwork, Sample

OTHERS = 4
"""Boxes of a picture beside that of the thing which moves."""
RATE = 30.0
"""Pictures a second."""
EVERY = 3
"""One of so many clips is enough: each gives a network several inputs."""


def record_famnet(
    card: Card, *, clips: Iterable[Clip] | None = None, count: int = 16, threads: int = 1
) -> dict[str, list[Sample]]:
    """Role of a graph -> at most `count` inputs of it, the same every time.

    The tracker runs on ONNX Runtime over clips in which one thing may move and some boxes lie
    still, in both ways to look at candidates. clips: None: drawn ones. Raises ModelError when a
    file is missing, and what the clips raise.
    """
    networks = {
        role: RecordedNetwork(OnnxEngine(card.graph(role), threads=threads), count)
        for role in GRAPHS
    }
    few = drawn_clips(max(1, count // EVERY)) if clips is None else islice(clips, 0, None, EVERY)
    some = list(few)
    for mode in ("frame", "crop"):
        tracker = FamnetTracker(FamnetModel(card, Networks(networks), mode=mode), frames=3)
        for number, clip in enumerate(some):
            rng = np.random.default_rng(number)
            height, width = clip.pictures[0].shape[:2]
            still = [_box(rng, width, height) for _ in range(OTHERS)]
            tracker.forget()
            for step, picture in enumerate((*clip.pictures, clip.pictures[-1])):
                boxes = [clip.box, *still]
                found = [Detection(box, 0.9, "thing") for box in boxes]
                tracker.update(picture, found, 100.0 * number + step / RATE)
    return {role: network.samples for role, network in networks.items()}


def _box(rng: np.random.Generator, width: int, height: int) -> Box:
    """Somewhere in a picture, of a size that goes with the picture's."""
    scale = min(width / WIDTH, height / HEIGHT)
    w, h = (float(side) for side in rng.uniform(20, 120, 2) * scale)
    x, y = float(rng.uniform(0, width - w)), float(rng.uniform(0, height - h))
    return Box(x, y, w, h)
