"""Puts parts of a bag, files or chunks, in the order of recording without opening all at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from tracker_ros.bags.bag import BagMessage

Due = tuple[int, Callable[[], BagMessage | None]]
"""A time of recording, and what reads the message of it when its turn has come; None: it cannot."""
Part = tuple[int, Callable[[], Iterator[Due]]]
"""The earliest time in a part, and what begins to read it; its messages are in order."""


def by_time(parts: Iterable[Part]) -> Iterator[Due]:
    """Give the messages of all parts by their time of recording; a part is opened when due.

    Of messages of the same time, those of the earlier part come first.
    """
    waiting = sorted(enumerate(parts), key=lambda numbered: (numbered[1][0], numbered[0]))
    waiting.reverse()
    # The number decides before what cannot be compared: each part is in it once.
    open_: list[tuple[int, int, Due, Iterator[Due]]] = []
    while waiting or open_:
        while waiting and (not open_ or waiting[-1][1][0] <= open_[0][0]):
            number, (_, begin) = waiting.pop()
            messages = begin()
            first = next(messages, None)
            if first is not None:
                heapq.heappush(open_, (first[0], number, first, messages))
        if not open_:
            continue
        _, number, due, messages = open_[0]
        yield due
        following = next(messages, None)
        if following is None:
            heapq.heappop(open_)
        else:
            heapq.heapreplace(open_, (following[0], number, following, messages))
