"""What is strange about the images of a bag: gaps, other encodings and sizes, broken stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tracker_ros.errors import ImageError
from tracker_ros.pipeline.cdr import read_compressed, read_image

GAP_PERIODS, GAP_SECONDS = 5.0, 0.5
"""Between two stamps, in usual periods and in seconds: longer than both is a gap."""
TOLD = 20
"""Gaps that are told one by one; all are counted."""
_WEIGHT = 0.1


class Irregularities:
    """Looks at every image that comes, and tells what has changed; nothing is refused here."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """tell: hears of it, in words."""
        self.counts: Counter[str] = Counter()
        """Gaps, and stamps that were the same as, or before, the last."""
        self.sizes: list[tuple[int, int]] = []
        """Width and height, as they followed each other; unknown for compressed images."""
        self._tell = tell
        self._kind = ""
        self._last: int | None = None
        self._period: float | None = None

    def look_at(self, raw: bytes, *, compressed: bool) -> None:
        """An image has come; what cannot be read is the node's to say."""
        try:
            if compressed:
                packed = read_compressed(raw)
                stamp, kind = packed.header.ns, f"compressed, '{packed.format[:40]}'"
            else:
                image = read_image(raw)
                size = (image.width, image.height)
                if not self.sizes or self.sizes[-1] != size:
                    self.sizes.append(size)
                stamp = image.header.ns
                kind = f"{image.encoding[:40]}, {image.width}x{image.height}"
        except ImageError:
            return
        if self._kind and kind != self._kind:
            self.counts["changes of encoding or size"] += 1
            if self.counts["changes of encoding or size"] <= TOLD:
                self._tell(f"images are {kind} from here on; before: {self._kind}")
        self._kind = kind
        self._look_at_stamp(stamp)

    def _look_at_stamp(self, stamp: int) -> None:
        last, self._last = self._last, stamp
        if last is None:
            return
        step = (stamp - last) / 1e9
        if step == 0:
            self.counts["stamps twice"] += 1
        elif step < 0:
            self.counts["stamps that go back"] += 1
        elif self._period is None:
            self._period = step
        elif step > max(GAP_PERIODS * self._period, GAP_SECONDS):
            self.counts["gaps"] += 1
            if self.counts["gaps"] <= TOLD:
                self._tell(f"no image for {step:.2f} s; usually one every {self._period:.3f} s")
        else:
            self._period += _WEIGHT * (step - self._period)
