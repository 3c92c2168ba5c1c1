"""Both trackers with the weights that ship, on pictures made here."""

import math

import cv2
import numpy as np
import pytest
from patch_scene import BACKGROUND, PATCH, scene

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.sot import LoadedModel, load_model, siamfc, siamrpnpp, trackers_with_weights
from tracker_ros.sot.region_proposals import Proposals


@pytest.fixture(scope="module", params=trackers_with_weights())
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return load_model(request.param, threads=1)


def test_the_first_frame_again_moves_the_box_by_a_few_pixels_at_most(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    image, box = scene(200, 150), Box(200, 150, 60, 48)
    tracker.init(image, box)
    estimate = tracker.track(image)
    # SiamFC moves on a grid of half a search pixel; the others regress the box, on features of
    # stride 16 where it is a ResNet-18's.
    assert math.hypot(estimate.box.cx - box.cx, estimate.box.cy - box.cy) < 4.0
    assert estimate.box.iou(box) > 0.7
    assert estimate.evidence.score > 0.5


def test_a_moving_patch_is_followed(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    for i in range(1, 25):
        x, y = 200 + 7 * i, 150 + 4 * i
        estimate = tracker.track(scene(x, y))
        assert estimate.box.iou(Box(x, y, 60, 48)) > 0.4, f"lost in frame {i}"


def test_boxes_are_in_input_pixels_on_any_image_size(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    large = cv2.resize(scene(200, 150), (1920, 1440))
    box = Box(600, 450, 180, 144)
    tracker.init(large, box)
    assert tracker.track(large).box.iou(box) > 0.7


def test_a_refused_box_leaves_the_current_target_alone(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    image = scene(200, 150)
    tracker.init(image, Box(200, 150, 60, 48))
    before = tracker.track(image).box
    with pytest.raises(TargetError):
        tracker.init(image, Box(math.nan, 0, 10, 10))
    assert tracker.track(image).box.iou(before) > 0.9


def test_looking_elsewhere_does_not_move_the_tracker(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    image = scene(200, 150)
    tracker.init(image, Box(200, 150, 60, 48))
    seen = tracker.look_at(image, 560, 400)
    # It proposes something else or, as ATOM does where it finds nothing, the box of before, unsure.
    assert seen.box.iou(Box(200, 150, 60, 48)) < 0.5 or seen.evidence.score < 0.15
    assert tracker.track(image).box.iou(Box(200, 150, 60, 48)) > 0.7
    tracker.accept(tracker.look_at(scene(400, 300), 420, 310))
    assert tracker.track(scene(400, 300)).box.iou(Box(400, 300, 60, 48)) > 0.5


def test_black_frames_give_no_contrast_and_no_runaway_box(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    black = np.zeros_like(BACKGROUND)
    # Over the border the crop is filled with the first frame's colour: look at the middle.
    first = tracker.look_at(black, 320, 240)
    assert first.evidence.contrast < 0.01
    for _ in range(100):
        box = tracker.track(black).box
    assert all(math.isfinite(value) for value in box)
    assert box.w <= 640 and box.h <= 480


def test_stage_times_are_reported(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    times = tracker.track(scene(204, 150)).times
    assert times.inference > 0 and times.preprocess > 0 and times.postprocess > 0


def test_siamrpnpp_crops_as_the_reference_does() -> None:
    # Specs of SiamRPN++, section 4: side rounded, c = (side + 1) / 2, corner floor(cx - c + 0.5),
    # missing pixels filled with the mean colour truncated to whole numbers.
    image = np.arange(40 * 50 * 3, dtype=np.uint32).reshape(40, 50, 3).astype(np.uint8)
    crop = siamrpnpp.subwindow(image, 2.4, 3.6, 20.4, 20, (9.9, 8.9, 7.9))
    # c = 10.5: x0 = floor(2.4 - 10) = -8, y0 = floor(3.6 - 10) = -7
    assert np.array_equal(crop[7:, 8:], image[:13, :12])
    assert np.unique(crop[:7].reshape(-1, 3), axis=0).tolist() == [[9, 8, 7]]


def test_siamfc_crops_as_the_port_does() -> None:
    # Specs of SiamFC, section 2: corner = round(centre - (side - 1) / 2), half to even.
    image = np.arange(40 * 50 * 3, dtype=np.uint32).reshape(40, 50, 3).astype(np.uint8)
    crop = siamfc.subwindow(image, 2.0, 3.0, 20.0, 20, (9.6, 8.4, 7.6))
    # x0 = round(2 - 9.5) = round(-7.5) = -8, y0 = round(-6.5) = -6
    assert np.array_equal(crop[6:, 8:], image[:14, :12])
    assert np.unique(crop[:6].reshape(-1, 3), axis=0).tolist() == [[10, 8, 8]]


def test_siamrpnpp_takes_bgr_and_siamfc_rgb() -> None:
    crop = np.zeros((127, 127, 3), np.uint8)
    crop[..., 0] = 200
    assert siamrpnpp.as_input(crop)[0, :, 0, 0].tolist() == [200, 0, 0]
    assert siamfc.as_input(crop)[0, :, 0, 0].tolist() == [0, 0, 200]


def test_foreground_is_a_softmax_over_the_pair_anchor_major() -> None:
    cls = np.random.default_rng(0).normal(size=(1, 10, 3, 3)).astype(np.float32)
    expected = np.exp(cls[0, 5:]) / (np.exp(cls[0, :5]) + np.exp(cls[0, 5:]))
    assert np.allclose(Proposals(3).score(cls), expected.ravel(), atol=1e-6)


def test_a_look_alike_raises_the_peak_ratio(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    alone = tracker.track(scene(200, 150)).evidence.peak_ratio
    ratios = []
    for dx, dy in ((-60, 60), (65, 60), (70, 0), (-70, 20)):
        twins = scene(200, 150)
        twins[150 + dy : 198 + dy, 200 + dx : 260 + dx] = PATCH
        ratios.append(tracker.track(twins).evidence.peak_ratio)
    # How much depends on what is around each of the two, which is part of the template.
    assert max(ratios) > alone + 0.2


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_the_same_view_in_another_size_is_followed_with_the_same_overlap(
    model: LoadedModel, factor: float
) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    tracker.track(scene(200, 150))
    tracker.rescale(factor, factor)
    for i in range(8):
        x = 200 + 4 * i
        image = cv2.resize(scene(x, 150), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        box = tracker.track(np.asarray(image, np.uint8)).box
        truth = Box(x * factor, 150 * factor, 60 * factor, 48 * factor)
        assert box.iou(truth) > 0.6, f"frame {i}: {box}, not {truth}"


def test_a_target_that_has_left_is_not_looked_for_off_the_image(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(570, 150), Box(570, 150, 60, 48))
    for _ in range(60):
        estimate = tracker.track(BACKGROUND)
        assert 0 <= estimate.box.cx <= 640 and 0 <= estimate.box.cy <= 480
        assert estimate.evidence.contrast > 0.02  # it always sees a part of the image
