"""`./run demo --web`: camera, nodes and the page, until Ctrl-C."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from harness import TRACKER_ROS, RosProcess
from page_client import PageClient

Start = Callable[..., RosProcess]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def page_of(port: int, seconds: float = 60.0) -> PageClient:
    """The page, when it is served."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return PageClient(port)
        assert time.monotonic() < deadline, "no page"
        time.sleep(0.1)


@pytest.mark.parametrize("task", ["sot", "mot"])
def test_a_target_is_pointed_at_on_the_page(
    start_process: Start, tmp_path: Path, task: str
) -> None:
    port = free_port()
    demo = start_process([*TRACKER_ROS, "demo", task, "--web", str(port), "--out", str(tmp_path)])
    demo.wait_for(f"open http://localhost:{port}")
    page = page_of(port)
    page.say("watch", topic="/image")
    page.wait_until(lambda: page.pictures, "a picture", 40)
    if task == "sot":
        # The tracker may find the camera after the page has.
        page.wait_for("status", lambda told: told["of_image"], timeout=40)
        shown = page.pictures[-1].head
        answer = page.ask(
            "set_target", topic="/image", stamp=shown["stamp"], box=[250, 200, 90, 70]
        )
        assert answer["ok"], answer
        page.wait_for("status", lambda told: told["targets"])
        assert shown["age"] is not None and 0 <= shown["age"] < 10
    else:
        told = page.wait_for("boxes", lambda one: one["source"] == "identities", 60)
        assert told["stamp"]
    page.close()
    demo.send_signal(signal.SIGINT)
    assert demo.wait_exit(20) == 0
    assert "demo: ended" in demo.output and "Traceback" not in demo.output


def test_a_port_that_is_taken_ends_it_with_the_reason(start_process: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = start_process([*TRACKER_ROS, "demo", "--web", str(port), "--out", str(tmp_path)])
        assert demo.wait_exit(60) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in demo.output
    assert "Address already in use" in demo.output and "here: --web PORT" in demo.output
