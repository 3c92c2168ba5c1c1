"""Whether the nodes would take what a card says, without loading the model."""

from __future__ import annotations

from collections.abc import Iterable

from tracker_ros.engines.network import Networks
from tracker_ros.errors import ModelError
from tracker_ros.models.card import Card
from tracker_ros.mot.model import DEFAULT_MODEL as FAMNET_MODEL
from tracker_ros.mot.model import GRAPHS, FamnetModel
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS
from tracker_ros.sot.model import paper_of
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.ranges import checked

DEFAULTS = {**DEFAULT_MODELS, "famnet": FAMNET_MODEL}
"""Tracker -> the model that its name stands for."""


def require_usable(card: Card) -> None:
    """Raises ModelError for what a node refuses: the tracker, a value, a graph that lacks.

    Only the card is looked at, not its files.
    """
    if card.tracker not in DEFAULTS:
        raise ModelError(
            f"model card '{card.name}': there is no tracker '{card.tracker}'; "
            f"there are {', '.join(DEFAULTS)}"
        )
    roles: Iterable[str] = GRAPHS
    if card.tracker in TRACKERS:
        paper = paper_of(card)
        roles = paper.tracker.roles
        checked(paper.parameters, card.tracking, f"model card '{card.name}', tracking")
        checked(Thresholds, card.monitor, f"model card '{card.name}', monitor")
    else:
        try:
            FamnetModel(card, Networks({}))
        except (MemoryError, OverflowError) as error:
            raise ModelError(f"model card '{card.name}', network: {error}") from error
    lacking = sorted(set(roles) - card.files.keys()) if card.files else []
    if lacking:
        raise ModelError(
            f"model card '{card.name}', files: there is no {' and no '.join(lacking)}; the "
            f"tracker '{card.tracker}' needs {', '.join(sorted(roles))}"
        )
