"""What sot_node does, in a replay."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.intake import Intake
from tracker_ros.pipeline.requests import Accepted, Identities, TargetRequest
from tracker_ros.pipeline.sot_parameters import SotParameters
from tracker_ros.pipeline.sot_worker import Processed, TrackingWorker
from tracker_ros.replay.result import Start
from tracker_ros.replay.session import Output, Session, Store
from tracker_ros.sot import LoadedModel
from tracker_ros.track import Track


class SotSession(Session[TrackingWorker]):
    """What sot_node does."""

    def __init__(
        self, model: LoadedModel, parameters: SotParameters, store: Store, output: Output, *,
        live: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(model, store, output, live=live)
        history = FrameHistory(
            parameters.history_frames, parameters.history_bytes, parameters.history_seconds
        )
        self.worker = TrackingWorker(
            model, history, Identities(), self, thresholds=parameters.thresholds,
            max_targets=parameters.max_targets, clock=self.clock,
        )  # fmt: skip
        self._intake = Intake(self.worker, self)
        self.newest: Frame | None = None
        """The image that was tracked last."""
        self._ids: dict[str, str] = {}
        """Of the targets that live, by the names that they were set with."""

    def set_target(self, box: Box, frame: Frame, name: str = "") -> Future[Accepted]:
        """Follow what is in the box of an image that came; the future may hold a TargetError.

        name: what the caller calls the target; one of that name that lives is pointed at anew.
        """
        id = self._ids.get(name, "")
        future = self.worker.set_target(TargetRequest(box, frame.header.ns, id))

        def answered(future: Future[Accepted]) -> None:
            error = future.exception()
            if error is None:
                accepted = future.result()
                if name:
                    self._ids[name] = accepted.id
                start = Start(frame.header.ns, frame.number, (box.x, box.y, box.w, box.h))
                self.starts.setdefault(accepted.id, start)
                self.happened(accepted.message)
            elif isinstance(error, TargetError):
                self.leave_out(str(error))

        future.add_done_callback(answered)
        self._catch_up()
        return future

    def end_targets(self) -> None:
        """End all of them, as the service ~/clear does."""
        self.worker.end_targets("cleared by request")
        self._catch_up()

    def leave_out(self, reason: str) -> None:
        """A target is not set."""
        self._trouble("target", reason)

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """Targets have ended between two images."""
        ended = {track.id for track in tracks}
        self._ids = {name: id for name, id in self._ids.items() if id not in ended}
        super().on_ended(tracks, reason)

    def on_processed(self, processed: Processed) -> None:
        """The worker has tracked a frame."""
        self.counters.count("processed")
        self._answered(processed, processed.frame.number)
        self.newest = processed.frame

    def on_news(self, words: str) -> None:
        """Something happened between two frames."""
        self.happened(words)

    def _shown(self, tracks: Sequence[Track]) -> list[Track]:
        return [track for track in tracks if track.state.visible]
