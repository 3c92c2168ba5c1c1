"""One run in a folder at a time: two would remove each other's checkpoints and mix their curves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracker_ros.engines.plan_lock import locked
from tracker_ros.errors import ModelError
from tracker_ros.training.distributed import is_main

PATIENCE = 12.0
"""Seconds. The processes that draw batches of a run that was killed notice it within 5, and hold
its lock until then."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Within it, no other run trains into that folder, which is there.

    Raises ModelError if one does, saying which process it is. On a file system that has no locks
    nothing is noticed. Of processes that train together the first speaks for all.
    """
    if not is_main():
        yield
        return

    told = False

    def wait(holder: str, seconds: float) -> None:
        nonlocal told
        if not told:
            words = f"{holder} trains into {folder}: waits {PATIENCE:g} s for its end"
            print(words, file=sys.stderr, flush=True)
            told = True
        if seconds >= PATIENCE:
            raise ModelError(
                f"{holder} trains into {folder} right now: wait until it ends, or give this run "
                "another --out"
            )

    with locked(folder / ".lock", wait):
        yield
