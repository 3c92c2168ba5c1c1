"""The parameters that every node with a camera has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracker_ros.errors import ParameterError
from tracker_ros.pipeline.parameters import Choices, ParameterStore, refuse

CAMERA_CHOICES: Choices = {
    "transport": ("auto", "raw", "compressed"),
    "reliability": ("auto", "reliable", "best_effort"),
}


@dataclass(frozen=True)
class CameraParameters:
    """Their values."""

    autostart: bool
    transport: str
    reliability: str
    history_frames: int
    history_bytes: int
    history_seconds: float
    camera_rate: float
    """Hz; 0: as camera_info says."""


def declare_camera_parameters(store: ParameterStore, history: str) -> None:
    """Declare them; `history` says in words what images are kept for."""
    declare = store.declare
    declare("autostart", True, "configure and activate at start", read_only=True)
    declare("transport", "auto", "image message to subscribe to: auto, raw, compressed")
    declare("reliability", "auto", "of the image subscription: auto (as the camera "
            "offers), reliable, best_effort")  # fmt: skip
    declare("history_frames", 60, f"images kept {history}", (0, 1000))
    declare("history_megabytes", 256, "at most so much of them", (0, 8192))
    declare("history_seconds", 5.0, "none that is so much older than the newest",
            (0.0, 3600.0))  # fmt: skip
    declare("camera_rate", 0.0, "rate of the camera in Hz, to tell when images are lost; "
            "0: as camera_info says", (0.0, 1000.0))  # fmt: skip


def read_camera_parameters(store: ParameterStore, choices: Choices) -> dict[str, Any]:
    """The fields of CameraParameters. Raises ParameterError for a value outside the choices."""
    for name in choices:
        refusal = refuse(choices, name, store.value(name))
        if refusal:
            raise ParameterError(refusal)
    names = (
        "autostart", "transport", "reliability", "history_frames", "history_seconds", "camera_rate",
    )  # fmt: skip
    return {
        **{name: store.value(name) for name in names},
        "history_bytes": store.value("history_megabytes") << 20,
    }
