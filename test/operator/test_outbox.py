"""What waits for a slow page: the newest of everything, and every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from tracker_ros.operator.outbox import BEHIND, MAX_ANSWERS, MAX_IN_FLIGHT, Outbox
from tracker_ros.operator.pictures import Picture


def picture(stamp: int) -> Picture:
    return Picture("/image", stamp, b"")


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
            if stamp <= MAX_IN_FLIGHT:
                assert await all_of(outbox) == [stamp]
        for stamp in range(4, 100):
            outbox.picture(picture(stamp))
        assert await all_of(outbox) == []
        assert outbox.shown(1)
        assert await all_of(outbox) == [99]

    run(work())


def test_showing_a_picture_stands_for_those_before() -> None:
    async def work() -> None:
        outbox = Outbox()
        for stamp in (1, 2):
            outbox.picture(picture(stamp))
            await outbox.next()
        assert outbox.shown(2)
        for stamp in (3, 4):
            outbox.picture(picture(stamp))
            assert await all_of(outbox) == [stamp]
        assert not outbox.shown(17), "it was never sent"
        assert not outbox.shown(2), "it was shown before"
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
        told = ["answer 0", "answer 1", "answer 2", 1, "status 2", "health 2"]
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


def test_states_that_come_without_end_do_not_keep_pictures_back() -> None:
    async def work() -> None:
        outbox = Outbox()
        sent: list[Any] = []
        for i in range(60):  # on a slow link there are new states whenever one is sent
            outbox.picture(picture(i))
            for kind in ("status", "boxes"):
                outbox.state(kind, kind)
            thing = await outbox.next()
            sent.append(thing if isinstance(thing, str) else thing.stamp)
            if isinstance(sent[-1], int):
                outbox.shown(sent[-1])
        pictures = [thing for thing in sent if isinstance(thing, int)]
        assert 15 <= len(pictures) <= 25 and pictures == sorted(pictures)
        assert sent.count("status") >= 15 and sent.count("boxes") >= 15

    run(work())


def test_where_a_picture_takes_long_only_one_is_on_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracker_ros.operator.outbox.SLOW", 0.02)

    async def work() -> None:
        outbox = Outbox()
        outbox.picture(picture(1))
        await outbox.next()
        await asyncio.sleep(0.05)
        outbox.shown(1)
        for stamp in (2, 3):
            outbox.picture(picture(stamp))
            assert await all_of(outbox) == ([2] if stamp == 2 else [])
        outbox.shown(2)
        assert await all_of(outbox) == [3]

    run(work())


def test_behind_a_picture_that_takes_long_go_few_states_until_it_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracker_ros.operator.outbox.SLOW", 0.02)

    async def work() -> None:
        outbox, text = Outbox(), "x" * 1000

        async def sent_of(count: int) -> int:
            """States that are sent of so many that come one after the other."""
            sent = 0
            for _ in range(count):
                outbox.state("status", text)
                sent += len([one for one in await all_of(outbox) if one == text])
            return sent

        outbox.picture(picture(1))
        assert await all_of(outbox) == [1]
        await asyncio.sleep(0.05)
        few = BEHIND // 1000 + 1
        assert await sent_of(3 * few) == few
        assert outbox.answer("an answer") and await all_of(outbox) == ["an answer"]
        outbox.picture(picture(2))
        assert outbox.shown(1)
        assert await all_of(outbox) == [2, text], "the newest of what waited goes behind the next"
        assert await sent_of(3 * few) == few - 1
        assert outbox.shown(2)
        assert await sent_of(3 * few) == 3 * few, "no picture is on its way"

    run(work())


def test_answers_that_nobody_reads_are_not_kept_without_end() -> None:
    outbox = Outbox()
    assert [outbox.answer("x") for _ in range(MAX_ANSWERS + 1)] == [True] * MAX_ANSWERS + [False]


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
