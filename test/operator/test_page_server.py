"""The server of the page, spoken to by a real client over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="not installed: pip install 'aiohttp>=3.8'")

from tracker_ros.errors import TargetError  # noqa: E402
from tracker_ros.operator import connections, pages, protocol  # noqa: E402
from tracker_ros.operator.access import Access, OperatorError  # noqa: E402
from tracker_ros.operator.pictures import Picture  # noqa: E402
from tracker_ros.operator.protocol import Request  # noqa: E402
from tracker_ros.operator.server import MAX_STRANGERS, Limits, PageServer  # noqa: E402

HELLO = {"type": "hello", "version": 1, "token": ""}


class Bench:
    """A node on a bench: it remembers what was asked of it, and answers what it is told to."""

    def __init__(self) -> None:
        self.watched: list[tuple[frozenset[str], int]] = []
        self.asked: list[Request] = []
        self.answers: Callable[[Request], str] = lambda request: f"done {request.request}"
        self.held: list[Future[str]] | None = None

    def welcome(self) -> Mapping[str, Any]:
        return {"node": "/operator", "topics": []}

    def watch(self, topics: frozenset[str], pages: int) -> None:
        self.watched.append((topics, pages))

    def now(self) -> int:
        return 17 * 10**17

    def knows_topic(self, topic: str) -> bool:
        return topic in ("/image", "/other")

    def do(self, request: Request) -> Future[str]:
        self.asked.append(request)
        future: Future[str] = Future()
        if self.held is not None:
            self.held.append(future)
            return future
        try:
            future.set_result(self.answers(request))
        except Exception as error:
            future.set_exception(error)
        return future


class Served:
    """A server, its node, and what it said was wrong."""

    def __init__(self, access: Access | None = None, **limits: Any) -> None:
        self.robot, self.trouble = Bench(), []
        access = access or Access("127.0.0.1")
        self.server = PageServer(
            "127.0.0.1", 0, access, Limits(**limits), self.robot, self.trouble.append
        )
        self.url = f"http://127.0.0.1:{self.server.port}"

    def run(self, work: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
        async def with_session() -> None:
            async with aiohttp.ClientSession(self.url) as session:
                await asyncio.wait_for(work(session), 20)

        asyncio.run(with_session())


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.server.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short patience, so that a test need not wait for long."""
    monkeypatch.setattr(pages, "HELLO_TIMEOUT", 0.3)
    monkeypatch.setattr(pages, "WRONG_TOKEN_DELAY", 0.1)
    monkeypatch.setattr(connections, "IDLE_TIMEOUT", 0.5)


async def welcomed(session: aiohttp.ClientSession, **hello: Any) -> aiohttp.ClientWebSocketResponse:
    page = await session.ws_connect("/socket")
    await page.send_json({**HELLO, **hello})
    assert (await page.receive_json())["type"] == "welcome"
    return page


async def ended(page: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    """The close code and the last words of the server."""
    words = ""
    async for message in page:
        told = json.loads(message.data)
        if told["type"] == "bye":
            words = told["reason"]
    return page.close_code, words


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    for _ in range(int(100 * seconds)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


# --- what it is for ------------------------------------------------------------------------------


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
        with pytest.raises(asyncio.TimeoutError):
            await page.receive(0.1)
        await page.send_json({"type": "shown", "stamp": "2"})
        assert await page.receive_bytes() == b"49"

    served.run(work)


def test_requests_are_answered_each_with_its_number(served: Served) -> None:
    def answer(request: Request) -> str:
        if isinstance(request, protocol.Clear):
            raise TargetError("no target")
        if isinstance(request, protocol.Follow):
            raise KeyError("a bug")
        return "following 3"

    async def work(session: aiohttp.ClientSession) -> None:
        served.robot.answers = answer
        page = await welcomed(session)
        box = {"topic": "/image", "stamp": "12", "box": [1, 2, 3, 4]}
        await page.send_json({"type": "set_target", "request": 7, **box})
        await page.send_json({"type": "clear", "request": 8})
        await page.send_json({"type": "follow", "request": 9, "id": "m1"})
        told = [await page.receive_json() for _ in range(3)]
        assert told[0] == {"type": "answer", "request": 7, "ok": True, "message": "following 3"}
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
        served.robot.held[0].set_result("late")
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


# --- who may not ---------------------------------------------------------------------------------


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
            assert code == pages.WRONG_TOKEN and "wrong token" in words
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
        began = time.monotonic()
        while time.monotonic() - began < 5 and not socket.closed:
            await socket.ping()
            told = await socket.receive()
            if told.type is aiohttp.WSMsgType.TEXT:
                assert "no hello" in json.loads(told.data)["reason"]
                break
        assert time.monotonic() - began < 2
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


# --- its life ------------------------------------------------------------------------------------


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
