"""The parameters of the single-object node: declared with ranges, read into dataclasses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tracker_ros.errors import ModelError
from tracker_ros.models.card import read_card
from tracker_ros.pipeline.camera_parameters import (
    CAMERA_CHOICES,
    CameraParameters,
    declare_camera_parameters,
    read_camera_parameters,
)
from tracker_ros.pipeline.parameters import ParameterStore
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS
from tracker_ros.sot.monitor import Thresholds

MONITOR_RANGES: dict[str, tuple[float, float]] = {
    "uncertain_score": (0.0, 1.0),
    "lost_score": (0.0, 1.0),
    "recover_score": (0.0, 1.0),
    "look_alike": (0.0, 1.0),
    "min_contrast": (0.0, 1.0),
    "max_size_change": (1.0, 100.0),
    "patience": (1, 1000),
    "confirm": (1, 1000),
}
MONITOR_HELP = {
    "uncertain_score": "a visible target with a lower score is UNCERTAIN",
    "lost_score": "a target with a lower score for `patience` frames is LOST",
    "recover_score": "a lost target must reach this score to be REACQUIRED",
    "look_alike": "a second response peak above this share of the first makes it UNCERTAIN",
    "min_contrast": "a picture of lower contrast is blank, and the target LOST at once",
    "max_size_change": "a box whose area changes by more than this factor is UNCERTAIN",
    "patience": "frames of weak evidence in a row before the target is LOST",
    "confirm": "frames of good evidence in a row before it is TRACKING",
}
CHOICES = {"tracker": TRACKERS, **CAMERA_CHOICES}


@dataclass(frozen=True)
class SotParameters(CameraParameters):
    """Their values."""

    tracker: str
    model: str
    """Name or path of the model card."""
    threads: int
    max_targets: int
    thresholds: Thresholds


def declare_sot_parameters(store: ParameterStore) -> None:
    """Declare them all. The defaults of `monitor.*` come from the model's card."""
    declare = store.declare
    declare("tracker", "siamrpnpp", "tracker: " + ", ".join(TRACKERS), read_only=True)
    declare("model", "", "model card: a name, or the path of a .yaml; empty: the "
            "tracker's own", read_only=True)  # fmt: skip
    declare("threads", 0, "CPU threads of the network; 0: all cores", (0, 256), True)
    declare("max_targets", 1, "targets at a time; with 1 a new target replaces the old",
            (1, 32))  # fmt: skip
    declare_camera_parameters(store, "for targets set on an older one")
    defaults = _thresholds_of_card(store)
    for field in dataclasses.fields(Thresholds):
        declare(f"monitor.{field.name}", getattr(defaults, field.name),
                MONITOR_HELP[field.name], MONITOR_RANGES[field.name])  # fmt: skip


def read_sot_parameters(store: ParameterStore) -> SotParameters:
    """Read what is set now. Raises ParameterError for a value outside the choices."""
    value = store.value
    camera = read_camera_parameters(store, CHOICES)
    tracker = str(value("tracker"))
    return SotParameters(
        **camera,
        tracker=tracker,
        model=str(value("model")) or DEFAULT_MODELS.get(tracker, tracker),
        threads=value("threads"),
        max_targets=value("max_targets"),
        thresholds=Thresholds(**{name: value(f"monitor.{name}") for name in MONITOR_RANGES}),
    )


def _thresholds_of_card(store: ParameterStore) -> Thresholds:
    """The card's thresholds; where there is no such card, configure will say so."""
    tracker = store.value("tracker")
    if tracker not in TRACKERS:
        return Thresholds()  # refused in a moment, when all are read
    name = store.value("model") or DEFAULT_MODELS.get(tracker, tracker)
    try:
        return Thresholds(**read_card(name).monitor)
    except (ModelError, TypeError) as error:
        store.warn(f"thresholds of model '{name}' not known: {error}")
        return Thresholds()
