"""The states of the targets over the last minutes, for a page that is opened, or loaded again."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

SECONDS = 300.0
TARGETS, CHANGES = 32, 500
"""What is kept at most: targets, and changes of each."""
ENDED, UNKNOWN = "ENDED", "UNKNOWN"
"""Of a target that is no longer there, and of one of which nothing is heard."""


@dataclass
class _Life:
    label: str
    changes: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=CHANGES))


class Timeline:
    """When each target changed to which state."""

    def __init__(self) -> None:
        self._lives: OrderedDict[str, _Life] = OrderedDict()

    def add(self, now: float, states: Iterable[tuple[str, str, str]]) -> None:
        """Take the id, label and state of every target at a moment (seconds of any clock)."""
        there = set()
        for id, label, state in states:
            there.add(id)
            life = self._lives.setdefault(id, _Life(label))
            if not life.changes or life.changes[-1][1] != state:
                life.changes.append((now, state))
        for id, life in self._lives.items():
            if id not in there and life.changes[-1][1] != ENDED:
                life.changes.append((now, ENDED))
        self._forget(now)

    def silence(self, since: float) -> None:
        """Nothing has been heard since then."""
        for life in self._lives.values():
            if life.changes[-1][1] not in (ENDED, UNKNOWN):
                life.changes.append((since, UNKNOWN))

    def as_message(self, now: float) -> dict[str, Any]:
        """Targets with the seconds since each of their changes, the oldest first."""
        self._forget(now)
        return {
            "seconds": SECONDS,
            "targets": [
                {
                    "id": id,
                    "label": life.label,
                    "changes": [[round(now - at, 2), state] for at, state in life.changes],
                }
                for id, life in self._lives.items()
            ],
        }

    def _forget(self, now: float) -> None:
        """Drop what was over before the span, and the oldest targets of too many."""
        for id, life in list(self._lives.items()):
            # A change that is older still says what the state was when the span began.
            while len(life.changes) > 1 and life.changes[1][0] < now - SECONDS:
                life.changes.popleft()
            at, state = life.changes[-1]
            if state in (ENDED, UNKNOWN) and at < now - SECONDS:
                del self._lives[id]
        while len(self._lives) > TARGETS:
            self._lives.popitem(last=False)
