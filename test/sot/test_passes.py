"""Targets that share forward passes get what each would have got alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from patch_scene import scene

from tracker_ros.engines.engine import Array
from tracker_ros.engines.network import Network
from tracker_ros.geometry import Box
from tracker_ros.sot import LoadedModel, load_model, trackers_with_weights
from tracker_ros.sot.passes import Call, Steps, run_alone, run_together
from tracker_ros.track import Estimate

BOXES = [Box(200, 150, 60, 48), Box(300, 220, 50, 50), Box(90, 60, 40, 70)]


@pytest.fixture(scope="module", params=trackers_with_weights())
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return load_model(request.param, threads=1)


class Counted:
    """An engine that notes how many rows each of its passes has."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.rows: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.rows.append(len(next(iter(inputs.values()))))
        outputs: dict[str, Array] = self._engine.run(inputs)
        return outputs


def counted(model: LoadedModel) -> tuple[LoadedModel, Counted]:
    engine = Counted(model._networks["search"].engine)
    return LoadedModel(model.card, {**model._networks, "search": Network(engine)}), engine


def estimates(model: LoadedModel, *, together: bool) -> list[Estimate]:
    trackers = [model.new_tracker() for _ in BOXES]
    for tracker, box in zip(trackers, BOXES, strict=True):
        tracker.init(scene(200, 150), box)
    image = scene(206, 153)
    if together:
        return [done.result() for done in run_together([t.following(image) for t in trackers])]
    return [tracker.track(image) for tracker in trackers]


def test_targets_followed_together_are_where_they_are_alone(model: LoadedModel) -> None:
    pairs = zip(estimates(model, together=True), estimates(model, together=False), strict=True)
    for shared, alone in pairs:
        # A batch adds up its products in another order: the last digits of a float32.
        assert np.allclose(tuple(shared.box), tuple(alone.box), atol=0.01)
        assert shared.evidence.score == pytest.approx(alone.evidence.score, abs=1e-4)


def test_targets_share_one_pass_of_the_search_network(model: LoadedModel) -> None:
    shared, engine = counted(model)
    trackers = [shared.new_tracker() for _ in BOXES]
    for tracker, box in zip(trackers, BOXES, strict=True):
        tracker.init(scene(200, 150), box)
    engine.rows.clear()
    run_together([tracker.following(scene(200, 150)) for tracker in trackers])
    run_alone(trackers[0].following(scene(200, 150)))
    crops = engine.rows[1]  # of one target: SiamFC has one a scale
    assert engine.rows == [3 * crops, crops]


def test_a_batch_that_is_too_long_takes_several_passes(model: LoadedModel) -> None:
    search = model._networks["search"].engine
    engine = Counted(search)
    network = Network(engine, most_rows=4)
    size = search.inputs[0].shape[2]
    crops = [np.full((1, 3, size, size), float(40 * i), np.float32) for i in range(6)]
    answers = network.run_many([{"search": crop} for crop in crops])
    assert engine.rows == [4, 2]
    for crop, answer in zip(crops, answers, strict=True):
        alone = search.run({"search": crop})
        assert all(np.allclose(answer[name], alone[name], atol=1e-3) for name in alone)


def failing(image: object) -> Steps[Estimate]:
    raise ValueError(f"no tracker for {image}")
    yield  # what makes it a generator


def test_one_that_fails_leaves_the_others_alone(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), BOXES[0])
    bad, good = run_together([failing("this"), tracker.following(scene(200, 150))])
    with pytest.raises(ValueError, match="no tracker for this"):
        bad.result()
    assert good.result().box.iou(BOXES[0]) > 0.5


def test_a_network_that_fails_is_the_failure_of_those_who_asked_it(model: LoadedModel) -> None:
    def asking() -> Steps[Estimate]:
        yield Call(model._networks["search"], {"search": np.zeros((1, 3, 9, 9), np.float32)})
        raise AssertionError("it was answered")

    tracker = model.new_tracker()
    tracker.init(scene(200, 150), BOXES[0])
    done = run_together([asking(), asking()])
    assert all(one.value is None and one.error is not None for one in done)
    assert tracker.track(scene(200, 150)).box.iou(BOXES[0]) > 0.5


def test_times_tell_the_parts_of_a_frame_apart(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), BOXES[0])
    _, times = run_alone(tracker.following(scene(200, 150)))
    assert min(times.preprocess, times.inference, times.postprocess) > 0


def test_a_generator_that_asks_for_nothing_is_done_at_once() -> None:
    def quick(calls: Sequence[Call] = ()) -> Steps[str]:
        yield from calls
        return "done"

    assert run_alone(quick())[0] == "done"
