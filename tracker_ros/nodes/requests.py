"""What is asked of the tracking worker, its answer, and the ids that it gives out. No ROS."""

from __future__ import annotations

from dataclasses import dataclass

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box


@dataclass(frozen=True)
class TargetRequest:
    """Follow what is in `box` of the image stamped `stamp`."""

    box: Box
    stamp: int = 0
    """Nanoseconds; 0 means the newest image."""
    id: str = ""
    """Empty: a new one is made. That of a live target: it is pointed at anew."""
    label: str = ""


@dataclass(frozen=True)
class Accepted:
    """The answer to a request that was accepted."""

    id: str
    message: str


class Identities:
    """Gives out ids; one that was given is never given again."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last = 0

    def claim(self, wanted: str) -> str:
        """Take `wanted`, or a new number where it is empty. Raises TargetError when it is used."""
        if wanted in self._used:
            raise TargetError(
                f"id '{wanted}' belonged to a target that has ended; "
                "ids are not used again: give another, or none"
            )
        while not wanted:
            self._last += 1
            if str(self._last) not in self._used:
                wanted = str(self._last)
        self._used.add(wanted)
        return wanted
