"""ATOM's classifier learning where its networks run: it learns what NumPy learns.

The other backend is ONNX Runtime. Its mirrors keep what was sent apart from what was written, as a
device does: a row that was not sent is not seen.
"""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable

import numpy as np
import pytest
from learning_engines import FarLearningWorkshop, LearningWorkshop
from other_engines import OUT_OF_MEMORY, Workshop
from patch_scene import scene

pytest.importorskip("onnx", reason="no onnx to write a graph with: ./run setup train")

from tracker_ros.engines.build import BuildOptions, Progress
from tracker_ros.engines.engine import Array
from tracker_ros.engines.network import Networks
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import EngineError
from tracker_ros.geometry import Box
from tracker_ros.models.card import Card, read_card
from tracker_ros.sot import DEFAULT_MODELS, LoadedModel, trackers_with_weights
from tracker_ros.sot.atom import AtomTracker
from tracker_ros.sot.atom_optimiser import LearningEngine, with_optimiser
from tracker_ros.sot.atom_parameters import AtomParameters
from tracker_ros.sot.backends import AUTO, TENSORRT, Accelerator, EngineChoice
from tracker_ros.sot.model import open_model
from tracker_ros.sot.passes import run_alone
from tracker_ros.track import Estimate

if "atom" not in trackers_with_weights():
    pytest.skip("no weights of ATOM are here", allow_module_level=True)

BOX = Box(200, 150, 60, 48)
FRAMES, CHANGE = 12, 6
TRACKING = {"memory": 36, "update_interval": 3, "newton_steps": 2}
"""Updated soon, of so few samples that slots are used again; 30 are the first frame's."""
LEARNING = AtomParameters(memory=36)
UPDATES, PRODUCTS = "update_36x64x18_in_5", "products_30x192x18"


def card() -> Card:
    shipped = read_card(DEFAULT_MODELS["atom"])
    return dataclasses.replace(shipped, tracking={**shipped.tracking, **TRACKING})


def opened(
    workshop: Workshop | None = None, backend: str = AUTO, *, wait: bool = True
) -> LoadedModel:
    choice = EngineChoice(threads=1)
    if workshop is not None:
        choice = EngineChoice(backend, 1, wait=wait, accelerator=workshop.accelerator)
    networks, upgrade = choice.open(
        card(), AtomTracker.roles, lambda footage: {}, learning=LEARNING
    )
    return LoadedModel(card(), networks, upgrade)


def started(model: LoadedModel, x: float = 200, y: float = 150) -> AtomTracker:
    tracker = model.new_tracker()
    assert isinstance(tracker, AtomTracker)
    tracker.init(scene(round(x), round(y)), Box(x, y, 60, 48))
    return tracker


def followed(
    model: LoadedModel, *, before: Callable[[int], object] = lambda step: None
) -> tuple[list[Estimate], Array]:
    """What is found, and the kernels of the classifier in the end."""
    tracker, found = started(model), []
    for step in range(1, FRAMES):
        before(step)
        found.append(run_alone(tracker.following(scene(200 + 3 * step, 150 + step)))[0])
    return found, tracker._learnt().classifier.kernels


Followed = tuple[list[Estimate], Array]


def assert_near(found: Followed, expected: Followed, *, off: float = 0.05) -> None:
    """off: of the kernels, at most. Rounding in a first frame makes a hundredth."""
    for one, other in zip(found[0], expected[0], strict=True):
        assert one.box.iou(other.box) > 0.98
        assert one.evidence.score == pytest.approx(other.evidence.score, abs=0.01)
    assert np.linalg.norm(found[1] - expected[1]) < off * np.linalg.norm(expected[1])


@pytest.fixture(scope="module")
def plain() -> Followed:
    """What is found on ONNX Runtime, where NumPy updates."""
    return followed(opened())


def test_a_target_is_followed_as_with_updates_in_numpy(plain: Followed) -> None:
    workshop = LearningWorkshop()
    model = opened(workshop)
    assert model.backend == "other" and model.parts[0].remarks == {}
    before = [workshop.of(stem).runs for stem in (UPDATES, PRODUCTS)]
    assert_near(followed(model), plain)
    after = [workshop.of(stem).runs for stem in (UPDATES, PRODUCTS)]
    updates, products = (now - then for now, then in zip(after, before, strict=True))
    assert updates >= (FRAMES - 1) // 3
    assert products == 2 * (1 + LEARNING.newton_cg), "the first frame, in two steps"


def test_only_what_is_new_goes_up() -> None:
    workshop = LearningWorkshop()
    model = opened(workshop)
    workshop.of(UPDATES).mirrors.clear()
    followed(model)
    (mirror,) = workshop.of(UPDATES).mirrors
    first, *later = mirror.sent
    assert first == list(range(36))
    assert later == [[33, 34, 35], [30, 31, 32]]


def test_each_target_has_a_mirror_as_long_as_it_is_there() -> None:
    workshop = LearningWorkshop()
    model = opened(workshop)
    refine = model.parts[0]["refine"].engine
    assert isinstance(refine, LearningEngine) and refine.optimiser is not None
    first, later = refine.optimiser._first._copies, refine.optimiser._later._copies
    gc.collect()
    assert len(first) == len(later) == 0, "of the trials"
    alone = [started(opened(), x, y) for x, y in ((200, 150), (400, 300))]
    trackers = [started(model, x, y) for x, y in ((200, 150), (400, 300))]
    for step in range(1, 8):
        image = scene(200 + 3 * step, 150) if step % 2 else scene(400, 300)
        for tracker, plain in zip(trackers, alone, strict=True):
            assert tracker.track(image).box.iou(plain.track(image).box) > 0.98
    assert (len(first), len(later)) == (0, 2)
    del tracker, trackers
    gc.collect()
    assert len(later) == 0


def test_engines_that_come_later_take_over_all_that_was_learnt(plain: Followed) -> None:
    workshop = LearningWorkshop()
    model = opened(workshop, wait=False)

    def change(step: int) -> None:
        if step == CHANGE:
            assert model.upgrade is not None
            model.upgrade.build()
            workshop.of(UPDATES).mirrors.clear()
            model.upgrade.take_over()

    assert_near(followed(model, before=change), plain, off=1e-3)
    (mirror,) = workshop.of(UPDATES).mirrors
    assert mirror.sent[0] == list(range(36)) and len(mirror.sent) > 1


def test_an_update_that_fails_is_done_in_numpy_and_all_of_it_changes(plain: Followed) -> None:
    workshop = LearningWorkshop()
    model, told = opened(workshop), list[str]()
    model.parts[0].on_trouble = told.append

    def fail(step: int) -> None:
        workshop.of(UPDATES).broken = step >= CHANGE

    assert_near(followed(model, before=fail), plain)
    assert model.backend == "onnxruntime" and len(told) == 1
    assert told[0].startswith("other has failed, onnxruntime goes on: " + OUT_OF_MEMORY)


@pytest.mark.parametrize("passes", [0, 5, 13])
def test_a_failure_while_a_target_is_learnt_leaves_the_rest_to_numpy(
    plain: Followed, passes: int
) -> None:
    """At the gradient, at a product, in the second step."""
    workshop = LearningWorkshop()
    model = opened(workshop)
    engine = workshop.of(PRODUCTS)
    engine.fails_after = engine.runs + passes
    assert_near(followed(model), plain)
    assert model.backend == "onnxruntime" and engine.runs == engine.fails_after + 1


def test_where_nothing_may_take_over_a_failure_is_the_callers() -> None:
    workshop = LearningWorkshop()
    model = opened(workshop, TENSORRT)
    tracker = started(model)
    workshop.of(UPDATES).broken = True
    with pytest.raises(EngineError, match=OUT_OF_MEMORY):
        for step in range(1, FRAMES):
            tracker.track(scene(200 + 3 * step, 150))
    workshop.of(UPDATES).broken = False
    assert tracker.track(scene(209, 150)).box.iou(Box(209, 150, 60, 48)) > 0.5


def test_where_a_graph_is_refused_numpy_learns_to_the_last_digit(plain: Followed) -> None:
    model = opened(LearningWorkshop(refuses=EngineError("no Exp here")))
    assert model.backend == "other"
    words = {"refine": "the classifier learns on the CPU: no Exp here"}
    assert model.parts[0].remarks == words
    found, kernels = followed(model)
    assert found == plain[0] and np.array_equal(kernels, plain[1])


def test_an_engine_that_learns_otherwise_is_not_used(plain: Followed) -> None:
    model = opened(LearningWorkshop(factor=1.01))
    (words,) = model.parts[0].remarks.values()
    assert words.startswith("the classifier learns on the CPU, as here it learns otherwise: ")
    assert "kernels is off by 1." in words
    found, kernels = followed(model)
    assert found == plain[0] and np.array_equal(kernels, plain[1])


def test_a_build_that_is_given_up_ends_with_what_learns() -> None:
    with pytest.raises(GivenUpError):
        opened(LearningWorkshop(refuses=GivenUpError("given up")))


def test_updates_of_another_size_are_numpys() -> None:
    workshop = LearningWorkshop()
    model = opened(workshop)
    runs = workshop.of(UPDATES).runs
    other = model.with_tracking({**card().tracking, "memory": 60})
    followed(other)
    assert workshop.of(UPDATES).runs == runs


def test_an_engine_without_mirrors_reads_what_is_written() -> None:
    engines = {role: OnnxEngine(card().graph(role), threads=1) for role in ("search", "refine")}
    engine = with_optimiser(engines, LEARNING, lambda graph: OnnxEngine(graph, threads=1))
    assert engine.optimiser is not None and engine.remark == ""


def test_the_network_beside_which_it_learns_reads_on_the_device_what_others_left_there(
    plain: Followed,
) -> None:
    workshop = FarLearningWorkshop()
    assert_near(followed(opened(workshop)), plain)
    (project,) = workshop.of(".project")
    assert project.unread, "or refine was not given what lies there"
    assert workshop.of("update_") and workshop.device.fetched == 0


def test_a_model_has_what_learns_built_last_in_float32_and_told_of() -> None:
    workshop, told = LearningWorkshop(), list[Progress]()
    choice = EngineChoice(
        AUTO, 1, BuildOptions("fp16"), tell=told.append, accelerator=workshop.accelerator
    )
    model = open_model("atom", choice)
    assert [(stem, options.precision) for stem, options in workshop.asked[4:]] == [
        (PRODUCTS, "fp32"), ("update_250x64x18_in_5", "fp32"),
    ]  # fmt: skip
    assert [told[-1].words, told[-1].done] == ["learning: done where the networks run", 1.0]
    assert all(0 <= progress.done <= 1 for progress in told)
    networks = model.parts[0]
    assert isinstance(networks, Networks) and networks.precision == "fp32"
    assert networks["refine"].engine.inputs == OnnxEngine(card().graph("refine")).inputs


def test_other_models_and_other_backends_learn_in_numpy() -> None:
    assert Accelerator().learns is False
    workshop = LearningWorkshop()
    open_model("siamfc", EngineChoice(AUTO, 1, accelerator=workshop.accelerator))
    plain = Workshop()
    opened(plain)
    asked = [stem for stem, _ in (*workshop.asked, *plain.asked)]
    assert len(asked) == 3 + 4 and not {UPDATES, PRODUCTS} & {*asked}
