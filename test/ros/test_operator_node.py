"""The operator's page over real DDS: pictures, and what must not happen."""

from __future__ import annotations

import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from harness import TRACKER_ROS, Peer, RosProcess
from operator_rig import Open, box_list, film, place
from page_client import PageClient
from sensor_msgs.msg import CompressedImage
from sot_harness import (
    BEST_EFFORT,
    Sot,
    compressed_message,
    image_message,
    scene,
    truth,
)


def test_a_picture_has_the_stamp_and_the_pixels_of_its_image(sot: Sot, page: PageClient) -> None:
    stamp = sot.send(image_message(scene()[3].image, sot.next_stamp()))
    page.wait_until(lambda: page.pictures, "a picture")
    shown = page.pictures[-1]
    assert shown.stamp == stamp
    assert shown.head["age"] is None, "these stamps are of no clock of today"
    image = cv2.imdecode(np.frombuffer(shown.data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(np.asarray(image).astype(int) - scene()[3].image).mean() < 4


def test_images_are_subscribed_to_only_while_somebody_looks(sot: Sot, open_page: Open) -> None:
    count = sot.camera.get_subscription_count

    def settles_at(number: int) -> None:
        sot.ros.wait_until(lambda: count() == number, what=f"{number} subscribers, not {count()}")

    settles_at(1)
    first, second = open_page(), open_page()
    assert first.welcome["tracker_topic"] == "/image"
    for page in (first, second):
        page.say("watch", topic="/image")
    settles_at(2)
    first.say("watch", topic=None)
    second.close()
    settles_at(1)


def test_topics_that_come_later_are_named_and_compressed_ones_go_through_untouched(
    sot: Sot, open_page: Open
) -> None:
    camera = sot.ros.publisher(CompressedImage, "/rear/image_raw/compressed", BEST_EFFORT)
    page = open_page()
    named = page.wait_for("topics", lambda told: len(told["topics"]) > 1)
    kinds = {topic["name"]: topic["kind"] for topic in named["topics"]}
    assert kinds["/rear/image_raw"] == "CompressedImage" and kinds["/image"] == "Image"
    assert not any(name.endswith("/compressed") for name in kinds)
    page.say("watch", topic="/rear/image_raw")
    sot.ros.wait_for_subscriber(camera)
    _, jpeg = cv2.imencode(".jpg", scene()[0].image)
    camera.publish(compressed_message(jpeg.tobytes(), "jpeg", sot.next_stamp()))
    page.wait_until(lambda: page.pictures, "a picture")
    assert page.pictures[-1].data == jpeg.tobytes()
    refused = page.ask(
        "set_target", topic="/rear/image_raw",
        stamp=page.pictures[-1].head["stamp"], box=[10, 10, 50, 50],
    )  # fmt: skip
    assert not refused["ok"] and "tracks on /image" in refused["message"]


def test_what_cannot_be_shown_is_told(sot: Sot, page: PageClient) -> None:
    sot.camera.publish(image_message(scene()[0].image, sot.next_stamp(), "nonsense"))
    told = page.wait_for("camera", lambda one: "nonsense" in one["message"])
    assert "encoding 'nonsense' is not known" in told["message"]


def test_a_camera_that_goes_is_told_with_the_seconds_since(sot: Sot, page: PageClient) -> None:
    film(sot, page, range(1))
    sot.remove_camera()
    page.wait_for("camera", lambda told: re.search("no image for [2-9] s", told["message"]))
    assert page.wait_for("camera", lambda told: told["gone"])["received"] > 2


def test_without_a_node_that_tracks_requests_are_refused_in_words(
    start_process: Callable[..., RosProcess], ros: Peer
) -> None:
    node = start_process(
        [*TRACKER_ROS, "operator", "--ros-args", "-p", "port:=0", "-p", "sot:=other", "-r",
         "__node:=lonely", "-r", "image:=/rear"]
    )  # fmt: skip
    port = int(node.wait_for(r"page: http://127\.0\.0\.1:(\d+)/")[1])
    page = PageClient(port)
    answer = page.ask("clear")
    assert not answer["ok"] and "is the node 'other' running?" in answer["message"]
    page.say("watch", topic="/nothing")
    page.wait_for("trouble", lambda told: "no image topic /nothing" in told["message"])
    page.say("watch", topic="/rear")
    page.wait_for("camera", lambda told: told["message"] == "nobody publishes images on /rear")
    refused = page.ask("record", on=True)
    assert not refused["ok"] and "nobody publishes images on /rear" in refused["message"]
    page.close()


def test_on_a_network_it_wants_the_token_that_the_log_shows(
    start_process: Callable[..., RosProcess],
) -> None:
    node = start_process(
        [*TRACKER_ROS, "operator", "--ros-args", "-p", "port:=0", "-p", "address:=0.0.0.0", "-r",
         "__node:=open"]
    )  # fmt: skip
    match = node.wait_for(r"page: http://0\.0\.0\.0:(\d+)/#(\S+)")
    page = PageClient(int(match[1]), match[2])
    assert page.welcome["node"] == "/open"
    page.close()


def test_an_address_or_a_port_that_cannot_be_is_named(
    start_process: Callable[..., RosProcess], page_node: tuple[RosProcess, int]
) -> None:
    node = start_process(
        [*TRACKER_ROS, "operator", "--ros-args", "-p", f"port:={page_node[1]}", "-r", "__node:=two"]
    )
    assert node.wait_exit(20) == 1
    assert "cannot start: cannot listen on 127.0.0.1" in node.output
    assert "Traceback" not in node.output


def test_pages_that_misbehave_do_not_disturb_the_others_or_the_tracker(
    sot: Sot, page: PageClient, open_page: Open
) -> None:
    film(sot, page, range(1))
    page.ask("set_target", **place(page), box=box_list(truth(0)))
    for text in ("shutdown", "hello"):
        bad = open_page(shows=False)
        bad.say(text)
        bad.wait_for("bye")
    deaf = open_page(shows=False)
    deaf.say("watch", topic="/image")
    film(sot, page, range(1, 15))
    assert len(deaf.pictures) <= 2
    (target,) = page.wait_for("status", lambda told: told["targets"])["targets"]
    assert target["state"] != "LOST"
