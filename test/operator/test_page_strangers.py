"""Pages that may not, say too much, say nothing, or stop reading: the server lives on."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from contextlib import suppress

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="not installed: pip install 'aiohttp>=3.8'")

from served import HELLO, Served, ended, until, welcomed  # noqa: E402

from tracker_ros.operator import pages  # noqa: E402
from tracker_ros.operator.access import Access  # noqa: E402
from tracker_ros.operator.pictures import Picture  # noqa: E402
from tracker_ros.operator.server import MAX_STRANGERS  # noqa: E402


@pytest.mark.usefixtures("patient")
def test_a_wrong_token_is_told_after_a_while_and_nothing_else_is() -> None:
    served = Served(Access("0.0.0.0"))

    async def work(session: aiohttp.ClientSession) -> None:
        await welcomed(session, token=served.server.access.token)
        for token in ("", "wrong"):
            page = await session.ws_connect("/socket")
            await page.send_json({**HELLO, "token": token})
            began = time.monotonic()
            code, words = await ended(page)
            assert code == pages.WRONG_TOKEN and "node's log" in words
            assert ("wrong token" in words) == bool(token)
            assert time.monotonic() - began >= pages.WRONG_TOKEN_DELAY

    served.run(work)
    assert served.server.access.token in served.server.url
    served.server.close()


def test_another_sites_page_and_another_name_are_refused(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect("/socket", headers={"Origin": "http://evil.example"})
        assert refused.value.status == 403
        async with session.get("/", headers={"Host": "evil.example"}) as page:
            assert page.status == 421
        own = {"Origin": f"http://127.0.0.1:{served.server.port}"}
        page = await session.ws_connect("/socket", headers=own)
        await page.close()

    served.run(work)
    assert "evil.example" in served.trouble[0]


def test_one_page_too_many_is_told_so() -> None:
    served = Served(clients=2)

    async def work(session: aiohttp.ClientSession) -> None:
        first, second = await welcomed(session), await welcomed(session)
        surplus = await session.ws_connect("/socket")
        await surplus.send_json(HELLO)
        code, words = await ended(surplus)
        assert code == pages.TOO_MANY and "2 pages are open" in words
        await first.close()
        assert not second.closed
        await until(lambda: len(served.server.pages) == 1)
        third = await welcomed(session)
        assert not third.closed

    served.run(work)
    served.server.close()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ('{"type": "watch", "topic": null}', pages.NO_HELLO, "no hello"),
        ('{"type": "hello", "version": 9, "token": ""}', pages.NO_HELLO, "load the page again"),
        ("{", pages.BAD_MESSAGE, "no JSON"),
        (None, pages.NO_HELLO, "no hello within"),
        (b"\x00\x01", pages.NO_HELLO, "no hello"),
    ],
)  # fmt: skip
def test_what_does_not_begin_with_a_hello_is_closed(
    served: Served, said: str | bytes | None, code: int, reason: str
) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        page = await session.ws_connect("/socket")
        if isinstance(said, bytes):
            await page.send_bytes(said)
        elif said is not None:
            await page.send_str(said)
        found, words = await ended(page)
        assert found == code and reason in words

    served.run(work)


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        (['{"type": "ping"}'], pages.BAD_MESSAGE, "at is missing"),
        ([b"\x00" * 10], pages.BAD_MESSAGE, "expected text"),
        (['{"type": "ping", "at": 1}'] * 200, pages.TOO_FAST, "60 messages in a second"),
        ([json.dumps(HELLO)], pages.BAD_MESSAGE, "second hello"),
        (["x" * 100_000], 1009, ""),
    ],
)  # fmt: skip
def test_bad_messages_close_their_page_and_no_other(
    served: Served, said: list[str | bytes], code: int, reason: str
) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        good, bad = await welcomed(session), await welcomed(session)
        for one in said:
            with_bytes = isinstance(one, bytes)
            try:
                await (bad.send_bytes(one) if with_bytes else bad.send_str(one))
            except ConnectionError:
                break  # closed meanwhile
        found, words = await ended(bad)
        assert found == code and reason in words
        served.server.tell("status", {"n": 1})
        assert (await good.receive_json())["n"] == 1

    served.run(work)


@pytest.mark.usefixtures("patient")
def test_connections_that_say_nothing_are_closed(served: Served) -> None:
    silent = [socket.create_connection(("127.0.0.1", served.server.port)) for _ in range(5)]
    silent[0].sendall(b"GET / HTTP/1.1\r\nHost: local")  # and nothing more
    for one in silent:
        one.settimeout(5)
        with suppress(ConnectionResetError):
            assert one.recv(1) == b""
        one.close()


@pytest.mark.usefixtures("patient")
def test_a_socket_that_only_pings_is_closed_and_counts_for_nothing(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        socket = await session.ws_connect("/socket", autoping=False)
        until = time.monotonic() + 10
        reason = ""
        while not reason and time.monotonic() < until:
            await socket.ping()
            told = await socket.receive()
            if told.type is aiohttp.WSMsgType.TEXT:
                reason = json.loads(told.data)["reason"]
        assert "no hello" in reason
        assert all(pages == 0 for _, pages in served.robot.watched)

    served.run(work)


def test_strangers_do_not_keep_the_operator_out(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        strangers = [await session.ws_connect("/socket") for _ in range(2 * MAX_STRANGERS)]
        page = await welcomed(session)
        assert not page.closed and len(served.server.pages) <= MAX_STRANGERS + 1
        assert len(strangers) == 2 * MAX_STRANGERS

    served.run(work)


def test_a_page_that_acknowledges_many_pictures_is_not_too_fast(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        page = await welcomed(session)
        await page.send_json({"type": "watch", "topic": "/image"})
        await until(lambda: bool(served.robot.watched) and bool(served.robot.watched[-1][0]))
        for stamp in range(1, 200):
            served.server.show(Picture("/image", stamp, str(stamp).encode()))
            assert await page.receive_bytes() == str(stamp).encode()
            await page.send_json({"type": "shown", "stamp": str(stamp)})
        await page.send_json({"type": "ping", "at": 1})
        assert (await page.receive_json())["type"] == "pong"

    served.run(work)


def test_a_page_that_stops_reading_holds_nothing_for_ever(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        page = await welcomed(session)
        await page.send_json({"type": "watch", "topic": "/image"})
        await until(lambda: bool(served.robot.watched) and bool(served.robot.watched[-1][0]))
        transport = page._response.connection.transport
        transport.pause_reading()  # as a browser that was stopped
        before = len(os.listdir("/proc/self/fd"))
        for stamp in (1, 2):
            served.server.show(Picture("/image", stamp, bytes(8 << 20)))
        await until(lambda: not served.server.pages, 15)
        await until(lambda: len(os.listdir("/proc/self/fd")) < before)
        transport.abort()

    served.run(work)


def test_two_hundred_pages_at_once_leave_the_server_alive(served: Served) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        opened = []  # a page that nobody holds is closed

        async def open_one() -> str:
            try:
                page = await session.ws_connect("/socket")
                opened.append(page)
                await page.send_json(HELLO)
                told = await page.receive()
                return str(json.loads(told.data)["type"]) if told.data else "closed"
            except aiohttp.WSServerHandshakeError as error:
                return str(error.status)

        found = await asyncio.gather(*(open_one() for _ in range(200)))
        assert set(found) <= {"closed", "bye", "welcome"}
        assert any(not page.closed for page in opened)
        assert found.count("welcome") <= served.server.limits.clients

    served.run(work)
