"""What the networks of a model are given while it tracks: to calibrate and to check engines with.

The card's own tracker runs on ONNX Runtime over clips, drawn ones or of somebody's own pictures,
and what reaches each network is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.network import Network
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.models.card import Card
from tracker_ros.sot.clips import Clip, drawn_clips
from tracker_ros.sot.model import LoadedModel, paper_of

Sample = Mapping[str, Array]
"""The inputs of one pass, by name; one row where the graph leaves the batch free."""


class _FairChoice:
    """A fair choice of at most `count` samples out of all that pass by, the same every time."""

    def __init__(self, count: int) -> None:
        self.samples: list[Sample] = []
        self._count, self._seen = count, 0
        self._rng = np.random.default_rng(0)

    def offer(self, inputs: Sample, batches: bool) -> None:
        """Keep a copy, perhaps in the place of an earlier one; of a batch, one row of it."""
        self._seen += 1
        place = len(self.samples)
        if place == self._count:
            place = int(self._rng.integers(self._seen))
            if place >= self._count:
                return
        if batches:
            row = int(self._rng.integers(len(next(iter(inputs.values())))))
            inputs = {name: value[row : row + 1] for name, value in inputs.items()}
        # Trackers use their buffers again.
        self.samples[place : place + 1] = [{n: np.array(v, copy=True) for n, v in inputs.items()}]


class _Recorded:
    """An engine that keeps what it is given."""

    def __init__(self, engine: Engine, kept: _FairChoice) -> None:
        self._engine, self._kept = engine, kept
        self.backend, self.precision = engine.backend, engine.precision
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self._batches = all(tensor.shape[:1] == (None,) for tensor in self.inputs)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self._kept.offer(inputs, self._batches)
        return self._engine.run(inputs)


class RecordedNetwork(Network):
    """A network that keeps what its engine is given."""

    def __init__(self, engine: Engine, count: int) -> None:
        """count: of the samples that are kept, at most."""
        self._kept = _FairChoice(count)
        super().__init__(_Recorded(engine, self._kept))

    @property
    def samples(self) -> list[Sample]:
        """What was kept."""
        return self._kept.samples


def record_samples(
    card: Card, *, clips: Iterable[Clip] | None = None, count: int = 16, threads: int = 1
) -> dict[str, list[Sample]]:
    """Role of a graph -> at most `count` inputs of it, the same every time.

    clips: None: as many drawn ones. A graph that was never reached has none, as ATOM's `refine`
    where the target was not found again. Raises ModelError when the card cannot be loaded, and
    what the clips raise.
    """
    roles = sorted({*paper_of(card).tracker.roles, *card.files})
    networks = {
        role: RecordedNetwork(OnnxEngine(card.graph(role), threads=threads), count)
        for role in roles
    }
    model = LoadedModel(card, networks)
    for clip in drawn_clips(count) if clips is None else clips:
        tracker = model.new_tracker()
        shown, *later = clip.pictures
        tracker.init(shown, clip.box)
        for picture in later:
            tracker.track(picture)
        # Elsewhere as well: long-term models have graphs for a lost target.
        height, width = shown.shape[:2]
        tracker.look_at(later[-1], width / 2, height / 2)
    return {role: network.samples for role, network in networks.items()}
