"""Writes what a replay publishes, beside what the bag held, into a bag of its own."""

from __future__ import annotations

import shutil
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tracker_ros.bags.bag import BagMessage
from tracker_ros.bags.reader import BagReader
from tracker_ros.bags.types import own_topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.errors import DataError
from tracker_ros.pipeline.messages import STATUS, TRACKS
from tracker_ros.replay.job import Job


class Recorder:
    """A context manager: what was written is there when it ends well, and else nothing is."""

    def __init__(self, job: Job, bag: BagReader) -> None:
        held = {topic.name for topic in bag.topics}
        self.names = {"tracks": f"/{job.kind}/tracks", "status": f"/{job.kind}/status"}
        """Topics of what is published."""
        if held & set(self.names.values()):  # a node's own were recorded: they stay as they are
            self.names = {kind: f"/replay{name}" for kind, name in self.names.items()}
        self.path: Path | None = None if job.keep == "none" else job.out / "bag"
        self._input = job.bag.resolve()
        self._copies = bag.topics if job.keep == "all" else ()
        self._storage = job.storage
        self._writer: BagWriter | None = None
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Recorder:
        if self.path is not None:
            self._remove_old(self.path)
            with ExitStack() as stack:  # what stops this leaves nothing half begun
                writer = stack.enter_context(BagWriter(self.path, storage=self._storage))
                for topic in self._copies:
                    writer.add_topic(topic)
                writer.add_topic(own_topic(self.names["tracks"], TRACKS))
                writer.add_topic(own_topic(self.names["status"], STATUS))
                self._writer, self._stack = writer, stack.pop_all()
        return self

    def _remove_old(self, path: Path) -> None:
        """Remove the bag of a replay before."""
        if path.resolve() in (self._input, *self._input.parents):
            raise DataError(f"--out {path.parent} holds the bag that is replayed; name another")
        if (path / "metadata.yaml").is_file():  # else the writer says that the name is taken
            shutil.rmtree(path, ignore_errors=True)

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
