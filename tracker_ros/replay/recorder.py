"""Writes what a replay publishes, beside what the bag held, into a bag of its own."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tracker_ros.bags.bag import BagMessage
from tracker_ros.bags.reader import BagReader
from tracker_ros.bags.types import own_topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.pipeline.messages import STATUS, TRACKS
from tracker_ros.replay.folder import BAG, WRITTEN_BY
from tracker_ros.replay.job import Job


class Recorder:
    """A context manager: what was written is there when it ends well, and else nothing is."""

    def __init__(self, job: Job, bag: BagReader) -> None:
        self.names = {"tracks": f"/{job.kind}/tracks", "status": f"/{job.kind}/status"}
        """Topics of what is published."""
        self._copies = bag.topics if job.keep == "all" else ()
        held = {topic.name for topic in self._copies}
        while held & set(self.names.values()):  # a node's own were recorded: they stay as they are
            self.names = {kind: f"/replay{name}" for kind, name in self.names.items()}
        self.path: Path | None = None if job.keep == "none" else job.out / BAG
        self._storage = job.storage
        self._writer: BagWriter | None = None
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Recorder:
        if self.path is not None:
            with ExitStack() as stack:  # what stops this leaves nothing half begun
                bag = BagWriter(self.path, self._storage, written_by=WRITTEN_BY)
                writer = stack.enter_context(bag)
                for topic in self._copies:
                    writer.add_topic(topic)
                writer.add_topic(own_topic(self.names["tracks"], TRACKS))
                writer.add_topic(own_topic(self.names["status"], STATUS))
                self._writer, self._stack = writer, stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def copy(self, message: BagMessage) -> None:
        """Keep a message of the bag as it is. Raises DataError when it cannot be written."""
        if self._copies and self._writer is not None:
            with self._lock:
                self._writer.write(message.topic, message.recorded_ns, message.data, message.type)

    def publish(self, kind: str, recorded: int, data: bytes) -> None:
        """Keep what is published. Raises DataError when it cannot be written."""
        if self._writer is not None:
            with self._lock:
                self._writer.write(self.names[kind], recorded, data)
