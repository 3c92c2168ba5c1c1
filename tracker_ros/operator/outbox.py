"""What waits to be sent to one page: never more than the newest of everything.

A page on a slow link falls behind by pictures that it never sees, not by seconds: of pictures and
of each kind of state only the newest waits, and a picture is sent when the page has shown those
before it but one.
"""

from __future__ import annotations

import asyncio
from collections import deque

from tracker_ros.operator.pictures import Picture

ON_THE_WAY = 2
"""Pictures that are sent before the first of them is shown: one to draw while one travels."""
ANSWERS = 64
"""Answers that wait; a page that reads none of so many is gone."""


class Outbox:
    """Of one page; for the thread of the server alone."""

    def __init__(self) -> None:
        self._answers: deque[str] = deque()
        self._states: dict[str, str] = {}
        self._picture: Picture | None = None
        self._sent: deque[int] = deque()
        """Stamps of pictures that have not been shown yet."""
        self._something = asyncio.Event()
        self.overtaken = 0
        """Pictures that a newer one replaced before they were sent."""

    def answer(self, text: str) -> bool:
        """Add what is not to be left out; False when too much of it waits already."""
        if len(self._answers) >= ANSWERS:
            return False
        self._answers.append(text)
        self._something.set()
        return True

    def state(self, kind: str, text: str) -> None:
        """Add a state; it replaces the one of its kind that waits."""
        self._states[kind] = text
        self._something.set()

    def picture(self, picture: Picture) -> None:
        """Add a picture; it replaces the one that waits."""
        self.overtaken += self._picture is not None
        self._picture = picture
        self._something.set()

    def forget_pictures(self) -> None:
        """Another topic is watched, or none."""
        self._picture = None
        self._sent.clear()

    def shown(self, stamp: int) -> None:
        """The page has shown a picture, and with it all that were sent before."""
        if stamp in self._sent:
            while self._sent.popleft() != stamp:
                pass
            self._something.set()

    async def next(self) -> str | Picture:
        """What to send next: answers, then states, then the picture if it may be sent."""
        while True:
            if self._answers:
                return self._answers.popleft()
            if self._states:
                return self._states.pop(next(iter(self._states)))
            picture = self._picture
            if picture is not None and len(self._sent) < ON_THE_WAY:
                self._picture = None
                self._sent.append(picture.stamp)
                return picture
            self._something.clear()
            await self._something.wait()
