"""What mot_node does, in a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tracker_ros.errors import DetectionsError
from tracker_ros.mot.tracker import believed
from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import FrameHistory
from tracker_ros.pipeline.intake import MotIntake
from tracker_ros.pipeline.mot_parameters import MotParameters, manage
from tracker_ros.pipeline.mot_tracker import RunningTracker
from tracker_ros.pipeline.mot_worker import MotAnswer, MotWorker, Names
from tracker_ros.pipeline.pairing import Kind
from tracker_ros.replay.session import Output, Session, Store
from tracker_ros.track import Track


class MotSession(Session[MotWorker]):
    """What mot_node does."""

    _intake: MotIntake

    def __init__(
        self, tracker: RunningTracker, parameters: MotParameters, store: Store, output: Output, *,
        live: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(tracker, store, output, live=live)
        history = FrameHistory(
            parameters.history_frames, parameters.history_bytes, parameters.history_seconds
        )
        names = Names(parameters.id_prefix)
        names.begin()
        manage(tracker.runs, parameters.settings)
        self.worker = MotWorker(
            tracker.runs, history, names, self, timing=parameters.timing,
            wanted=parameters.wanted, clock=self.clock,
        )  # fmt: skip
        self._intake = MotIntake(self.worker, self, self.clock)
        self.pairs: Counter[Kind] = Counter()

    def add_detections(self, raw: bytes, recorded: int) -> None:
        """An array of detections has come."""
        self._advance(recorded)
        try:
            array = DetectionArray.of(raw, received=self.clock())
        except DetectionsError as error:
            self.on_refused("message", str(error))
            return
        self._intake.add_array(array)
        self._catch_up()

    def on_processed(self, answer: MotAnswer) -> None:
        """An image is answered, or detections without one."""
        if answer.frame is not None:
            self.counters.count("processed")
        self._answered(answer, -1 if answer.frame is None else answer.frame.number)

    def on_paired(self, kind: Kind) -> None:
        """An array was applied, or an image answered without."""
        self.pairs[kind] += 1

    def about_it(self) -> dict[str, str]:
        """How images and detections came together."""
        return {kind.value: str(count) for kind, count in self.pairs.items()}

    def on_left_out(self, left_out: Counter[str]) -> None:
        """Detections that were not wanted: so it was set."""

    def on_refused(self, cause: str, reason: str, number: int = 1) -> None:
        """Detections are of no use."""
        self._trouble(f"detections: {cause}", reason, number)

    def _shown(self, tracks: Sequence[Track]) -> list[Track]:
        return believed(tracks)
