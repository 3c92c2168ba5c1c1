"""From the name of a model to trackers: loads the card and its graphs once, for all targets."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from tracker_ros.engines.network import Network
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import ModelError
from tracker_ros.models.card import Card, read_card
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.siamfc import SiamFCParameters, SiamFCTracker
from tracker_ros.sot.siamrpnpp import SiamRPNParameters, SiamRPNTracker
from tracker_ros.sot.target import Target
from tracker_ros.sot.tracker import SearchingTracker


class Paper(NamedTuple):
    """How the models of a paper track."""

    tracker: Any
    """Made of networks by role and of `parameters`; `tracker.roles` are those that it needs."""
    parameters: type[Any]
    """The dataclass of the card's `tracking`."""
    default: str
    """The model that ships with the package."""


PAPERS = {
    "siamrpnpp": Paper(SiamRPNTracker, SiamRPNParameters, "siamrpnpp_alexnet_small"),
    "siamfc": Paper(SiamFCTracker, SiamFCParameters, "siamfc_small"),
}
DEFAULT_MODELS = {name: paper.default for name, paper in PAPERS.items()}
TRACKERS = tuple(PAPERS)

ParametersT = TypeVar("ParametersT")


def _parameters(kind: type[ParametersT], values: Mapping[str, Any], card: Card) -> ParametersT:
    """The dataclass `kind` from a section of a card. Raises ModelError for a wrong key."""
    try:
        return kind(**values)
    except TypeError as error:
        known = list(inspect.signature(kind).parameters)
        raise ModelError(f"model card '{card.name}': {error}; known keys are {known}") from error


class LoadedModel:
    """A model ready to track: its networks are shared by every target."""

    def __init__(self, card: Card, networks: Mapping[str, Network]) -> None:
        self.card = card
        self.thresholds = _parameters(Thresholds, card.monitor, card)
        self._networks = networks
        self.new_tracker()  # a card with wrong tracking keys fails here, not with the first target

    def with_tracking(self, tracking: Mapping[str, Any]) -> LoadedModel:
        """The same networks with other tracking values. Raises ModelError for a wrong key."""
        return LoadedModel(dataclasses.replace(self.card, tracking=tracking), self._networks)

    @property
    def tracker(self) -> str:
        """siamfc, siamrpnpp, ..."""
        return self.card.tracker

    @property
    def model(self) -> str:
        """Name of the model card."""
        return self.card.name

    @property
    def backend(self) -> str:
        """What runs the network."""
        return self._networks["search"].engine.backend

    @property
    def precision(self) -> str:
        """The precision the network is computed in."""
        return self._networks["search"].engine.precision

    def new_tracker(self) -> SearchingTracker:
        """A tracker without a target yet."""
        paper = paper_of(self.card)
        parameters = _parameters(paper.parameters, self.card.tracking, self.card)
        tracker: SearchingTracker = paper.tracker(self._networks, parameters)
        return tracker

    def new_target(self, id: str, label: str = "", thresholds: Thresholds | None = None) -> Target:
        """A target without a box yet, judged by `thresholds` (default: the card's)."""
        return Target(id, label, self.new_tracker(), thresholds or self.thresholds)


def paper_of(card: Card) -> Paper:
    """How the model of a card tracks. Raises ModelError when no single-object tracker does."""
    if card.tracker not in PAPERS:
        raise ModelError(
            f"model card '{card.name}' asks for the tracker '{card.tracker}'; "
            f"there are {', '.join(TRACKERS)}"
        )
    return PAPERS[card.tracker]


def load_model(name: str, *, threads: int = 0) -> LoadedModel:
    """Load a model by the name of its tracker, of its card, or the path of a card.

    `threads` is the number of CPU threads of the network, 0 for the engine's choice.
    Raises ModelError when the card or a file of it is missing, damaged or does not fit.
    """
    card = read_card(DEFAULT_MODELS.get(name, name))
    roles = {*paper_of(card).tracker.roles, *card.files}
    engines = {role: OnnxEngine(card.graph(role), threads=threads) for role in sorted(roles)}
    return LoadedModel(card, {role: Network(engine) for role, engine in engines.items()})
