"""Connections: those that say nothing are closed, and none keeps seconds of data in its buffers."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aiohttp import web

IDLE_TIMEOUT = 10.0
"""Seconds for the first request of a connection."""
MAX_IDLE = 64
"""Connections without a request; of more the oldest are closed at once."""
UNSENT = 32 << 10
"""Bytes that wait in the kernel, and as many before it: more would only become old."""
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
"""Linux: the number that Python has a name for since 3.12."""


async def close_silent(runner: web.AppRunner) -> None:
    """Close, again and again, connections that have not sent a request in time."""
    since: dict[Any, float] = {}
    loop = asyncio.get_running_loop()
    while runner.server is not None:
        now = loop.time()
        # aiohttp has no other word for it; a version without this one closes none.
        silent = [c for c in runner.server.connections if getattr(c, "_current_request", 1) is None]
        since = {one: since.get(one, now) for one in silent}
        oldest_first = sorted(since, key=lambda one: since[one])
        for place, one in enumerate(oldest_first):
            if now - since[one] > IDLE_TIMEOUT or len(silent) - place > MAX_IDLE:
                transport = one.transport
                one.force_close()
                abort(transport)
        await asyncio.sleep(IDLE_TIMEOUT / 20)


def abort(transport: asyncio.BaseTransport | None) -> None:
    """Close at once, whatever is unsent: closing gently would wait for who reads nothing."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def keep_buffers_short(transport: asyncio.BaseTransport | None) -> None:
    """Let sending wait for the link, so that what waits can still be replaced by what is newer."""
    if not isinstance(transport, asyncio.WriteTransport):
        return
    transport.set_write_buffer_limits(high=UNSENT)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT)
        except OSError:  # another system: the kernel's own buffer then
            return
