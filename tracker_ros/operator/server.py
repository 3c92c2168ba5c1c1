"""The web server of the operator's page, on a thread of its own with its own event loop.

Everything a page can send is bounded: how many there are, how large a message is, how many come in
a second, how long a socket may say nothing. What is wrong closes the page's connection with the
reason, and touches neither the others nor the node.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from tracker_ros.operator.access import Access, OperatorError, security_headers
from tracker_ros.operator.connections import abort, close_silent, keep_buffers_short
from tracker_ros.operator.pages import Page
from tracker_ros.operator.pictures import Picture
from tracker_ros.operator.protocol import MOST_BYTES, Done, Request, words

FILES = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
}  # fmt: skip
HEARTBEAT = 5.0
"""Seconds between pings of a socket; one that does not answer is closed."""
START_TIMEOUT, STOP_TIMEOUT = 10.0, 4.0
"""Seconds that starting and ending may take."""
FAREWELL_TIMEOUT = 2.0
MAX_STRANGERS = 16
"""Sockets that have not said hello; of more the oldest is closed."""


class Robot(Protocol):
    """What the server asks of the node; all of it is called on the server's thread."""

    def welcome(self) -> Mapping[str, Any]:
        """What a page needs to know first."""

    def watch(self, topics: frozenset[str], pages: int) -> None:
        """Subscribe to these image topics, and to no other; so many pages are open."""

    def now(self) -> int:
        """Nanoseconds, by the clock that stamps are of."""

    def do(self, request: Request) -> Future[Done]:
        """Do what a page asks for; what was done, or TrackerRosError with the reason."""

    def knows_topic(self, topic: str) -> bool:
        """Whether it is one of the image topics there are."""


@dataclass(frozen=True)
class Limits:
    """What pages may take."""

    clients: int = 16
    """Pages that are welcome at a time."""
    messages: float = 60.0
    """Of one page in a second, beside those that say that a picture of ours is shown."""


class PageServer:
    """Serves the page until `close`."""

    def __init__(
        self, address: str, port: int, access: Access, limits: Limits, robot: Robot,
        on_trouble: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Start. Raises OperatorError where the address cannot be listened on.

        port: 0 takes a free one. on_trouble: gets what pages did wrong, in words, on the thread.
        """
        self.access, self.limits, self.robot, self.on_trouble = access, limits, robot, on_trouble
        self.pages: dict[Page, asyncio.BaseTransport | None] = {}
        """Those that have a socket, the oldest first; of the server's thread."""
        self._files = {path.name: path.read_bytes() for path in FILES.iterdir()}
        self.port = port
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._closer: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="operator page", daemon=True)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        try:
            started.result(START_TIMEOUT)
        except (OSError, OverflowError, FutureTimeoutError) as error:
            self._end_loop()
            number = getattr(error, "errno", None) or 0
            why = os.strerror(number) if number > 0 else error  # asyncio says the rest again
            raise OperatorError(
                f"cannot listen on {address}:{port}: {why}; set the parameters address and port"
            ) from error

    @property
    def url(self) -> str:
        """Where the page is, with the token."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        fragment = f"#{self.access.token}" if self.access.token else ""
        return f"http://{host}:{self.port}/{fragment}"

    # --- from any thread ---------------------------------------------------------------------

    def show(self, picture: Picture) -> None:
        """Send a picture to the pages that watch its topic."""
        self._call(self._show, picture)

    def tell(self, kind: str, message: Mapping[str, Any], of: str = "") -> None:
        """Send the newest state of a kind, of one thing, to all pages; its text is made once."""
        self._call(self._tell, kind + of, words({"type": kind, **message}))

    def close(self) -> None:
        """Say farewell to the pages and end the thread."""
        with suppress(FutureTimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(STOP_TIMEOUT)
        self._end_loop()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # it has ended meanwhile
            self._loop.call_soon_threadsafe(function, *arguments)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT)

    # --- on the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        app.router.add_get("/", self._file)
        app.router.add_get("/page/{name}", self._file)
        app.router.add_get("/socket", self._socket)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=HEARTBEAT)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._closer = asyncio.create_task(close_silent(self._runner))

    async def _stop(self) -> None:
        farewells = [page.farewell("the node has ended", 1001) for page in self.pages]
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*farewells), FAREWELL_TIMEOUT)
        for transport in list(self.pages.values()):
            abort(transport)
        if self._closer is not None:
            self._closer.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Refuse who calls this server by another name; add the headers to every answer."""
        host = _host(request)
        refused = self.access.refuse_host(host)
        try:
            if refused:
                raise web.HTTPMisdirectedRequest(text=refused)
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            error.headers.update(security_headers("localhost" if refused else host))
            raise
        if not response.prepared:
            response.headers.update(security_headers(host))
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "index.html")
        kind = KINDS.get(Path(name).suffix)
        if name not in self._files or kind is None:
            raise web.HTTPNotFound(text="no such file")
        return web.Response(body=self._files[name], content_type=kind, charset="utf-8")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        refused = self.access.refuse_origin(request.headers.get("Origin"), _host(request))
        if refused:
            self.on_trouble(refused)
            raise web.HTTPForbidden(text=refused)
        strangers = [page for page in self.pages if not page.welcome]
        if len(strangers) >= MAX_STRANGERS:
            self.on_trouble(f"{len(strangers)} sockets say no hello; the oldest is closed")
            self.drop(strangers[0])
        socket = web.WebSocketResponse(max_msg_size=MOST_BYTES, heartbeat=HEARTBEAT, compress=False)
        socket.headers.update(security_headers(_host(request)))
        page = Page(socket, self, request.remote or "somewhere")
        transport = self.pages[page] = request.transport  # from here on it counts
        try:
            keep_buffers_short(transport)
            await socket.prepare(request)
            await page.run()
        finally:
            self.pages.pop(page, None)
            self.watched()
            abort(transport)
        return socket

    def full(self) -> str:
        """Why no more pages are welcome; empty while there is room."""
        welcome = sum(page.welcome for page in self.pages)
        if welcome < self.limits.clients:
            return ""
        return f"{welcome} pages are open already (parameter max_clients)"

    def drop(self, page: Page) -> None:
        """End a page's connection without a word."""
        abort(self.pages.pop(page, None))

    def watched(self) -> None:
        """What is looked at has changed."""
        welcome = [page for page in self.pages if page.welcome]
        self.robot.watch(frozenset(page.topic for page in welcome if page.topic), len(welcome))

    def _show(self, picture: Picture) -> None:
        for page in self.pages:
            if page.topic == picture.topic:
                page.outbox.picture(picture)

    def _tell(self, kind: str, text: str) -> None:
        for page in self.pages:
            if page.welcome:
                page.outbox.state(kind, text)


def _host(request: web.Request) -> str:
    """The Host header; aiohttp's own word for it asks the DNS where there is none."""
    return request.headers.get("Host", "")
