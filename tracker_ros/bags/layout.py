"""Which files a bag consists of: those that metadata.yaml names, else those in the folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tracker_ros.bags import qos
from tracker_ros.bags.bag import Topic
from tracker_ros.errors import DataError

METADATA = "metadata.yaml"
SUFFIXES = (".mcap", ".db3")


@dataclass(frozen=True)
class Layout:
    """The files of a bag, in the order of recording."""

    files: tuple[Path, ...]
    topics: tuple[Topic, ...] = ()
    """As metadata.yaml has them, without counts: those without a message are only there."""
    notes: tuple[str, ...] = ()
    """What is missing, in words."""


def unreadable(path: Path, why: str) -> DataError:
    """The error for what is no bag."""
    return DataError(f"{path} cannot be read as a ROS 2 bag: {why}")


def ros1(path: Path) -> DataError:
    """The error for a bag of ROS 1."""
    return DataError(f"{path} is a ROS 1 bag; rosbags-convert makes a ROS 2 bag of it")


def without_mcap(path: Path) -> DataError:
    """The error for an mcap bag where the package mcap, or what it needs, is not installed."""
    return DataError(f"{path} is an mcap bag, which needs mcap: pip install 'mcap>=1.2'")


def layout_of(path: Path) -> Layout:
    """Find the files of a bag. Raises DataError when there are none."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; a bag is a folder, a .mcap or a .db3")
    if not path.is_dir():
        if path.suffix == ".bag":
            raise ros1(path)
        return Layout((path,))
    metadata = path / METADATA
    if not metadata.is_file():
        return Layout(_lying_in(path))
    try:
        listed, topics = _read(metadata)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        # written when the recorder ends: what is cut of it can be done without
        words = " ".join(str(error).split())
        return Layout(_lying_in(path), notes=(f"{METADATA} cannot be read ({words})",))
    files = [path / name for name in listed]
    notes = [f"{file.name}, which {METADATA} names, is missing" for file in files
             if not file.is_file()]  # fmt: skip
    for file in _after(path, listed):
        files.append(file)
        notes.append(f"{file.name} is not in {METADATA}: the recorder did not end well")
    present = tuple(file for file in files if file.is_file())
    if not present:
        raise unreadable(path, "; ".join(notes) or f"{METADATA} names no file")
    return Layout(present, topics, tuple(notes))


def merge_topics(topics: Iterable[Topic]) -> tuple[Topic, ...]:
    """Put those of the same name and type together, in the order in which they first come."""
    merged: dict[tuple[str, str], Topic] = {}
    for topic in topics:
        known = merged.get((topic.name, topic.type))
        merged[topic.name, topic.type] = joined(known, topic) if known else topic
    return tuple(merged.values())


def joined(known: Topic, topic: Topic) -> Topic:
    """The same topic, of two sources: the first has the word on what both say."""
    return replace(
        known,
        count=known.count + topic.count,
        definition=known.definition or topic.definition,
        encoding=known.encoding if known.definition else topic.encoding,
        digest=known.digest or topic.digest,
        qos=known.qos + tuple(profile for profile in topic.qos if profile not in known.qos),
    )


def _read(metadata: Path) -> tuple[list[str], tuple[Topic, ...]]:
    about: dict[str, Any] = yaml.safe_load(metadata.read_text())["rosbag2_bagfile_information"]
    # Only their names: older recorders put the folder before them, which may have been renamed.
    names = [Path(str(name)).name for name in about["relative_file_paths"]]
    topics = []
    for entry in about["topics_with_message_count"]:
        topic = entry["topic_metadata"]
        topics.append(
            Topic(
                str(topic["name"]),
                str(topic["type"]),
                digest=str(topic.get("type_description_hash") or ""),
                qos=qos.parse(topic.get("offered_qos_profiles")),
                serialization=str(topic.get("serialization_format") or "cdr"),
            )
        )
    return names, tuple(topics)


def _lying_in(folder: Path) -> tuple[Path, ...]:
    found = [path for path in folder.iterdir() if path.is_file() and _kind(path.name)]
    names = {path.name for path in found}
    # A recorder that compresses its files removes each when that is done.
    found = [path for path in found if path.suffix in SUFFIXES or path.stem not in names]
    kinds = {_kind(path.name) for path in found}
    if not found:
        raise unreadable(folder, f"it holds neither {METADATA} nor a .mcap or .db3 file")
    if len(kinds) > 1:
        raise unreadable(folder, f"it holds {' and '.join(sorted(kinds))} files; name one of them")
    return tuple(sorted(found, key=_by_number))


def _after(folder: Path, listed: list[str]) -> list[Path]:
    """Files that continue the numbers of those listed: recorded after metadata.yaml was written."""
    if not listed or not (last := _NUMBERED.fullmatch(listed[-1])):
        return []
    found = []
    for path in folder.iterdir():
        match = _NUMBERED.fullmatch(path.name)
        if match and match[1] == last[1] and match[3] == last[3] and int(match[2]) > int(last[2]):
            found.append(path)
    return sorted(found, key=_by_number)


_NUMBERED = re.compile(r"(.*_)(\d+)(\.(?:mcap|db3))(?:\.zstd|\.zst)?")


def _kind(name: str) -> str:
    match = re.search(r"(\.mcap|\.db3)(\.zstd|\.zst)?$", name)
    return match[1] if match else ""


def _by_number(path: Path) -> list[tuple[int, str]]:
    """So that drive_10 comes after drive_9."""
    words = re.split(r"(\d+)", path.name)
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words]
