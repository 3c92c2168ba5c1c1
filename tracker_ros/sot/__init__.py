"""Single-object trackers: one file per paper, and the monitor of their evidence."""

from tracker_ros.sot.model import DEFAULT_MODELS, TRACKERS, LoadedModel, load_model

__all__ = ["DEFAULT_MODELS", "TRACKERS", "LoadedModel", "load_model"]
