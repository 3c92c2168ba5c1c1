"""What a replay gives is what the live node says: the same messages, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mot_harness import Mot, array, item
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Writer
from sot_harness import Sot, fresh, image_message, nanoseconds, running, scene, truth

from tracker_ros.bags.reader import open_bag
from tracker_ros.bags.types import store
from tracker_ros.geometry import Box
from tracker_ros.pipeline.messages import STATUS, TRACKS
from tracker_ros.replay.job import Job, Wish
from tracker_ros.replay.run import replay_bag

FRAMES = range(40)
IMAGE = "sensor_msgs/msg/Image"
CLOCKED = (
    "decode_time", "preprocess_time", "inference_time", "postprocess_time", "publish_time",
    "frame_age", "image_latency",
)  # fmt: skip


@pytest.fixture(scope="module")
def mot_process(ros_environment: dict[str, str]) -> Iterator[Mot]:
    yield from running(Mot, "-p", "tracker:=famnet", "-p", "threads:=1")


@pytest.fixture
def mot(mot_process: Mot) -> Iterator[Mot]:
    yield from fresh(mot_process)


def record(folder: Path, messages: Sequence[tuple[str, Any]]) -> Path:
    """Write messages of a kind in their order, each at its own stamp."""
    names = {IMAGE: "/image", TRACKS: "/detections"}
    with Writer(folder, version=9) as writer:
        to = {
            kind: writer.add_connection(names[kind], kind, typestore=store())
            for kind in dict.fromkeys(kind for kind, _ in messages)
        }
        for kind, message in messages:
            at = nanoseconds(message.header.stamp)
            writer.write(to[kind], at, serialize_message(message))
    return folder


def fields(data: bytes, kind: str) -> Any:
    """A message as it was serialized; what a clock measured is left out."""
    message = store().deserialize_cdr(data, kind)
    for name in CLOCKED if kind == STATUS else ():
        setattr(message, name, 0.0)
    # Serialized anew: the padding between fields is whatever lay there.
    return bytes(store().serialize_cdr(message, kind))


def test_tracks_and_states_are_those_of_the_live_node(sot: Sot, tmp_path: Path) -> None:
    images = [image_message(scene()[index].image, sot.next_stamp()) for index in FRAMES]
    answers = [sot.answer_to(sot.send(images[0]))]
    assert sot.set_target(truth(0), nanoseconds(images[0].header.stamp)).success
    answers += [sot.answer_to(sot.send(image)) for image in images[1:]]

    bag = record(tmp_path / "bag", [(IMAGE, image) for image in images])
    wish = Wish("the target", truth(0), None, False)
    result = replay_bag(Job(bag=bag, out=tmp_path / "out", kind="sot", wishes=(wish,)))
    assert result.received == len(images)
    with open_bag(tmp_path / "out" / "bag") as replayed:
        tracks = [fields(message.data, TRACKS) for message in replayed.messages({"/sot/tracks"})]
        status = [fields(message.data, STATUS) for message in replayed.messages({"/sot/status"})]
    assert tracks == [fields(serialize_message(a.tracks), TRACKS) for a in answers]
    assert status == [fields(serialize_message(a.status), STATUS) for a in answers]


def test_identities_are_those_of_the_live_node(mot: Mot, tmp_path: Path) -> None:
    """With the network that looks at the pictures; now and then the detector misses the target."""
    sent: list[tuple[str, Any]] = []
    answers = []
    for index in FRAMES:
        stamp = mot.next_stamp()
        image = image_message(scene()[index].image, stamp)
        boxes = [] if index in (12, 13, 25) else [truth(index)]
        found = array(stamp, [item(box) for box in [*boxes, Box(500, 40, 60, 90)]])
        assert mot.detector is not None  # matched before the image waits for its detections
        mot.send(image)
        mot.detector.publish(found)
        answers.append(mot.answer_to(stamp))
        sent += [(IMAGE, image), (TRACKS, found)]

    job = Job(
        bag=record(tmp_path / "bag", sent), out=tmp_path / "out", kind="mot",
        detections="/detections", settings={"threads": 1},
    )  # fmt: skip
    result = replay_bag(job)
    assert len(result.timeline) == len(FRAMES) and len(result.timeline.ids) >= 2
    with open_bag(tmp_path / "out" / "bag") as replayed:
        tracks = [fields(message.data, TRACKS) for message in replayed.messages({"/mot/tracks"})]
    assert tracks == [fields(serialize_message(a.tracks), TRACKS) for a in answers]
