"""Puts parts of a bag, files or chunks, in the order of recording without opening all at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from tracker_ros.bags.bag import BagMessage

Part = tuple[int, Callable[[], Iterator[BagMessage]]]
"""The earliest time in a part, and what begins to read it; its messages are in order."""


def by_time(parts: Iterable[Part]) -> Iterator[BagMessage]:
    """Give the messages of all parts by their time of recording; a part is opened when due.

    Of messages of the same time, those of the earlier part come first.
    """
    waiting = sorted(enumerate(parts), key=lambda numbered: (numbered[1][0], numbered[0]))
    waiting.reverse()
    open_: list[tuple[int, int, BagMessage, Iterator[BagMessage]]] = []
    while waiting or open_:
        while waiting and (not open_ or waiting[-1][1][0] <= open_[0][0]):
            number, (_, begin) = waiting.pop()
            messages = begin()
            first = next(messages, None)
            if first is not None:
                heapq.heappush(open_, (first.recorded_ns, number, first, messages))
        if not open_:
            continue
        _, number, message, messages = open_[0]
        yield message
        following = next(messages, None)
        if following is None:
            heapq.heappop(open_)
        else:
            heapq.heapreplace(open_, (following.recorded_ns, number, following, messages))
