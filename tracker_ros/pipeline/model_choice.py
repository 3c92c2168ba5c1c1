"""Which model the parameters `tracker` and `model` mean, and what else changes with it. No ROS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tracker_ros.errors import ModelError
from tracker_ros.models.card import read_card
from tracker_ros.pipeline.parameters import refuse
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS
from tracker_ros.sot.model import paper_of
from tracker_ros.sot.monitor import Thresholds


def chosen_model(tracker: str, model: str) -> str:
    """Name or path of the card: `model`, or the tracker's own where that is empty."""
    return model or DEFAULT_MODELS.get(tracker, tracker)


def refuse_model(tracker: str, model: str, *, tracker_is_asked_for: bool) -> str:
    """Why the model cannot be taken, as far as its card tells; empty where nothing speaks against.

    tracker_is_asked_for: whether `tracker` is being set: a model of another one is then a mistake.
    """
    reason = refuse({"tracker": TRACKERS}, "tracker", tracker)
    if reason:
        return reason
    try:
        card = read_card(chosen_model(tracker, model))
        paper_of(card)
        if not card.graphs_here:
            for role in card.files or ("search",):
                card.graph(role)
    except ModelError as error:
        return str(error)
    if tracker_is_asked_for and card.tracker != tracker:
        return (
            f"parameter model is '{model}', of the tracker {card.tracker}, not {tracker}; set "
            f"model to '' for the own one of {tracker}, together with tracker or before it"
        )
    return ""


def followed(value: Callable[[str], Any], old: Thresholds, new: Thresholds) -> dict[str, Any]:
    """The parameters `monitor.*` that change with the model, and what they become.

    value: gives what a parameter is. Those that are as the old model's card has them follow the
    new card; others were set by somebody, and stay.
    """
    return {
        f"monitor.{field.name}": getattr(new, field.name)
        for field in dataclasses.fields(Thresholds)
        if value(f"monitor.{field.name}") == getattr(old, field.name) != getattr(new, field.name)
    }
