"""The line on the terminal that says what goes on."""

from __future__ import annotations

import math
import sys
import time

from tracker_ros.demo.recording import FrameRecord
from tracker_ros.geometry import Box


class LiveLine:
    """What goes on, in one line: rewritten in place on a terminal, else once a second."""

    def __init__(self) -> None:
        self._in_place = sys.stdout.isatty()
        self._shown = -math.inf
        self._pending = False

    def show(self, record: FrameRecord, fps: float, dropped: int, truth: Box | None) -> None:
        """Show one frame."""
        box = record.box
        overlap = f"   IoU {box.iou(truth):.2f}" if truth and record.state.visible else ""
        text = (
            f"{record.state.name:<10}  box {box.x:4.0f},{box.y:4.0f} {box.w:3.0f}x{box.h:<3.0f}  "
            f"{fps:4.1f} fps   age {record.frame_age * 1e3:3.0f} ms   dropped {dropped:<5}{overlap}"
        )
        self.rewrite(text.rstrip())

    def rewrite(self, text: str) -> None:
        """Put other words into the line; at most 10 a second, so that they can be read."""
        now = time.monotonic()
        if now - self._shown < (0.1 if self._in_place else 1.0):
            return
        self._shown = now
        if self._in_place:
            sys.stdout.write(f"\r\x1b[K{text}")
            self._pending = True
        else:
            sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Print a line of its own."""
        self.end()
        print(text, flush=True)

    def end(self) -> None:
        """Leave the line that is rewritten as it is."""
        if self._pending:
            self._pending = False
            print(flush=True)
