"""Who may open the page: on the robot itself everybody, from elsewhere who knows the token.

The token comes in the first message of the socket, out of the fragment of the page's address, so
that it stands in no request line, no log and no Referer. A page of another site, which a browser on
the robot's network may have open, is told by its Origin; one whose name was made to point here
(DNS rebinding), by the Host it asks for.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from urllib.parse import urlsplit

from tracker_ros.errors import TrackerRosError

_HOST = re.compile(r"(?P<name>[\w.-]+|\[[0-9a-f:.%]+\])(:\d{1,5})?", re.ASCII)
TOKEN_BYTES = 16
SHORTEST_TOKEN = 16
"""Characters of a token that somebody has chosen."""


class OperatorError(TrackerRosError):
    """The page cannot be served."""


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address to listen on."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Access:
    """What a page has to show."""

    def __init__(self, address: str, token: str = "") -> None:
        """address: that is listened on. token: "" makes one where it is needed.

        Raises OperatorError for a token that can be guessed.
        """
        if 0 < len(token) < SHORTEST_TOKEN:
            raise OperatorError(
                f"the parameter token has {len(token)} characters; give {SHORTEST_TOKEN} or more, "
                "or none: then the node makes one where it is needed"
            )
        self.local = is_loopback(address)
        self.token = token or ("" if self.local else secrets.token_urlsafe(TOKEN_BYTES))
        """Empty: none is asked for."""

    def knows(self, token: str) -> bool:
        """Whether a token is the right one; takes as long for a wrong one as for the right one."""
        return not self.token or hmac.compare_digest(token.encode(), self.token.encode())

    def refuse_host(self, host: str) -> str:
        """Why a request with this Host header is refused; empty when it is not."""
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return f"'{host[:80]}' is no name of a host"
        # Through an SSH tunnel it has such a name, too.
        if self.local and not is_loopback(match["name"].strip("[]")):
            return f"this page is called localhost, not '{host[:80]}'"
        return ""

    def refuse_origin(self, origin: str | None, host: str) -> str:
        """Why a socket opened by a page of this origin is refused; empty when it is not.

        Programs that are no browsers send none; they need the token all the same.
        """
        if origin is not None and not _is_of(origin, host):
            return f"pages of {origin[:80]} may not open this socket"
        return ""


def security_headers(host: str) -> dict[str, str]:
    """Headers of every answer: the page loads and connects to nothing but this server."""
    return {
        # 'self' stands for ws: too, but not in every browser that is still in use.
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; "
            f"img-src 'self'; connect-src 'self' ws://{host} wss://{host}; "
            "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }


def _is_of(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
