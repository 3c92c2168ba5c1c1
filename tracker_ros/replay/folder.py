"""The folder of a replay's results: what is in it is removed only where a replay has left it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from tracker_ros.errors import DataError
from tracker_ros.replay.whole_file import write_whole_file

REPORT, RESULT, BAG, TRACKS, MOT_TEXT = "report.html", "result.json", "bag", "tracks.csv", "mot.txt"
OUTPUTS = (BAG, TRACKS, MOT_TEXT, REPORT, RESULT)
MARK = ".tracker_ros_replay"
"""Names what a replay has written, or is about to."""
WRITTEN_BY = "tracker_ros replay"
"""In the metadata of a bag."""


def claim(out: Path) -> None:
    """Make the folder, or empty it of what a replay before has left.

    Raises DataError where something else has one of our names, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = _marked(out)
        for name in sorted(before, key=lambda name: name != RESULT):  # that says it is finished
            path = out / name
            if name == BAG and path.exists():
                if _is_ours(path):
                    shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}") from None
    expect(out, OUTPUTS)


def expect(out: Path, names: Sequence[str]) -> None:
    """Say that these files are about to be written. Raises DataError where one is there already."""
    marked = _marked(out)
    for name in names:
        if (out / name).exists() and (name not in marked or name == BAG):
            raise DataError(
                f"--out {out} holds {name}, which no replay has left there; name another folder"
            )
    text = json.dumps(list(dict.fromkeys((*marked, *names)))) + "\n"
    write_whole_file(out / MARK, text, "the list of results")


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
