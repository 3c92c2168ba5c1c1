"""SPM-Tracker's labels, regions and losses, and that both stages learn. Needs torch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from rectangles import SIDE, Rectangles, background, colours, draw  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.geometry import Box, context_side  # noqa: E402
from tracker_ros.networks.backbones.alexnet_padded import PaddedAlexNet  # noqa: E402
from tracker_ros.networks.correlation import up_channel  # noqa: E402
from tracker_ros.networks.roi import linear_samples, pool  # noqa: E402
from tracker_ros.networks.zoo import build_network, export_network  # noqa: E402
from tracker_ros.sot import spm_proposals  # noqa: E402
from tracker_ros.sot.spm import SPMParameters, SPMTracker  # noqa: E402
from tracker_ros.sot.spm_crop import SquareSampler  # noqa: E402
from tracker_ros.training import spm_losses  # noqa: E402
from tracker_ros.training.losses import iou  # noqa: E402
from tracker_ros.training.recipe import Recipe, read_recipe  # noqa: E402
from tracker_ros.training.tasks import TASKS  # noqa: E402
from tracker_ros.training.tasks.spm import SPMTask  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402

TINY = {"widths": [16, 24, 24, 24, 24], "hidden": 16, "norm": "batch", "kernel_scale": 0.1}
TRAINER = Trainer(steps=80, batch=6, learning_rate=3e-3, warm_up=10, average=0.0)
RNG = np.random.default_rng(0)


def tiny_recipe() -> Recipe:
    shipped = read_recipe("spm")
    return Recipe(**{**vars(shipped), "network": TINY})


@pytest.fixture(scope="module")
def learnt() -> Iterator[SPMTask]:
    """Trained in seconds, on one thread: where tests share cores, two wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = SPMTask(tiny_recipe())
    TRAINER.run(
        task.network, Rectangles(6), lambda batch: task.loss(batch, TRAINER), name="rectangles"
    )
    yield task
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def random() -> SPMTask:
    torch.manual_seed(0)
    return SPMTask(tiny_recipe())


def normals(*shape: int) -> torch.Tensor:
    return torch.from_numpy(RNG.standard_normal(shape)).float()


def some_boxes(*shape: int) -> torch.Tensor:
    middle = torch.from_numpy(RNG.uniform(80, 190, (*shape, 2))).float()
    half = torch.from_numpy(RNG.uniform(15, 50, (*shape, 2))).float()
    return torch.cat((middle - half, middle + half), -1)


def figures_of(task: SPMTask, seed: int) -> dict[str, float]:
    """Means over a few batches that were not trained on."""
    task.network.eval()
    with torch.no_grad():
        found = [task.loss(Rectangles(8, seed)[i], TRAINER) for i in range(3)]
    shown = [{"loss": value, **figures} for value, figures in found]
    return {key: float(np.mean([float(each[key]) for each in shown])) for key in shown[0]}


def test_the_up_channel_correlation_is_a_convolution_with_kernels_of_each_sample() -> None:
    kernels, features = normals(3, 10, 8, 4, 4).requires_grad_(), normals(3, 8, 22, 22)
    features.requires_grad_()
    plain = torch.cat([functional.conv2d(features[i : i + 1], kernels[i]) for i in range(3)])
    found = up_channel(kernels, features)
    assert torch.allclose(found, plain, atol=1e-4)
    weights = normals(*found.shape)
    expected = torch.autograd.grad((plain * weights).sum(), (kernels, features))
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), (kernels, features)), expected, strict=True
    ):
        assert torch.allclose(one, other, atol=1e-3)


def test_pooled_regions_have_the_gradient_of_their_features() -> None:
    features = normals(1, 2, 7, 8).double().requires_grad_()
    rows = linear_samples(
        torch.tensor([[0.3, -1.0]]).double(), torch.tensor([[5.2, 3.0]]).double(), 4, 7
    )
    columns = linear_samples(
        torch.tensor([[1.5, 2.0]]).double(), torch.tensor([[6.9, 9.0]]).double(), 4, 8
    )
    assert torch.autograd.gradcheck(lambda maps: pool(maps, rows, columns), (features,))


def test_in_training_pairs_give_what_template_search_match_and_refine_give() -> None:
    torch.manual_seed(1)
    network = build_network("spm", TINY)
    for module in network.modules():  # statistics and weights that make a difference
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    batch = Rectangles(2)[0]
    template, search = (part.permute(0, 3, 1, 2).float() for part in (batch.template, batch.search))
    # The longest box of a target of 1:8, and a usual one.
    first = torch.tensor([[74.0, 128.0, 197.0, 144.0], [100.0, 95.0, 172.0, 175.0]])
    regions = some_boxes(2, 5)
    with torch.no_grad():
        matched = network(template, first, search)
        fine = network.refine(matched.target, matched.map, regions)
        for i in range(2):
            *kernels, target = network.template(template[i : i + 1], first[i].reshape(1, 1, 4))
            *features, shown = network.features(search[i : i + 1])
            cls, bbox = network.match(kernels, features)
            # Around the longest box the crop is cut where its features begin to see the border.
            assert torch.allclose(matched.target[i], target[0], atol=2e-2 if i == 0 else 1e-4)
            assert torch.allclose(matched.cls[i], cls[0], atol=1e-4)
            assert torch.allclose(matched.bbox[i], bbox[0], atol=1e-4)
            for both, alone in zip(
                fine,
                network.refine(matched.target[i : i + 1], shown, regions[i : i + 1]),
                strict=True,
            ):
                assert torch.allclose(both[i], alone[0], atol=1e-4)


def test_a_box_of_a_crop_is_where_the_tracker_counts_it() -> None:
    image, box = np.full((300, 300, 3), 40, np.uint8), Box(118, 122, 64, 64)
    image[122:186, 118:182] = 250
    side = context_side(box.w, box.h) * SIDE / 127
    x, y = 140 - side / 2, 160 - side / 2  # a search region beside the target
    crop = np.empty((3, SIDE, SIDE), np.float32)
    SquareSampler(SIDE).sample(image, x, y, side, crop)
    shares = (crop[0] - 40) / 210  # of each pixel, how much is target
    ticks, weight = np.arange(SIDE), shares.sum()
    middle = [float((shares.sum(axis) * ticks).sum() / weight) for axis in (0, 1)]
    seen = torch.tensor([*middle, shares.max(0).sum(), shares.max(1).sum()])
    scale = SIDE / side
    expected = [(118 - x) * scale, (122 - y) * scale, (182 - x) * scale, (186 - y) * scale]
    assert spm_losses.counted(seen, SIDE).tolist() == pytest.approx(expected, abs=0.1)


def test_boxes_move_as_in_the_tracker_and_deltas_undo_it() -> None:
    boxes, deltas = some_boxes(6), 0.3 * normals(6, 4)
    deltas[0, 2] = 3.0  # over the cap
    moved = spm_losses.decoded(boxes, deltas)
    assert np.allclose(moved, spm_proposals.decoded(boxes.numpy(), deltas.numpy()), atol=1e-3)
    assert torch.allclose(spm_losses.encoded(boxes, moved)[1:], deltas[1:], atol=1e-4)


def test_the_coarse_loss_takes_the_maps_as_the_tracker_reads_them() -> None:
    target = torch.tensor([[111.0, 90.0, 175.0, 170.0]])
    table = torch.from_numpy(spm_proposals.anchor_table())
    overlap = spm_proposals.overlaps(table.numpy(), target[0].numpy())
    right = torch.where(torch.from_numpy(overlap) > 0.45, 9.0, -9.0)
    cls = (
        torch.stack((-right, right), 1)
        .reshape(1, 19, 19, 5, 2)
        .permute(0, 4, 3, 1, 2)
        .reshape(1, 10, 19, 19)
    )
    deltas = spm_losses.encoded(table, target.expand_as(table))
    bbox = deltas.reshape(1, 19, 19, 20).permute(0, 3, 1, 2)
    boxes = spm_proposals.decoded(table.numpy(), spm_proposals.deltas_of(bbox.numpy()))
    assert np.allclose(boxes[overlap > 0.3], target.numpy(), atol=0.01), "as the tracker reads them"
    positive = torch.tensor([True])
    loss, figures = spm_losses.coarse_loss(cls, bbox, spm_losses.anchors(), target, positive)
    assert float(loss) < 0.01 and float(figures["iou"]) > 0.99
    moved = bbox.clone()
    moved[:, 0::4] += 0.2
    for other in ((cls, moved), (-cls, bbox), (cls.roll(4, 3), bbox)):
        assert (
            float(spm_losses.coarse_loss(*other, spm_losses.anchors(), target, positive)[0]) > 0.2
        )


def test_proposals_are_the_best_boxes_that_no_better_one_covers() -> None:
    cls, bbox = normals(2, 10, 19, 19), 0.2 * normals(2, 20, 19, 19)
    found = spm_losses.proposals(cls, bbox, count=8, nms=0.75)
    assert found.shape == (2, 8, 4)
    for i in range(2):
        boxes = spm_proposals.decoded(
            spm_proposals.anchor_table(), spm_proposals.deltas_of(bbox[i : i + 1].numpy())
        )
        left = np.argsort(-spm_proposals.foreground(cls[i : i + 1].numpy()), kind="stable")
        for box in found[i].numpy():
            assert np.allclose(box, boxes[left[0]], atol=1e-3)
            left = left[spm_proposals.overlaps(boxes[left], boxes[left[0]]) < 0.75]


def test_regions_around_a_target_are_its_box_close_ones_and_loose_ones() -> None:
    targets = some_boxes(200)
    regions = spm_losses.regions_around(targets, close=4, loose=4)
    overlap, _ = iou(regions, targets[:, None].expand_as(regions), -1)
    assert torch.allclose(regions[:, 0], targets, atol=1e-3)
    inside = (overlap >= spm_losses.FOREGROUND).float()
    assert inside[:, 1:5].mean() > 0.9
    assert 0.1 < inside[:, 5:].mean() < 0.6
    assert overlap[:, 1:].max() < 0.999, "no two are the same"


def test_the_fine_stage_learns_regions_with_half_of_the_target_as_foreground() -> None:
    target, regions = some_boxes(2), torch.zeros(2, 3, 4)
    regions[:, 0] = target
    regions[:, 1] = target + 4
    regions[:, 2] = target + 100
    positive, nobody = torch.tensor([True, False]), torch.zeros(0, 2)
    right = torch.tensor([[1.0, 1, -1], [-1, -1, -1]])
    cls = torch.stack((-right, right), -1) * 9
    goal = target[:, None].expand_as(regions)
    bbox = spm_losses.encoded(regions, goal) * torch.tensor([5.0, 5, 10, 10])
    found = spm_losses.Fine(cls, bbox)
    loss, figures = spm_losses.fine_loss(found, regions, target, positive, nobody)
    assert float(loss) < 1e-3
    assert float(figures["acc"]) == pytest.approx(1) and float(figures["fine_iou"]) > 0.999
    for wrong in ((-cls, bbox), (cls, bbox + 1), (cls.flip(0), bbox)):
        loss, _ = spm_losses.fine_loss(spm_losses.Fine(*wrong), regions, target, positive, nobody)
        assert float(loss) > 0.5
    stranger = torch.tensor([[-9.0, 9.0]])
    loss, figures = spm_losses.fine_loss(found, regions, target, positive, stranger)
    assert float(loss) > 1, "the target of another pair is background"
    assert float(figures["acc"]) == pytest.approx(0.9)


def test_a_batch_without_a_target_has_a_finite_loss(random: SPMTask) -> None:
    batch = Rectangles(2)[0]._replace(positive=torch.tensor([False, False]))
    value, figures = random.loss(batch, TRAINER)
    assert torch.isfinite(value) and float(figures["fine_iou"]) == 0


def test_one_pair_alone_is_a_batch(random: SPMTask) -> None:
    value, _ = random.loss(Rectangles(1)[0], TRAINER)
    assert torch.isfinite(value)


def test_the_target_of_another_pair_is_background_only_where_it_is_of_another_scene(
    random: SPMTask,
) -> None:
    # Search crop 1 shows what template 0 is of; search crop 0 what the last template is of.
    scenes = torch.tensor([[0, 2], [1, 0], [1, 3], [2, 2]])
    assert spm_losses.strange(scenes).tolist() == [False, False, True, True]
    assert not spm_losses.strange(scenes[3:]).any(), "alone, it comes after itself"
    batch, losses = Rectangles(2)[0], []
    for numbers in ([[0, 0], [1, 1]], [[0, 0], [0, 0]]):
        torch.manual_seed(0)
        value, _ = random.loss(batch._replace(scenes=torch.tensor(numbers)), TRAINER)
        losses.append(float(value.detach()))
    assert losses[0] != losses[1]


def test_the_cells_for_a_teacher_look_at_every_eighth_pixel(random: SPMTask) -> None:
    (level,) = random.levels(torch.zeros(1, 3, 255, 255))
    assert level.features.shape == (1, 24, 32, 32)
    assert (level.stride, level.first) == (8, 0.0)
    # In a crop whose last cell looks at its last pixel, a mirrored picture gives mirrored maps.
    backbone = PaddedAlexNet((8, 8, 8, 8, 8), "batch").eval()
    with torch.no_grad():
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.add_(module.weight.flip(3).clone())
        image = normals(1, 3, 249, 249)
        features, mirrored = backbone.whole(image), backbone.whole(image.flip(3))
    assert features.shape[-1] == 32 and features.std() > 0
    assert torch.allclose(mirrored, features.flip(3), atol=1e-5)


def test_an_unknown_norm_is_named() -> None:
    with pytest.raises(ModelError, match="'layer'"):
        build_network("spm", {"norm": "layer"})


def test_the_recipe_is_of_this_task_and_its_values_are_the_trackers() -> None:
    recipe = read_recipe("spm")
    assert TASKS[recipe.tracker] is SPMTask
    SPMParameters(**recipe.tracking)
    assert recipe.sampling["template_size"] == recipe.sampling["search_size"] == SIDE


def test_both_stages_learn(learnt: SPMTask, random: SPMTask) -> None:
    before, after = figures_of(random, 7), figures_of(learnt, 7)
    assert after["loss"] < 0.75 * before["loss"]
    assert after["iou"] > 0.5 > before["iou"], "boxes of the coarse stage"
    assert after["acc"] > 0.6 > before["acc"], "half of it is chance"
    assert after["fine"] < 0.9 * before["fine"]


def test_the_exported_graphs_follow_a_rectangle(learnt: SPMTask, tmp_path: Path) -> None:
    roles = export_network("spm", learnt.network, {}, tmp_path / "spm")
    paths = {role: tmp_path / f"spm.{role}.onnx" for role in roles}
    networks = {role: Network(OnnxEngine(path, threads=1)) for role, path in paths.items()}
    tracker, rng = SPMTracker(networks, SPMParameters()), np.random.default_rng(6)
    empty, own, overlaps = background(480, 360, rng), colours(rng), []
    for i in range(12):
        image = empty.copy()
        cx, cy, w, h = draw(image, (150 + 9 * i, 160 + 5 * i, 70, 50), own)
        box = Box(cx - (w - 1) / 2, cy - (h - 1) / 2, w, h)
        if i == 0:
            tracker.init(image, box)
        else:
            overlaps.append(tracker.track(image).box.iou(box))
    # With random weights it stays where it was: 0.2.
    assert np.mean(overlaps) > 0.5
