"""Real processes and a real peer for tests that talk to nodes over DDS.

`test/ros/conftest.py` says how tests get at these.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

TRACKER_ROS = (sys.executable, "-m", "tracker_ros.cli")
"""The `tracker_ros` command: `start_process([*TRACKER_ROS, "sot"])`."""


class RosProcess:
    """A process in a session of its own; its output (both streams) is kept as it comes."""

    def __init__(self, args: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.args = list(args)
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._exit_is_checked = False
        self._process = subprocess.Popen(
            self.args,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a Ctrl-C at pytest is ours to pass on, and we signal groups
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def output(self) -> str:
        """What it has printed so far."""
        with self._changed:
            return "".join(self._lines)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def wait_for(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """Wait until the output contains the regular expression; fails if it ends before."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.output, re.MULTILINE)
            if match is not None:
                return match
            if not self._reader.is_alive():
                raise AssertionError(self._report(f"ended without printing '{pattern}'"))
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(self._report(f"did not print '{pattern}' in {timeout:g} s"))
            with self._changed:
                self._changed.wait(min(left, 0.1))

    def wait_exit(self, timeout: float = 10.0) -> int:
        """Wait until it ends by itself, and return its exit code for the test to judge."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(self._report(f"still runs after {timeout:g} s")) from None
        self._reader.join(timeout=5)
        self._exit_is_checked = True
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to whatever it has started."""
        os.killpg(self._process.pid, number)

    def stop(self, timeout: float = 10.0, interrupts: int = 1) -> None:
        """Interrupt it, as Ctrl-C does, and require a clean end.

        Clean is exit code 0 without a traceback. `interrupts=2` sends a second SIGINT a few
        milliseconds after the first, as launchers do.
        """
        for _ in range(interrupts):
            if self.returncode is None:
                self.send_signal(signal.SIGINT)
                time.sleep(0.005)
        code = self.wait_exit(timeout)
        assert code == 0, self._report(f"exit code {code} after SIGINT, wanted 0")
        assert "Traceback" not in self.output, self._report("ended with a traceback")

    def finish(self) -> None:
        """Teardown: stop it if it still runs; an end that the test did not expect is a failure."""
        try:
            if self.returncode is None:
                self.stop()
            elif not self._exit_is_checked:
                assert self.returncode == 0, self._report(f"died with code {self.returncode}")
        finally:
            if self.returncode is None:
                self.send_signal(signal.SIGKILL)
                self._process.wait()

    def _report(self, what: str) -> str:
        return f"{' '.join(self.args)}: {what}. It printed:\n{self.output or '(nothing)'}"


class Peer:
    """A node of the test's own, spinning in a thread: publishes, collects and calls."""

    def __init__(self, name: str) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node(name, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return  # close() shut the context down first: nothing is left to spin

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._thread.join(timeout=5)
        self.node.destroy_node()
        self.context.try_shutdown()

    def publisher(self, message_type: Any, topic: str, qos: Any = 10) -> Any:
        """Create a publisher; `qos` is a QoSProfile or a depth (then reliable)."""
        return self.node.create_publisher(message_type, topic, qos)

    def collect(self, message_type: Any, topic: str, qos: Any = 10) -> list[Any]:
        """Subscribe; the returned list grows with every message that comes."""
        messages: list[Any] = []
        self.node.create_subscription(message_type, topic, messages.append, qos)
        return messages

    def call(self, service_type: Any, name: str, request: Any, timeout: float = 10.0) -> Any:
        """Call a service and return its response; fails if it is absent or does not answer."""
        client = self.node.create_client(service_type, name)
        try:
            assert client.wait_for_service(timeout), f"no service {name} within {timeout:g} s"
            future = client.call_async(request)
            self.wait_until(future.done, timeout, f"an answer of {name}")
            return future.result()
        finally:
            self.node.destroy_client(client)

    def wait_until(
        self, condition: Callable[[], object], timeout: float = 10.0, what: str = ""
    ) -> None:
        """Wait until the condition holds; fails, saying `what` was waited for, if it never does."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout:g} s in vain for {what or condition}")
            time.sleep(0.01)

    def wait_for_subscriber(self, publisher: Any, timeout: float = 10.0) -> None:
        """Wait until somebody listens to the publisher: what is sent before is lost."""
        self.wait_until(
            lambda: publisher.get_subscription_count() > 0,
            timeout,
            f"a subscriber of {publisher.topic_name}",
        )
