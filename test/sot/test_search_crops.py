"""The search crops of every tracker: from an engine as from the CPU, on pictures and their borders.

The engine here is ONNX Runtime: the same graph is what TensorRT gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from other_engines import OtherEngine
from patch_scene import scene

pytest.importorskip("onnx", reason="no onnx to write graphs with: ./run setup train")

from tracker_ros.engines.crops import Crop, Crops
from tracker_ros.engines.cutter import CroppingEngine, Cutter
from tracker_ros.engines.engine import Array
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import EngineError
from tracker_ros.geometry import UInt8Image, mean_colour
from tracker_ros.models.card import read_card
from tracker_ros.sot import siamrpnpp
from tracker_ros.sot.model import PAPERS
from tracker_ros.sot.search_crops import Cropping, with_cutter

DOCS = Path(__file__).parents[2] / "docs"
SIDES = {"siamrpnpp": 255, "siamfc": 255, "spm": 271, "atom": 288}
EXACT = ("spm",)
"""Sampled without rounding; OpenCV's resizing and warping of bytes are off by a grey level."""


def picture(name: str) -> UInt8Image:
    if name == "scene":
        return scene(200, 150)
    return np.asarray(cv2.imread(str(DOCS / name)), np.uint8)


PICTURES = {name: picture(name) for name in ("scene", "demo.jpg")}


@pytest.fixture(scope="module", params=SIDES)
def paper(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def cropping(paper: str) -> Cropping:
    found: Cropping = PAPERS[paper].tracker.cropping
    return found


@pytest.fixture(scope="module")
def cutter(cropping: Cropping, paper: str) -> Cutter:
    return Cutter(lambda graph: OnnxEngine(graph, threads=1), cropping.kind, SIDES[paper])


def on_cpu(crops: list[Crop], side: int) -> Array:
    return Crops(crops, np.empty((len(crops), 3, side, side), np.float32)).cut()


def by_engine(cutter: Cutter, crops: list[Crop]) -> Array:
    return cutter.cut(Crops(crops, np.empty((len(crops), 0), np.float32)))


def squares(image: UInt8Image) -> Iterator[tuple[float, float, float]]:
    """Middles and sides: within, over every border, nearly and wholly outside, tiny and giant."""
    height, width = image.shape[:2]
    middle = (width / 2, height / 2)
    for side in (3.0, 17.3, 100.0, 254.6, 255.0, 271.0, 288.0, 400.2, 576.0, 700.0, 5000.0):
        yield (*middle, side)
    for side in (40.0, 333.3, 1111.0):
        for x, y in ((0.0, 0.0), (width - 1.0, 3.4), (2.2, height - 1.0), (width, height)):
            yield x, y, side
    yield -150.0, middle[1], 310.0
    yield middle[0], height + 90.0, 200.0
    yield -900.0, -900.0, 100.0


@pytest.mark.parametrize("name", PICTURES)
def test_an_engine_cuts_out_what_the_cpu_cuts_out(
    name: str, paper: str, cropping: Cropping, cutter: Cutter
) -> None:
    image, side = PICTURES[name], SIDES[paper]
    for square in squares(image):
        crop = cropping.square(image, *square, side)
        expected, found = on_cpu([crop], side)[0], by_engine(cutter, [crop])[0]
        error = np.abs(expected - found)
        if paper in EXACT:
            assert error.max() < 0.02, square
        else:
            # cv2.warpAffine, which large squares over the border go through, rounds places, too.
            assert error.max() <= 6 and error.mean() < 0.25, square


def test_crops_of_one_pass_are_those_of_each_alone(
    paper: str, cropping: Cropping, cutter: Cutter
) -> None:
    side, images = SIDES[paper], list(PICTURES.values())
    crops = [
        cropping.square(image, 100.0 + 30 * number, 90.0, 60.0 * (number + 1), side)
        for number, image in enumerate([*images, *images, *images])
    ]
    together = by_engine(cutter, crops).copy()
    alone = [by_engine(cutter, [crop])[0].copy() for crop in crops]
    assert np.abs(together - np.stack(alone)).max() < (0.02 if paper in EXACT else 1.01)
    again = by_engine(cutter, crops[::-1])
    assert np.array_equal(again[::-1], together), "nothing is left of what was there before"


def test_nothing_is_cut_out_on_the_cpu_for_an_engine(
    paper: str, cropping: Cropping, cutter: Cutter
) -> None:
    crop = cropping.square(PICTURES["scene"], 230.0, 170.0, 250.0, SIDES[paper])
    by_engine(cutter, [crop])
    assert "pixels" not in vars(crop)


@pytest.mark.parametrize(
    "square", [(230.0, 170.0, 250.0), (5.0, 9.0, 180.0), (400.0, 300.0, 999.0)]
)
def test_the_contrast_is_about_the_same_whoever_cuts(square: tuple[float, float, float]) -> None:
    for name, image in PICTURES.items():
        cut, uncut = (siamrpnpp.square(image, *square, 255, mean_colour(image)) for _ in range(2))
        on_cpu([cut], 255)
        assert uncut.contrast() == pytest.approx(cut.contrast(), rel=0.15, abs=0.01), name
        assert "pixels" not in vars(uncut)
    black = siamrpnpp.square(np.zeros((90, 90, 3), np.uint8), 10, 10, 60, 255, (99.0, 9.0, 9.0))
    assert black.contrast() == 0


def test_a_colour_image_that_is_a_view_of_a_larger_one_is_cut_out_as_its_copy(
    cropping: Cropping, cutter: Cutter, paper: str
) -> None:
    view = PICTURES["scene"][20:400, 31:590]
    squares = [(100.0, 90.0, 333.0), (100.0, 90.0, 1200.0)]
    for each in squares:
        crops = [cropping.square(image, *each, SIDES[paper]) for image in (view, view.copy())]
        assert np.array_equal(*(by_engine(cutter, [crop]).copy() for crop in crops))


# --- trust ---------------------------------------------------------------------------------------


class Shifted(OtherEngine):
    """An engine whose kernels are wrong: everything is a little brighter."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {name: value + 2 for name, value in super().run(inputs).items()}


@pytest.fixture(scope="module")
def search() -> OnnxEngine:
    return OnnxEngine(read_card("siamrpnpp_alexnet_small").graph("search"), threads=1)


CROPPING: Cropping = siamrpnpp.SiamRPNTracker.cropping


def test_an_engine_that_cuts_as_the_cpu_does_is_trusted(search: OnnxEngine) -> None:
    made: list[str] = []

    def open_graph(graph: Path) -> OtherEngine:
        made.append(graph.stem)
        return OtherEngine(graph)

    engine = with_cutter(search, CROPPING, open_graph)
    assert engine.cut is not None and engine.remark == ""
    assert made == ["crop_bgr_whole_255_to_255", "crop_bgr_whole_510_to_255"]
    assert (engine.inputs, engine.outputs) == (search.inputs, search.outputs)


def test_one_that_cuts_otherwise_is_not_and_it_is_told(search: OnnxEngine) -> None:
    engine = with_cutter(search, CROPPING, Shifted)
    assert engine.cut is None
    assert engine.remark.startswith("crops are cut out on the CPU, as here they come out otherwise")
    assert "crops is off by" in engine.remark


def test_where_none_can_be_had_the_reason_is_told(search: OnnxEngine) -> None:
    def refused(graph: Path) -> OtherEngine:
        raise EngineError("it knows no GridSample")

    engine = with_cutter(search, CROPPING, refused)
    assert (engine.cut, engine.remark) == (
        None, "crops are cut out on the CPU: it knows no GridSample",
    )  # fmt: skip
    before = CroppingEngine(engine, None, "and more")
    assert before.remark.endswith("GridSample; and more"), "what was told before stays"


def test_nothing_is_tried_when_nobody_waits_any_more(search: OnnxEngine) -> None:
    def given_up(graph: Path) -> OtherEngine:
        raise GivenUpError("given up")

    with pytest.raises(GivenUpError):
        with_cutter(search, CROPPING, given_up)
