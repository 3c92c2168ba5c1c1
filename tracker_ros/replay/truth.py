"""What `--gt FILE|TOPIC` names: the truth of a replay, from a text file or a topic of the bag."""

from __future__ import annotations

from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.replay import truth_files, truth_topics
from tracker_ros.replay.annotations import CrowdTruth, TargetTruth

Truth = TargetTruth | CrowdTruth


def load_truth(spec: str, kind: str, bag: Path) -> Truth:
    """The truth that `--gt FILE|TOPIC` names, for a replay of `kind` sot or mot of a bag.

    spec: a file; or a topic of the bag with vision_msgs/Detection2DArray, for sot with `#ID` after
    it where the arrays hold several boxes. Raises DataError naming the file, the line and the
    value, or the topic and the stamp.
    """
    path = Path(spec)
    topic, _, identity = spec.partition("#")
    topics = truth_topics.topics_of(bag)
    is_file, is_topic = path.is_file(), topic in topics
    if is_file and is_topic:
        raise DataError(
            f"--gt {spec} is both a file and a topic of {bag}; write ./{spec.lstrip('/')} for a "
            "file in this folder, or move it away"
        )
    if is_file:
        return truth_files.read_crowd(path) if kind == "mot" else truth_files.read_target(path)
    if not is_topic:
        arrays = [name for name, type in topics.items() if type == truth_topics.ARRAY]
        raise DataError(
            f"--gt {spec}: no such file, and no such topic in {bag}; its topics of "
            f"{truth_topics.ARRAY}: {', '.join(arrays) or 'none'}"
        )
    if kind == "mot":
        if identity:
            raise DataError(f"--gt {spec}: '#{identity}' chooses one target; mot needs all of them")
        return truth_topics.read_crowd(bag, topic, topics[topic])
    return truth_topics.read_target(bag, topic, topics[topic], identity)
