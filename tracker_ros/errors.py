"""The exceptions this package raises on purpose.

Every message says what was wrong, with which value, and what to do about it, because
these messages end up verbatim in service replies, diagnostics and on the terminal.
"""

from __future__ import annotations

import os


def program() -> str:
    """How the tracker_ros command was started, for messages that say what to type.

    `./run` names itself in TRACKER_ROS_PROGRAM, because what it starts is not on the PATH.
    """
    return os.environ.get("TRACKER_ROS_PROGRAM") or "tracker_ros"


class TrackerRosError(Exception):
    """Base of every error that tracker_ros raises on purpose."""


class ImageError(TrackerRosError):
    """An image cannot be used: unknown encoding, wrong step, too little data, corrupt file."""

    def __init__(self, message: str, cause: str = "data") -> None:
        super().__init__(message)
        self.cause = cause
        """Short stable key to count by: encoding, step, size, data, message or compressed."""


class DetectionsError(TrackerRosError):
    """An array of detections cannot be read."""


class TargetError(TrackerRosError):
    """A target cannot be accepted: NaN, empty or off-image box, stamp outside the history."""


class ModelError(TrackerRosError):
    """A model cannot be used: card or weights missing, damaged or of the wrong shape."""


class EngineError(ModelError):
    """An engine cannot be built, or cannot run, on this device."""


class DataError(TrackerRosError):
    """A data set, sequence, video or bag cannot be read."""


class ParameterError(TrackerRosError):
    """A parameter of a node has a value that is none of its choices."""
