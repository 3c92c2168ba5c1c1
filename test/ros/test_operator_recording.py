"""The operator's page over real DDS: recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from harness import TRACKER_ROS, Peer, RosProcess
from operator_rig import box_list, film, place
from page_client import PageClient
from sensor_msgs.msg import CompressedImage
from sot_harness import (
    RELIABLE,
    Sot,
    compressed_message,
    image_message,
    scene,
    truth,
)

from tracker_ros.bags.reader import open_bag


def hears(sot: Sot, page: PageClient) -> bool:
    """Whether what the tracker says of an image, tracks and status, reaches the page's node."""
    film(sot, page, range(1))
    told = page.last("status", lambda told: told["of_image"])
    return told is not None and sot.ros.node.count_subscribers("/sot/tracks") == 2


def test_a_recording_holds_what_was_seen_and_done(
    sot: Sot, page: PageClient, recordings: Path
) -> None:
    page.wait_until(lambda: hears(sot, page), "the page's node to hear the tracker")
    assert page.ask("record", on=True)["ok"]
    assert not page.ask("record", on=True)["ok"], "one is going on"
    film(sot, page, range(1, 3))
    page.ask("set_target", **place(page), box=box_list(truth(2)))
    film(sot, page, range(3, 9))
    page.wait_for("recording", lambda told: told["on"] and told["megabytes"] > 5)
    stopped = page.ask("record", on=False)
    assert stopped["ok"] and stopped["message"].startswith("recorded "), stopped
    film(sot, page, range(9, 12))  # the page still sees the camera
    assert not page.ask("record", on=False)["ok"], "none is going on"
    (bag,) = recordings.glob("*.mcap")
    with open_bag(bag) as reader:
        counts = {topic.name: topic.count for topic in reader.topics}
    assert counts["/image"] == 8
    assert counts["/sot/tracks"] == 8 and counts["/sot/status"] >= 8
    assert counts["/operator/requests"] >= 2  # a box, and that a second recording was asked for


def test_what_nobody_looks_at_is_recorded_too(sot: Sot, page: PageClient, recordings: Path) -> None:
    before = set(recordings.glob("*.mcap"))
    page.say("watch", topic=None)
    sot.ros.wait_until(lambda: sot.camera.get_subscription_count() == 1, what="nobody's look")
    assert page.ask("record", on=True)["ok"]
    sot.ros.wait_until(lambda: sot.camera.get_subscription_count() == 2, what="the recorder")
    for index in range(4):
        sot.answer_to(sot.send(image_message(scene()[index].image, sot.next_stamp())))
    page.wait_for("recording", lambda told: told["megabytes"] > 3)
    assert page.ask("record", on=False)["ok"]
    (bag,) = set(recordings.glob("*.mcap")) - before
    with open_bag(bag) as reader:
        assert {topic.name: topic.count for topic in reader.topics}["/image"] == 4


def test_a_camera_that_is_compressed_alone_is_pointed_at_and_recorded(
    start_process: Callable[..., RosProcess], ros: Peer, tmp_path: Path
) -> None:
    """The node tracks on /front/image_raw, beside which alone images are published."""
    words = ["--ros-args", "-r", "image:=/front/image_raw", "-r"]
    tracker = start_process([*TRACKER_ROS, "sot", *words, "__node:=front", "-p", "threads:=1"])
    node = start_process(
        [*TRACKER_ROS, "operator", *words, "__node:=page", "-p", "port:=0", "-p", "sot:=front",
         "-p", f"record_folder:={tmp_path}"]
    )  # fmt: skip
    camera = ros.publisher(CompressedImage, "/front/image_raw/compressed", RELIABLE)
    port = int(node.wait_for(r"page: http://127\.0\.0\.1:(\d+)/")[1])
    tracker.wait_for("active: waiting", 40)
    page = PageClient(port)
    page.say("watch", topic=page.welcome["tracker_topic"])
    ros.wait_until(lambda: camera.get_subscription_count() == 2, what="both looks")
    _, jpeg = cv2.imencode(".jpg", scene()[0].image)
    stamp = 10**18

    def show() -> None:
        nonlocal stamp
        stamp += 33_333_333
        camera.publish(compressed_message(jpeg.tobytes(), "jpeg", stamp))

    show()
    page.wait_until(lambda: page.pictures, "a picture")
    assert page.ask("record", on=True)["ok"]
    place = {"topic": "/front/image_raw", "stamp": page.pictures[-1].head["stamp"]}
    answer = page.ask("set_target", **place, box=box_list(truth(0)))
    if "has not answered" in answer["message"]:  # DDS may lose the first answer of a new service
        answer = page.ask("set_target", **place, box=box_list(truth(0)))
    assert answer["ok"], answer
    show()
    page.wait_for("status", lambda told: told["targets"])
    assert page.ask("record", on=False)["ok"]
    (bag,) = tmp_path.glob("*.mcap")
    with open_bag(bag) as reader:
        counts = {topic.name: topic.count for topic in reader.topics}
    assert counts["/front/image_raw/compressed"] >= 1
    page.close()
