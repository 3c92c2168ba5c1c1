"""`/diagnostics`: once a second, in words, what is wrong and what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from tracker_ros.nodes.camera_input import CameraInput
from tracker_ros.nodes.outputs import LastFrame
from tracker_ros.pipeline.answer import About, Counters
from tracker_ros.pipeline.thread import WorkerThread
from tracker_ros.track import TrackState

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
RECENT = 10.0
"""Seconds for which what went wrong is a warning; it stays counted."""
SILENCE = 2.0
"""Seconds without an image that are a warning."""
ENOUGH = 0.8
"""Share of the camera's rate under which images are being lost on the way."""
LOSS_HINT = (
    "images are lost on the way. Give the camera's process the larger shared memory too: "
    "FASTRTPS_DEFAULT_PROFILES_FILE (Kilted and later: FASTDDS_DEFAULT_PROFILES_FILE) = "
    "share/tracker_ros/config/fastdds_shm.xml; or publish reliable; or the machine is overloaded"
)


class Problems:
    """What went wrong, by cause: counted, and logged once per cause and then every minute."""

    QUIET = 60.0

    def __init__(self, logger: Any, clock: Callable[[], float] = perf_counter) -> None:
        """clock: seconds."""
        self._logger, self._clock = logger, clock
        self._lock = threading.Lock()
        self._count: dict[str, int] = {}
        self._reason: dict[str, str] = {}
        self._seen: dict[str, float] = {}
        self._logged: dict[str, float] = {}

    def clear(self) -> None:
        """Count anew."""
        with self._lock:
            for of_cause in (self._count, self._reason, self._seen, self._logged):
                of_cause.clear()

    def add(self, cause: str, reason: str, number: int = 1) -> None:
        """Count a problem, or several of a kind; `cause` is a short stable key."""
        now = self._clock()
        with self._lock:
            self._count[cause] = self._count.get(cause, 0) + number
            self._reason[cause], self._seen[cause] = reason, now
            log = now - self._logged.get(cause, -self.QUIET) >= self.QUIET
            if log:
                self._logged[cause] = now
        if log:
            self._logger.warning(f"{reason} (counted in diagnostics from now on)")

    def settle(self, cause: str = "") -> None:
        """What went wrong is put right (of that cause; empty: of all): counted, no warning now."""
        with self._lock:
            for one in [cause] if cause else list(self._seen):
                self._seen.pop(one, None)

    def values(self) -> dict[str, str]:
        """Cause -> how often and the last reason."""
        with self._lock:
            return {c: f"{n} times, last: {self._reason[c]}" for c, n in self._count.items()}

    def recent(self) -> str:
        """The newest reason of the last seconds, or nothing."""
        with self._lock:
            if not self._seen:
                return ""
            cause = max(self._seen, key=lambda c: self._seen[c])
            return self._reason[cause] if self._clock() - self._seen[cause] <= RECENT else ""


def status(name: str, level: Any, message: str, values: dict[str, str]) -> DiagnosticStatus:
    """One entry of the array."""
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(name=name, level=level, message=message, values=pairs)


def node_status(
    name: str, phase: str, failure: str, model: About | None,
    worker: WorkerThread | None, failures: Problems,
) -> DiagnosticStatus:  # fmt: skip
    """What the node is doing, and with what."""
    values = {"state": phase}
    if model is not None:
        values |= {
            "tracker": model.tracker, "model": model.model,
            "backend": model.backend, "precision": model.precision,
        }  # fmt: skip
    values |= {f"failed: {cause}": words for cause, words in failures.values().items()}
    if worker is not None:
        values["enabled"] = "yes" if worker.enabled else "no"
    if failure:
        return status(name, ERROR, failure, values)
    if worker is not None and not worker.alive:
        dead = "the tracking thread has died; see the log, then deactivate and activate the node"
        return status(name, ERROR, dead, values)
    if failures.recent():
        return status(name, WARN, failures.recent(), values)
    if worker is not None and not worker.enabled:
        return status(name, OK, "disabled: images are not tracked (service ~/enable)", values)
    return status(name, OK, phase, values)


def camera_status(
    name: str, camera: CameraInput | None, counters: Counters, problems: Problems,
    camera_rate: float, last: LastFrame | None,
) -> DiagnosticStatus:  # fmt: skip
    """How the images come in."""
    values = {
        "frames received": str(counters.received),
        "frames processed": str(counters.processed),
        "frames dropped": str(counters.dropped),
        "frames rejected": str(counters.rejected),
        **{f"rejected: {cause}": words for cause, words in problems.values().items()},
    }
    if camera is None:
        return status(name, OK, "not active", values)
    values["topic"] = camera.chosen.words if camera.chosen else camera.topic
    received, announced = camera.received.read(), camera.announced.read()
    if camera_rate > 0:
        announced = camera_rate
    values["received rate"] = "not known yet" if received is None else f"{received:.1f} Hz"
    values["camera rate"] = (
        f"{announced:.1f} Hz" if announced else "not known: no camera_info, and camera_rate is 0"
    )
    if last is not None:
        values["frame age"] = f"{last.frame_age * 1e3:.1f} ms"
        values["inference"] = f"{last.inference * 1e3:.1f} ms"
    level, message = _judge_camera(camera, problems, received, announced)
    return status(name, level, message, values)


def _judge_camera(
    camera: CameraInput, problems: Problems, received: float | None, announced: float | None
) -> tuple[Any, str]:
    if camera.chosen is None:
        return WARN, f"nobody publishes images on {camera.topic}"
    if camera.chosen.clash:
        return ERROR, camera.chosen.clash
    recent = problems.recent()
    if recent:
        return WARN, recent
    silent = None if camera.last_received is None else perf_counter() - camera.last_received
    if silent is None:
        return WARN, f"no image has come yet on {camera.chosen.topic}"
    if silent > SILENCE:
        return WARN, f"no image for {silent:.0f} s on {camera.chosen.topic}"
    if received is not None and announced and received < ENOUGH * announced:
        return WARN, f"{received:.1f} of {announced:.1f} images a second arrive: {LOSS_HINT}"
    return OK, "images arrive"


def targets_status(
    name: str, last: LastFrame | None, notice: str, worker: WorkerThread | None,
    refused: Problems,
) -> DiagnosticStatus:  # fmt: skip
    """How the targets are; `notice` is why there are none, if something ended them.

    refused: requests that came by topic, so that nobody was answered.
    """
    tracks = [] if last is None else last.tracks
    values = {f"target {t.id}": f"{t.label} {t.state.name} {t.reason}".strip() for t in tracks}
    values |= {f"refused: {cause}": words for cause, words in refused.values().items()}
    level, words = _judge_targets(last, notice, worker)
    if level == OK and refused.recent():
        return status(name, WARN, refused.recent(), values)
    return status(name, level, words, values)


def _judge_targets(
    last: LastFrame | None, notice: str, worker: WorkerThread | None
) -> tuple[Any, str]:
    if last is None or not last.tracks:
        return OK, notice or "no target"
    age = perf_counter() - last.published
    if age > SILENCE:
        enabled = worker is not None and worker.enabled
        words = f"these states are {age:.0f} s old: " + (
            "no image has been tracked since" if enabled else "tracking is disabled"
        )
        return WARN if enabled else OK, words
    lost = [t for t in last.tracks if t.state is TrackState.LOST]
    if lost:
        return WARN, "; ".join(f"target {t.id} is LOST: {t.reason}" for t in lost)
    return OK, f"{len(last.tracks)} followed"


def array(stamp: Any, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """The message for `/diagnostics`."""
    message = DiagnosticArray(status=statuses)
    message.header.stamp = stamp
    return message
