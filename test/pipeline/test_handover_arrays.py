"""What is kept of another node's arrays, to take identities over: recent and bounded."""

from __future__ import annotations

from time import perf_counter

import pytest
from detection_arrays import Item, array_of

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.handover import KEPT_ARRAYS, KEPT_BYTES, KEPT_SECONDS, RecentArrays
from tracker_ros.pipeline.images import Stamped
from tracker_ros.pipeline.requests import Identities

BOX = Box(10, 20, 30, 40)


class Rig:
    def __init__(self) -> None:
        self.history = FrameHistory(60, 1 << 30)
        self.recent = RecentArrays("/mot/tracks")

    def image(self, second: int) -> None:
        self.history.add(Frame(b"", Stamped(second, 0, "camera"), False, 0.0))

    def array(self, second: int, *items: Item, ago: float = 0.0) -> None:
        received = perf_counter() - ago
        self.recent.add(array_of(items, ns=second * 10**9, received=received))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_the_newest_box_whose_image_is_in_the_history_is_taken(rig: Rig) -> None:
    for second in (1, 2):
        rig.image(second)
    rig.array(1, Item(Box(0, 0, 5, 5), id="m1"))
    rig.array(2, Item(BOX, [("dog", 0.5)], "m1"), Item(BOX, id="m2"))
    rig.array(3, Item(Box(7, 7, 5, 5), id="m1"))  # this node has not got that image
    request = rig.recent.request("m1", rig.history)
    assert (request.box, request.stamp, request.id) == (BOX, 2 * 10**9, "m1")
    assert request.label == "dog"
    assert request.handed_over


def test_an_id_within_another_s_name_is_not_that_id(rig: Rig) -> None:
    rig.image(1)
    rig.array(1, Item(BOX, id="m12"))
    with pytest.raises(TargetError, match=r"'m1' is in none of the 1 arrays .* newest are m12"):
        rig.recent.request("m1", rig.history)


def test_of_many_identities_a_refusal_names_only_some(rig: Rig) -> None:
    rig.array(1, *(Item(BOX, id=f"m{index}") for index in range(200)))
    with pytest.raises(TargetError, match=r"and 190 more$"):
        rig.recent.request("x", rig.history)


def test_arrays_that_came_long_ago_are_forgotten(rig: Rig) -> None:
    rig.image(1)
    rig.array(1, Item(BOX, id="m1"), ago=KEPT_SECONDS + 0.5)
    with pytest.raises(TargetError, match="no detections came on /mot/tracks"):
        rig.recent.request("m1", rig.history)


def test_before_any_image_a_named_identity_is_refused(rig: Rig) -> None:
    rig.array(1, Item(BOX, id="m1"))
    with pytest.raises(TargetError, match="no image has come yet"):
        rig.recent.request("m1", rig.history)


def test_a_turned_box_is_refused_naming_the_angle(rig: Rig) -> None:
    rig.image(1)
    rig.array(1, Item(BOX, id="m1", theta=0.5))
    with pytest.raises(TargetError, match=r"theta=0\.5"):
        rig.recent.request("m1", rig.history)


def test_what_is_kept_is_bounded_in_number_and_in_bytes(rig: Rig) -> None:
    for second in range(KEPT_ARRAYS + 5):
        rig.array(second, Item(BOX, id=f"m{second}"))
    with pytest.raises(TargetError, match=f"none of the {KEPT_ARRAYS} arrays"):
        rig.recent.request("m0", rig.history)
    crowd = array_of([Item(BOX, id="x")] * 5000, received=perf_counter())
    for _ in range(2 * KEPT_BYTES // len(crowd.raw)):
        rig.recent.add(crowd)
    with pytest.raises(TargetError) as refusal:
        rig.recent.request("m", rig.history)
    kept = int(str(refusal.value).split("none of the ")[1].split()[0])
    assert kept * len(crowd.raw) <= KEPT_BYTES


# --- whose id is it? -----------------------------------------------------------------------------


def test_an_id_that_was_taken_over_may_come_again_and_is_never_given_by_the_node() -> None:
    identities = Identities()
    identities.take_over("1")
    identities.take_over("1")
    assert identities.claim("") == "2"
    with pytest.raises(TargetError, match="handed over"):
        identities.claim("1")


def test_an_id_of_the_node_s_own_is_not_taken_over() -> None:
    identities = Identities()
    identities.claim("car")
    with pytest.raises(TargetError, match="'car' is this node's own"):
        identities.take_over("car")
