"""Precise RoI pooling against its specification, plain sums and differences. Needs torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.networks.prroi import (  # noqa: E402
    box_gradient,
    hat,
    hat_integral,
    pool_with_edges,
    prroi_pool,
)

RAMP = (10 * torch.arange(6.0)[:, None] + torch.arange(7.0))[None, None]
"""F(i, j) = 10 i + j, 6 rows of 7: specs of ATOM, section 2."""


def pooled(
    features: torch.Tensor, box: list[float], bins: int, scale: float = 1 / 8
) -> torch.Tensor:
    boxes = torch.tensor([[box]], dtype=features.dtype)
    return prroi_pool(features, boxes, bins, scale)[0, 0]


def test_the_goldens_of_the_specification_come_out() -> None:
    inside = pooled(RAMP, [8, 16, 16, 12], 2)[0]
    assert torch.allclose(inside, torch.tensor([[25.25, 26.25], [32.75, 33.75]]), atol=1e-5)
    over_the_corner = pooled(RAMP, [-8, -8, 24, 24], 2)[0]
    expected = torch.tensor([[0.611111, 1.666667], [8.416667, 13.75]])
    assert torch.allclose(over_the_corner, expected, atol=1e-5)


def test_a_bin_is_the_mean_of_the_interpolated_surface_over_it() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 1, 9, 11, dtype=torch.float64)
    x, y, w, h = box = [-5.3, 20.1, 61.7, 44.9]
    fine = 800
    v = (y + (np.arange(fine) + 0.5) / fine * h) / 8
    u = (x + (np.arange(fine) + 0.5) / fine * w) / 8
    rows = np.maximum(0, 1 - np.abs(v[:, None] - np.arange(9)))
    columns = np.maximum(0, 1 - np.abs(u[:, None] - np.arange(11)))
    surface = rows @ features[0, 0].numpy() @ columns.T
    means = surface.reshape(2, fine // 2, 2, fine // 2).mean((1, 3))
    assert np.allclose(pooled(features, box, 2)[0].numpy(), means, atol=1e-4)


@pytest.mark.parametrize("w, h", [(0.0, 12.0), (16.0, 0.0), (-4.0, 12.0), (-4.0, -4.0)])
def test_a_box_without_area_gives_zeros_and_no_slope(w: float, h: float) -> None:
    boxes = torch.tensor([[[8.0, 16.0, w, h]]])
    assert prroi_pool(RAMP, boxes, 2, 1 / 8).abs().max() == 0
    parts = pool_with_edges(RAMP.transpose(1, 2), boxes, 2, 1 / 8)
    assert box_gradient(parts, torch.ones_like(parts.value), boxes, 1 / 8).abs().max() == 0


def test_the_slope_of_the_integral_is_the_hat_also_at_whole_numbers() -> None:
    t = torch.tensor([-1.5, -1, -0.5, 0, 0.25, 1, 2], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(hat_integral(t).sum(), t)
    assert torch.allclose(slope, hat(t), atol=1e-12)


@pytest.mark.parametrize("bins, scale", [(5, 1 / 8), (3, 1 / 16), (1, 1 / 16)])
def test_the_written_gradient_is_that_of_differences_and_of_autograd(
    bins: int, scale: float
) -> None:
    torch.manual_seed(1)
    features = torch.randn(2, 4, 18, 18, dtype=torch.float64)
    # The last box lies on cells exactly, where the hat has its kink.
    boxes = torch.tensor(
        [[[21.3, 40.7, 50.9, 33.1], [-9.2, 5.5, 70.3, 61.0], [16.0, 32.0, 80.0, 48.0]]],
        dtype=torch.float64,
    ).repeat(2, 1, 1)
    upstream = torch.randn(2, 3, bins, 4, bins, dtype=torch.float64)
    parts = pool_with_edges(features.transpose(1, 2), boxes, bins, scale)
    assert torch.allclose(
        parts.value, prroi_pool(features, boxes, bins, scale).transpose(2, 3), atol=1e-12
    )
    written = box_gradient(parts, upstream, boxes, scale)

    def total(boxes: torch.Tensor) -> torch.Tensor:
        value = prroi_pool(features, boxes, bins, scale).transpose(2, 3)
        return (value * upstream).sum((2, 3, 4))

    variable = boxes.clone().requires_grad_()
    (automatic,) = torch.autograd.grad(total(variable).sum(), variable)
    assert torch.allclose(written, automatic, atol=1e-10)
    step = 1e-5
    for coordinate in range(4):
        moved = torch.zeros(4, dtype=torch.float64)
        moved[coordinate] = step
        difference = (total(boxes + moved) - total(boxes - moved)) / (2 * step)
        assert torch.allclose(written[..., coordinate], difference, atol=1e-4)
