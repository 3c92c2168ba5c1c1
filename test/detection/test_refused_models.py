"""Networks that are no detectors, or not as they are said to be: refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="no onnx to make models with: ./run setup train")
from detector_files import (
    CANVAS,
    LAYOUTS,
    Outputs,
    opened,
    picture,
    save,
    tensorflow,
    yolov5,
    yolov8,
)

from tracker_ros.detection.open import open_detector
from tracker_ros.errors import ModelError
from tracker_ros.models.card import read_card


def test_what_is_no_detector_is_refused_with_its_shapes_and_the_known_layouts(
    tmp_path: Path,
) -> None:
    classifier = {"probabilities": np.zeros((1, 1000), np.float32)}
    with pytest.raises(ModelError) as raised:
        opened(save(tmp_path / "m.onnx", classifier), "yolo")
    words = str(raised.value)
    assert str(tmp_path / "m.onnx") in words and "probabilities float32 (1, 1000)" in words
    assert all(layout in words for layout in LAYOUTS)


def test_a_network_that_segments_is_refused(tmp_path: Path) -> None:
    masks = {"output1": np.zeros((1, 32, 80, 80), np.float32)}
    with pytest.raises(ModelError, match="no known layout"):
        opened(save(tmp_path / "m.onnx", {**yolov8(classes=112), **masks}), "yolo")


@pytest.mark.parametrize("make", [yolov5, yolov8])
def test_scores_that_are_no_probabilities_are_refused(
    tmp_path: Path, make: Callable[[], Outputs]
) -> None:
    """Cut to [0, 1], logits of -8 for object and class would be a sure find in every place."""
    outputs = make()["output0"]
    scores = outputs[..., 4:] if make is yolov5 else outputs[:, 4:]
    scores[:] = -8
    with pytest.raises(ModelError, match=r"its scores go from .* expected 0 to 1"):
        opened(save(tmp_path / "m.onnx", {"output0": outputs}), "yolo")


def test_scores_may_miss_their_ends_as_far_as_bytes_round(tmp_path: Path) -> None:
    outputs = yolov8()["output0"]
    outputs[:, 4:] = outputs[:, 4:] * 1.12 - 0.004
    detections = opened(save(tmp_path / "m.onnx", {"output0": outputs}), "yolo").detect(picture())
    assert [d.score for d in detections] == [1.0, pytest.approx(0.75 * 1.12 - 0.004)]


def test_boxes_that_are_shares_of_the_input_are_refused(tmp_path: Path) -> None:
    """Taken for pixels, all of them would be too small: nothing would ever be found."""
    outputs = yolov8()["output0"]
    outputs[:, :4] /= CANVAS
    with pytest.raises(ModelError, match=r"its boxes reach no further than 0\.8.*320x320"):
        opened(save(tmp_path / "m.onnx", {"output0": outputs}), "yolo")


def test_a_layout_that_is_asked_for_in_vain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not the layout tf"):
        opened(save(tmp_path / "m.onnx", yolov8()), "ssd", layout="tf")


def test_the_wrong_detector_for_a_model_is_named_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"layout is tf.*set detector to ssd"):
        opened(save(tmp_path / "m.onnx", tensorflow()), "yolo")


@pytest.mark.parametrize("shape", [(1, 1, CANVAS, CANVAS), (2, 3, CANVAS, CANVAS), (1, 3), (10,)])
def test_an_input_that_takes_no_picture_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="its input is images float32"):
        opened(save(tmp_path / "m.onnx", yolov8(), shape=shape), "yolo")


def test_a_network_of_several_inputs_is_refused() -> None:
    path = read_card("siamrpnpp_alexnet_small").graph("match")
    with pytest.raises(ModelError, match="inputs"):
        opened(path, "yolo")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"no model file /nowhere/yolo\.onnx"):
        open_detector("yolo", model="/nowhere/yolo.onnx")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", yolov8())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match=f"cannot load {path}.*damaged"):
        opened(path, "yolo")


def test_without_a_model_the_reason_says_which_detector_needs_none() -> None:
    with pytest.raises(ModelError, match=r"detector yolo needs a model.*hog needs none"):
        open_detector("yolo")


def test_an_unknown_detector_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ModelError, match="'faster'; there are hog, yolo, ssd"):
        open_detector("faster")
