"""Connections that say nothing: opened, and then no request; they would stay for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

PATIENCE = 10.0
"""Seconds for the first request of a connection."""


async def close_silent(runner: web.AppRunner) -> None:
    """Close, again and again, connections that have not sent a request in time."""
    since: dict[Any, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(PATIENCE / 5)
        server = runner.server
        if server is None:
            return
        now = loop.time()
        # A connection that serves a socket is in it as long as the socket lives, and is older.
        silent = [one for one in server.connections if getattr(one, "_current_request", 1) is None]
        since = {one: since.get(one, now) for one in silent}
        for one, began in since.items():
            if now - began > PATIENCE:
                one.force_close()
                if one.transport is not None:
                    one.transport.abort()
