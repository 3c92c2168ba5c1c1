"""What a click on an image means: a detection under the point, or what the picture shows there."""

from __future__ import annotations

import math
from time import perf_counter

import pytest
from detection_arrays import Item, array_of
from patch_scene import scene
from sot_rig import BOX, PERIOD, frame
from sot_rig import Rig as SotRig

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.click import AHEAD, Click, find_clicked
from tracker_ros.pipeline.frames import FrameHistory
from tracker_ros.pipeline.handover import RecentArrays
from tracker_ros.pipeline.requests import TargetRequest
from tracker_ros.sot import LoadedModel, load_model
from tracker_ros.sot.proposal import propose

USUAL = 0.2
X, Y = BOX.cx, BOX.cy


def stamp(number: int) -> int:
    return 10**9 + number * PERIOD


class Rig:
    """Ten images with a patch at BOX, and a detector's arrays."""

    def __init__(self) -> None:
        self.history = FrameHistory(60, 1 << 30)
        self.recent = RecentArrays("/detections")
        for number in range(10):
            self.history.add(frame(number, scene(200, 150)))

    def detect(self, number: int, *items: Item, off: int = 0) -> None:
        """Give the detections of image `number`, stamped `off` nanoseconds beside it."""
        array = array_of(items, ns=stamp(number) + off, received=perf_counter())
        self.recent.add(array)

    def click(self, x: float, y: float, ns: int = 0, frame_id: str = "") -> TargetRequest:
        clicked = find_clicked(Click(x, y, ns, frame_id), self.history, self.recent)
        return clicked.request(USUAL)[0]


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model("siamrpnpp", threads=1)


def test_without_detections_a_box_is_proposed_on_the_image_that_was_clicked_on(rig: Rig) -> None:
    request = rig.click(X, Y, stamp(4))
    assert request.stamp == stamp(4)
    assert request.box == propose(scene(200, 150), X, Y, USUAL).box
    assert (request.id, request.handed_over) == ("", False)


def test_without_a_stamp_it_is_the_newest_image(rig: Rig) -> None:
    assert rig.click(X, Y).stamp == stamp(9)


def test_the_smallest_detection_under_the_point_is_taken_with_its_identity(rig: Rig) -> None:
    rig.detect(
        4,
        Item(Box(0, 0, 640, 480), [("room", 0.9)], "m1"),
        Item(Box(190, 140, 80, 70), [("patch", 0.5)], "m2"),
        Item(Box(400, 300, 20, 20), id="m3"),
    )
    request = rig.click(X, Y, stamp(4))
    assert (request.box, request.stamp) == (Box(190, 140, 80, 70), stamp(4))
    assert (request.id, request.label, request.handed_over) == ("m2", "patch", True)


def test_a_detection_without_identity_gets_one_from_the_node(rig: Rig) -> None:
    rig.detect(4, Item(Box(190, 140, 80, 70), [("patch", 0.5)]))
    request = rig.click(X, Y, stamp(4))
    assert request.box == Box(190, 140, 80, 70)
    assert (request.id, request.label, request.handed_over) == ("", "patch", False)


def test_detections_stamped_within_half_a_period_are_of_that_image(rig: Rig) -> None:
    rig.detect(4, Item(Box(190, 140, 80, 70), id="m1"), off=PERIOD // 3)
    assert rig.click(X, Y, stamp(4)).id == "m1"
    assert rig.click(X, Y, stamp(6)).id == ""


def test_what_cannot_be_followed_is_not_clicked_on(rig: Rig) -> None:
    rig.detect(
        4,
        Item(Box(190, 140, 80, 70), id="turned", theta=0.3),
        Item(Box(190, 140, math.nan, 70), id="nan"),
        Item(Box(X - 0.5, Y - 0.5, 1, 1), id="tiny"),
        Item(Box(-math.inf, 0, math.inf, 480), id="endless"),
        Item(Box(150, 100, 200, 150), id="good"),
    )
    assert rig.click(X, Y, stamp(4)).id == "good"


def test_beside_every_detection_the_picture_decides(rig: Rig) -> None:
    rig.detect(4, Item(Box(400, 300, 50, 50), id="m1"))
    request = rig.click(X, Y, stamp(4))
    assert request.id == ""
    assert request.box == propose(scene(200, 150), X, Y, USUAL).box


def test_without_a_stamp_the_boxes_of_a_slower_detector_count_on_their_own_image(
    rig: Rig,
) -> None:
    rig.detect(3, Item(Box(180, 130, 80, 70), id="older"))
    rig.detect(5, Item(Box(190, 140, 80, 70), id="m2"))
    request = rig.click(X, Y)
    assert (request.id, request.stamp) == ("m2", stamp(5))
    elsewhere = rig.click(500, 400)
    assert (elsewhere.id, elsewhere.stamp) == ("", stamp(9))


def test_boxes_of_long_ago_do_not_count(rig: Rig) -> None:
    rig.detect(0, Item(Box(190, 140, 80, 70), id="m2"))
    for number in range(10, 20):
        rig.history.add(frame(number, scene(200, 150)))
    assert rig.click(X, Y).id == ""


def test_a_broken_array_is_as_good_as_none(rig: Rig) -> None:
    whole = array_of([Item(BOX, id="m1")], ns=stamp(4), received=perf_counter())
    rig.recent.add(type(whole)(whole.raw[:60], whole.header, whole.received))
    assert rig.click(X, Y, stamp(4)).id == ""


def test_a_stamp_between_two_images_means_the_nearer(rig: Rig) -> None:
    assert rig.click(X, Y, stamp(4) + PERIOD // 4).stamp == stamp(4)


def test_a_viewer_that_stamps_with_its_own_time_means_the_newest(rig: Rig) -> None:
    assert rig.click(X, Y, stamp(9) + 3 * 10**8).stamp == stamp(9)
    with pytest.raises(TargetError, match="s later"):
        rig.click(X, Y, stamp(9) + int((AHEAD + 0.5) * 10**9))


def test_a_stamp_older_than_the_history_is_refused(rig: Rig) -> None:
    with pytest.raises(TargetError, match=r"0\.50 s older"):
        rig.click(X, Y, stamp(0) - 5 * 10**8)


def test_a_click_is_on_its_image_though_the_history_has_let_it_go(
    rig: Rig, model: LoadedModel
) -> None:
    sot = SotRig(model, thread=False)
    sot.history.resize(1, 0)
    sot.worker.keep(frame(0, scene(200, 150)))
    rig.history = sot.history
    request = rig.click(X, Y)
    sot.worker.keep(frame(1, scene(204, 150)))
    future = sot.worker.set_target(request)
    sot.worker.catch_up()
    assert future.result(0).id == "1"


def test_a_click_from_before_time_jumped_back_is_refused(rig: Rig, model: LoadedModel) -> None:
    worker = SotRig(model, thread=False).worker
    request = rig.click(X, Y, stamp(9))
    worker.keep(frame(0, scene(200, 150)))
    future = worker.set_target(request)
    worker.catch_up()
    with pytest.raises(TargetError, match="time has jumped back"):
        future.result(0)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (math.nan, 10, "x=nan"),
        (10, math.inf, "y=inf"),
        (640, 10, "x=640 y=10 is not on the 640x480 image"),
        (10, -1, "y=-1 is not on"),
        (1e300, 10, "is not on"),
    ],
)
def test_a_point_that_is_not_on_the_image_is_refused(
    rig: Rig, x: float, y: float, words: str
) -> None:
    with pytest.raises(TargetError, match=words):
        rig.click(x, y)


def test_a_point_in_another_frame_is_refused_naming_both(rig: Rig) -> None:
    assert rig.click(X, Y, frame_id="camera").stamp == stamp(9)
    with pytest.raises(TargetError, match=r"'map', the image in 'camera'"):
        rig.click(X, Y, frame_id="map")


def test_before_the_first_image_a_click_is_refused() -> None:
    empty = FrameHistory(60, 1 << 30)
    with pytest.raises(TargetError, match="no image has arrived"):
        find_clicked(Click(1, 1), empty, RecentArrays("/detections"))


def test_an_image_that_cannot_be_decoded_is_no_place_to_click(rig: Rig) -> None:
    rig.history.add(frame(10, scene(200, 150), encoding="rgb565"))
    with pytest.raises(TargetError, match="rgb565"):
        rig.click(X, Y)
