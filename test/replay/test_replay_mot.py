"""Detections of a bag get identities, in the time of the recording."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import (
    OTHER,
    crowd_bag,
    identify,
    record,
    shots,
)

from tracker_ros.bags.reader import open_bag
from tracker_ros.bags.types import own_topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.geometry import Box
from tracker_ros.mot.sort import SortTracker
from tracker_ros.replay.run import replay_bag
from tracker_ros.track import Track


def test_detections_get_identities_in_simulated_time(tmp_path: Path) -> None:
    result = replay_bag(identify(crowd_bag(tmp_path / "bag"), tmp_path / "out"))
    assert result.timeline.ids == ["m1", "m2"]
    assert len(result.timeline) == 60
    # An image waits for its detections, which were recorded 60 ms after its stamp.
    assert np.median(result.timeline.received - result.timeline.stamps) == 60_000_000


def test_images_without_detections_are_answered_when_their_wait_is_over(tmp_path: Path) -> None:
    bag = crowd_bag(tmp_path / "bag", missing=range(40, 60))
    result = replay_bag(identify(bag, tmp_path / "out"))
    waits = (result.timeline.received - result.timeline.stamps) / 1e9
    assert len(result.timeline) == 60
    assert waits[40:] == pytest.approx(0.255, abs=1e-3)  # recorded 5 ms late, detection_wait 0.25


def test_identities_are_the_same_however_slow_the_machine_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, a slow tracker leaves images out; here the recording waits for it."""
    bag = crowd_bag(tmp_path / "bag", late=200_000_000)
    digests = {replay_bag(identify(bag, tmp_path / str(n))).digest for n in range(2)}
    update = SortTracker.update

    def slow(*arguments: object) -> list[Track]:
        time.sleep(0.05)
        return update(*arguments)  # as it is, only later

    monkeypatch.setattr(SortTracker, "update", slow)
    assert digests == {replay_bag(identify(bag, tmp_path / "slow")).digest}


def test_a_message_from_before_the_clock_was_set_changes_nothing(tmp_path: Path) -> None:
    """A robot without a clock of its own records its first messages in 1970."""
    plain, early = crowd_bag(tmp_path / "plain"), tmp_path / "early"
    with open_bag(plain) as bag, BagWriter(early) as writer:
        for topic in (*bag.topics, own_topic(OTHER, "std_msgs/msg/String")):
            writer.add_topic(topic)
        writer.write(OTHER, 5, b"\0\1\0\0\1\0\0\0\0")
        for message in bag.messages():
            writer.write(message.topic, message.recorded_ns, message.data)
    digests = {replay_bag(identify(b, tmp_path / f"{b.name}_out")).digest for b in (plain, early)}
    assert len(digests) == 1


def test_an_image_from_before_the_clock_was_set_is_answered_too(tmp_path: Path) -> None:
    """All the others then lie decades after it, where a clock in seconds is coarse."""
    images = shots()
    images[0] = replace(images[0], recorded=5)
    still = [Box(20, 20, 40, 60)]
    found = [(shot.stamp, shot.stamp + 60_000_000, still) for shot in images[:40]]
    result = replay_bag(
        identify(record(tmp_path / "bag", images, detections=found), tmp_path / "o")
    )
    assert result.timeline.inputs.tolist() == list(range(60))
