"""What runs the networks of a model: chosen, built meanwhile, taken over; and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from other_engines import OUT_OF_MEMORY, Workshop
from patch_scene import scene

from tracker_ros.engines.build import BuildOptions, Progress
from tracker_ros.engines.devices import why_not
from tracker_ros.engines.engine import Engine
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import EngineError, ModelError
from tracker_ros.geometry import Box
from tracker_ros.models.card import read_card
from tracker_ros.mot.open import open_multi_tracker
from tracker_ros.sot import DEFAULT_MODELS, LoadedModel, load_model
from tracker_ros.sot.backends import AUTO, BACKENDS, ONNXRUNTIME, TENSORRT, EngineChoice
from tracker_ros.sot.model import load_model_now, open_model
from tracker_ros.track import TrackState

BOX = Box(200, 150, 60, 48)
NO_DEVICE = "this machine has no such device; plug one in"
NEEDS_NO_GPU = pytest.mark.skipif(why_not() == "", reason="this machine can use TensorRT")


def choice(workshop: Workshop, backend: str = AUTO, *, wait: bool = True) -> EngineChoice:
    return EngineChoice(backend, threads=1, wait=wait, accelerator=workshop.accelerator)


def loaded(workshop: Workshop, backend: str = AUTO, *, wait: bool = True) -> LoadedModel:
    return open_model("siamrpnpp", choice(workshop, backend, wait=wait))


def followed(model: LoadedModel, frames: range = range(1, 6)) -> TrackState:
    target = model.new_target("7")
    target.start(scene(200, 150), BOX)
    for step in frames:
        track = target.follow(scene(200 + 3 * step, 150))
    return track.state


# --- a choice ------------------------------------------------------------------------------------


def test_without_such_a_device_auto_takes_onnx_runtime_and_says_why() -> None:
    model = loaded(Workshop(missing=NO_DEVICE), wait=False)
    assert (model.backend, model.precision, model.upgrade) == (ONNXRUNTIME, "fp32", None)
    (networks,) = model.parts
    assert networks.choice == f"auto: onnxruntime, as {NO_DEVICE}"
    assert networks.trouble == ""  # most machines are so: no warning


def test_without_such_a_device_tensorrt_is_refused_with_the_reason() -> None:
    with pytest.raises(EngineError, match=f"backend tensorrt: {NO_DEVICE}"):
        loaded(Workshop(missing=NO_DEVICE), TENSORRT)


@NEEDS_NO_GPU
def test_on_this_machine_tensorrt_is_refused_with_what_is_missing() -> None:
    with pytest.raises(EngineError) as refusal:
        load_model("siamrpnpp", backend=TENSORRT)
    assert str(refusal.value) == f"backend tensorrt: {why_not()}"


@NEEDS_NO_GPU
def test_on_this_machine_auto_takes_onnx_runtime() -> None:
    model = load_model_now("siamrpnpp", threads=1)
    assert (model.backend, model.upgrade) == (ONNXRUNTIME, None)
    assert why_not() in model.parts[0].choice


def test_who_names_no_backend_gets_onnx_runtime_on_every_machine() -> None:
    model = load_model("siamrpnpp", threads=1)
    assert (model.backend, model.parts[0].choice) == (ONNXRUNTIME, "")


def test_a_backend_that_is_none_is_refused_naming_those_that_are() -> None:
    with pytest.raises(ModelError, match="no backend 'abacus'; there are auto, tensorrt, onnx"):
        load_model("siamrpnpp", backend="abacus")
    assert BACKENDS == ("tensorrt", "onnxruntime", "torch")


def test_a_precision_that_a_backend_has_not_is_refused() -> None:
    with pytest.raises(ModelError, match="precision fp16: backend onnxruntime computes in what"):
        load_model("siamrpnpp", backend=ONNXRUNTIME, build=BuildOptions("fp16"))
    workshop = Workshop(missing=NO_DEVICE)
    asked = EngineChoice(AUTO, 1, BuildOptions("fp16"), accelerator=workshop.accelerator)
    assert open_model("siamrpnpp", asked).precision == "fp32"  # auto may, and says what it takes


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(ModelError, match="no precision 'fp12'; there are auto"):
        BuildOptions("fp12")


# --- engines that are built ----------------------------------------------------------------------


def test_auto_tracks_on_onnx_runtime_until_the_engines_are_built() -> None:
    workshop = Workshop(half=True)
    model = loaded(workshop, wait=False)
    assert (model.backend, workshop.built) == (ONNXRUNTIME, [])
    assert followed(model) is TrackState.TRACKING
    assert model.upgrade is not None
    model.upgrade.build()
    assert model.backend == ONNXRUNTIME
    model.upgrade.take_over()
    assert (model.backend, model.precision) == ("other", "fp16 (1 of 9 layers fp32)")
    assert followed(model) is TrackState.TRACKING
    assert [name for name, _ in workshop.asked] == [
        f"{DEFAULT_MODELS['siamrpnpp']}.{role}" for role in ("match", "search", "template")
    ]


def test_the_reason_of_auto_is_told_of_a_device_as_well() -> None:
    assert loaded(Workshop(), wait=False).parts[0].choice == "auto: tensorrt, as Other can be used"


@pytest.mark.parametrize("backend", [AUTO, TENSORRT])
def test_who_waits_gets_a_model_that_runs_on_them(backend: str) -> None:
    model = loaded(Workshop(), backend)
    assert (model.backend, model.upgrade) == ("other", None)
    assert followed(model) is TrackState.TRACKING


def test_tensorrt_by_name_is_waited_for_in_any_case() -> None:
    model = loaded(Workshop(), TENSORRT, wait=False)
    assert (model.backend, model.upgrade) == ("other", None)


def test_how_far_it_is_goes_over_all_networks() -> None:
    workshop, told = Workshop(), list[Progress]()
    asked = EngineChoice(TENSORRT, tell=told.append, accelerator=workshop.accelerator)
    open_model("siamrpnpp", asked)
    shares = [progress.done for progress in told]
    assert shares == sorted(shares) and shares[0] == 0 and 0.9 < shares[-1] <= 1
    assert Progress("search: half of it", 0.5) in told


def test_an_engine_has_run_before_it_takes_over() -> None:
    workshop = Workshop()
    model = loaded(workshop, wait=False)
    assert model.upgrade is not None
    model.upgrade.build()
    assert [engine.runs for engine in workshop.built] == [1, 1, 1]


def test_samples_are_recorded_once_and_only_when_they_are_asked_for() -> None:
    workshop = Workshop()
    loaded(workshop, TENSORRT)
    assert workshop.samples == {}
    workshop.wants_samples = True
    loaded(workshop, TENSORRT)
    assert set(workshop.samples) == {
        f"{DEFAULT_MODELS['siamrpnpp']}.{role}" for role in ("match", "search", "template")
    }
    assert min(workshop.samples.values()) > 0


def test_two_builds_of_a_process_are_one_after_the_other() -> None:
    first, second = Workshop(), Workshop()
    first.go.clear()
    told: list[Progress] = []
    slow = threading.Thread(target=lambda: loaded(first, TENSORRT))
    slow.start()
    assert first.at_work.acquire(timeout=10)
    waits = threading.Event()

    def tell(progress: Progress) -> None:
        told.append(progress)
        waits.set()

    asked = EngineChoice(TENSORRT, tell=tell, accelerator=second.accelerator)
    other = threading.Thread(target=lambda: open_model("siamfc", asked))
    other.start()
    assert waits.wait(10)
    assert "waits for another build" in told[0].words and second.asked == []
    first.go.set()
    slow.join(20)
    other.join(20)
    assert len(first.built) == len(second.built) == 3


# --- engines that cannot be built ----------------------------------------------------------------


def test_where_nothing_can_be_built_auto_stays_and_says_why() -> None:
    model = loaded(Workshop(failure=OUT_OF_MEMORY), wait=False)
    assert model.upgrade is not None
    with pytest.raises(EngineError):
        model.upgrade.build()
    assert model.backend == ONNXRUNTIME
    assert OUT_OF_MEMORY in model.parts[0].trouble
    assert "onnxruntime goes on" in model.parts[0].trouble


def test_where_nothing_can_be_built_who_waits_with_auto_is_told() -> None:
    told: list[Progress] = []
    workshop = Workshop(failure=OUT_OF_MEMORY)
    asked = EngineChoice(AUTO, 1, tell=told.append, accelerator=workshop.accelerator)
    model = open_model("siamrpnpp", asked)
    assert (model.backend, model.upgrade) == (ONNXRUNTIME, None)
    assert told[-1] == Progress(model.parts[0].trouble, 1.0) and OUT_OF_MEMORY in told[-1].words


def test_where_nothing_can_be_built_tensorrt_is_refused() -> None:
    with pytest.raises(EngineError, match=OUT_OF_MEMORY):
        loaded(Workshop(failure=OUT_OF_MEMORY), TENSORRT)


def test_an_error_of_a_library_is_one_of_the_build() -> None:
    class Surprising(Workshop):
        def open(self, *args: Any, **more: Any) -> Engine:
            raise TypeError("incompatible constructor arguments")

    with pytest.raises(EngineError, match="TypeError: incompatible constructor"):
        loaded(Surprising(), TENSORRT)


def test_a_build_that_is_given_up_is_no_choice_of_another_backend() -> None:
    def tell(progress: Progress) -> None:
        raise GivenUpError("the node is shut down")

    asked = EngineChoice(AUTO, 1, tell=tell, accelerator=Workshop().accelerator)
    with pytest.raises(GivenUpError):
        open_model("siamrpnpp", asked)


# --- engines that fail while they run ------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["waited", "taken over"])
def running(request: pytest.FixtureRequest) -> Iterator[tuple[LoadedModel, Workshop]]:
    """A model of `auto` that runs on them."""
    workshop = Workshop()
    model = loaded(workshop, wait=request.param)
    if model.upgrade is not None:
        model.upgrade.build()
        model.upgrade.take_over()
    assert model.backend == "other"
    yield model, workshop


def test_where_an_engine_fails_in_a_frame_auto_goes_back_and_the_target_is_kept(
    running: tuple[LoadedModel, Workshop],
) -> None:
    model, workshop = running
    target = model.new_target("7")
    target.start(scene(200, 150), BOX)
    for step in range(1, 6):
        target.follow(scene(200 + 3 * step, 150))
    for engine in workshop.built:
        engine.broken = True
    track = target.follow(scene(218, 150))
    assert (track.state, track.age) == (TrackState.TRACKING, 6)
    assert track.box.iou(Box(218, 150, 60, 48)) > 0.4
    assert model.backend == ONNXRUNTIME and OUT_OF_MEMORY in model.parts[0].trouble
    assert followed(model) is TrackState.TRACKING


def test_where_an_engine_fails_in_a_frame_tensorrt_says_so() -> None:
    workshop = Workshop()
    model = loaded(workshop, TENSORRT)
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), BOX)
    for engine in workshop.built:
        engine.broken = True
    for _ in range(2):
        with pytest.raises(EngineError, match=OUT_OF_MEMORY):
            tracker.track(scene(203, 150))
    assert model.backend == "other"


# --- of several objects --------------------------------------------------------------------------


def test_famnet_and_the_tracker_that_recovers_change_together() -> None:
    workshop = Workshop(half=True)
    tracker = open_multi_tracker("famnet", engines=choice(workshop, wait=False))
    assert f"{ONNXRUNTIME} fp32" in tracker.about and len(tracker.parts) == 2
    assert tracker.upgrade is not None
    tracker.upgrade.build()
    tracker.upgrade.take_over()
    assert {networks.backend for networks in tracker.parts} == {"other"}
    assert "other fp16" in tracker.about
    assert {name.split(".")[0] for name, _ in workshop.asked} == {
        "famnet_alexnet_small", DEFAULT_MODELS["siamrpnpp"],
    }  # fmt: skip


def test_famnet_has_samples_of_every_graph() -> None:
    workshop = Workshop()
    workshop.wants_samples = True
    open_multi_tracker("famnet:recover=off", engines=choice(workshop, TENSORRT))
    card = read_card("famnet_alexnet_small")
    assert set(workshop.samples) == {f"{card.name}.{role}" for role in card.files}
    assert min(workshop.samples.values()) > 0


def test_sort_has_no_networks_on_any_backend() -> None:
    tracker = open_multi_tracker("sort", engines=choice(Workshop(missing=NO_DEVICE), TENSORRT))
    assert (tracker.parts, tracker.upgrade, tracker.backend) == ((), None, "")
