"""From the name of a model to trackers: loads the card and its graphs once, for all targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from tracker_ros.engines.build import BuildOptions, Tell
from tracker_ros.engines.network import Network, Networks
from tracker_ros.engines.upgrade import Upgrade
from tracker_ros.errors import ModelError
from tracker_ros.models.card import Card, read_card
from tracker_ros.sot.atom import AtomTracker
from tracker_ros.sot.atom_parameters import AtomParameters
from tracker_ros.sot.backends import AUTO, ONNXRUNTIME, EngineChoice, Samples
from tracker_ros.sot.clips import Footage
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.ranges import checked
from tracker_ros.sot.siamfc import SiamFCParameters, SiamFCTracker
from tracker_ros.sot.siamrpnpp import SiamRPNParameters, SiamRPNTracker
from tracker_ros.sot.spm import SPMParameters, SPMTracker
from tracker_ros.sot.target import Target
from tracker_ros.sot.tracker import SearchingTracker


class Paper(NamedTuple):
    """How the models of a paper track."""

    tracker: Any
    """Made of networks by role and of `parameters`; `tracker.roles` are those that it needs, and
    `tracker.cropping` is what `search` looks at."""
    parameters: type[Any]
    """The dataclass of the card's `tracking`."""
    default: str
    """The model that ships with the package."""


PAPERS = {
    "siamrpnpp": Paper(SiamRPNTracker, SiamRPNParameters, "siamrpnpp_alexnet_small"),
    "siamfc": Paper(SiamFCTracker, SiamFCParameters, "siamfc_small"),
    "atom": Paper(AtomTracker, AtomParameters, "atom_resnet18_small"),
    "spm": Paper(SPMTracker, SPMParameters, "spm_small"),
}
DEFAULT_MODELS = {name: paper.default for name, paper in PAPERS.items()}
TRACKERS = tuple(PAPERS)
DEFAULT_TRACKER = "atom"
"""What a node or the demo runs that names none: the most accurate of those that ship."""


class LoadedModel:
    """A model ready to track: its networks are shared by every target."""

    def __init__(
        self, card: Card, networks: Mapping[str, Network], upgrade: Upgrade | None = None
    ) -> None:
        """upgrade: engines that its networks may get while it tracks; not begun yet."""
        self.card, self.upgrade = card, upgrade
        self.thresholds = checked(Thresholds, card.monitor, f"model card '{card.name}', monitor")
        self._networks = networks if isinstance(networks, Networks) else Networks(networks)
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
        """What runs the networks now."""
        return self._networks.backend

    @property
    def precision(self) -> str:
        """The precision that they are computed in now."""
        return self._networks.precision

    @property
    def parts(self) -> tuple[Networks, ...]:
        """The networks that change their engines together."""
        return (self._networks,)

    def new_tracker(self) -> SearchingTracker:
        """A tracker without a target yet."""
        made = paper_of(self.card).tracker(self._networks, parameters_of(self.card))
        tracker: SearchingTracker = made
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


def parameters_of(card: Card) -> Any:
    """The dataclass of a card's `tracking`. Raises ModelError for a wrong key or value."""
    where = f"model card '{card.name}', tracking"
    return checked(paper_of(card).parameters, card.tracking, where)


def trackers_with_weights() -> tuple[str, ...]:
    """The trackers whose own model can be loaded here; the others' must be imported first."""
    return tuple(name for name, card in DEFAULT_MODELS.items() if read_card(card).files)


def load_model(
    name: str, *, threads: int = 0, backend: str = ONNXRUNTIME, build: BuildOptions | None = None,
    tell: Tell = lambda progress: None,
) -> LoadedModel:  # fmt: skip
    """Load a model by the name of its tracker, of its card, or the path of a card.

    `threads` is the number of CPU threads of a network, 0 for the engine's choice; `backend` is
    one of sot.backends.BACKENDS, or auto. Engines of TensorRT that are not cached are built first,
    which may take minutes; `tell` hears how far that is. Raises ModelError when the card or a file
    of it is missing, damaged or does not fit, where torch is asked for and has no weights, and
    where TensorRT is asked for and cannot be used.
    """
    return open_model(name, EngineChoice(backend, threads, build or BuildOptions(), tell=tell))


def load_model_now(
    name: str, *, threads: int = 0, backend: str = AUTO, build: BuildOptions | None = None
) -> LoadedModel:
    """The same, but with `auto` it waits for no engine: its `upgrade` builds them."""
    return open_model(name, EngineChoice(backend, threads, build or BuildOptions(), wait=False))


def open_model(name: str, choice: EngineChoice) -> LoadedModel:
    """As `load_model`, on what is chosen."""
    card = read_card(DEFAULT_MODELS.get(name, name))
    tracker, parameters = paper_of(card).tracker, parameters_of(card)
    learning = parameters if isinstance(parameters, AtomParameters) else None
    roles = {*tracker.roles, *card.files}
    networks, upgrade = choice.open(card, roles, _samples_of(card), tracker.cropping, learning)
    return LoadedModel(card, networks, upgrade)


def _samples_of(card: Card) -> Samples:
    def record(footage: Footage | None) -> Mapping[str, Any]:
        from tracker_ros.sot.samples import record_samples  # which needs this module

        return record_samples(card, clips=None if footage is None else footage.clips())

    return record
