"""An operator at a real browser, with the real nodes and the rendered scene.

TRACKER_ROS_PICTURE=docs/operator.jpg keeps a picture of it, as the README shows it.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from browser import Browser, chromium
from harness import TRACKER_ROS, Peer, RosProcess
from sot_harness import RELIABLE, box_of, nanoseconds
from vision_msgs.msg import Detection2DArray

from tracker_ros.geometry import Box
from tracker_ros.msg import OperatorRequest, TrackerStatus

if not chromium():
    pytest.skip(
        "no browser: apt install chromium, or name one in the environment's CHROMIUM",
        allow_module_level=True,
    )

PICTURE = os.environ.get("TRACKER_ROS_PICTURE", "")
PAGE = ["operator", "--ros-args", "-r", "detections:=/detector/detections", "-p"]
SOT = ["sot", "--ros-args", "-p", "threads:=1", "-r", "detections:=/mot/tracks"]
SOT += ["-p", "tracker:=siamrpnpp"]  # a browser without a GPU takes the rest of two cores
SOT += ["-p", "history_frames:=150"]  # as docs/operator.md advises who draws with the keys
Start = Callable[..., RosProcess]
STAMP = "document.getElementById('picture').dataset.stamp"
HELD = "document.getElementById('stage').dataset.held"
SAID = "document.getElementById('said').textContent"
OUT_OF_REACH = """[...document.querySelectorAll('button, select, input, summary')]
  .filter(one => one.offsetParent && getComputedStyle(one).visibility === 'visible')
  .filter(one => {
    one.scrollIntoView({ block: 'center' });
    const { x, y, width, height } = one.getBoundingClientRect();
    return !one.contains(document.elementFromPoint(x + width / 2, y + height / 2));
  }).map(one => one.outerHTML)"""
"""Controls that a click in their middle does not meet, wherever the page is scrolled to."""


class Robot:
    """Camera, tracker and page, and what the test itself knows and publishes."""

    def __init__(self, start: Start, ros: Peer) -> None:
        self.ros, self._start = ros, start
        self.truth: dict[int, Box | None] = {}
        ros.node.create_subscription(Detection2DArray, "/truth", self._on_truth, 50)
        self._identities = ros.publisher(Detection2DArray, "/mot/tracks", RELIABLE)
        self.sot = start([*TRACKER_ROS, *SOT])
        self.page = start([*TRACKER_ROS, *PAGE, "port:=0"])
        self.asked: list[Any] = ros.collect(OperatorRequest, "/operator/requests", RELIABLE)
        self.port = int(self.page.wait_for(r"page: http://127\.0\.0\.1:(\d+)/", 40)[1])
        self.sot.wait_for("active: waiting", 40)
        status: list[Any] = ros.collect(TrackerStatus, "/sot/status", RELIABLE)
        self.film()
        # What the page shows from now on is in the tracker's history.
        ros.wait_until(
            lambda: self.truth and status and status[-1].frames_received > 10, 40, "images"
        )

    def _on_truth(self, array: Detection2DArray) -> None:
        """Every second image has an identity, too."""
        found = [box_of(detection) for detection in array.detections]
        self.truth[nanoseconds(array.header.stamp)] = found[0] if found else None
        for detection in array.detections:
            detection.id = "m7"
        self._identities.publish(array)

    def film(self) -> None:
        """Start the camera."""
        self.camera = self._start([*TRACKER_ROS, "camera", "--loop"])

    def next_request(self) -> tuple[int, Box]:
        """What the page has asked for, once it has: the image, and the box."""
        self.ros.wait_until(lambda: self.asked, what="a request")
        asked = self.asked.pop(0)
        assert asked.success, asked.message
        return nanoseconds(asked.header.stamp), box_of(asked)

    def restart_page(self) -> None:
        """End the node of the page, and start it again where it was."""
        self.page.stop()
        time.sleep(1)
        self.page = self._start([*TRACKER_ROS, *PAGE, f"port:={self.port}"])


class Operator:
    """Somebody at the browser."""

    def __init__(self, browser: Browser, robot: Robot) -> None:
        self.browser, self.robot = browser, robot
        browser.open(f"http://localhost:{robot.port}")
        browser.wait("document.body.dataset.connection === 'open'")
        browser.wait(STAMP)

    def hold(self) -> tuple[int, Box]:
        """Hold a picture that shows the target; its stamp, and the target on the screen."""
        browser = self.browser
        for _ in range(40):
            browser.run("document.getElementById('stage').focus()")
            browser.press(" ")
            browser.wait(HELD)
            stamp = int(browser.run(STAMP))
            box = self._truth(stamp)
            if box is not None and box.x > 20 and box.x + box.w < 620:
                return stamp, self._on_screen(box)
            browser.press("Escape")
            time.sleep(0.5)
        raise AssertionError("the target is never in sight")

    def _truth(self, stamp: int) -> Box | None:
        """Where the target is; None, too, where a busy machine has lost the message."""
        deadline = time.monotonic() + 3.0
        while stamp not in self.robot.truth and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.robot.truth.get(stamp)

    def _on_screen(self, box: Box) -> Box:
        left, top, width = self.browser.run(
            "(r => [r.left, r.top, r.width])"
            "(document.getElementById('picture').getBoundingClientRect())"
        )
        scale = width / 640
        return Box(left + box.x * scale, top + box.y * scale, box.w * scale, box.h * scale)

    def states(self) -> dict[str, str]:
        """The states of the targets, as the page lists them."""
        return dict(
            self.browser.run(
                "[...document.querySelectorAll('#targets [data-id]')]"
                ".map(one => [one.dataset.id, one.dataset.state])"
            )
        )

    def wait_for_state(self, state: str, timeout: float = 20.0) -> str:
        """Wait until a target has it; its id."""
        selector = f'#targets [data-state="{state}"]'
        found = self.browser.wait(f"document.querySelector('{selector}')?.dataset.id", timeout)
        return str(found)


@pytest.fixture
def robot(start_process: Start, ros: Peer) -> Robot:
    return Robot(start_process, ros)


@pytest.fixture
def operator(robot: Robot, tmp_path: Path) -> Iterator[Operator]:
    browser = Browser(tmp_path / "browser")
    try:
        yield Operator(browser, robot)
        assert browser.complaints == []
    finally:
        browser.close()


def test_a_box_that_is_dragged_is_followed_until_the_target_is_lost(operator: Operator) -> None:
    _, box = operator.hold()
    operator.browser.drag((box.x, box.y), (box.x + box.w, box.y + box.h))
    followed = operator.wait_for_state("TRACKING")
    latency = operator.browser.wait("document.getElementById('picture').dataset.latency")
    assert 0 < float(latency) < 5000
    operator.browser.wait("document.querySelector('dd[title^=\"give or take\"]') !== null")
    if PICTURE:
        time.sleep(1.5)
        operator.browser.picture(Path(PICTURE))
    assert operator.wait_for_state("LOST", 60.0) == followed
    operator.browser.wait(f"{SAID}.includes('Target {followed} is lost')")
    lane = f"document.querySelector('#timeline [data-id=\"{followed}\"]')"
    assert operator.browser.run(f"{lane} !== null")
    operator.browser.reload()
    operator.browser.wait("document.body.dataset.connection === 'open'")
    operator.browser.wait(f"{lane} !== null")


def test_an_identity_is_clicked_and_followed_under_its_name(operator: Operator) -> None:
    stamp, box = operator.hold()
    operator.browser.click(box.cx, box.cy)
    operator.browser.wait("document.querySelector('#targets [data-id=\"m7\"]') !== null")
    assert stamp in operator.robot.truth


def test_a_box_is_made_and_followed_with_the_keys_on_a_picture_that_stands_still(
    operator: Operator, robot: Robot
) -> None:
    browser = operator.browser
    browser.run("document.getElementById('stage').focus()")
    browser.press("ArrowDown")
    browser.wait(HELD)
    stamp = browser.run(STAMP)
    browser.press("ArrowDown")
    browser.press("ArrowLeft")
    browser.press("ArrowRight", shift=True)
    later = int(stamp) + 500_000_000
    robot.ros.wait_until(lambda: max(robot.truth, default=0) > later, what="more images")
    assert browser.run(STAMP) == stamp
    browser.press("Enter")
    asked, box = robot.next_request()
    assert asked == int(stamp)
    side, step = 0.22 * 480, 4.8
    middle = Box((640 - side) / 2 - step, (480 - side) / 2 + step, side + step, side)
    assert (box.x, box.y, box.w, box.h) == pytest.approx(
        (middle.x, middle.y, middle.w, middle.h), abs=0.02
    )
    browser.wait(f"!{HELD} && {STAMP} !== '{stamp}'")
    browser.wait("document.querySelector('#targets [data-id]') !== null")


def test_a_finger_draws_a_box(operator: Operator, robot: Robot) -> None:
    operator.browser.resize(360, 640, mobile=True)
    operator.browser.wait("document.documentElement.clientWidth === 360")
    stamp, box = operator.hold()
    operator.browser.swipe((box.x, box.y), (box.x + box.w, box.y + box.h))
    asked, drawn = robot.next_request()
    assert asked == stamp
    true = robot.truth[stamp]
    assert true is not None
    assert (drawn.x, drawn.y, drawn.w, drawn.h) == pytest.approx(
        (true.x, true.y, true.w, true.h), abs=4
    )
    operator.wait_for_state("TRACKING")


def test_a_camera_that_goes_is_told_with_the_time(operator: Operator, robot: Robot) -> None:
    browser = operator.browser
    robot.camera.stop()
    gone = time.monotonic()
    browser.wait("document.body.dataset.camera === 'gone'", 8.0)
    words = browser.run("document.getElementById('notice-words').textContent")
    told = re.fullmatch(r"No picture since \d\d:\d\d:\d\d \((\d+) s\)", words)
    assert told, words
    assert abs(int(told[1]) - (time.monotonic() - gone)) < 2
    assert browser.run("document.querySelector('#bar [role=alert]').textContent")
    time.sleep(1.5)  # the list of topics is told anew
    assert browser.run("document.getElementById('topic').value") == "/image"
    assert browser.run("document.body.dataset.camera") == "gone"
    robot.film()
    browser.wait("document.body.dataset.camera === 'live'", 30.0)


def test_a_page_that_nothing_comes_to_says_so_itself(operator: Operator, robot: Robot) -> None:
    browser = operator.browser
    robot.page.send_signal(signal.SIGSTOP)
    try:
        browser.wait("document.body.dataset.camera === 'gone'", 8.0)
        assert browser.run("document.body.dataset.connection") == "open"
    finally:
        robot.page.send_signal(signal.SIGCONT)
    browser.wait("document.body.dataset.camera === 'live'")
    assert browser.run("document.body.dataset.connection") == "open"


def test_a_lost_connection_is_told_and_comes_back_by_itself(
    operator: Operator, robot: Robot
) -> None:
    robot.restart_page()
    operator.browser.wait("document.body.dataset.connection !== 'open'")
    operator.browser.wait("document.body.dataset.connection === 'open'", 60.0)
    before = operator.browser.run("document.getElementById('picture').dataset.stamp")
    operator.browser.wait(f"document.getElementById('picture').dataset.stamp !== '{before}'")
    operator.browser.complaints.clear()  # that it could not connect


def test_the_page_can_be_used_at_twice_its_size(operator: Operator) -> None:
    operator.browser.resize(640, 400, zoom=2.0)
    operator.browser.wait("document.documentElement.clientWidth <= 640")
    assert operator.browser.run("document.documentElement.scrollWidth") <= 640
    assert operator.browser.run(OUT_OF_REACH) == []


def test_the_page_fits_a_phone(operator: Operator) -> None:
    operator.browser.resize(360, 640, mobile=True)
    operator.browser.wait("document.documentElement.clientWidth === 360")
    assert operator.browser.run("document.documentElement.scrollWidth") <= 360
    small = operator.browser.run(
        "[...document.querySelectorAll('button, select, input[type=text], label:has(input)')]"
        ".filter(one => one.offsetParent)"
        ".filter(one => one.getBoundingClientRect().height < 43).map(one => one.outerHTML)"
    )
    assert small == [], "a finger needs 44 px"
    if PICTURE:
        operator.browser.picture(Path(PICTURE).with_stem(Path(PICTURE).stem + "_phone"))
