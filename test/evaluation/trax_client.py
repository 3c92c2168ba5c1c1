"""A server of `tracker_ros trax` in its own process, and TraX's own client that talks to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trax
from trax.client import Client

from tracker_ros.geometry import Box, UInt8Image

ROOT = Path(__file__).parents[2]


class Connection:
    """A running server and the client that talks to it."""

    def __init__(self, tracker: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tracker_ros.cli", "trax", "--tracker", tracker],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        pipes = (self.process.stdin.fileno(), self.process.stdout.fileno())
        self.log: list[str] = []
        self.client = Client(pipes, log=self.log.append)  # 4.0.2 fails without a log
        # Its C half logs its own end, when the callback would be gone already.
        self._callback = self.client._clogger

    def initialize(self, image: Any, regions: Sequence[Any]) -> list[tuple[Any, dict[str, str]]]:
        """What the server answers to a first image and the objects in it."""
        answer, _ = self.client.initialize({"color": image}, [(r, {}) for r in regions], {})
        return list(answer)

    def frame(self, image: Any, regions: Sequence[Any] = ()) -> list[tuple[Any, dict[str, str]]]:
        """What it answers to a further image, in which further objects may join."""
        answer, _ = self.client.frame({"color": image}, {}, [(r, {}) for r in regions])
        return list(answer)

    def close(self) -> None:
        """Free the client and the server, however far they got."""
        del self.client
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def end(self) -> tuple[int, str]:
        """The exit code and the error output of the server, which has to end by itself."""
        code = self.process.wait(timeout=20)
        assert self.process.stderr is not None
        return code, self.process.stderr.read().decode()


def read(path: Path) -> UInt8Image:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def rectangle(box: Box) -> Any:
    return trax.Rectangle.create(*box)


def path_image(path: Path) -> Any:
    return trax.FileImage.create(str(path))


def buffer_image(path: Path) -> Any:
    return trax.BufferImage.create(path.read_bytes())


def memory_image(path: Path) -> Any:
    return trax.MemoryImage.create(np.ascontiguousarray(read(path)[..., ::-1]))
