"""Writes a file so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tracker_ros.errors import DataError


def write_whole_file(path: Path, data: bytes | str, what: str) -> None:
    """Write a file under a hidden name beside the final one, and rename it.

    what: for the error, as in "the report". A surrogate in a text, as odd file names bring them,
    becomes a question mark. Raises DataError when it cannot be written; then nothing new is there.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", errors="replace")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # some file systems tell only now that the disk is full
            os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"{what} {path} cannot be written: {error.strerror or error}") from None
