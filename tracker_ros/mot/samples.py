"""What FAMNet's networks are given while it tracks: to check engines with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.network import Network, Networks
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.geometry import Box
from tracker_ros.models.card import Card
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.famnet import FamnetTracker
from tracker_ros.mot.model import GRAPHS, FamnetModel
from tracker_ros.sot.samples import HEIGHT, WIDTH, Sample, drawn_clips

OTHERS = 4
"""Boxes of a picture beside that of the thing which moves."""
RATE = 30.0
"""Pictures a second."""


class _Recorded(Network):
    """A network that keeps copies of the first inputs it is given."""

    def __init__(self, engine: Engine, count: int) -> None:
        super().__init__(engine)
        self.samples: list[Sample] = []
        self._count = count

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name."""
        if len(self.samples) < self._count:
            self.samples.append({name: np.array(value) for name, value in inputs.items()})
        return super().run(inputs)


def record_famnet(card: Card, *, count: int = 16, threads: int = 1) -> dict[str, list[Sample]]:
    """Role of a graph -> at most `count` inputs of it, the same every time.

    The tracker runs on ONNX Runtime over drawn pictures in which one thing moves and some boxes
    lie still, in both ways to look at candidates. Raises ModelError when a file is missing.
    """
    networks = {
        role: _Recorded(OnnxEngine(card.graph(role), threads=threads), count) for role in GRAPHS
    }
    for mode in ("frame", "crop"):
        tracker = FamnetTracker(FamnetModel(card, Networks(networks), mode=mode), frames=3)
        for number, clip in enumerate(drawn_clips(max(1, count // 3))):
            rng = np.random.default_rng(number)
            still = [_box(rng) for _ in range(OTHERS)]
            tracker.forget()
            for step, picture in enumerate((*clip.pictures, clip.pictures[-1])):
                boxes = [clip.box, *still]
                found = [Detection(box, 0.9, "thing") for box in boxes]
                tracker.update(picture, found, 100.0 * number + step / RATE)
    return {role: network.samples for role, network in networks.items()}


def _box(rng: np.random.Generator) -> Box:
    w, h = (float(side) for side in rng.uniform(20, 120, 2))
    x, y = float(rng.uniform(0, WIDTH - w)), float(rng.uniform(0, HEIGHT - h))
    return Box(x, y, w, h)
