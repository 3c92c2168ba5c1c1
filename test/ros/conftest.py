"""Tests over real DDS. Without ROS 2 every one of them is skipped, with the reason.

Each test module has a ROS_DOMAIN_ID of its own and discovers only this machine, so tests may run
beside each other and beside a robot. A test takes these fixtures (classes: `harness.py`):

`start_process(args, env={})` starts a real process and returns a `RosProcess`:

    node = start_process([*TRACKER_ROS, "sot", "--ros-args", "-p", "tracker:=siamfc"])
    node.wait_for("active")         # a regular expression of its output, or the test fails
    node.output, node.returncode, node.pid
    node.stop()                     # SIGINT; fails unless the exit code is 0 without a traceback
    node.stop(interrupts=2)         # the second SIGINT a moment later, as launchers send it
    node.wait_exit() == 1           # for a process that ends by itself

  After the test, processes that still run are stopped in the same strict way, and one that has
  died without `wait_exit` asking must have exit code 0.

`ros` is a `Peer`, the test's own node, spinning in a thread:

    camera = ros.publisher(Image, "image", qos)
    tracks = ros.collect(Detection2DArray, "/sot/tracks")          # a list that grows
    ros.wait_for_subscriber(camera); camera.publish(image)
    ros.wait_until(lambda: tracks, timeout=5, what="tracks")
    reply = ros.call(SetTarget, "/sot/set_target", SetTarget.Request(...))
    ros.node                                                       # the rclpy node itself

`from harness import TRACKER_ROS` is the `tracker_ros` command of this source tree.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness import Peer, RosProcess
    from page_client import PageClient
    from sot_harness import Sot

ROOT = Path(__file__).parents[2]
DOMAINS = range(1, 102)
"""Usable on every platform with the default ports of DDS."""
HAS_ROS = importlib.util.find_spec("rclpy") is not None


class SkippedModule(pytest.Module):
    """A test module that is not imported, because it would import rclpy."""

    def collect(self) -> list[pytest.Item]:
        """Say why nothing is collected."""
        pytest.skip("rclpy cannot be imported: start the tests with ./run test")


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Without ROS 2, collect the modules of this directory as skipped."""
    if HAS_ROS or Path(__file__).parent not in module_path.parents:
        return None
    return SkippedModule.from_parent(parent, path=module_path)


@pytest.fixture(scope="module", autouse=True)
def ros_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Give this module, and the processes it starts, a domain of their own; yields its id."""
    domain, lock = claim_domain()
    with lock, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain))
        if os.environ.get("ROS_DISTRO") == "humble":
            patch.setenv("ROS_LOCALHOST_ONLY", "1")
        else:
            patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("CUDA_VISIBLE_DEVICES", "")  # the same engines on every machine
        patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
            patch.setenv(name, str(ROOT / "config" / "fastdds_shm.xml"))
        yield domain


def claim_domain() -> tuple[int, IO[str]]:
    """Find a domain that no other test run here uses; it is ours until the file closes."""
    first = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[first:], *DOMAINS[:first]):
        path = Path(tempfile.gettempdir()) / f"tracker_ros_test_domain_{domain}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return domain, lock
    pytest.fail(f"every domain from {DOMAINS[0]} to {DOMAINS[-1]} is used by another test run")


@pytest.fixture
def start_process() -> Iterator[Callable[[Sequence[str], Mapping[str, str]], RosProcess]]:
    """Start processes that end with the test; see the top of this file."""
    from harness import RosProcess

    started: list[RosProcess] = []

    def start(args: Sequence[str], env: Mapping[str, str] = {}) -> RosProcess:
        process = RosProcess(args, env)
        started.append(process)
        return process

    yield start
    failures = []
    for process in reversed(started):
        try:
            process.finish()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n\n".join(failures)


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Sot]:
    """The single-object node, running for a whole test module; one may start it otherwise."""
    from sot_harness import running_node

    yield from running_node()


@pytest.fixture
def sot(process: Sot) -> Iterator[Sot]:
    """That node just activated, for one target: no image, no target, no count."""
    from sot_harness import fresh

    assert all(result.successful for result in process.set_parameters(max_targets=1))
    yield from fresh(process)


@pytest.fixture
def ros() -> Iterator[Peer]:
    """Give the test a node of its own; see the top of this file."""
    from harness import Peer

    peer = Peer("test_peer")
    yield peer
    peer.close()


# --- engines that are built on cue ---------------------------------------------------------------


@pytest.fixture
def cues(tmp_path: Path) -> Path:
    """The folder of the cues, see engines_on_cue.py."""
    return tmp_path


@pytest.fixture
def start_cued(
    start_process: Callable[[Sequence[str], Mapping[str, str]], RosProcess], cues: Path
) -> Callable[..., RosProcess]:
    """Starts the single-object node, or one of that kind, with these parameters, on cue."""
    script = str(Path(__file__).with_name("engines_on_cue.py"))

    def start(*parameters: str, kind: str = "sot") -> RosProcess:
        # Three networks, whose builds the tests follow by name.
        own = ("threads:=1", *(["tracker:=siamrpnpp"] if kind == "sot" else []))
        words = [word for parameter in (*own, *parameters) for word in ("-p", parameter)]
        return start_process([sys.executable, script, str(cues), kind, "--ros-args", *words], {})

    return start


# --- the operator's page -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's node of this module records to."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def page_node(process: Sot, recordings: Path) -> Iterator[tuple[RosProcess, int]]:
    """The node of the page beside the single-object node, and its port."""
    from harness import TRACKER_ROS, RosProcess

    words = ["-p", "port:=0", "-p", f"record_folder:={recordings}"]
    node = RosProcess([*TRACKER_ROS, "operator", "--ros-args", *words])
    try:
        yield node, int(node.wait_for(r"page: http://127\.0\.0\.1:(\d+)/")[1])
    finally:
        node.finish()


@pytest.fixture
def open_page(page_node: tuple[RosProcess, int]) -> Iterator[Callable[..., PageClient]]:
    """Opens pages, which are closed after the test; the node has to live on."""
    from page_client import PageClient

    node, port = page_node
    opened: list[PageClient] = []

    def open_one(**options: Any) -> PageClient:
        opened.append(PageClient(port, **options))
        return opened[-1]

    yield open_one
    for page in opened:
        page.close()
    assert node.returncode is None and "Traceback" not in node.output, node.output


@pytest.fixture
def page(open_page: Callable[..., PageClient], sot: Sot) -> PageClient:
    """A page that watches the image that is tracked on."""
    one = open_page()
    one.say("watch", topic="/image")
    sot.ros.wait_until(lambda: sot.camera.get_subscription_count() == 2, what="the page's look")
    # What was said before has been done when this is answered; and the page's node may have found
    # the images of the other node, and not yet its services.
    one.wait_until(
        lambda: "nobody offers" not in one.ask("follow", id="nobody")["message"], "services", 30
    )
    one.told.clear()
    return one
