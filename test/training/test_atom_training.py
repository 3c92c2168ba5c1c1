"""Training of ATOM's overlap network: boxes tried, loss, backbone, and that it learns. Torch."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from patch_scene import BACKGROUND, PATCH, scene  # noqa: E402

from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.networks.atom import ATOM  # noqa: E402
from tracker_ros.networks.atom_parts import Refinement  # noqa: E402
from tracker_ros.networks.backbones.resnet18 import PictureResNet18  # noqa: E402
from tracker_ros.networks.zoo import export_network  # noqa: E402
from tracker_ros.sot.atom import AtomTracker  # noqa: E402
from tracker_ros.sot.atom_parameters import AtomParameters  # noqa: E402
from tracker_ros.training.box_proposals import LEAST_OVERLAP, SCALES, proposals  # noqa: E402
from tracker_ros.training.recipe import read_recipe  # noqa: E402
from tracker_ros.training.task import Batch, images_of  # noqa: E402
from tracker_ros.training.tasks import TASKS  # noqa: E402
from tracker_ros.training.tasks.atom import BOXES, AtomTask, corner_boxes  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402

SLIM = {"widths": [8, 12, 24, 32], "hidden": 16}
SIZE = 160
"""Side of a crop here: less to compute than the recipe's 288."""


class Exact:
    """Float32 throughout."""

    device = "cpu"

    def autocast(self) -> AbstractContextManager[Any]:
        return contextlib.nullcontext()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing by a second thread, which waits for its turn to spin."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def slim_task(**train: object) -> AtomTask:
    torch.manual_seed(0)
    recipe = dataclasses.replace(read_recipe("atom"), network=SLIM)
    return AtomTask(dataclasses.replace(recipe, train={**recipe.train, **train}))


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4) cx, cy, w, h."""
    sides = [
        np.minimum(a[..., i] + a[..., i + 2] / 2, b[..., i] + b[..., i + 2] / 2)
        - np.maximum(a[..., i] - a[..., i + 2] / 2, b[..., i] - b[..., i + 2] / 2)
        for i in (0, 1)
    ]
    inter = np.clip(sides[0], 0, None) * np.clip(sides[1], 0, None)
    return inter / (a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - inter)


def crop_of_scene(rng: np.random.Generator, reach: float) -> tuple[np.ndarray, list[float]]:
    """A crop with the patch, of any aspect, up to `reach` px from its middle; cx, cy, w, h."""
    w, h = 38 * np.exp(rng.normal(0, 0.2, 2))
    cx, cy = (SIZE - 1) / 2 + rng.uniform(-reach, reach, 2)
    x, y = rng.integers(0, 640 - SIZE), rng.integers(0, 480 - SIZE)
    crop = BACKGROUND[y : y + SIZE, x : x + SIZE].copy()
    zoom = np.array([[w / 60, 0, cx - w / 60 * 29.5], [0, h / 48, cy - h / 48 * 23.5]])
    cv2.warpAffine(PATCH, zoom, (SIZE, SIZE), crop, borderMode=cv2.BORDER_TRANSPARENT)
    return crop, [cx, cy, w, h]


def pairs(seed: int, number: int) -> Batch:
    rng = np.random.default_rng(seed)
    first = [crop_of_scene(rng, 0) for _ in range(number)]
    second = [crop_of_scene(rng, 40) for _ in range(number)]
    return Batch(
        torch.from_numpy(np.stack([crop for crop, _ in first])),
        torch.tensor([box for _, box in first]).float(),
        torch.from_numpy(np.stack([crop for crop, _ in second])),
        torch.tensor([box for _, box in second]).float(),
        torch.ones(number, dtype=torch.bool),
        torch.arange(number)[:, None].expand(-1, 2),
    )


# --- the boxes tried ------------------------------------------------------------------------------


def test_boxes_overlap_the_target_enough_and_the_overlap_told_is_the_true_one() -> None:
    torch.manual_seed(0)
    truth = torch.tensor([[100.0, 90, 60, 40], [10, 200, 3, 180], [5, 5, 2, 2]])
    boxes, overlap = proposals(truth, 500)
    assert boxes.shape == (3, 500, 4) and overlap.shape == (3, 500)
    assert np.allclose(overlap, overlaps(boxes.numpy(), truth.numpy()[:, None]), atol=1e-5)
    assert float(overlap.min()) >= LEAST_OVERLAP


def test_boxes_lie_near_and_far_at_every_scale_of_the_paper() -> None:
    torch.manual_seed(0)
    boxes, overlap = proposals(torch.tensor([[100.0, 90, 60, 40]]), 20_000)
    assert float((overlap > 0.95).float().mean()) > 0.15  # a fifth has a deviation of a hundredth
    assert float((overlap < 0.5).float().mean()) > 0.15
    # What the two smallest scales draw nearly always overlaps enough: nothing is drawn again.
    offset = (boxes[0, :, 0] - 100) / 2400**0.5
    near = float((offset.abs() < 0.01).float().mean())
    expected = np.mean([np.abs(np.random.default_rng(0).normal(0, s, 20_000)) < 0.01
                        for s in SCALES])  # fmt: skip
    assert near == pytest.approx(float(expected), abs=0.02)


def test_a_seed_gives_the_same_boxes_again() -> None:
    truth = torch.tensor([[100.0, 90, 60, 40]])
    torch.manual_seed(4)
    first, _ = proposals(truth, 16)
    second, _ = proposals(truth, 16)
    torch.manual_seed(4)
    again, _ = proposals(truth, 16)
    assert torch.equal(first, again) and not torch.equal(first, second)


# --- the loss -------------------------------------------------------------------------------------


def test_the_loss_is_the_squared_error_of_twice_the_overlap_less_one() -> None:
    task, batch = slim_task(), pairs(0, 3)
    torch.manual_seed(7)
    loss, figures = task.loss(batch, Exact())
    torch.manual_seed(7)
    boxes, _ = proposals(batch.box, BOXES)
    overlap = torch.from_numpy(overlaps(boxes.numpy(), batch.box.numpy()[:, None]))
    reference, test = (images_of(crop).flip(1) for crop in (batch.template, batch.search))
    predicted = task.network(reference, corner_boxes(batch.template_box), test, corner_boxes(boxes))
    error = (predicted - (2 * overlap - 1)).detach()
    assert float(loss.detach()) == pytest.approx(float(error.square().mean()), rel=1e-3)
    assert float(figures["off"]) == pytest.approx(float(error.abs().mean()) / 2, rel=1e-3)


def test_negative_pairs_do_not_count() -> None:
    task, batch = slim_task(), pairs(0, 3)
    batch = batch._replace(positive=torch.tensor([True, False, True]))
    values = []
    for fill in (0, 255):
        search = batch.search.clone()
        search[1] = fill
        torch.manual_seed(7)
        values.append(float(task.loss(batch._replace(search=search), Exact())[0].detach()))
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    assert values[0] > 0
    nothing, _ = task.loss(batch._replace(positive=torch.zeros(3, dtype=torch.bool)), Exact())
    assert float(nothing.detach()) == 0


def test_a_batch_of_one_is_refused_before_training_starts() -> None:
    with pytest.raises(ModelError, match=r"batch is 1; .* take at least 2"):
        slim_task(batch=1)


# --- the backbone ---------------------------------------------------------------------------------


def test_levels_are_the_layers_of_pictures_in_bgr_and_a_teacher_can_train_them() -> None:
    task = slim_task()
    images = torch.rand(1, 3, 255, 255) * 255
    second, third = task.levels(images)
    assert (second.stride, second.first, third.stride, third.first) == (8, 0, 16, 0)
    assert (second.features.shape[2:], third.features.shape[2:]) == ((32, 32), (16, 16))
    expected = task.network.features(images.flip(1))
    assert torch.equal(second.features, expected[0]) and torch.equal(third.features, expected[1])
    third.features.sum().backward()
    assert all(p.grad is not None for p in task.backbone.parameters())
    assert task.levels_taught == 2


def test_a_distilled_backbone_of_atom_or_of_siamrpnpp_gives_the_features_it_gave_there() -> None:
    torch.manual_seed(5)
    images = torch.rand(1, 3, 96, 96) * 255
    other = PictureResNet18(tuple(SLIM["widths"])).eval()  # takes BGR
    task = slim_task()
    task.start_from(other.state_dict())
    with torch.no_grad():
        for level, expected in zip(task.levels(images), other(images), strict=True):
            assert torch.allclose(level.features, expected, rtol=1e-3, atol=1e-4)
        own = slim_task()
        own.start_from(task.backbone.state_dict())
        for level, expected in zip(own.levels(images), task.levels(images), strict=True):
            assert torch.equal(level.features, expected.features)


def test_weights_of_another_backbone_are_refused() -> None:
    with pytest.raises(ModelError, match="are not those of its backbone"):
        slim_task().start_from(PictureResNet18((8, 8, 16, 16)).state_dict())


# --- learning -------------------------------------------------------------------------------------


class Pool:
    """A few batches over and over, as item i is the batch of step i."""

    def __init__(self, number: int) -> None:
        self.batches = [pairs(seed, 8) for seed in range(number)]

    def __getitem__(self, step: int) -> Batch:
        return self.batches[step % len(self.batches)]


def settle(task: AtomTask) -> None:
    """Statistics of these pictures for a backbone whose weights stay random."""
    task.backbone.train()
    with torch.no_grad():
        for _ in range(10):
            task.levels(images_of(pairs(100, 4).search))
    task.backbone.eval()


@pytest.fixture(scope="module")
def learnt() -> tuple[AtomTask, dict[str, torch.Tensor]]:
    """A task after a short run, and its weights from before."""
    task = slim_task()
    settle(task)
    before = {key: value.clone() for key, value in task.network.state_dict().items()}
    values = {"steps": 100, "batch": 8, "warm_up": 10, "learning_rate": 1e-2, "average": 0.9}
    trainer = Trainer(**{**task.recipe.train, **values})
    trainer.run(task.network, Pool(10), lambda batch: task.loss(batch, trainer), name="atom")
    return task, before


def test_training_changes_the_overlap_network_and_no_bit_of_the_backbone(
    learnt: tuple[AtomTask, dict[str, torch.Tensor]],
) -> None:
    task, before = learnt
    for key, value in task.network.state_dict().items():
        same = torch.equal(value, before[key])
        assert same == key.startswith("feature_extractor."), key


def judged(network: ATOM) -> tuple[float, float, float]:
    """Of pairs not trained on: correlation of the predicted overlap with the true one, and the
    mean overlap of shifted boxes before and after the refinement that the tracker makes."""
    batch = pairs(1000, 24)
    network.eval()
    torch.manual_seed(1)
    boxes, overlap = proposals(batch.box, BOXES)
    start = batch.box[:, None] + torch.randn(24, 10, 4) * 6
    regressor = network.bb_regressor
    with torch.no_grad():
        layers = network.features(images_of(batch.template).flip(1))
        target = regressor.modulation(*layers, corner_boxes(batch.template_box))
        maps = regressor.test_features(*network.features(images_of(batch.search).flip(1)))
        predicted = regressor.overlap(*maps, target, corner_boxes(boxes))
        refined, _ = Refinement(network)(*maps, *target, corner_boxes(start))
    correlation = np.corrcoef(predicted.flatten(), overlap.flatten())[0, 1]
    refined[..., :2] += (refined[..., 2:] - 1) / 2
    truth = batch.box.numpy()[:, None]
    first, last = (overlaps(b.numpy(), truth).mean() for b in (start, refined))
    return float(correlation), float(first), float(last)


def test_it_learns_to_predict_overlaps_and_its_gradient_leads_to_the_target(
    learnt: tuple[AtomTask, dict[str, torch.Tensor]],
) -> None:
    task, before = learnt
    correlation, first, last = judged(task.network)
    fresh = slim_task().network
    fresh.load_state_dict(before)
    assert judged(fresh)[0] < 0.4
    assert correlation > 0.65
    assert last > first + 0.08


def test_the_trained_network_tracks_and_its_size_follows_boxes_as_far_as_size_rate_says(
    learnt: tuple[AtomTask, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    task, _ = learnt
    roles = export_network(task.tracker, task.network, {"sample": SIZE}, tmp_path / "net")
    networks = {r: Network(OnnxEngine(tmp_path / f"net.{r}.onnx", threads=1)) for r in roles}
    start, larger, found = Box(200, 150, 60, 48), Box(195, 146, 70, 56), {}
    for rate in (1.0, 0.25):
        tracker = AtomTracker(networks, AtomParameters(sample=SIZE, memory=60, size_rate=rate))
        tracker.init(scene(200, 150), start)
        estimate = tracker.track(scene(204, 153))
        assert estimate.box.iou(Box(204, 153, 60, 48)) > 0.5
        tracker.accept(dataclasses.replace(estimate, box=larger))
        found[rate] = tracker.look_at(scene(200, 150), larger.cx, larger.cy).box
    assert abs(found[1.0].w - larger.w) > 1
    part, whole = found[0.25], found[1.0]
    assert part.w == pytest.approx(larger.w * (whole.w / larger.w) ** 0.25, rel=1e-6)
    assert part.h == pytest.approx(larger.h * (whole.h / larger.h) ** 0.25, rel=1e-6)
    assert (part.cx, part.cy) == pytest.approx((whole.cx, whole.cy), abs=1e-6)


def test_the_recipe_that_ships_makes_this_task() -> None:
    recipe = read_recipe("atom")
    assert TASKS[recipe.tracker] is AtomTask
    own = ATOM(tuple(recipe.network["widths"]), recipe.network["hidden"])
    assert sum(p.numel() for p in own.parameters()) < 6e6  # 12 MB as float16
