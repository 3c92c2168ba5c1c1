"""The server of the page, spoken to by a real client over real sockets: what it is for."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="not installed: pip install 'aiohttp>=3.8'")

from served import Bench, Served, ended, until, welcomed  # noqa: E402

from tracker_ros.errors import TargetError  # noqa: E402
from tracker_ros.operator import pages, protocol  # noqa: E402
from tracker_ros.operator.access import Access, OperatorError  # noqa: E402
from tracker_ros.operator.pictures import Picture  # noqa: E402
from tracker_ros.operator.protocol import Request  # noqa: E402
from tracker_ros.operator.server import Limits, PageServer  # noqa: E402


def test_the_page_and_its_files_are_served_and_nothing_else(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        async with session.get("/") as page:
            assert page.status == 200 and page.content_type == "text/html"
            assert "default-src 'none'" in page.headers["Content-Security-Policy"]
            assert page.headers["X-Content-Type-Options"] == "nosniff"
        async with session.get("/page/style.css") as style:
            assert style.status == 200 and style.content_type == "text/css"
        others = ["nothing.js", "../server.py", "%2e%2e%2fserver.py", "..%2f..%2ferrors.py", ""]
        for name in ("x" * 300 + ".js", *others):
            path = f"/page/{name}"
            async with session.get(aiohttp.client.URL(served.url + path, encoded=True)) as other:
                assert other.status == 404, path
                assert "Content-Security-Policy" in other.headers

    served.run(work)


def test_a_page_is_told_states_and_shown_pictures_of_the_topic_it_watches(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        page = await welcomed(session)
        served.server.tell("status", {"targets": []})
        assert await page.receive_json() == {"type": "status", "targets": []}
        await page.send_json({"type": "watch", "topic": "/image"})
        await until(lambda: (frozenset({"/image"}), 1) in served.robot.watched)
        for stamp, topic in enumerate(("/other", "/image", "/other"), 1):
            served.server.show(Picture(topic, stamp, f"picture {stamp}".encode()))
        assert await page.receive_bytes() == b"picture 2"
        await page.close()
        await until(lambda: served.robot.watched[-1] == (frozenset(), 0))

    served.run(work)


def test_a_page_that_shows_nothing_gets_no_third_picture_and_then_the_newest(
    served: Served,
) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        page = await welcomed(session)
        await page.send_json({"type": "watch", "topic": "/image"})
        await until(lambda: bool(served.robot.watched) and bool(served.robot.watched[-1][0]))
        for stamp in range(1, 50):
            served.server.show(Picture("/image", stamp, str(stamp).encode()))
            await asyncio.sleep(0.002)
        assert [await page.receive_bytes() for _ in range(2)] == [b"1", b"2"]
        # A page says again what it watches whenever the topics change: no reason to send more.
        said = len(served.robot.watched)
        await page.send_json({"type": "watch", "topic": "/image"})
        await until(lambda: len(served.robot.watched) > said)
        served.server.show(Picture("/image", 50, b"50"))
        with pytest.raises(asyncio.TimeoutError):
            await page.receive(0.1)
        await page.send_json({"type": "shown", "stamp": "2"})
        assert await page.receive_bytes() == b"50"

    served.run(work)


def test_requests_are_answered_each_with_its_number(served: Served) -> None:
    def answer(request: Request) -> protocol.Done:
        if isinstance(request, protocol.Clear):
            raise TargetError("no target")
        if isinstance(request, protocol.Follow):
            raise KeyError("a bug")
        return protocol.Done("following 3", "3")

    async def work(session: aiohttp.ClientSession) -> None:
        served.robot.answers = answer
        page = await welcomed(session)
        box = {"topic": "/image", "stamp": "12", "box": [1, 2, 3, 4]}
        await page.send_json({"type": "set_target", "request": 7, **box})
        await page.send_json({"type": "clear", "request": 8})
        await page.send_json({"type": "follow", "request": 9, "id": "m1"})
        told = [await page.receive_json() for _ in range(3)]
        said = {"type": "answer", "request": 7, "ok": True, "message": "following 3"}
        assert told[0] == {**said, "target": "3"}
        assert told[1] == {"type": "answer", "request": 8, "ok": False, "message": "no target"}
        assert not told[2]["ok"] and "the node failed: KeyError" in told[2]["message"]
        assert isinstance(served.robot.asked[0], protocol.SetTarget)
        assert served.robot.asked[0].stamp == 12

    served.run(work)


def test_requests_that_wait_are_bounded(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        served.robot.held = []
        page = await welcomed(session)
        for number in range(pages.MAX_PENDING_REQUESTS + 1):
            await page.send_json({"type": "clear", "request": number})
        refused = await page.receive_json()
        assert refused["request"] == pages.MAX_PENDING_REQUESTS and not refused["ok"]
        served.robot.held[0].set_result(protocol.Done("late"))
        assert (await page.receive_json())["message"] == "late"

    served.run(work)


def test_a_ping_comes_back_with_the_robots_time(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        page = await welcomed(session)
        await page.send_json({"type": "ping", "at": 12.25})
        told = await page.receive_json()
        assert told == {"type": "pong", "at": 12.25, "now": "1700000000000000000"}

    served.run(work)


def test_an_unknown_topic_is_told_and_not_watched(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        page = await welcomed(session)
        await page.send_json({"type": "watch", "topic": "/secret"})
        assert "no image topic /secret" in (await page.receive_json())["message"]
        assert not any(topics for topics, _ in served.robot.watched)

    served.run(work)


def test_a_port_that_is_taken_is_named(served: Served) -> None:
    with pytest.raises(
        OperatorError, match=rf"127\.0\.0\.1:{served.server.port}.*address and port"
    ):
        PageServer(
            "127.0.0.1", served.server.port, Access("127.0.0.1"), Limits(), Bench(), lambda _: None
        )
    with pytest.raises(OperatorError, match=r"cannot listen on 203\.0\.113\.9:"):
        PageServer("203.0.113.9", 0, Access("203.0.113.9"), Limits(), Bench(), lambda _: None)


def test_when_it_ends_pages_are_told_and_no_thread_is_left() -> None:
    served = Served()

    async def work(session: aiohttp.ClientSession) -> None:
        page = await welcomed(session)
        threading.Timer(0.1, served.server.close).start()
        code, words = await ended(page)
        assert code == 1001 and "has ended" in words

    before = threading.active_count()
    served.run(work)
    for _ in range(200):
        if threading.active_count() < before:
            break
        time.sleep(0.02)
    assert threading.active_count() < before
    served.server.show(Picture("/image", 1, b""))  # after its end: nothing happens
    served.server.tell("status", {})
