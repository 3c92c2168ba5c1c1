"""One page that is open: what it says is checked and done, what it is told waits in its outbox."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from tracker_ros.errors import TrackerRosError
from tracker_ros.operator.outbox import Outbox
from tracker_ros.operator.protocol import (
    VERSION,
    Done,
    Hello,
    Message,
    MessageError,
    Ping,
    Request,
    Shown,
    Watch,
    read_message,
    words,
)

if TYPE_CHECKING:
    from tracker_ros.operator.server import PageServer

HELLO_TIMEOUT = 5.0
"""Seconds for the first message."""
WRONG_TOKEN, NO_HELLO, BAD_MESSAGE, TOO_FAST, TOO_MANY = range(4001, 4006)
"""Why a page is closed, beside the reason in words."""
WRONG_TOKEN_DELAY = 1.0
"""Seconds before a wrong token is told: nobody guesses many."""
MAX_PENDING_REQUESTS = 8
"""Requests of a page that are being worked on, at most."""


class _Closed(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Page:
    """A page that has opened the socket."""

    def __init__(self, socket: web.WebSocketResponse, server: PageServer, who: str) -> None:
        self.outbox = Outbox()
        self.topic = ""
        """That it watches; empty: none."""
        self.welcome = False
        self._socket, self._server, self._who = socket, server, who
        self._allowance, self._allowed_at = server.limits.messages, 0.0
        self._working: set[int] = set()

    async def run(self) -> None:
        """Listen and tell, until one of the two ends."""
        work = [asyncio.ensure_future(self._send()), asyncio.ensure_future(self._listen())]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except _Closed as closed:
            self._server.on_trouble(f"page of {self._who} closed: {closed}")
            await self.farewell(str(closed), closed.code)
        finally:
            for task in work:
                task.cancel()

    async def _listen(self) -> None:
        await self._greet()
        async for message in self._socket:
            if message.type is WSMsgType.ERROR:  # it was silent for too long, or said too much
                return
            if message.type is not WSMsgType.TEXT:
                raise _Closed(BAD_MESSAGE, "expected text")
            said = self._read(message.data)
            # What answers a picture of ours is as often as we send.
            if not (isinstance(said, Shown) and self.outbox.shown(said.stamp)):
                self._limit()
                self._take(said)

    async def farewell(self, reason: str, code: int) -> None:
        """Say why, and close."""
        with suppress(ConnectionError, RuntimeError, asyncio.TimeoutError):
            bye = words({"type": "bye", "reason": reason})
            await asyncio.wait_for(self._socket.send_str(bye), 1)
            closing = self._socket.close(code=code, message=reason.encode()[:120])
            await asyncio.wait_for(closing, 2)

    async def _greet(self) -> None:
        """Take the first message, which has to know the token."""
        try:
            # Not `receive(timeout)`: that begins anew with every ping of the other side.
            first = await asyncio.wait_for(self._socket.receive(), HELLO_TIMEOUT)
        except asyncio.TimeoutError:
            raise _Closed(NO_HELLO, f"no hello within {HELLO_TIMEOUT:g} s") from None
        if first.type is not WSMsgType.TEXT:
            raise _Closed(NO_HELLO, "no hello")
        hello = self._read(first.data)
        if not isinstance(hello, Hello):
            raise _Closed(NO_HELLO, "the first message is no hello")
        if hello.version != VERSION:
            raise _Closed(NO_HELLO, f"this server speaks version {VERSION}: load the page again")
        if not self._server.access.knows(hello.token):
            await asyncio.sleep(WRONG_TOKEN_DELAY)
            why = "wrong token; the node's log has the right one"
            raise _Closed(WRONG_TOKEN, why if hello.token else "it is in the node's log")
        full = self._server.full()
        if full:
            raise _Closed(TOO_MANY, full)
        self.welcome = True
        self._server.watched()
        self.outbox.answer(
            words({"type": "welcome", "version": VERSION, **self._server.robot.welcome()})
        )

    def _read(self, text: str) -> Message:
        try:
            return read_message(text)
        except MessageError as error:
            raise _Closed(BAD_MESSAGE, str(error)) from None

    def _limit(self) -> None:
        """Refuse more than so many messages in a second."""
        now, rate = asyncio.get_running_loop().time(), self._server.limits.messages
        since = now - self._allowed_at
        self._allowance = min(self._allowance + since * rate, rate) - 1
        self._allowed_at = now
        if self._allowance < 0:
            raise _Closed(TOO_FAST, f"more than {rate:g} messages in a second")

    def _take(self, message: Message) -> None:
        if isinstance(message, Shown):
            return  # of a picture of before
        if isinstance(message, Ping):
            now = str(self._server.robot.now())
            self.outbox.state("pong", words({"type": "pong", "at": message.at, "now": now}))
        elif isinstance(message, Watch):
            self._watch(message.topic)
        elif isinstance(message, Request):
            self._do(message)
        else:
            raise _Closed(BAD_MESSAGE, "a second hello")

    def _watch(self, topic: str) -> None:
        if topic and not self._server.robot.knows_topic(topic):
            told = {"type": "trouble", "message": f"no image topic {topic}"}
            self.outbox.state("trouble", words(told))
            topic = ""
        if topic != self.topic:  # else those that are on their way still count
            self.outbox.forget_pictures()
        self.topic = topic
        self._server.watched()

    def _do(self, request: Request) -> None:
        number = request.request
        if number in self._working or len(self._working) >= MAX_PENDING_REQUESTS:
            self._answer(number, False, "requests before this one are still being worked on")
            return
        self._working.add(number)
        loop = asyncio.get_running_loop()
        done = self._server.robot.do(request)

        def answered(future: Future[Done]) -> None:
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(self._answered, number, future)

        done.add_done_callback(answered)

    def _answered(self, number: int, future: Future[Done]) -> None:
        self._working.discard(number)
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            done = future.result()
            self._answer(number, True, done.words, done.target)
        elif isinstance(error, TrackerRosError):
            self._answer(number, False, str(error))
        else:
            self._answer(number, False, f"the node failed: {type(error).__name__}: {error}")

    def _answer(self, number: int, ok: bool, message: str, target: str = "") -> None:
        told = {"type": "answer", "request": number, "ok": ok, "message": message}
        if target:
            told["target"] = target
        if not self.outbox.answer(words(told)):
            self._server.drop(self)  # it reads nothing

    async def _send(self) -> None:
        """Send what waits, one after the other, as fast as the link takes it."""
        with suppress(ConnectionError, RuntimeError):
            while True:
                thing = await self.outbox.next()
                if isinstance(thing, str):
                    await self._socket.send_str(thing)
                else:
                    await self._socket.send_bytes(thing.wire)
