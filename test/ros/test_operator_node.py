"""The operator's page between a camera, the node that tracks and somebody who points."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from harness import TRACKER_ROS, Peer, RosProcess
from page_client import PageClient
from sensor_msgs.msg import CompressedImage
from sot_harness import (
    BEST_EFFORT,
    GOOD_OVERLAP,
    RELIABLE,
    Sot,
    compressed_message,
    image_message,
    running_node,
    scene,
    truth,
)
from vision_msgs.msg import Detection2DArray

from tracker_ros.bags.reader import open_bag
from tracker_ros.geometry import Box
from tracker_ros.msg import OperatorRequest

Open = Callable[..., PageClient]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Sot]:
    yield from running_node("-p", "threads:=1")


@pytest.fixture(scope="module")
def page_node(process: Sot, recordings: Path) -> Iterator[tuple[RosProcess, int]]:
    """The node of the page, and its port."""
    words = ["-p", "port:=0", "-p", f"record_folder:={recordings}"]
    node = RosProcess([*TRACKER_ROS, "operator", "--ros-args", *words])
    try:
        yield node, int(node.wait_for(r"page: http://127\.0\.0\.1:(\d+)/")[1])
    finally:
        node.finish()


@pytest.fixture
def open_page(page_node: tuple[RosProcess, int]) -> Iterator[Open]:
    node, port = page_node
    opened: list[PageClient] = []

    def open_one(**options: Any) -> PageClient:
        opened.append(PageClient(port, **options))
        return opened[-1]

    yield open_one
    for page in opened:
        page.close()
    assert node.returncode is None and "Traceback" not in node.output, node.output


@pytest.fixture
def page(open_page: Open, sot: Sot) -> PageClient:
    """A page that watches the image that is tracked on."""
    one = open_page()
    one.say("watch", topic="/image")
    sot.ros.wait_until(lambda: sot.camera.get_subscription_count() == 2, what="the page's look")
    one.ask("follow", id="nobody")  # what was said before has been done when this is answered
    one.told.clear()
    return one


def film(sot: Sot, page: PageClient, frames: range) -> None:
    """Show frames of the scene one by one, each until it is tracked and on the page."""
    for index in frames:
        before = len(page.pictures)
        stamp = sot.send(image_message(scene()[index].image, sot.next_stamp()))
        sot.answer_to(stamp)
        page.wait_until(lambda: len(page.pictures) > before, "a picture")  # noqa: B023


def place(page: PageClient) -> dict[str, Any]:
    """What a request says of the picture that is on the screen."""
    return {"topic": "/image", "stamp": page.pictures[-1].head["stamp"]}


def box_list(box: Box) -> list[float]:
    return [box.x, box.y, box.w, box.h]


# --- pictures ------------------------------------------------------------------------------------


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


# --- pointing ------------------------------------------------------------------------------------


def test_a_box_is_followed_from_the_picture_that_it_was_drawn_on(
    sot: Sot, page: PageClient
) -> None:
    film(sot, page, range(1))
    drawn_on = place(page)
    film(sot, page, range(1, 12))  # the operator takes his time
    answer = page.ask("set_target", **drawn_on, box=box_list(truth(0)), label="buggy")
    assert answer["ok"] and "late" in answer["message"]
    film(sot, page, range(12, 20))
    page.wait_until(
        lambda: (page.last("status") or {}).get("stamp") == page.pictures[-1].head["stamp"],
        "the status of the last picture",
    )
    (target,) = page.wait_for("status")["targets"]
    assert target["label"] == "buggy" and target["state"] in ("TRACKING", "TENTATIVE")
    assert Box(*target["box"]).iou(truth(19)) > GOOD_OVERLAP
    assert page.welcome["timeline"]["seconds"] == 300


def test_a_page_that_is_opened_again_finds_the_states_of_before(
    sot: Sot, page: PageClient, open_page: Open
) -> None:
    film(sot, page, range(1))
    answer = page.ask("set_target", **place(page), box=box_list(truth(0)))
    film(sot, page, range(1, 8))
    page.wait_for("status", lambda told: told["targets"] and told["targets"][0]["age"] > 4)
    (number,) = re.findall(r"following (\S+?),?(?: |$)", answer["message"])
    again = open_page()
    states = {
        target["id"]: [state for _, state in target["changes"]]
        for target in again.welcome["timeline"]["targets"]
    }
    assert states[number][0] == "TENTATIVE" and "TRACKING" in states[number]
    assert again.welcome["status"]["targets"][0]["id"] == number


@pytest.mark.parametrize(
    ("box", "reason"),
    [([0, 0, 0, 0], "2"), ([900, 900, 50, 50], "image"), ([10, 10, 1, 30], "2")],
)
def test_what_the_tracker_refuses_is_told_in_its_words(
    sot: Sot, page: PageClient, box: list[float], reason: str
) -> None:
    film(sot, page, range(1))
    answer = page.ask("set_target", **place(page), box=box)
    assert not answer["ok"] and reason in answer["message"]
    late = page.ask("set_target", topic="/image", stamp="5", box=[10, 10, 50, 50])
    assert not late["ok"] and "history" in late["message"]


def test_identities_and_places_are_followed_and_everything_can_be_ended(
    sot: Sot, page: PageClient
) -> None:
    from mot_harness import array, item

    others = sot.ros.publisher(Detection2DArray, "/mot/tracks", RELIABLE)
    detector = sot.ros.publisher(Detection2DArray, "/detections", RELIABLE)
    sot.ros.wait_until(lambda: others.get_subscription_count() == 1, what="the page's ear")
    sot.ros.wait_until(lambda: detector.get_subscription_count() == 2, what="both ears")
    film(sot, page, range(1))
    stamp = page.pictures[-1].stamp
    seen = array(stamp, [item(truth(0), id="m7")])
    others.publish(seen)
    detector.publish(seen)
    told = page.wait_for("boxes", lambda one: one["source"] == "identities")
    (box,) = told["boxes"]
    assert box["id"] == "m7" and Box(*box["box"]).iou(truth(0)) > 0.99
    assert told["stamp"] == str(stamp)
    answer = page.ask("follow", id="m7")
    assert answer["ok"], answer
    film(sot, page, range(1, 4))
    page.wait_for("status", lambda one: one["targets"] and one["targets"][0]["id"] == "m7")
    assert page.ask("clear")["message"] == "ended m7"
    clicked = page.ask("click", **place(page), x=truth(3).cx, y=truth(3).cy)
    assert clicked["ok"]

    def is_followed() -> bool:  # what was clicked on is looked for beside the images
        film(sot, page, range(4, 5))
        status = page.last("status")
        return bool(status and status["targets"] and status["targets"][0]["id"] != "m7")

    page.wait_until(is_followed, "the target that was clicked on")


def test_tracking_is_paused_and_another_tracker_is_chosen(sot: Sot, page: PageClient) -> None:
    assert page.ask("enable", on=False)["ok"]
    page.wait_for("health", lambda told: "disabled" in str(told["items"]), timeout=5)
    assert page.ask("enable", on=True)["ok"]
    unknown = page.ask("tracker", name="kcf")
    assert not unknown["ok"] and "kcf" in unknown["message"]
    assert page.ask("tracker", name="siamfc")["ok"]
    sot.ros.wait_until(lambda: sot.parameter("tracker") == "siamfc", what="the parameter")
    film(sot, page, range(2))
    page.wait_until(
        lambda: film(sot, page, range(1)) or (page.last("status") or {})["tracker"] == "siamfc",
        "siamfc to have taken over",
        30,
    )
    assert page.ask("tracker", name="siamrpnpp")["ok"]


def test_every_request_is_published_with_what_came_of_it(sot: Sot, page: PageClient) -> None:
    requests: list[Any] = sot.ros.collect(OperatorRequest, "/operator/requests", RELIABLE)
    sot.ros.wait_until(
        lambda: sot.ros.node.count_publishers("/operator/requests") == 1, what="the topic"
    )
    film(sot, page, range(1))
    page.ask("set_target", **place(page), box=box_list(truth(0)), label="buggy")
    page.ask("follow", id="nobody")
    sot.ros.wait_until(lambda: len(requests) >= 2, what="two requests")
    target, follow = requests[-2:]
    assert (target.kind, target.success, target.label) == ("set_target", True, "buggy")
    stamp = target.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == page.pictures[-1].stamp
    assert target.bbox.size_x == pytest.approx(truth(0).w)
    assert (follow.kind, follow.success, follow.id) == ("follow", False, "nobody")
    assert "no detections came" in follow.message


# --- recording -----------------------------------------------------------------------------------


def test_a_recording_holds_what_was_seen_and_done(
    sot: Sot, page: PageClient, recordings: Path
) -> None:
    film(sot, page, range(1))
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
    answer = page.ask("set_target", topic="/front/image_raw",
                      stamp=page.pictures[-1].head["stamp"], box=box_list(truth(0)))  # fmt: skip
    assert answer["ok"], answer
    show()
    page.wait_for("status", lambda told: told["targets"])
    assert page.ask("record", on=False)["ok"]
    (bag,) = tmp_path.glob("*.mcap")
    with open_bag(bag) as reader:
        counts = {topic.name: topic.count for topic in reader.topics}
    assert counts["/front/image_raw/compressed"] >= 1
    page.close()


def test_the_button_knows_at_once_that_tracking_is_paused(sot: Sot, page: PageClient) -> None:
    film(sot, page, range(1))
    page.wait_for("status")
    assert page.ask("enable", on=False)["ok"]
    page.wait_for("status", lambda told: not told["enabled"], timeout=0.5)
    assert page.ask("enable", on=True)["ok"]


# --- what must not happen ------------------------------------------------------------------------


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
