"""What a replay gives is what the live node says: the same messages, field by field."""

from __future__ import annotations

from pathlib import Path

from rclpy.serialization import serialize_message
from replayed import FRAMES, IMAGE, fields, record
from sot_harness import Sot, image_message, nanoseconds, scene, truth

from tracker_ros.bags.reader import open_bag
from tracker_ros.pipeline.messages import STATUS, TRACKS
from tracker_ros.replay.job import Job, Wish
from tracker_ros.replay.run import replay_bag


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
