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

    def set_target(self, box: Box, frame: Frame) -> Future[Accepted]:
        """Follow what is in the box of an image that came; the future may hold a TargetError."""
        future = self.worker.set_target(TargetRequest(box, frame.header.ns))

        def answered(future: Future[Accepted]) -> None:
            error = future.exception()
            if error is None:
                accepted = future.result()
                self.starts[accepted.id] = Start(
                    frame.header.ns, frame.number, (box.x, box.y, box.w, box.h)
                )
                self.happened(accepted.message)
            elif isinstance(error, TargetError):
                self._trouble("target", str(error))

        future.add_done_callback(answered)
        self._catch_up()
        return future

    def end_targets(self) -> None:
        """End all of them, as the service ~/clear does."""
        self.worker.end_targets("cleared by request")
        self._catch_up()

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
