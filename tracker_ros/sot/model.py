"""From the name of a model to trackers: loads the card and its graphs once, for all targets."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from tracker_ros.engines.engine import Engine
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import ModelError
from tracker_ros.models.card import Card, read_card
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.siamfc import SiamFCParameters, SiamFCTracker
from tracker_ros.sot.siamrpnpp import SiamRPNParameters, SiamRPNTracker
from tracker_ros.sot.target import Target
from tracker_ros.sot.tracker import SearchingTracker

DEFAULT_MODELS = {"siamrpnpp": "siamrpnpp_alexnet_small", "siamfc": "siamfc_small"}
"""The model that ships with the package for each tracker."""

TRACKERS = tuple(DEFAULT_MODELS)

ParametersT = TypeVar("ParametersT")


def _parameters(kind: type[ParametersT], values: Mapping[str, Any], card: Card) -> ParametersT:
    """The dataclass `kind` from a section of a card. Raises ModelError for a wrong key."""
    try:
        return kind(**values)
    except TypeError as error:
        known = list(inspect.signature(kind).parameters)
        raise ModelError(f"model card '{card.name}': {error}; known keys are {known}") from error


class LoadedModel:
    """A model ready to track: its engines are shared by every target."""

    def __init__(self, card: Card, template: Engine, search: Engine) -> None:
        self.card = card
        self.thresholds = _parameters(Thresholds, card.monitor, card)
        self._template, self._search = template, search
        self.new_tracker()  # a card with wrong tracking keys fails here, not with the first target

    def with_tracking(self, tracking: Mapping[str, Any]) -> LoadedModel:
        """The same engines with other tracking values. Raises ModelError for a wrong key."""
        card = dataclasses.replace(self.card, tracking=tracking)
        return LoadedModel(card, self._template, self._search)

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
        return self._search.backend

    @property
    def precision(self) -> str:
        """The precision the network is computed in."""
        return self._search.precision

    def new_tracker(self) -> SearchingTracker:
        """A tracker without a target yet."""
        tracking = self.card.tracking
        if self.card.tracker == "siamfc":
            return SiamFCTracker(
                self._template, self._search, _parameters(SiamFCParameters, tracking, self.card)
            )
        if self.card.tracker == "siamrpnpp":
            return SiamRPNTracker(
                self._template, self._search, _parameters(SiamRPNParameters, tracking, self.card)
            )
        raise ModelError(
            f"model card '{self.card.name}' asks for the tracker '{self.card.tracker}'; "
            f"there are {', '.join(TRACKERS)}"
        )

    def new_target(self, id: str, label: str = "", thresholds: Thresholds | None = None) -> Target:
        """A target without a box yet, judged by `thresholds` (default: the card's)."""
        return Target(id, label, self.new_tracker(), thresholds or self.thresholds)


def load_model(name: str, *, threads: int = 0) -> LoadedModel:
    """Load a model by the name of its tracker, of its card, or the path of a card.

    `threads` is the number of CPU threads of the network, 0 for the engine's choice.
    Raises ModelError when the card or a file of it is missing, damaged or does not fit.
    """
    card = read_card(DEFAULT_MODELS.get(name, name))
    template = OnnxEngine(card.graph("template"), threads=threads)
    search = OnnxEngine(card.graph("search"), threads=threads)
    return LoadedModel(card, template, search)
