"""The looks of the operator's page in a browser: dark and light, on large and small ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from browser import Browser
from harness import TRACKER_ROS, Peer, RosProcess
from test_operator_browser import HELD, Operator, Robot

LOOKS = Path(__file__).with_name("operator_looks.js").read_text()
SCHEMES = ("light", "dark")
SCREENS: dict[str, dict[str, Any]] = {
    "phone": {"width": 360, "height": 740, "mobile": True},
    "desktop": {"width": 1440, "height": 900},
    "desktop at 200 %": {"width": 720, "height": 450, "zoom": 2.0},
    "desktop at 400 %": {"width": 360, "height": 225, "zoom": 4.0},
}
NAMED = {"button", "combobox", "textbox", "checkbox", "DisclosureTriangle", "application"}
"""Roles in the browser's accessibility tree that a page cannot be used without the names of."""
TOKEN = "a-token-of-this-test-alone"
MOVING = "document.getAnimations().length"


class Start:
    """Starts processes that end with the module."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends

    def __call__(self, args: Sequence[str], env: Mapping[str, str] | None = None) -> RosProcess:
        process = RosProcess(args, env)
        self._ends.callback(process.finish)
        return process


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    with ExitStack() as ends:
        yield Start(ends)


@pytest.fixture(scope="module")
def robot(start: Start) -> Iterator[Robot]:
    ros = Peer("test_peer")
    yield Robot(start, ros)
    ros.close()


@pytest.fixture(scope="module")
def operator(robot: Robot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    browser = Browser(tmp_path_factory.mktemp("browser"), 1440, 900)
    try:
        yield Operator(browser, robot)
    finally:
        browser.close()


@pytest.fixture(autouse=True)
def desktop(operator: Operator) -> Iterator[None]:
    """Every test begins at a desktop, and has nothing to complain of."""
    operator.browser.resize(1440, 900)
    prefer(operator.browser)
    yield
    assert operator.browser.complaints == []


def prefer(browser: Browser, **features: str) -> None:
    """What the operator has told the browser to prefer, and nothing else."""
    wishes = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    browser.call("Emulation.setEmulatedMedia", features=wishes)


def require_looks(browser: Browser) -> None:
    """What is on the page now, on every screen, dark and light."""
    wrong: list[str] = []
    for name, screen in SCREENS.items():
        browser.resize(**screen)
        browser.wait(f"innerWidth === {screen['width']}")
        for scheme in SCHEMES:
            prefer(browser, prefers_color_scheme=scheme)
            browser.wait(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
            browser.drawn()  # innerWidth is another before the page is
            wrong += [f"{name}, {scheme}: {one}" for one in browser.run(LOOKS)]
    browser.resize(1440, 900)
    assert not wrong, "\n".join(wrong)


def test_it_is_dark_where_that_is_preferred(operator: Operator) -> None:
    papers = []
    for scheme in SCHEMES:
        prefer(operator.browser, prefers_color_scheme=scheme)
        words = operator.browser.run("getComputedStyle(document.body).backgroundColor")
        papers.append([int(part) for part in words.strip("rgb()").split(",")])
    light, dark = papers
    assert min(light) > 220 and max(dark) < 40


def test_a_target_and_everything_that_opens(operator: Operator) -> None:
    browser = operator.browser
    _, box = operator.hold()
    browser.click(box.cx, box.cy)
    browser.wait("document.querySelector('#targets [data-id]') !== null")
    browser.wait("document.querySelector('#health details') !== null")
    browser.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    require_looks(browser)


def test_a_long_name_and_a_target_that_is_pointed_anew(operator: Operator) -> None:
    browser = operator.browser
    browser.run("document.getElementById('label').value = 'W'.repeat(64)")
    _, box = operator.hold()
    browser.drag((box.x, box.y), (box.x + box.w, box.y + box.h))
    browser.wait("document.getElementById('targets').textContent.includes('WWWW')")
    browser.run("document.querySelector('#targets button').click()")
    require_looks(browser)


def test_a_refusal_while_the_picture_is_held(operator: Operator) -> None:
    browser = operator.browser
    _, box = operator.hold()
    browser.drag((box.x, box.y), (box.x + box.w, box.y + 1))
    browser.wait("document.querySelector('#bar [role=alert]').textContent")
    browser.press("ArrowDown")
    browser.wait(HELD)
    require_looks(browser)
    browser.press("Escape")


def test_a_recording_that_goes_on(operator: Operator) -> None:
    operator.browser.run("document.body.dataset.recording = 'on'")
    require_looks(operator.browser)
    operator.browser.run("document.body.dataset.recording = 'off'")


def test_everything_that_can_be_used_has_a_name(operator: Operator) -> None:
    browser = operator.browser
    for screen in SCREENS.values():
        browser.resize(**screen)
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        found = [one for one in nodes if not one["ignored"] and one["role"]["value"] in NAMED]
        names = [str(one["name"]["value"]).strip() for one in found]
        assert all(names), [one for one, name in zip(found, names, strict=True) if not name]
        assert {"Camera", "Tracker", "Clear", "Pause", "Record"} < set(names)


def test_nothing_moves_for_who_wants_none_of_it(operator: Operator) -> None:
    browser = operator.browser
    prefer(browser, prefers_reduced_motion="no-preference")
    browser.wait(MOVING)
    prefer(browser, prefers_reduced_motion="reduce")
    browser.wait(f"{MOVING} === 0")
    for _ in range(30):
        assert browser.run(MOVING) == 0
        time.sleep(0.03)


def test_no_camera_no_connection_and_a_token_that_is_asked_for(
    operator: Operator, robot: Robot, start: Start
) -> None:
    browser = operator.browser
    robot.camera.stop()
    browser.wait("document.body.dataset.camera === 'gone'", 10.0)
    require_looks(browser)
    robot.page.stop()
    browser.wait("document.body.dataset.connection === 'lost'")
    require_looks(browser)
    words = ["operator", "--ros-args", "-p", "port:=0", "-p", f"token:={TOKEN}"]
    port = start([*TRACKER_ROS, *words]).wait_for(r"page: http://127\.0\.0\.1:(\d+)/", 40)[1]
    browser.open(f"http://localhost:{port}")
    browser.wait("document.body.dataset.connection === 'token'")
    require_looks(browser)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    assert "Token of the node" in [one["name"]["value"] for one in nodes if not one["ignored"]]
    browser.complaints.clear()  # of connections that were refused
