"""What the tests of the page's server share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from served import Served


@pytest.fixture
def served() -> Iterator["Served"]:
    """A server; for tests that have aiohttp."""
    from served import Served

    one = Served()
    yield one
    one.server.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short patience, so that a test need not wait for long."""
    from tracker_ros.operator import connections, pages

    monkeypatch.setattr(pages, "HELLO_TIMEOUT", 0.3)
    monkeypatch.setattr(pages, "WRONG_TOKEN_DELAY", 0.1)
    monkeypatch.setattr(connections, "IDLE_TIMEOUT", 0.5)
