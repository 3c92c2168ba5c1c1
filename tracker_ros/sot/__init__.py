"""Single-object trackers: one file per paper, and the monitor of their evidence."""

from tracker_ros.sot.model import (
    DEFAULT_MODELS,
    DEFAULT_TRACKER,
    TRACKERS,
    LoadedModel,
    load_model,
    trackers_with_weights,
)

__all__ = [
    "DEFAULT_MODELS",
    "DEFAULT_TRACKER",
    "TRACKERS",
    "LoadedModel",
    "load_model",
    "trackers_with_weights",
]
