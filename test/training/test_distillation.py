"""Where a student's and a teacher's cells look, and what likeness is worth. Needs torch."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.networks.backbones.resnet18 import PictureResNet18  # noqa: E402
from tracker_ros.training.distill import at_cells  # noqa: E402
from tracker_ros.training.task import Level  # noqa: E402
from tracker_ros.training.teacher import response_loss  # noqa: E402


@pytest.mark.parametrize(
    ("stride", "first", "size", "cells"),
    [(8, 43.0, 22, slice(3, 14)), (16, 0.0, 16, slice(0, 16)), (8, 0.0, 32, slice(0, 16))],
    ids=["AlexNet", "ResNet-18", "its finer map"],
)
def test_features_are_compared_where_both_networks_look(
    stride: int, first: float, size: int, cells: slice
) -> None:
    ours = stride * torch.arange(size) + first  # the pixel that each of our cells looks at
    ramp = ours[None, None, :, None] + 1000 * ours[None, None, None, :]
    at, found = at_cells(Level(ramp, stride, first), 16, 16)
    theirs = 16.0 * torch.arange(16)[cells]
    assert found == cells
    assert torch.allclose(at[0, 0], theirs[:, None] + 1000 * theirs[None, :])


def test_cells_of_resnet_look_where_they_say() -> None:
    """A dot moves the features of the cells at its place most: cell i at pixel stride * i."""
    torch.manual_seed(0)
    network = PictureResNet18((8, 8, 8, 8)).eval()
    empty, dot = torch.full((2, 1, 3, 255, 255), 100.0)
    dot[..., 126:131, 94:99] = 255.0  # around row 128, column 96
    with torch.no_grad():
        pairs = zip(network(empty), network(dot), (8, 16), strict=True)
        for before, after, stride in pairs:
            change = (after - before).abs().sum((0, 1))
            assert divmod(int(change.argmax()), change.shape[1]) == (128 // stride, 96 // stride)


def test_a_response_like_the_teachers_costs_least() -> None:
    ticks = 128 + 8.0 * (torch.arange(25) - 12)
    taught = torch.zeros(1, 16, 16)
    taught[0, 6, 9] = 1.0  # pixels 96, 144
    cls = torch.zeros(1, 10, 25, 25)
    cls[:, :5] = 6.0
    right, wrong = cls.clone(), cls.clone()
    right[0, 7, 8, 14] = 12.0  # row 96, column 144
    wrong[0, 7, 14, 8] = 12.0
    losses = [float(response_loss(maps, ticks, taught)) for maps in (right, cls, wrong)]
    assert losses[0] < losses[1] < losses[2]
