"""The folder of a replay's results: what is in it is removed only where a replay has left it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from tracker_ros.errors import DataError
from tracker_ros.replay.whole_file import write_whole_file

REPORT, RESULT, BAG, TRACKS, MOT_TEXT = "report.html", "result.json", "bag", "tracks.csv", "mot.txt"
OUTPUTS = (BAG, TRACKS, MOT_TEXT, REPORT, RESULT)
MARK = ".tracker_ros_replay"
"""Names what a replay has written, or is about to."""
STAGE = ".results.partial"
WRITTEN_BY = "tracker_ros replay"
"""In the metadata of a bag."""


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A hidden folder to write into; when this ends well, it takes the place of what was in `out`.

    Else what a replay before has left stays as it is. Raises DataError where something that no
    replay has left has one of our names, another replay writes there, or nothing can be written.
    """
    _require_free(out, OUTPUTS)
    try:
        made = not out.exists()
        new = out / STAGE
        new.mkdir(parents=True, exist_ok=True)
        lock = os.open(new, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"--out {out} is being written by another replay") from None
        try:
            for left in new.iterdir():  # by one that was killed
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield new
            _swap(new, out)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            with suppress(OSError):
                if made:
                    out.rmdir()  # where it is empty
    finally:
        os.close(lock)


def _swap(new: Path, out: Path) -> None:
    """Remove what a replay before has left, and put the new results there."""
    files = [path.relative_to(new) for path in sorted(new.rglob("*")) if path.is_file()]
    names = list(dict.fromkeys(BAG if f.parts[0] == BAG else str(f) for f in files))
    _require_free(out, names)
    try:
        for name in sorted(_marked(out), key=lambda name: name != RESULT):  # that says it is done
            if name == BAG and _is_ours(out / name):
                shutil.rmtree(out / name)
            elif (out / name).is_file():
                (out / name).unlink()
        write_whole_file(out / MARK, json.dumps(names) + "\n", "the list of results")
        for name in sorted(names, key=lambda name: name == RESULT):
            (out / name).parent.mkdir(exist_ok=True)
            (new / name).rename(out / name)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}") from None


def _require_free(out: Path, names: Iterable[str]) -> None:
    """Raise DataError where one of the names is taken by what no replay has left."""
    marked = _marked(out)
    for name in names:
        path = out / name
        if path.exists() and (name not in marked or (name == BAG and not _is_ours(path))):
            raise DataError(
                f"--out {out} holds {name}, which no replay has left there; name another folder"
            )


def unfinish(out: Path) -> None:
    """Take away the result of a replay before; where none is ours, nothing happens."""
    if RESULT in _marked(out):
        (out / RESULT).unlink(missing_ok=True)


def _marked(out: Path) -> list[str]:
    """What a replay has left in the folder."""
    try:
        names = json.loads((out / MARK).read_text())
    except (OSError, ValueError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _is_ours(bag: Path) -> bool:
    """Whether a replay wrote that bag: people record bags of that name, too."""
    try:
        document = yaml.safe_load((bag / "metadata.yaml").read_text())
        about = document["rosbag2_bagfile_information"]["custom_data"]
        return bool(about["written_by"] == WRITTEN_BY)
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return False
