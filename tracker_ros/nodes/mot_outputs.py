"""What the multi-object node publishes, and says of itself in `/diagnostics`."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from tracker_ros.drawing import draw_identities
from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.tracker import believed
from tracker_ros.nodes.detections_input import DetectionsInput
from tracker_ros.nodes.diagnostics import ERROR, OK, SILENCE, WARN, Problems, status
from tracker_ros.nodes.outputs import LastFrame, Outputs
from tracker_ros.pipeline.answer import About, Answer, Counters
from tracker_ros.pipeline.pairing import Kind
from tracker_ros.track import Track, TrackState

NO_IMAGE = (
    "the detector must copy the header of the image that it looked at; or raise sync_tolerance or "
    "detection_wait"
)
TRAIL = 40
"""Frames that a trail in the debug image reaches back."""


class MotOutputs(Outputs):
    """As those of the single-object node; the debug image shows identities and their trails."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        self._trails: dict[str, deque[tuple[float, float]]] = {}
        """By id, the centres of the last frames, the oldest first."""

    def publish(self, answer: Answer, model: About, counters: Counters) -> None:
        """Publish what became of an image."""
        self._extend_trails(believed(answer.tracks))
        super().publish(answer, model, counters)

    def publish_ended(self, tracks: list[Track], model: About, counters: Counters) -> None:
        """Say, between two images, which targets have ended and why."""
        self._trails.clear()
        super().publish_ended(tracks, model, counters)

    def _shown(self, tracks: list[Track]) -> list[Track]:
        return believed(tracks)

    def _draw(self, image: UInt8Image, answer: Answer) -> None:
        draw_identities(image, believed(answer.tracks), self._trails)

    def _extend_trails(self, seen: Sequence[Track]) -> None:
        """Add where everybody is; who is not seen leaves a trail that goes from its end."""
        for track in seen:
            points = self._trails.setdefault(track.id, deque(maxlen=TRAIL))
            points.append((track.box.cx, track.box.cy))
        for id in self._trails.keys() - {track.id for track in seen}:
            self._trails[id].popleft()
            if not self._trails[id]:
                del self._trails[id]


class DetectionCounters:
    """What became of the detections since activation; counted and read by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pairs: Counter[Kind] = Counter()
        self._left_out: Counter[str] = Counter()

    def paired(self, kind: Kind) -> None:
        """Count an array or an image."""
        with self._lock:
            self._pairs[kind] += 1

    def left_out(self, number: Counter[str]) -> None:
        """Count detections, by reason."""
        with self._lock:
            self._left_out += number

    def values(self) -> dict[str, str]:
        """For diagnostics."""
        with self._lock:
            pairs = {kind.value: str(self._pairs[kind]) for kind in Kind}
            return pairs | {f"left out: {why}": str(n) for why, n in self._left_out.items()}

    def matched(self) -> tuple[int, int]:
        """Arrays that had an image, and that had none."""
        with self._lock:
            had = self._pairs[Kind.EXACT] + self._pairs[Kind.NEAR] + self._pairs[Kind.LATE]
            return had, self._pairs[Kind.ALONE]


def detections_status(
    name: str, detections: DetectionsInput | None, counters: DetectionCounters, problems: Problems
) -> DiagnosticStatus:
    """How the detections come in, and what becomes of them."""
    values = counters.values()
    values |= {f"refused: {cause}": words for cause, words in problems.values().items()}
    if detections is None:
        return status(name, OK, "not active", values)
    chosen = detections.chosen
    values["topic"] = chosen.words if chosen else detections.topic
    rate = detections.received.read()
    values["received rate"] = "not known yet" if rate is None else f"{rate:.1f} Hz"
    had, had_none = counters.matched()
    last = detections.last_received
    silent = None if last is None else perf_counter() - last
    if chosen is None:
        level = WARN
        words = (
            f"nobody publishes detections on {detections.topic}: start a detector "
            "(./run detector), or remap `detections` to the topic of yours"
        )
    elif chosen.clash:
        level, words = ERROR, chosen.clash
    elif problems.recent():
        level, words = WARN, problems.recent()
    elif silent is None:
        level, words = WARN, f"no detections have come yet on {chosen.topic}"
    elif silent > SILENCE:
        level, words = WARN, f"no detections for {silent:.0f} s on {chosen.topic}"
    elif had_none > had:
        level, words = WARN, f"{had_none} of {had + had_none} arrays had no image: {NO_IMAGE}"
    else:
        level, words = OK, "detections arrive"
    return status(name, level, words, values)


def identities_status(name: str, last: LastFrame | None, notice: str) -> DiagnosticStatus:
    """How many targets there are; `notice` is why there are none, if something ended them."""
    tracks = last.tracks if last is not None else []
    states = Counter(track.state for track in tracks)
    values = {state.name: str(states[state]) for state in TrackState}
    if not tracks:
        return status(name, OK, notice or "no target", values)
    return status(name, OK, f"{len(believed(tracks))} of {len(tracks)} targets seen", values)
