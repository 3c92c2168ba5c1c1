"""The trackers that ship, on TensorRT as on ONNX Runtime, over the rendered scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cv2", reason="no OpenCV to make crops with")
pytest.importorskip("yaml", reason="no PyYAML to read model cards with")
pytest.importorskip("onnxruntime", reason="no onnxruntime to compare with")

from tracker_ros.demo.scene import Scene
from tracker_ros.engines.build import BuildOptions
from tracker_ros.sot.model import load_model, trackers_with_weights

FRAMES = 60


def boxes(model: Any) -> list[Any]:
    scene = Scene()
    tracker, first = model.new_tracker(), scene.frame(0)
    tracker.init(first.image, first.box)
    return [tracker.track(scene.frame(index).image).box for index in range(1, FRAMES)]


@pytest.mark.parametrize("name", trackers_with_weights())
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.95), ("auto", 0.9)])
def test_the_boxes_are_those_of_onnx_runtime(
    name: str, precision: str, least: float, folder: Path
) -> None:
    plain = load_model(name, backend="onnxruntime")
    options = BuildOptions(precision=precision, cache=folder)
    fast = load_model(name, backend="tensorrt", build=options)
    assert fast.backend == "tensorrt"
    said = " ".join(fast.parts[0].remarks.values())
    assert "crops" not in said and "classifier" not in said, "the GPU cuts, and updates"
    pairs = zip(boxes(plain), boxes(fast), strict=True)
    overlaps = [expected.iou(found) for expected, found in pairs]
    # A cell of a score map decides a box, and two that are as good lie pixels apart.
    assert sum(overlaps) / len(overlaps) >= least, fast.precision
    assert min(overlaps) >= 0.6, fast.precision
