"""What the tests of launch files share; without launch_ros they are skipped, with the reason."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from launch_harness import Launched


@pytest.fixture
def launched() -> Iterator[list[Launched]]:
    """Launch services that end with the test."""
    started: list[Launched] = []
    yield started
    for launch in started:
        if launch.process.poll() is None:
            os.killpg(launch.process.pid, signal.SIGKILL)
            launch.process.wait()
        assert launch.process.stdout is not None
        launch.process.stdout.close()
