"""Networks of the user's own: every known layout, read over the real engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="no onnx to make models with: ./run setup train")
from detector_files import (
    CANVAS,
    CAR,
    LAYOUTS,
    PERSON,
    PLACES,
    SCORES,
    colours,
    corners,
    opened,
    picture,
    save,
    tensorflow,
    torchvision,
    yolov5,
    yolov8,
    yolov10,
)

from tracker_ros.detection.detector import Wanted
from tracker_ros.detection.labels import COCO, read_names
from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection


def require_person_and_car(detections: list[Detection]) -> None:
    assert [d.label for d in detections] == ["person", "car"]
    assert [d.score for d in detections] == pytest.approx(SCORES, abs=1e-5)
    for detection, box in zip(detections, (PERSON, CAR), strict=True):
        assert tuple(detection.box) == pytest.approx(box, abs=1e-3)


# --- layouts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("open_shapes", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_recognised_and_gives_boxes_in_pixels_of_the_picture(
    tmp_path: Path, name: str, open_shapes: bool
) -> None:
    make, family = LAYOUTS[name]
    path = save(tmp_path / "model.onnx", make(), open_shapes=open_shapes)
    detector = opened(path, family, classes="coco")
    assert detector.layout.name == name
    assert detector.about.startswith(f"layout {name}, input {CANVAS}x{CANVAS} float32")
    require_person_and_car(detector.detect(picture()))


def test_a_yolov5_of_one_class_is_not_taken_for_a_yolov10(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", yolov5(classes=1))  # (1, N, 6) as well
    detector = opened(path, "yolo")
    assert (detector.layout.name, detector.layout.classes) == ("yolov5", 1)
    assert [d.label for d in detector.detect(picture())] == ["0", "0"]


def test_a_yolov8_of_two_classes_is_not_taken_for_a_yolov10(tmp_path: Path) -> None:
    detector = opened(save(tmp_path / "m.onnx", yolov8(classes=2)), "yolo")  # (1, 6, N)
    assert (detector.layout.name, detector.layout.classes) == ("yolov8", 2)


def test_a_network_of_unusual_size_is_read_by_its_longer_axis(tmp_path: Path) -> None:
    for make, name in ((yolov5, "yolov5"), (yolov8, "yolov8")):
        detector = opened(save(tmp_path / f"{name}.onnx", make(1777)), "yolo")
        assert detector.layout.name == name


def test_what_can_be_read_in_two_ways_is_read_as_it_is_asked_to_be(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", yolov10(3 * PLACES))
    with pytest.raises(ModelError, match=r"read as yolov5, its scores go .* to 1\.5.*layout"):
        opened(path, "yolo")
    detector = opened(path, "yolo", layout="yolov10", classes="coco")
    require_person_and_car(detector.detect(picture()))


def test_raw_heads_beside_the_boxes_are_left_alone(tmp_path: Path) -> None:
    heads = {"head": np.zeros((1, 3, 40, 40, 85), np.float32)}
    detector = opened(save(tmp_path / "m.onnx", {**yolov5(), **heads}), "yolo")
    require_person_and_car(detector.detect(picture()))


# --- inputs --------------------------------------------------------------------------------------

INPUTS = {
    "float, channels first": ((1, 3, CANVAS, CANVAS), "float32"),
    "half, channels first": ((1, 3, CANVAS, CANVAS), "float16"),
    "bytes, channels last": ((1, CANVAS, CANVAS, 3), "uint8"),
    "float, channels last": ((1, CANVAS, CANVAS, 3), "float32"),
    "one picture without a batch": ((3, CANVAS, CANVAS), "float32"),
    "free width and height": ((1, 3, None, None), "float32"),
}


@pytest.mark.parametrize(("shape", "dtype"), INPUTS.values(), ids=INPUTS)
def test_a_network_sees_red_green_and_blue(
    tmp_path: Path, shape: tuple[int | None, ...], dtype: str
) -> None:
    detector = opened(colours(tmp_path / "m.onnx", shape, dtype), "yolo", layout="yolov8",
                      wanted=Wanted(min_score=0.0))  # fmt: skip
    size = 640 if None in shape else CANVAS
    image = np.empty((size, size, 3), np.uint8)
    for bgr in ((0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 0, 51)):
        image[:] = bgr
        (strongest, *_) = detector.detect(image)
        assert strongest.label == str(2 - int(np.argmax(bgr)))
        assert strongest.score == pytest.approx(max(bgr) / 255, abs=2e-3)


def test_beside_the_picture_the_input_is_grey(tmp_path: Path) -> None:
    detector = opened(colours(tmp_path / "m.onnx", (1, 3, CANVAS, CANVAS), "float32"), "yolo",
                      layout="yolov8")  # fmt: skip
    (detection,) = detector.detect(np.zeros((100, 400, 3), np.uint8))  # a quarter is picture
    assert detection.score == pytest.approx(0.75 * 114 / 255, abs=1e-3)
    assert tuple(detection.box) == (0, 0, 400, 100)  # the whole input, cut at the border


def test_input_size_sets_the_input_of_a_network_that_takes_any(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", yolov8(), shape=(1, 3, None, None))
    assert "input 640x640" in opened(path, "yolo").about
    detector = opened(path, "yolo", input_size=CANVAS)
    require_person_and_car(detector.detect(picture()))


def test_input_size_is_refused_where_it_is_fixed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="of fixed size, but input_size is 416"):
        opened(save(tmp_path / "m.onnx", yolov8()), "yolo", input_size=416)


# --- what is given -------------------------------------------------------------------------------


def test_min_score_nms_iou_and_only_choose_what_is_given(tmp_path: Path) -> None:
    detector = opened(save(tmp_path / "m.onnx", yolov8()), "yolo")
    detector.wanted = Wanted(min_score=0.8)
    assert [d.label for d in detector.detect(picture())] == ["person"]
    detector.wanted = Wanted(nms_iou=1.0)
    assert [d.label for d in detector.detect(picture())] == ["person", "car", "person"]
    detector.wanted = Wanted(only=frozenset({"car"}))
    assert [d.label for d in detector.detect(picture())] == ["car"]


def test_numbers_that_are_none_and_boxes_without_a_size_are_left_out(tmp_path: Path) -> None:
    rows = dict(yolov10())
    rows["output0"][0, 2:6] = [
        [np.nan, 10, 50, 60, 0.9, 0],
        [10, 50, 50, 60, np.inf, 0],
        [50, 60, 10, 20, 0.9, 0],
        [10, 50, 10, 60, 0.9, 0],
    ]
    detector = opened(save(tmp_path / "m.onnx", rows), "yolo")
    assert len(detector.detect(picture())) == 2


def test_boxes_are_cut_at_the_border_of_the_picture(tmp_path: Path) -> None:
    rows = dict(yolov10())
    rows["output0"][0, :2, :4] = [[-20, 30, 20, 100], [300, 310, 318, 319]]
    (detection,) = opened(save(tmp_path / "m.onnx", rows), "yolo").detect(picture())
    assert tuple(detection.box) == pytest.approx((0, 0, 40, 120))  # the other lies in the grey


def test_a_detector_looks_at_pictures_of_any_size(tmp_path: Path) -> None:
    detector = opened(save(tmp_path / "m.onnx", yolov8()), "yolo")
    for width, height in ((1, 1), (3000, 2), (31, 517), (4096, 2160)):
        for detection in detector.detect(picture(width, height)):
            box = detection.box
            assert box.x >= 0 and box.x + box.w <= width + 1e-9
            assert box.y >= 0 and box.y + box.h <= height + 1e-9


# --- names of classes ----------------------------------------------------------------------------


def test_names_come_from_the_model_file_when_none_are_given(tmp_path: Path) -> None:
    names = {0: "worker", 1: "bicycle", 2: "fork lift"}
    path = save(tmp_path / "m.onnx", yolov8(classes=3), metadata={"names": str(names)})
    detector = opened(path, "yolo")
    assert detector.labels == ("worker", "bicycle", "fork lift")
    assert [d.label for d in detector.detect(picture())] == ["worker", "fork lift"]


@pytest.mark.parametrize("names", ["", "__import__('os')", "{'a': 'b'}", "{[1]: 2}", "[" * 5000])
def test_what_are_no_names_in_the_model_file_is_not_believed(tmp_path: Path, names: str) -> None:
    path = save(tmp_path / "m.onnx", yolov8(classes=3), metadata={"names": names})
    assert [d.label for d in opened(path, "yolo").detect(picture())] == ["0", "2"]


def test_eighty_classes_without_names_are_those_of_coco(tmp_path: Path) -> None:
    assert opened(save(tmp_path / "m.onnx", yolov8()), "yolo").labels == COCO
    assert len(set(COCO)) == 80


def test_ssd_counts_from_one_and_with_the_gaps_of_coco(tmp_path: Path) -> None:
    outputs = dict(torchvision())
    outputs["2832"] = np.array([90, 13], np.int64)
    path = save(tmp_path / "m.onnx", outputs)
    labels = [d.label for d in opened(path, "ssd", classes="coco").detect(picture())]
    assert labels == ["toothbrush", "stop sign"]
    assert [d.label for d in opened(path, "ssd").detect(picture())] == ["90", "13"]


@pytest.mark.parametrize("number", [[np.nan], [-3], [1e9], []])
def test_a_number_of_detections_that_is_none_is_not_believed(
    tmp_path: Path, number: list[float]
) -> None:
    outputs = {**tensorflow(), "num_detections": np.array(number, np.float32)}
    outputs["detection_scores"] = np.where(outputs["detection_scores"] > 0.95, 0, SCORES[0])
    detector = opened(save(tmp_path / "m.onnx", outputs), "ssd", classes="coco")
    assert [d.label for d in detector.detect(picture())] == ["person", "car"]


def test_a_file_names_the_classes_one_a_line(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("worker\nforklift truck\ncrane\n\n")
    yolo = opened(save(tmp_path / "y.onnx", yolov8(classes=3)), "yolo", classes=str(names))
    assert [d.label for d in yolo.detect(picture())] == ["worker", "crane"]
    ssd = opened(save(tmp_path / "s.onnx", tensorflow()), "ssd", classes=str(names))
    assert [d.label for d in ssd.detect(picture())] == ["worker", "crane"]  # classes 1 and 3


def test_a_file_with_too_few_names_is_refused_with_both_numbers(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("worker\n")
    with pytest.raises(ModelError, match=r"has 80 classes, but classes .* names 1"):
        opened(save(tmp_path / "m.onnx", yolov8()), "yolo", classes=str(names))


@pytest.mark.parametrize("content", [b"", b"a\n\nb\n", b"\xff\xfe"])
def test_a_file_that_holds_no_names_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"class names .*names\.txt"):
        read_names(path)


def test_a_file_of_names_may_lie_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "names.txt").write_text("worker\nbicycle\ncrane\n")
    path = save(tmp_path / "m.onnx", yolov8(classes=3))
    assert opened(path, "yolo", classes="~/names.txt").labels == ("worker", "bicycle", "crane")


def test_the_boxes_of_these_tests_are_where_they_are_said_to_be() -> None:
    assert corners()[0].tolist() == [50, 100, 80, 180]
    assert Box(*PERSON).iou(Box(*CAR)) == 0
