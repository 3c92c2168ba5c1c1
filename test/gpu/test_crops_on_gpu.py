"""Search crops that a GPU cuts out, as the CPU does, and where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="no OpenCV to cut out crops with")
pytest.importorskip("yaml", reason="no PyYAML to read model cards with")
pytest.importorskip("onnx", reason="no onnx to write the graphs of crops with")

from tracker_ros.engines.blocks import Piece
from tracker_ros.engines.build import BuildOptions, open_tensorrt
from tracker_ros.engines.crops import Crops
from tracker_ros.engines.cutter import Cutter
from tracker_ros.engines.tensorrt import TensorRTEngine
from tracker_ros.sot.clips import drawn_clips
from tracker_ros.sot.model import PAPERS
from tracker_ros.sot.search_crops import TRIALS, Cropping

SIDE = 255
(CLIP,) = drawn_clips(1)


@pytest.fixture(scope="module")
def made() -> list[TensorRTEngine]:
    return []


@pytest.fixture(scope="module", params=PAPERS)
def cropping(request: pytest.FixtureRequest) -> Cropping:
    found: Cropping = PAPERS[request.param].tracker.cropping
    return found


@pytest.fixture(scope="module")
def cutter(cropping: Cropping, folder: Path, made: list[TensorRTEngine]) -> Cutter:
    made.clear()

    def open_graph(graph: Path) -> TensorRTEngine:
        options = BuildOptions("fp32", folder)
        made.append(open_tensorrt(graph, options, samples=list, tell=lambda progress: None))
        return made[-1]

    return Cutter(open_graph, cropping.kind, SIDE)


def test_they_are_those_of_the_cpu(cropping: Cropping, cutter: Cutter) -> None:
    comparison = cutter.compared(cropping.trials(SIDE))
    assert comparison.good, comparison.words
    assert comparison.outputs[0].largest <= 6, "grey levels"


@pytest.mark.parametrize("rows", [1, 2, 5, 32])
def test_those_of_a_pass_are_those_of_each_alone(
    cropping: Cropping, cutter: Cutter, made: list[TensorRTEngine], rows: int
) -> None:
    """Read as an engine reads them: from the device."""
    image, (small, large) = CLIP.pictures[0], made
    crops = [cropping.square(image, *TRIALS[i % len(TRIALS)], SIDE) for i in range(rows)]
    for _ in range(4):  # launched, recorded and replayed
        cutter.cut(Crops(crops, np.empty((rows, 3, SIDE, SIDE), np.float32)))
    engine = small if max(Piece.of(crop).side for crop in crops) <= SIDE else large
    given = engine.staged(rows)
    for row, crop in enumerate(crops):
        Piece.of(crop).write(*(given[n][row] for n in ("pixels", "across", "down", "fill")))
    together = engine.run(given)["crops"]
    blob = np.empty((1, 3, SIDE, SIDE), np.float32)
    for found, crop in zip(together, crops, strict=True):
        expected = Crops([crop], blob).cut()[0]
        assert np.abs(found - expected).mean() < 0.3


def test_an_engine_takes_them_from_the_device(opened: Any, folder: Path) -> None:
    """A search network is given crops that never come to the host."""
    cropping: Cropping = PAPERS["siamrpnpp"].tracker.cropping
    engine, _ = opened("siamrpnpp_alexnet_small.search", precision="fp32")
    options = BuildOptions("fp32", folder)
    cutter = Cutter(
        lambda graph: open_tensorrt(graph, options, samples=list, tell=lambda progress: None),
        cropping.kind, SIDE,
    )  # fmt: skip
    crops = Crops(list(cropping.trials(SIDE)), np.empty((10, 3, SIDE, SIDE), np.float32))
    found, expected = engine.run({"search": cutter.cut(crops)}), engine.run({"search": crops.cut()})
    for name, value in expected.items():
        error = np.sqrt(np.mean((found[name] - value) ** 2))
        assert error < 0.01 * np.sqrt(np.mean(value**2)), name
