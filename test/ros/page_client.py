"""A page without a browser: speaks to the operator's server as the page does, for tests."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Shown:
    """A picture that came."""

    head: dict[str, Any]
    data: bytes

    @property
    def stamp(self) -> int:
        """Nanoseconds."""
        return int(self.head["stamp"])


class PageClient:
    """An open page, on a thread of its own; what comes is kept."""

    def __init__(self, port: int, token: str = "", *, shows: bool = True) -> None:
        """shows: whether pictures are acknowledged."""
        self.pictures: list[Shown] = []
        self.told: list[dict[str, Any]] = []
        self._shows, self._numbers = shows, itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._socket: Any = None
        self._ready = threading.Event()
        self._work = self._loop.create_task(self._run(f"http://127.0.0.1:{port}", token))
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        assert self._ready.wait(10), "no socket"
        self.welcome = self.wait_for("welcome")

    def _live(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._work)
        self._loop.close()

    async def _run(self, url: str, token: str) -> None:
        async with aiohttp.ClientSession(url) as session:
            self._socket = await session.ws_connect("/socket")
            await self._socket.send_json({"type": "hello", "version": 1, "token": token})
            self._ready.set()
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.told.append(json.loads(message.data))
                elif message.type is aiohttp.WSMsgType.BINARY:
                    (length,) = struct.unpack_from(">I", message.data)
                    head = json.loads(message.data[4 : 4 + length])
                    self.pictures.append(Shown(head, message.data[4 + length :]))
                    if self._shows:
                        await self._socket.send_json({"type": "shown", "stamp": head["stamp"]})

    def say(self, kind: str, **values: Any) -> None:
        """Send a message."""
        work = self._socket.send_json({"type": kind, **values})
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    def ask(self, kind: str, **values: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        number = next(self._numbers)
        self.say(kind, request=number, **values)
        return self.wait_for("answer", lambda told: told["request"] == number, timeout=20.0)

    def wait_for(
        self, kind: str, fits: Callable[[dict[str, Any]], object] = lambda told: True,
        timeout: float = 10.0,
    ) -> dict[str, Any]:  # fmt: skip
        """Wait for a message of a kind, also one that has come already."""
        self.wait_until(lambda: self.last(kind, fits) is not None, kind, timeout)
        found = self.last(kind, fits)
        assert found is not None
        return found

    def last(
        self, kind: str, fits: Callable[[dict[str, Any]], object] = lambda told: True
    ) -> dict[str, Any] | None:
        """The newest message of a kind."""
        told = [one for one in list(self.told) if one["type"] == kind and fits(one)]
        return told[-1] if told else None

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float = 10.0) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"in vain for {what}; last: {self.told[-3:]}"
            time.sleep(0.01)

    def close(self) -> None:
        """Close the page, unless it is closed already."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._work.cancel)
            self._thread.join(5)
