"""What a replay gives is what the live multi-object node says, field by field.

In a module of its own: another node that hears the camera would do for the wait for a subscriber.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mot_harness import Mot, array, item
from rclpy.serialization import serialize_message
from replayed import FRAMES, IMAGE, fields, record
from sot_harness import fresh, image_message, running, scene, truth

from tracker_ros.bags.reader import open_bag
from tracker_ros.geometry import Box
from tracker_ros.pipeline.messages import STATUS, TRACKS
from tracker_ros.replay.job import Job
from tracker_ros.replay.run import replay_bag


@pytest.fixture(scope="module")
def mot_process(ros_environment: dict[str, str]) -> Iterator[Mot]:
    yield from running(Mot, "-p", "tracker:=famnet", "-p", "threads:=1")


@pytest.fixture
def mot(mot_process: Mot) -> Iterator[Mot]:
    yield from fresh(mot_process)


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
        status = [fields(message.data, STATUS) for message in replayed.messages({"/mot/status"})]
    assert tracks == [fields(serialize_message(a.tracks), TRACKS) for a in answers]
    assert status == [fields(serialize_message(a.status), STATUS) for a in answers]
