"""What `--gt FILE|TOPIC` names: the truth of a replay, from a text file or a topic of the bag."""

from __future__ import annotations

from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.replay import truth_files, truth_topics
from tracker_ros.replay.annotations import CrowdTruth, TargetTruth

Truth = TargetTruth | CrowdTruth
_SHOWN = 200
"""Characters of a name that is none, in an error."""


def load_truth(spec: str, kind: str, bag: Path) -> Truth:
    """The truth that `--gt FILE|TOPIC` names, for a replay of `kind` sot or mot of a bag.

    spec: a file, or a pipe, which is read once; or a topic of the bag with
    vision_msgs/Detection2DArray, for sot with `#ID` after it where the arrays hold several boxes.
    Raises DataError naming the file, the line and the value, or the topic and the stamp.
    """
    path, why = _look_for(spec)
    topic, _, identity = spec.partition("#")
    topics = truth_topics.topics_of(bag)
    if path is not None and topic in topics:
        raise DataError(
            f"--gt {spec} is both a file and a topic of {bag}; write ./{spec.lstrip('/')} for a "
            "file in this folder, or move it away"
        )
    if path is not None:
        return truth_files.read_crowd(path) if kind == "mot" else truth_files.read_target(path)
    if topic not in topics:
        arrays = [name for name, types in topics.items() if truth_topics.ARRAY in types]
        named = spec if len(spec) <= _SHOWN else f"{spec[:_SHOWN]}..."
        raise DataError(
            f"--gt {named}: no such file{why}, and no such topic in {bag}; its topics of "
            f"{truth_topics.ARRAY}: {', '.join(arrays) or 'none'}"
        )
    if truth_topics.ARRAY not in topics[topic]:
        raise DataError(
            f"--gt {topic} is a topic of {', '.join(topics[topic])}; expected {truth_topics.ARRAY}"
        )
    if kind == "mot":
        if identity:
            raise DataError(f"--gt {spec}: '#{identity}' chooses one target; mot needs all of them")
        return truth_topics.read_crowd(bag, topic)
    return truth_topics.read_target(bag, topic, identity)


def truth_file(spec: str) -> Path | None:
    """The file or pipe that `--gt` names; None where there is none: then it may be a topic."""
    return _look_for(spec)[0]


def _look_for(spec: str) -> tuple[Path | None, str]:
    """The file, and why there is none where that is not plain."""
    path = Path(spec)
    try:
        if path.is_dir():
            return None, " (it is a folder)"
        return (path if path.exists() else None), ""
    except OSError as error:  # a name that is too long, a folder that may not be read
        return None, f" ({error.strerror})"
