"""The web server of the operator's page, on a thread of its own with its own event loop.

Everything a page can send is bounded: how many there are, how large a message is, how many come in
a second, how long a socket may say nothing. What is wrong closes the page's connection with the
reason, and touches neither the others nor the node.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from tracker_ros.errors import TrackerRosError
from tracker_ros.operator.access import Access, security_headers
from tracker_ros.operator.connections import close_silent
from tracker_ros.operator.pages import TOO_MANY, Page
from tracker_ros.operator.pictures import Picture
from tracker_ros.operator.protocol import MOST_BYTES, Request, words

FILES = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
}  # fmt: skip
HEARTBEAT = 5.0
"""Seconds between pings of a socket; one that does not answer is closed."""
STARTS = 10.0
"""Seconds that starting, and ending, may take."""


class OperatorError(TrackerRosError):
    """The page cannot be served."""


class Robot(Protocol):
    """What the server asks of the node; all of it is called on the server's thread."""

    def welcome(self) -> Mapping[str, Any]:
        """What a page needs to know first."""

    def watch(self, topics: frozenset[str], pages: int) -> None:
        """Subscribe to these image topics, and to no other; so many pages are open."""

    def now(self) -> int:
        """Nanoseconds, by the clock that stamps are of."""

    def do(self, request: Request) -> Future[str]:
        """Do what a page asks for; words on what was done, or TrackerRosError with the reason."""

    def knows_topic(self, topic: str) -> bool:
        """Whether it is one of the image topics there are."""


@dataclass(frozen=True)
class Limits:
    """What pages may take."""

    clients: int = 16
    messages: float = 60.0
    """Of one page in a second; each picture that is shown is one."""


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
        self.pages: set[Page] = set()
        """Those that have a socket; of the server's thread."""
        self.port = port
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._closer: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="operator page", daemon=True)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        try:
            started.result(STARTS)
        except (OSError, OverflowError) as error:
            self._end_loop()
            raise OperatorError(
                f"cannot listen on {address}:{port}: {error}; set the parameters address and port"
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
        with suppress(TimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(STARTS)
        self._end_loop()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # it has ended meanwhile
            self._loop.call_soon_threadsafe(function, *arguments)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STARTS)

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
        site = web.TCPSite(self._runner, self._address, self.port, backlog=self.limits.clients)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._closer = asyncio.create_task(close_silent(self._runner))

    async def _stop(self) -> None:
        for page in list(self.pages):
            await page.farewell("the node has ended", 1001)
        if self._closer is not None:
            self._closer.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Refuse who calls this server by another name; add the headers to every answer."""
        refused = self.access.refuse_host(request.host)
        if refused:
            raise web.HTTPMisdirectedRequest(text=refused)
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            error.headers.update(security_headers(request.host))
            raise
        if not response.prepared:
            response.headers.update(security_headers(request.host))
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "index.html")
        path = FILES / name
        if path.parent != FILES or path.suffix not in KINDS or not path.is_file():
            raise web.HTTPNotFound(text="no such file")
        response = web.FileResponse(path)
        response.content_type = KINDS[path.suffix]
        return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        refused = self.access.refuse_origin(request.headers.get("Origin"), request.host)
        if refused:
            self.on_trouble(refused)
            raise web.HTTPForbidden(text=refused)
        full = ""
        if len(self.pages) >= self.limits.clients:
            full = f"{len(self.pages)} pages are open already (parameter max_clients)"
            self.on_trouble(f"a page was refused: {full}")
            if len(self.pages) >= 2 * self.limits.clients:  # too many to tell each one why
                raise web.HTTPServiceUnavailable(text=full)
        socket = web.WebSocketResponse(max_msg_size=MOST_BYTES, heartbeat=HEARTBEAT, compress=False)
        socket.headers.update(security_headers(request.host))
        page = Page(socket, self, request.remote or "somewhere")
        self.pages.add(page)  # from here on it counts
        try:
            await socket.prepare(request)
            if full:
                await page.farewell(full, TOO_MANY)
            else:
                await page.run()
        finally:
            self.pages.discard(page)
            self.watched()
        return socket

    def watched(self) -> None:
        """What is looked at has changed."""
        topics = frozenset(page.topic for page in self.pages if page.topic)
        self.robot.watch(topics, len(self.pages))

    def _show(self, picture: Picture) -> None:
        for page in self.pages:
            if page.topic == picture.topic:
                page.outbox.picture(picture)

    def _tell(self, kind: str, text: str) -> None:
        for page in self.pages:
            if page.welcome:
                page.outbox.state(kind, text)
