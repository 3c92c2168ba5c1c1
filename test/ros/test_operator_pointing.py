"""The operator's page over real DDS: pointing at targets, pausing, another tracker."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from operator_rig import Open, box_list, film, place
from page_client import PageClient
from sot_harness import (
    GOOD_OVERLAP,
    RELIABLE,
    Sot,
    truth,
)
from vision_msgs.msg import Detection2DArray

from tracker_ros.geometry import Box
from tracker_ros.msg import OperatorRequest


def test_a_box_is_followed_from_the_picture_that_it_was_drawn_on(
    sot: Sot, page: PageClient
) -> None:
    film(sot, page, range(1))
    drawn_on = place(page)
    film(sot, page, range(1, 12))  # the operator takes his time
    answer = page.ask("set_target", **drawn_on, box=box_list(truth(0)), label="buggy")
    assert answer["ok"] and "late" in answer["message"], answer
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
    assert answer["ok"], answer
    film(sot, page, range(1, 8))
    page.wait_for("status", lambda told: told["targets"] and told["targets"][0]["age"] > 4)
    number = answer["target"]
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


def test_the_button_knows_at_once_that_tracking_is_paused(sot: Sot, page: PageClient) -> None:
    film(sot, page, range(1))
    page.wait_for("status")
    assert page.ask("enable", on=False)["ok"]
    page.wait_for("status", lambda told: not told["enabled"])
    clicked = page.ask("click", **place(page), x=5, y=5)
    assert not clicked["ok"] and "paused" in clicked["message"]
    waits = []
    for on in (True, False, True, False, True):
        page.told.clear()
        assert page.ask("enable", on=on)["ok"]
        began = time.monotonic()
        page.wait_for("status", lambda told, on=on: told["enabled"] == on)
        waits.append(time.monotonic() - began)
    assert statistics.median(waits) < 0.5, "it waits for what is told once a second"
