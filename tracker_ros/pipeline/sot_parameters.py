"""The parameters of the single-object node: declared with ranges, read into dataclasses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tracker_ros.errors import ModelError
from tracker_ros.models.card import read_card
from tracker_ros.pipeline.camera_parameters import (
    CAMERA_CHOICES,
    declare_camera_parameters,
    read_camera_parameters,
)
from tracker_ros.pipeline.engine_parameters import (
    NetworkParameters,
    declare_engine_parameters,
    engine_choices,
    read_engine_parameters,
)
from tracker_ros.pipeline.model_choice import chosen_model
from tracker_ros.pipeline.parameters import ParameterStore
from tracker_ros.sot import DEFAULT_TRACKER, TRACKERS
from tracker_ros.sot.monitor import Thresholds

MONITOR_RANGES: dict[str, tuple[float, float]] = {
    "uncertain_score": (0.0, 1.0),
    "lost_score": (0.0, 1.0),
    "recover_score": (0.0, 1.0),
    "verify_likeness": (0.0, 1.0),
    "lost_likeness": (0.0, 1.0),
    "look_alike": (0.0, 1.0),
    "min_contrast": (0.0, 1.0),
    "max_size_change": (1.0, 100.0),
    "max_jump": (0.0, 1000.0),
    "max_drift": (0.0, 1.0),
    "min_inside": (0.0, 1.0),
    "patience": (1, 1000),
    "confirm": (1, 1000),
    "confirm_return": (1, 1000),
    "verify_every": (1, 1000),
}
MONITOR_HELP = {
    "uncertain_score": "a visible target with a lower score is UNCERTAIN",
    "lost_score": "a target with a lower score for `patience` frames is LOST",
    "recover_score": "a lost target must reach this score to be compared and REACQUIRED",
    "verify_likeness": "less like the first frame it is neither TRACKING nor REACQUIRED",
    "lost_likeness": "less like the first frame three times in a row it is LOST; 0: never",
    "look_alike": "a second response peak above this share of the first makes it UNCERTAIN",
    "min_contrast": "a picture of lower contrast is blank, and the target LOST at once",
    "max_size_change": "a box whose area changes by more than this factor is UNCERTAIN",
    "max_jump": "a box that moves by more than so many times its size is UNCERTAIN",
    "max_drift": "a score that falls by more than this share of its level makes it UNCERTAIN",
    "min_inside": "with a smaller share of its box on the image it is UNCERTAIN",
    "patience": "frames of weak evidence in a row before the target is LOST",
    "confirm": "frames of good evidence in a row before it is TRACKING",
    "confirm_return": "frames in a row that find a lost target before it is REACQUIRED",
    "verify_every": "frames between two comparisons of a TRACKING target with the first frame",
}
CHOICES = {"tracker": TRACKERS, **engine_choices(), **CAMERA_CHOICES}


@dataclass(frozen=True)
class SotParameters(NetworkParameters):
    """Their values."""

    tracker: str
    model: str
    """Name or path of the model card."""
    max_targets: int
    click_size: float
    """Mean side that a target is expected to have, in short sides of the image."""
    thresholds: Thresholds


def declare_sot_parameters(store: ParameterStore) -> None:
    """Declare them all. The defaults of `monitor.*` come from the model's card."""
    declare = store.declare
    declare("tracker", DEFAULT_TRACKER, "tracker: " + ", ".join(TRACKERS))
    declare("model", "", "model card: a name, or the path of a .yaml; empty: the "
            "tracker's own")  # fmt: skip
    declare("threads", 0, "CPU threads of the network; 0: all cores", (0, 256), True)
    declare_engine_parameters(store)
    declare("max_targets", 1, "targets at a time; with 1 a new target replaces the old",
            (1, 32))  # fmt: skip
    declare("click_size", 0.22, "mean side that a target which is clicked on is expected to "
            "have, in short sides of the image", (0.02, 1.0))  # fmt: skip
    declare_camera_parameters(store, "for targets set on an older one")
    defaults = thresholds_of_card(store)
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
        model=chosen_model(tracker, str(value("model"))),
        threads=value("threads"),
        engines=read_engine_parameters(store),
        max_targets=value("max_targets"),
        click_size=value("click_size"),
        thresholds=Thresholds(**{name: value(f"monitor.{name}") for name in MONITOR_RANGES}),
    )


def thresholds_of_card(store: ParameterStore) -> Thresholds:
    """The card's thresholds; where it cannot be read, who loads the model says why."""
    tracker = store.value("tracker")
    if tracker not in TRACKERS:
        return Thresholds()  # refused in a moment, when all are read
    name = chosen_model(tracker, store.value("model"))
    try:
        return Thresholds(**read_card(name).monitor)
    except (ModelError, TypeError):
        return Thresholds()
