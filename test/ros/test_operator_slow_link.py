"""The operator's page over a slow link: a real browser behind a proxy that carries 20 kB a second.

Not the throttling of the browser's own tools: behind that the sockets of the machine still take as
much as they like.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from browser import Browser
from harness import Peer
from page_client import PageClient
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from test_operator_browser import STAMP, Operator, Robot, Start

from tracker_ros.operator.outbox import BEHIND

RATE = 20_000.0
"""Bytes a second."""
CHUNK = 1024
LATE = 0.2
"""Seconds that a busy machine may be late to carry a chunk."""
BUFFER = 8 << 10
"""Bytes that the link itself keeps, each way."""


NOTE = """window.shown = [];
new MutationObserver(() => {
  const { stamp, latency } = document.getElementById('picture').dataset;
  const last = window.shown[window.shown.length - 1];
  if (last?.[0] === stamp) last[2] = latency;
  else if (stamp) window.shown.push([stamp, Date.now(), '']);
}).observe(document.getElementById('picture'), { attributes: true })"""


class SlowLink:
    """A link to a port of this machine; as fast as the machine until `rate` is set."""

    def __init__(self, port: int) -> None:
        self.rate = 0.0
        """Bytes a second of all connections together, each way; 0: all that comes."""
        self.carried = 0
        """Bytes towards the browser."""
        self._to = port
        self._free_at = [0.0, 0.0]
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._carry, "127.0.0.1", 0, limit=BUFFER)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cut it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._server.close()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    async def _carry(self, page: asyncio.StreamReader, to_page: asyncio.StreamWriter) -> None:
        end = socket.socket()
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        await self._loop.sock_connect(end, ("127.0.0.1", self._to))
        node, to_node = await asyncio.open_connection(sock=end, limit=BUFFER)
        await asyncio.gather(self._pump(node, to_page, 0), self._pump(page, to_node, 1))

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: int
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(CHUNK):
                self.carried += len(data) if way == 0 else 0
                if self.rate:
                    # Who was woken late makes up for it.
                    begin = max(self._free_at[way], self._loop.time() - LATE)
                    self._free_at[way] = begin + len(data) / self.rate
                    await asyncio.sleep(self._free_at[way] - self._loop.time())
                sink.write(data)
                await sink.drain()
        sink.close()


class FarAway(Operator):
    """Somebody at the other end of a slow link, whose browser notes what it shows, and when."""

    def __init__(self, browser: Browser, robot: Robot, link: SlowLink) -> None:
        self.browser, self.robot = browser, robot
        browser.open(f"http://localhost:{link.port}")
        browser.wait("document.body.dataset.connection === 'open'", 60)
        browser.wait(STAMP, 60)
        browser.run(NOTE)

    def shown(self) -> list[tuple[int, float, float]]:
        """Stamps that were shown, seconds from each to the screen, and what the page says of it."""
        return [
            (int(stamp), at / 1e3 - int(stamp) / 1e9, float(told or "nan") / 1e3)
            for stamp, at, told in self.browser.run("window.shown")
        ]


def pace(page: PageClient, seconds: float) -> tuple[float, float]:
    """Pictures a second that come to a page, and the median of their ages on arrival."""
    begun, seen, ages = time.monotonic(), len(page.pictures), []
    while time.monotonic() - begun < seconds:
        if len(page.pictures) > seen:
            ages.append(time.time() - page.pictures[-1].stamp / 1e9)
            seen = len(page.pictures)
        time.sleep(0.002)
    return len(ages) / seconds, statistics.median(ages)


@pytest.fixture
def robot(start_process: Start, ros: Peer) -> Robot:
    """One whose tracker remembers images for as long as they may travel."""
    one = Robot(start_process, ros)
    wish = {"history_frames": 900, "history_seconds": 30.0, "history_megabytes": 900}
    parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in wish.items()]
    request = SetParameters.Request(parameters=parameters)
    answer = ros.call(SetParameters, "/sot/set_parameters", request)
    assert all(result.successful for result in answer.results), answer
    return one


@pytest.fixture
def link(robot: Robot) -> Iterator[SlowLink]:
    one = SlowLink(robot.port)
    one.rate = RATE
    yield one
    one.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    one = Browser(tmp_path / "browser")
    yield one
    one.close()


STATES = BEHIND + (8 << 10)
"""Bytes that may go before a picture: states behind the last one, and a round of them."""


def bound(page: PageClient) -> float:
    """Seconds that a picture may be old when it is shown.

    It is the newest when it is sent. Where pictures take over a second it is the only one on its
    way, and travels behind few states.
    """
    largest = max(len(picture.data) for picture in page.pictures) + 300
    return (largest + STATES) / RATE + 1.0


def test_a_slow_page_shows_the_newest_pictures_and_is_pointed_at_and_a_fast_one_is_as_fast(
    robot: Robot, link: SlowLink, browser: Browser
) -> None:
    near = PageClient(robot.port)
    near.say("watch", topic="/image")
    near.wait_until(lambda: near.pictures, "a picture")
    rate, age = pace(near, 4.0)
    far = FarAway(browser, robot, link)
    rate_beside, age_beside = pace(near, 20.0)
    assert rate_beside > 0.5 * rate and age_beside < age + 0.3

    deadline = time.monotonic() + 40
    while len(shown := far.shown()) < 8:
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)
    stamps, ages, told = (list(column) for column in zip(*shown, strict=True))
    assert stamps == sorted(set(stamps))
    # What is left out is never made up for.
    assert all(
        sum(before < one < after for one in robot.truth) > 5
        for before, after in itertools.pairwise(stamps[2:])
    )
    assert max(ages[2:]) < bound(near), ages
    assert all(abs(one - said) < 0.5 for one, said in zip(ages, told, strict=True) if said == said)

    browser.run("document.getElementById('show-identities').click()")
    stamp, box = far.hold()
    browser.click(box.cx, box.cy)
    asked, place = robot.next_request()
    there = robot.truth[stamp]
    assert asked == stamp and there is not None
    assert there.x < place.x < there.x + there.w and there.y < place.y < there.y + there.h
    said = robot.sot.wait_for(r"click: following .*, set (\d+\.\d+) s late: catches up .*", 20)
    assert float(said[1]) > 1.0
    robot.sot.wait_for("has caught up", 20)
    assert browser.complaints == []


def test_a_picture_that_travels_for_ten_seconds_is_shown_by_the_same_connection(
    robot: Robot, link: SlowLink, browser: Browser
) -> None:
    link.rate = 0
    far = FarAway(browser, robot, link)
    link.rate = RATE / 4
    deadline = time.monotonic() + 120
    slow: list[float] = []
    while len(slow) < 4:  # of the first two, one waited for the other
        assert time.monotonic() < deadline, far.shown()
        assert browser.run("document.body.dataset.connection") == "open"
        slow = [age for _, age, _ in far.shown() if age > 8.0]
        # Once it knows the pace, it takes what is behind a picture for no silence.
        silence = "Nothing heard" in browser.run("document.getElementById('other').textContent")
        assert len(slow) < 3 or not silence
        time.sleep(0.2)
    assert max(slow[2:]) < min(slow) + STATES / link.rate + 2.0, "much went before a picture"
    assert "onnection" not in browser.run("document.getElementById('log').textContent")
    assert browser.complaints == []
