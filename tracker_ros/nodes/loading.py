"""Loads a model on a thread of its own, and tells meanwhile how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tracker_ros.errors import ModelError
from tracker_ros.sot import LoadedModel, load_model


def load_with_progress(name: str, threads: int, tell: Callable[[str], None]) -> LoadedModel:
    """Load the model `name`, calling `tell` every second. Raises ModelError."""
    outcome: list[LoadedModel | Exception] = []

    def load() -> None:
        try:
            outcome.append(load_model(name, threads=threads))
        except Exception as error:  # raised again on the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=load, name="loading", daemon=True)
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
