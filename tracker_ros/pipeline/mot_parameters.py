"""The parameters of the multi-object node: declared with ranges, read into dataclasses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tracker_ros.errors import ModelError
from tracker_ros.mot.open import MULTI_TRACKERS, open_multi_tracker
from tracker_ros.mot.settings import Settings
from tracker_ros.mot.tracker import MultiTracker
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
from tracker_ros.pipeline.mot_worker import Wanted
from tracker_ros.pipeline.pairing import Timing
from tracker_ros.pipeline.parameters import ParameterStore
from tracker_ros.sot.backends import ONNXRUNTIME, TENSORRT, EngineChoice

MANAGEMENT: dict[str, tuple[str, tuple[float, float]]] = {
    "start_score": ("a weaker detection continues targets, but begins none", (0.0, 1.0)),
    "confirm_hits": ("detections that a new target needs before it is published", (1, 1000)),
    "confirm_window": ("frames within which it needs them", (1, 1000)),
    "confirm_score": ("share that its mean score must be of the usual one of those published",
                      (0.0, 2.0)),
    "lost_seconds": ("a target that is not seen for so long ends", (0.0, 3600.0)),
    "recover": ("follow a target that the detector missed with a single-object tracker", (0, 1)),
    "recover_score": ("lowest score of that tracker to believe it", (0.0, 1.0)),
    "recover_seconds": ("a target that was not detected for so long is LOST", (0.0, 3600.0)),
    "recover_most": ("targets that are recovered in one frame at most", (0, 100)),
    "duplicate_iou": ("of two targets that overlap more, the younger ends ...", (0.0, 1.0)),
    "duplicate_frames": ("... after so many frames", (1, 1000)),
}  # fmt: skip
"""Fields of mot.settings.Settings: what they mean, and their range."""
BACKENDS = (TENSORRT, ONNXRUNTIME)
CHOICES = {**engine_choices(BACKENDS), **CAMERA_CHOICES}
UNKNOWN = ("setting of the trackers", (0.0, 1e6))
SETTINGS = tuple(field.name for field in dataclasses.fields(Settings) if field.name != "classes")
OF_CLASS = tuple(
    name for name in SETTINGS if name != "recover" and not name.endswith(("_most", "_iou"))
)
"""Those that a class can have of its own, beside min_score."""
AS_ALL = -1
"""Value of a class's own parameter that means: as for all classes."""


@dataclass(frozen=True)
class MotParameters(NetworkParameters):
    """Their values."""

    tracker: str
    model: str
    """Path of a model card; empty: the tracker's own."""
    id_prefix: str
    timing: Timing
    wanted: Wanted
    settings: Settings


def declare_mot_parameters(store: ParameterStore) -> None:
    """Declare them all; those of `classes` after it is known which these are."""
    declare = store.declare
    declare("tracker", "famnet", f"tracker: {', '.join(MULTI_TRACKERS)}; after a colon "
            "variants, as famnet:k=3", read_only=True)  # fmt: skip
    declare("model", "", "path of a model card (.yaml) for famnet; empty: its own",
            read_only=True)  # fmt: skip
    declare("threads", 0, "CPU threads of the networks; 0: all cores", (0, 256), True)
    declare_engine_parameters(store, BACKENDS)
    declare("id_prefix", "m", "what identities begin with, before their number",
            read_only=True)  # fmt: skip
    declare_camera_parameters(store, "for detections that come late")
    timing, wanted, settings = Timing(), Wanted(), Settings()
    declare("detection_wait", timing.wait, "seconds that an image waits for its "
            "detections; then its tracks are predicted", (0.0, 10.0))  # fmt: skip
    declare("sync_tolerance", timing.tolerance, "seconds by which the stamps of an image "
            "and of its detections may differ", (0.0, 1.0))  # fmt: skip
    declare("max_gap", timing.max_gap, "seconds without detections after which nothing "
            "counts as detected, so that targets end", (0.0, 3600.0))  # fmt: skip
    declare("min_score", wanted.default_score, "weaker detections are left out", (0.0, 1.0))
    declare("nms_iou", wanted.nms_iou, "of two detections of a class that overlap more, "
            "the weaker is left out; 1: none", (0.0, 1.0))  # fmt: skip
    declare("max_detections", wanted.most, "of more in an image, only the strongest are "
            "taken", (1, 10000))  # fmt: skip
    for name in SETTINGS:
        (words, limits), default = MANAGEMENT.get(name, UNKNOWN), getattr(settings, name)
        declare(name, default, words, None if isinstance(default, bool) else limits)
    declare("classes", [""], "names of classes that have settings of their own, as "
            "class.NAME.min_score; [\"\"]: none", read_only=True)  # fmt: skip
    for label in _labels(store):
        declare(f"class.{label}.min_score", float(AS_ALL),
                f"min_score of {label}; -1: as for all", (AS_ALL, 1.0))  # fmt: skip
        for name in OF_CLASS:
            words, (_, high) = MANAGEMENT.get(name, UNKNOWN)
            default = type(getattr(settings, name))(AS_ALL)
            declare(f"class.{label}.{name}", default,
                    f"of {label}: {words}; -1: as for all", (AS_ALL, high))  # fmt: skip


def read_mot_parameters(store: ParameterStore) -> MotParameters:
    """Read what is set now. Raises ParameterError for a value outside the choices."""
    value = store.value
    own = {
        label: {
            name: value(f"class.{label}.{name}")
            for name in ("min_score", *OF_CLASS)
            if value(f"class.{label}.{name}") >= 0
        }
        for label in _labels(store)
    }
    min_score = {label: values.pop("min_score") for label, values in own.items()
                 if "min_score" in values}  # fmt: skip
    return MotParameters(
        **read_camera_parameters(store, CHOICES),
        **{name: value(name) for name in ("tracker", "model", "threads", "id_prefix")},
        engines=read_engine_parameters(store),
        timing=Timing(value("detection_wait"), value("sync_tolerance"), value("max_gap")),
        wanted=Wanted(value("min_score"), value("nms_iou"), value("max_detections"), min_score),
        settings=Settings(
            **{name: value(name) for name in SETTINGS},
            classes={label: values for label, values in own.items() if values},
        ),
    )


def open_tracker(parameters: MotParameters, engines: EngineChoice) -> MultiTracker:
    """The tracker that the parameters ask for, on the chosen engines. Raises ModelError."""
    name = parameters.tracker
    if parameters.model:
        base, colon, variants = name.partition(":")
        if base != "famnet":
            raise ModelError(
                f"parameter model is '{parameters.model}', but the tracker '{name}' takes none; "
                "leave it empty, or set tracker to famnet"
            )
        name = parameters.model + colon + variants
    return open_multi_tracker(name, settings=parameters.settings, engines=engines)


def manage(tracker: MultiTracker, settings: Settings) -> None:
    """Let a tracker go by other settings; SORT has settings of its own, which are fixed."""
    if hasattr(tracker, "settings"):
        tracker.settings = settings


def _labels(store: ParameterStore) -> list[str]:
    return [label for label in dict.fromkeys(store.value("classes")) if label]
