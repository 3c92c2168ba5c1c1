"""An operator at a real browser, with the real nodes and the rendered scene.

TRACKER_ROS_PICTURE=docs/operator.jpg keeps a picture of it, as the README shows it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from browser import Browser, chromium
from harness import TRACKER_ROS, Peer, RosProcess
from sot_harness import RELIABLE, box_of, nanoseconds
from vision_msgs.msg import Detection2DArray

from tracker_ros.geometry import Box

if not chromium():
    pytest.skip(
        "no browser: apt install chromium, or name one in the environment's CHROMIUM",
        allow_module_level=True,
    )

PICTURE = os.environ.get("TRACKER_ROS_PICTURE", "")
PAGE = ["operator", "--ros-args", "-r", "detections:=/detector/detections", "-p"]
SOT = ["sot", "--ros-args", "-p", "threads:=1", "-r", "detections:=/mot/tracks"]
Start = Callable[..., RosProcess]


class Robot:
    """Camera, tracker and page, and what the test itself knows and publishes."""

    def __init__(self, start: Start, ros: Peer) -> None:
        self.ros, self._start = ros, start
        self.truth: dict[int, Box | None] = {}
        ros.node.create_subscription(Detection2DArray, "/truth", self._on_truth, 50)
        self._identities = ros.publisher(Detection2DArray, "/mot/tracks", RELIABLE)
        self.sot = start([*TRACKER_ROS, *SOT])
        self.page = start([*TRACKER_ROS, *PAGE, "port:=0"])
        self.port = int(self.page.wait_for(r"page: http://127\.0\.0\.1:(\d+)/", 40)[1])
        self.sot.wait_for("active: waiting", 40)
        self.camera = start([*TRACKER_ROS, "camera", "--loop"])
        ros.wait_until(lambda: self.truth, 40, "the camera")

    def _on_truth(self, array: Detection2DArray) -> None:
        """Every second image has an identity, too."""
        found = [box_of(detection) for detection in array.detections]
        self.truth[nanoseconds(array.header.stamp)] = found[0] if found else None
        for detection in array.detections:
            detection.id = "m7"
        self._identities.publish(array)

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
        browser.wait("document.getElementById('picture').dataset.stamp")

    def hold(self) -> tuple[int, Box]:
        """Hold a picture that shows the target; its stamp, and the target on the screen."""
        browser = self.browser
        for _ in range(40):
            browser.run("document.getElementById('stage').focus()")
            browser.press(" ")
            browser.wait("document.getElementById('stage').dataset.held")
            stamp = int(browser.run("document.getElementById('picture').dataset.stamp"))
            self.robot.ros.wait_until(lambda: stamp in self.robot.truth, what="the truth")  # noqa: B023
            box = self.robot.truth[stamp]
            if box is not None and box.x > 20 and box.x + box.w < 620:
                return stamp, self._on_screen(box)
            browser.press("Escape")
            time.sleep(0.5)
        raise AssertionError("the target is never in sight")

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
    if PICTURE:
        time.sleep(1.5)
        operator.browser.picture(Path(PICTURE))
    assert operator.wait_for_state("LOST", 60.0) == followed
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


def test_a_lost_connection_is_told_and_comes_back_by_itself(
    operator: Operator, robot: Robot
) -> None:
    robot.restart_page()
    operator.browser.wait("document.body.dataset.connection !== 'open'")
    operator.browser.wait("document.body.dataset.connection === 'open'", 60.0)
    before = operator.browser.run("document.getElementById('picture').dataset.stamp")
    operator.browser.wait(f"document.getElementById('picture').dataset.stamp !== '{before}'")
    operator.browser.complaints.clear()  # that it could not connect


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
