"""What waits for a slow page: the newest of everything, and every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from tracker_ros.operator.outbox import ANSWERS, ON_THE_WAY, Outbox
from tracker_ros.operator.pictures import Picture


def picture(stamp: int) -> Picture:
    return Picture("/image", stamp, b"", 0.0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 5))


async def all_of(outbox: Outbox) -> list[Any]:
    """What can be sent now."""
    found: list[Any] = []
    while True:
        try:
            thing = await asyncio.wait_for(outbox.next(), 0.01)
        except asyncio.TimeoutError:
            return found
        found.append(thing if isinstance(thing, str) else thing.stamp)


def test_a_page_that_shows_nothing_gets_two_pictures_and_then_the_newest() -> None:
    async def work() -> None:
        outbox = Outbox()
        for stamp in range(1, 4):
            outbox.picture(picture(stamp))
            if stamp <= ON_THE_WAY:
                assert await all_of(outbox) == [stamp]
        for stamp in range(4, 100):
            outbox.picture(picture(stamp))
        assert await all_of(outbox) == []
        outbox.shown(1)
        assert await all_of(outbox) == [99]
        assert outbox.overtaken == 96

    run(work())


def test_showing_a_picture_stands_for_those_before() -> None:
    async def work() -> None:
        outbox = Outbox()
        for stamp in (1, 2):
            outbox.picture(picture(stamp))
            await outbox.next()
        outbox.shown(2)
        for stamp in (3, 4):
            outbox.picture(picture(stamp))
            assert await all_of(outbox) == [stamp]
        outbox.shown(17)  # never sent
        outbox.picture(picture(5))
        assert await all_of(outbox) == []

    run(work())


def test_answers_come_first_and_in_order_and_states_only_as_the_newest() -> None:
    async def work() -> None:
        outbox = Outbox()
        outbox.picture(picture(1))
        for i in range(3):
            outbox.state("status", f"status {i}")
            outbox.state("health", f"health {i}")
            assert outbox.answer(f"answer {i}")
        told = ["answer 0", "answer 1", "answer 2", "status 2", "health 2", 1]
        assert await all_of(outbox) == told

    run(work())


def test_what_comes_while_it_waits_wakes_it() -> None:
    async def work() -> None:
        outbox = Outbox()
        waiting = asyncio.create_task(outbox.next())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        outbox.state("status", "now")
        assert await waiting == "now"

    run(work())


def test_answers_that_nobody_reads_are_not_kept_without_end() -> None:
    outbox = Outbox()
    assert [outbox.answer("x") for _ in range(ANSWERS + 1)] == [True] * ANSWERS + [False]


def test_another_topic_begins_with_nothing_on_the_way() -> None:
    async def work() -> None:
        outbox = Outbox()
        for stamp in (1, 2):
            outbox.picture(picture(stamp))
            await outbox.next()
        outbox.picture(picture(3))
        outbox.forget_pictures()
        assert await all_of(outbox) == []
        outbox.picture(picture(4))
        assert await all_of(outbox) == [4]

    run(work())
