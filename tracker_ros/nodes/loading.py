"""Loads a model on a thread of its own, and tells meanwhile how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tracker_ros.errors import ModelError

T = TypeVar("T")


def load_with_progress(name: str, load: Callable[[], T], tell: Callable[[str], None]) -> T:
    """Load the model `name`, calling `tell` every second. Raises ModelError."""
    outcome: list[T | Exception] = []

    def run() -> None:
        try:
            outcome.append(load())
        except Exception as error:  # raised again on the caller's thread
            outcome.append(error)

    # Not a daemon: an interpreter that ends under a library that is loading aborts.
    thread = threading.Thread(target=run, name="loading")
    start = time.monotonic()
    thread.start()
    while thread.is_alive():
        thread.join(1.0)
        if thread.is_alive():
            tell(f"loading {name} for {time.monotonic() - start:.0f} s")
    loaded = outcome[0]
    if isinstance(loaded, ModelError):
        raise loaded
    if isinstance(loaded, Exception):
        raise ModelError(f"model '{name}' cannot be loaded: {loaded}") from loaded
    return loaded
