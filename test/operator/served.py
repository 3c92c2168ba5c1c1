"""A server of the page with a node on a bench, and clients that speak to it over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any

import aiohttp

from tracker_ros.operator.access import Access
from tracker_ros.operator.protocol import Done, Request
from tracker_ros.operator.server import Limits, PageServer

HELLO = {"type": "hello", "version": 1, "token": ""}


class Bench:
    """A node on a bench: it remembers what was asked of it, and answers what it is told to."""

    def __init__(self) -> None:
        self.watched: list[tuple[frozenset[str], int]] = []
        self.asked: list[Request] = []
        self.answers: Callable[[Request], Done] = lambda request: Done(f"done {request.request}")
        self.held: list[Future[Done]] | None = None

    def welcome(self) -> Mapping[str, Any]:
        return {"node": "/operator", "topics": []}

    def watch(self, topics: frozenset[str], pages: int) -> None:
        self.watched.append((topics, pages))

    def now(self) -> int:
        return 17 * 10**17

    def knows_topic(self, topic: str) -> bool:
        return topic in ("/image", "/other")

    def do(self, request: Request) -> Future[Done]:
        self.asked.append(request)
        future: Future[Done] = Future()
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
