"""A real HTTP server on this machine that offers one file, well or badly."""

from __future__ import annotations

import http.server
import re
import threading
from dataclasses import dataclass, field
from types import TracebackType


@dataclass
class Behaviour:
    """How the server behaves; a test changes it between requests."""

    content: bytes
    ranges: bool = True
    """Whether it can send a part of the file."""
    etag: str = '"one"'
    says_length: bool = True
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which each of the next responses is cut off."""
    location: str = ""
    """Where /moved sends to."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """Headers of every request."""
    sent: int = 0
    """Bytes of content that were sent."""


class FileServer:
    """http://127.0.0.1:PORT/file while the `with` block runs; /moved redirects, others are 404."""

    def __init__(self, content: bytes) -> None:
        self.behaviour = behaviour = Behaviour(content)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer(self, behaviour)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def url(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(handler: http.server.BaseHTTPRequestHandler, b: Behaviour) -> None:
    b.asked.append(dict(handler.headers.items()))
    handler.close_connection = True
    if handler.path == "/moved":
        handler.send_response(302)
        handler.send_header("Location", b.location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if handler.path != "/file":
        handler.send_error(404)
        return
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    same = handler.headers.get("If-Range", b.etag) == b.etag
    begin = int(wanted[1]) if wanted and b.ranges and same else 0
    total = len(b.content)
    if begin and begin >= total:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{total}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if begin else 200)
    if begin:
        handler.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
    if b.says_length:
        handler.send_header("Content-Length", str(total - begin))
    else:
        handler.send_header("Connection", "close")
    if b.etag:
        handler.send_header("ETag", b.etag)
    handler.end_headers()
    body = b.content[begin:]
    if b.cut_after:
        body = body[: b.cut_after.pop(0)]
    b.sent += len(body)  # before who reads the last of it can look
    handler.wfile.write(body)
