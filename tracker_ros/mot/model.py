"""A FAMNet model: its card, its graphs, and the affinities they give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.network import Networks
from tracker_ros.engines.upgrade import Upgrade
from tracker_ros.errors import ModelError
from tracker_ros.models.card import Card, read_card
from tracker_ros.mot.affinity import FAR
from tracker_ros.mot.appearance import Appearance
from tracker_ros.sot.backends import EngineChoice
from tracker_ros.sot.clips import Footage

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

GRAPHS = ("frame", "sample", "crop", "pair", "triple")
DEFAULT_MODEL = "famnet_alexnet_small"


class FamnetModel:
    """The network as the tracker sees it: embeddings, logits and three constants."""

    def __init__(
        self, card: Card, networks: Networks, *, mode: str = "auto", upgrade: Upgrade | None = None
    ) -> None:
        """Raises ModelError when the card lacks a value.

        upgrade: engines that the networks may get while it tracks; not begun yet.
        """
        self.card, self.networks, self.upgrade = card, networks, upgrade
        network = card.network
        try:
            width, height = network["canvas"]
            self.appearance = Appearance(
                networks, canvas=(int(width), int(height)), batch=int(network["candidates"]),
                crops=int(network["crops"]), mode=mode,
            )  # fmt: skip
            self._pairs, self._triples = int(network["pairs"]), int(network["triples"])
            self.embedding = int(network["hidden"]) * 16
            self.birth = log_sigmoid(np.float64(network["birth"]))
            self.end = log_sigmoid(np.float64(network["end"]))
            self.temperature = float(network["temperature"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"model card '{card.name}', network: {error!r}") from error

    @property
    def backend(self) -> str:
        """What runs the networks now."""
        return self.networks.backend

    @property
    def precision(self) -> str:
        """The precision that they are computed in now."""
        return self.networks.precision

    @property
    def parts(self) -> tuple[Networks, ...]:
        """The networks that change their engines together."""
        return (self.networks,)

    def pair_logits(
        self, template: Float32, search: Float32, figures: Float32, seen: Float32
    ) -> Float64:
        """Logits (P,) of pairs: embeddings (P, hidden * 16), figures (P, 12), seen (P,) 0 or 1."""
        inputs = {"template": template, "search": search, "figures": figures, "seen": seen}
        return self._in_batches("pair", inputs, self._pairs)

    def triple_logits(self, figures: Float32) -> Float64:
        """Logits (T,) of triples with figures (T, 7)."""
        return self._in_batches("triple", {"figures": figures}, self._triples)

    def _in_batches(self, graph: str, inputs: Mapping[str, Float32], size: int) -> Float64:
        """Run a graph of fixed size over inputs of any length, the rest masked out."""
        count = len(next(iter(inputs.values())))
        logits = np.empty(count)
        for start in range(0, count, size):
            stop = min(start + size, count)
            mask = np.zeros(size, np.float32)
            mask[: stop - start] = 1
            padded = {name: _padded(part[start:stop], size) for name, part in inputs.items()}
            found = self.networks[graph].run({**padded, "mask": mask})["logits"]
            logits[start:stop] = found[: stop - start]
        return logits


def _padded(part: Float32, size: int) -> Float32:
    if len(part) == size:
        return np.ascontiguousarray(part)
    whole = np.zeros((size, *part.shape[1:]), np.float32)
    whole[: len(part)] = part
    return whole


def log_sigmoid(logits: Any) -> Any:
    """Logarithm of the probability that a logit means, without overflow."""
    return -np.logaddexp(0.0, -logits)


def skip_figure(logits: Float64) -> Float64:
    """The logit of a hypothesis' first and last candidates, as `triple_logits` takes it."""
    return np.asarray(np.clip(logits / 4, -FAR, FAR))


def load_famnet(
    name: str = DEFAULT_MODEL, *, mode: str = "auto", engines: EngineChoice | None = None
) -> FamnetModel:
    """Load a model by the name or path of its card. Raises ModelError.

    engines: what shall run its networks; None: ONNX Runtime.
    """
    card = read_card(name)
    if card.tracker != "famnet":
        raise ModelError(
            f"model '{card.name}' is of the tracker {card.tracker}, which follows one target; "
            f"multi-object tracking needs a famnet model, as {DEFAULT_MODEL}"
        )

    def samples(footage: Footage | None) -> Mapping[str, Any]:
        from tracker_ros.mot.samples import record_famnet  # which needs this module

        return record_famnet(card, clips=None if footage is None else footage.clips())

    networks, upgrade = (engines or EngineChoice()).open(card, GRAPHS, samples)
    return FamnetModel(card, networks, mode=mode, upgrade=upgrade)


def stacked(parts: Sequence[Float32], width: int) -> Float32:
    """Rows (n, width) of embeddings; none: (0, width)."""
    return np.stack(parts) if parts else np.zeros((0, width), np.float32)


def hypothesis_affinity(log_probability: Float64, temperature: float) -> Float64:
    """Affinities (N,) in (0, 1] of hypotheses from their log-probabilities."""
    return np.exp(log_probability / max(temperature, math.ulp(1.0)))
