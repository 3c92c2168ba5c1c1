"""`tracker_ros models` as its tests run it."""

from __future__ import annotations

import pytest

from tracker_ros import cli

Capture = pytest.CaptureFixture[str]
NEEDS_TORCH = "torch is not installed: ./run setup train"


def models(*arguments: str) -> int:
    """The exit code."""
    return cli.main(["models", *arguments])


def refusal(capsys: Capture, *arguments: str) -> str:
    """The one line that it refuses with."""
    assert models(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line
