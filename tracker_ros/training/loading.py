"""Batches from the data to the device: drawn by step, ahead of time, by processes of their own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tracker_ros.errors import TrackerRosError
from tracker_ros.training.session import Session


class Drawn(Dataset[Any]):
    """The batches of a data set; in place of one that cannot be drawn, the error that says why.

    Raised in a worker, it would come with the worker's traceback.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def __getitem__(self, step: int) -> Any:
        try:
            return self.data[step]
        except TrackerRosError as error:
            return error


@contextmanager
def batches(
    data: Any, start: int, steps: int, device: str, session: Session | None
) -> Iterator[Iterator[Any]]:
    """Within it, the batches of the steps from `start` to before `steps`, on the device.

    Raises what `data` raises, and TrackerRosError if a worker dies: torch says that in the middle
    of whatever is done in here.
    """
    workers = session.workers if session is not None and start < steps else 0
    loader: DataLoader[Any] = DataLoader(
        Drawn(data),
        batch_size=None,
        sampler=range(start, steps),
        num_workers=workers,
        prefetch_factor=session.prefetch if session is not None and workers else None,
        pin_memory=torch.device(device).type == "cuda",
        worker_init_fn=_start_worker,
    )
    try:
        # The workers start here, and not with the first batch: before there are threads and
        # signals.
        with _signals_held():
            found = iter(loader)
        yield _received(found, device)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise TrackerRosError(
            "a process that draws batches was ended from outside, as when memory runs out: "
            "resume with fewer --workers"
        ) from error


@contextmanager
def _signals_held() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM wait: what is forked here begins with them held.

    A worker cannot do that for itself. torch starts threads in it before `_start_worker`, and a
    signal for the process ends it through any thread that does not hold it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _received(found: Iterator[Any], device: str) -> Iterator[Any]:
    for batch in found:
        if isinstance(batch, TrackerRosError):
            raise batch
        yield on_device(batch, device)


def on_device(batch: Any, device: str) -> Any:
    """The same batch with its tensors on a device: in tuples, lists and dicts, named or not."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: on_device(part, device) for key, part in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(on_device(part, device) for part in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(on_device(part, device) for part in batch)
    return batch


def _start_worker(number: int) -> None:
    """One thread to draw with; Ctrl-C and SIGTERM are for the process that trains.

    Whoever sends them to all processes, as a terminal and systemd do, wants a checkpoint: until
    that is written, and the process that trains ends its workers, these draw on. Every thread
    here holds both signals since it began: see `_signals_held`.
    """
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_when_told_by, args=(os.getppid(),), daemon=True).start()


def _end_when_told_by(parent: int) -> None:
    """By SIGTERM: where a run crashes, Python ends its processes so, and waits for them."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
