"""What waits to be sent to one page: never more than the newest of everything.

A page on a slow link falls behind by what it never gets, not by seconds: of pictures and of each
kind of state only the newest waits, states and pictures take turns, and a picture is sent when the
page has shown those before it but one. Behind a picture that takes long go few states: what they
would fill the buffers of the link with goes before the next picture.
"""

from __future__ import annotations

import asyncio
from collections import deque

from tracker_ros.operator.pictures import Picture

MAX_IN_FLIGHT = 2
"""Pictures that are sent before the first of them is shown: one to draw while one travels."""
SLOW = 1.0
"""Seconds from sending a picture to hearing that it is shown; after more there is only one at a
time."""
BEHIND = 8 << 10
"""Characters of states that may follow such a picture before it is shown."""
MAX_ANSWERS = 64
"""Answers that wait; a page that reads none of so many is gone."""


class Outbox:
    """Of one page; for the thread of the server alone."""

    def __init__(self) -> None:
        self._answers: deque[str] = deque()
        self._states: dict[str, str] = {}
        self._picture: Picture | None = None
        self._sent: deque[tuple[int, float]] = deque()
        """Stamps of pictures that have not been shown yet, and when they were sent."""
        self._was_slow = False
        """Whether the picture that was shown last took long."""
        self._turns = 0
        """States that go before a picture that waits."""
        self._behind = 0
        """Characters of states since the last picture was sent."""
        self._something = asyncio.Event()

    def answer(self, text: str) -> bool:
        """Add what is not to be left out; False when too much of it waits already."""
        if len(self._answers) >= MAX_ANSWERS:
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
        self._picture = picture
        self._something.set()

    def forget_pictures(self) -> None:
        """Another topic is watched, or none."""
        self._picture = None
        self._sent.clear()

    def shown(self, stamp: int) -> bool:
        """The page has shown a picture, and with it all before; False when none was sent."""
        if all(stamp != sent for sent, _ in self._sent):
            return False
        sent, when = self._sent.popleft()
        while sent != stamp:
            sent, when = self._sent.popleft()
        self._was_slow = asyncio.get_running_loop().time() - when > SLOW
        self._something.set()
        return True

    async def next(self) -> str | Picture:
        """What to send next: answers first, then a round of states and a picture in turns."""
        while True:
            if self._answers:
                return self._answers.popleft()
            slow = self._is_slow()
            may_send = len(self._sent) < (1 if slow else MAX_IN_FLIGHT)
            picture = self._picture if may_send else None
            held = slow and self._sent and self._behind >= BEHIND
            if self._states and not held and (self._turns > 0 or picture is None):
                self._turns -= 1
                text = self._states.pop(next(iter(self._states)))
                self._behind += len(text)
                return text
            if picture is not None:
                now = asyncio.get_running_loop().time()
                self._picture, self._turns, self._behind = None, max(len(self._states), 1), 0
                self._sent.append((picture.stamp, now))
                return picture
            self._something.clear()
            await self._something.wait()

    def _is_slow(self) -> bool:
        """Whether the picture that was shown last took long, or the one on its way does."""
        now = asyncio.get_running_loop().time()
        return self._was_slow or (bool(self._sent) and now - self._sent[0][1] > SLOW)
