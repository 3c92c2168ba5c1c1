"""Trackers whose search crops are cut out where their networks run: the same targets are found.

The other backend is ONNX Runtime. What it cuts out is kept where only its engines find it, as on a
device: who else looks sees no numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from far_engines import FarWorkshop
from other_engines import Workshop
from patch_scene import scene

pytest.importorskip("onnx", reason="no onnx to write graphs with: ./run setup train")

from tracker_ros.engines.build import BuildOptions, Progress
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import EngineError
from tracker_ros.geometry import Box
from tracker_ros.sot import LoadedModel, trackers_with_weights
from tracker_ros.sot.backends import AUTO, Accelerator, EngineChoice
from tracker_ros.sot.model import open_model
from tracker_ros.sot.passes import run_together
from tracker_ros.track import Estimate

BOXES = [Box(200, 150, 60, 48), Box(420, 300, 60, 60)]
FRAMES, CHANGE = 8, 4


@pytest.fixture(scope="module", params=trackers_with_weights())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(name: str, workshop: Workshop | None = None) -> LoadedModel:
    if workshop is None:
        return open_model(name, EngineChoice(threads=1))
    return open_model(name, EngineChoice(AUTO, threads=1, accelerator=workshop.accelerator))


def followed(
    model: LoadedModel, *, before: Callable[[int], object] = lambda step: None
) -> list[Estimate]:
    """Both targets over all frames, side by side."""
    trackers = [model.new_tracker() for _ in BOXES]
    for tracker, box in zip(trackers, BOXES, strict=True):
        tracker.init(scene(200, 150), box)
    found = []
    for step in range(1, FRAMES):
        before(step)
        image = scene(200 + 3 * step, 150 + step)
        found += [done.result() for done in run_together([t.following(image) for t in trackers])]
    return found


def assert_near(found: list[Estimate], expected: list[Estimate]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.box.iou(other.box) > 0.9
        assert one.evidence.score == pytest.approx(other.evidence.score, abs=0.05)
        assert one.evidence.contrast == pytest.approx(other.evidence.contrast, rel=0.15)


@pytest.fixture(scope="module")
def plain(name: str) -> list[Estimate]:
    """What is found on ONNX Runtime, with crops of the CPU."""
    return followed(opened(name))


def test_targets_are_found_where_they_are_found_with_crops_of_the_cpu(
    name: str, plain: list[Estimate]
) -> None:
    model = opened(name, FarWorkshop())
    assert model.backend == "other" and model.parts[0].remarks == {}
    assert_near(followed(model), plain)


def test_all_targets_share_one_upload_and_one_pass_a_frame(name: str) -> None:
    workshop = FarWorkshop()
    model = opened(name, workshop)
    trackers = [model.new_tracker() for _ in BOXES]
    for tracker, box in zip(trackers, BOXES, strict=True):
        tracker.init(scene(200, 150), box)
    for engine in workshop.far:
        engine.rows.clear()
    run_together([tracker.following(scene(203, 151)) for tracker in trackers])
    (search,), crops = workshop.of("search"), workshop.of("crop_")
    (small, large) = crops
    assert sorted([small.rows, large.rows]) == [[], search.rows]
    assert search.rows == [3 * len(BOXES) if name == "siamfc" else len(BOXES)]


@pytest.mark.parametrize("kind", ["search", "crop_"])
def test_an_engine_that_fails_leaves_its_crops_to_the_cpu_within_the_frame(
    kind: str, name: str, plain: list[Estimate]
) -> None:
    workshop = FarWorkshop()
    model = opened(name, workshop)

    def fail(step: int) -> None:
        for engine in workshop.of(kind):
            engine.broken = step >= CHANGE

    assert_near(followed(model, before=fail), plain)
    assert model.backend == "onnxruntime"


def test_where_crops_cannot_be_had_they_are_the_cpus_to_the_last_digit(
    name: str, plain: list[Estimate]
) -> None:
    model = opened(name, FarWorkshop(refuses=EngineError("no GridSample here")))
    assert model.backend == "other"
    assert model.parts[0].remarks == {"search": "crops are cut out on the CPU: no GridSample here"}
    assert followed(model) == plain


def test_without_onnx_crops_stay_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    model = opened("siamrpnpp", FarWorkshop())
    assert "cutting out crops on the GPU needs the package onnx" in model.parts[0].remarks["search"]


def test_a_build_that_is_given_up_ends_with_its_crops() -> None:
    with pytest.raises(GivenUpError):
        opened("siamrpnpp", FarWorkshop(refuses=GivenUpError("given up")))


def test_crops_are_built_last_in_float32_and_told_of() -> None:
    workshop, told = FarWorkshop(), list[Progress]()
    accelerator = workshop.accelerator
    choice = EngineChoice(AUTO, 1, BuildOptions("fp16"), tell=told.append, accelerator=accelerator)
    open_model("siamrpnpp", choice)
    assert [(stem, options.precision) for stem, options in workshop.asked][3:] == [
        ("crop_bgr_whole_255_to_255", "fp32"), ("crop_bgr_whole_510_to_255", "fp32"),
    ]  # fmt: skip
    assert [told[-1].words, told[-1].done] == ["crops: cut out where the network runs", 1.0]
    assert all(0 <= progress.done <= 1 for progress in told)


def test_a_backend_that_does_not_cut_is_not_asked_to() -> None:
    assert Accelerator().cuts is False
    workshop = Workshop()
    opened("siamrpnpp", workshop)
    assert len(workshop.asked) == 3
