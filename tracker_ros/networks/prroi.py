"""Precise RoI pooling as two matrix products, with its gradient with respect to the box.

A feature map is read as the continuous surface that bilinear interpolation makes of it, and a
bin's value is the surface's mean over the bin: no rounding anywhere, so that the value has an
exact slope in every coordinate of the box. The integral of a hat function has a closed form,
which makes pooling `A_y F A_x^T`: no custom operator. Source: specs of ATOM, section 2.

Boxes are (x, y, w, h) in pixels of the crop; a map's cell (0, 0) lies at pixel (0, 0).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def hat(t: Tensor) -> Tensor:
    """Weight of a cell at distance t, in cells."""
    return 1 - t.clamp(-1, 1).abs()


def hat_integral(t: Tensor) -> Tensor:
    """Integral of `hat` from minus infinity to t; its autograd is `hat`, also at whole numbers."""
    c = t.clamp(-1, 1)
    return 0.5 + c - 0.5 * c * c.abs()


class _Axis(NamedTuple):
    """One axis of a set of boxes (B, N)."""

    integrals: Tensor
    """(B, N, bins, cells): weight of every cell in the integral over a bin."""
    values: Tensor
    """(B, N, bins + 1, cells): weight of every cell in the value at an edge between bins."""
    bin: Tensor
    """(B, N): size of a bin in cells."""


def _axis(start: Tensor, size: Tensor, bins: int, scale: float, cells: int) -> _Axis:
    places = torch.tensor(range(cells), dtype=start.dtype, device=start.device)
    edges = scale * (start[..., None] + size[..., None] * _shares(bins, start))
    distance = edges[..., None] - places
    whole = hat_integral(distance)
    return _Axis(whole[..., 1:, :] - whole[..., :-1, :], hat(distance), scale * size / bins)


def _shares(bins: int, like: Tensor) -> Tensor:
    """Where the edges of bins lie, (bins + 1,): 0 to 1 of the box."""
    return torch.tensor([i / bins for i in range(bins + 1)], dtype=like.dtype, device=like.device)


def _size(features: Tensor) -> list[int]:
    """Sides of the last three axes, as numbers that a traced graph holds instead of working out."""
    return [int(side) for side in features.shape[1:]]


def _inverse(x: Tensor) -> Tensor:
    """1 / x, and 0 where x is not positive."""
    positive = x > 0
    return torch.where(positive, 1 / torch.where(positive, x, 1.0), 0.0)


def _products(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Rows F columns^T, (B, N, R, C, Q): of maps (B, C, H, W), (B, N, R, H) and (B, N, Q, W).

    `features` comes as (B, H, C, W): then both are plain matrix products.
    """
    (boxes, lines, height), (_, channels, width) = _size(rows), _size(features)
    flat = rows.reshape(-1, boxes * lines, height)
    left = torch.matmul(flat, features.reshape(-1, height, channels * width))
    left = left.reshape(-1, boxes, lines * channels, width)
    both = torch.matmul(left, columns.transpose(2, 3))
    return both.reshape(-1, boxes, lines, channels, _size(columns)[1])


def prroi_pool(features: Tensor, boxes: Tensor, bins: int, scale: float) -> Tensor:
    """Pooled features (B, N, C, bins, bins) of maps (B, C, H, W) in boxes (B, N, 4).

    scale: cells per pixel. Boxes without area give zeros. Differentiable in both arguments.
    """
    _, height, width = _size(features)
    across = _axis(boxes[..., 0], boxes[..., 2], bins, scale, width)
    down = _axis(boxes[..., 1], boxes[..., 3], bins, scale, height)
    total = _products(features.transpose(1, 2), down.integrals, across.integrals)
    area = _inverse(across.bin) * _inverse(down.bin)
    return (total * area[..., None, None, None]).permute(0, 1, 3, 2, 4)


class Pooled(NamedTuple):
    """Pooled features of boxes (B, N), with what their slopes take. Bins are (row, C, column)."""

    value: Tensor
    """(B, N, bins, C, bins): means over the bins."""
    across: Tensor
    """(B, N, bins, C, bins + 1): means along the upright edges, over the width of a bin."""
    down: Tensor
    """(B, N, bins + 1, C, bins): means along the level edges, over the height of a bin."""


def pool_with_edges(features: Tensor, boxes: Tensor, bins: int, scale: float) -> Pooled:
    """As `prroi_pool`, for engines without automatic differentiation.

    `features` comes with its axes 1 and 2 exchanged: (B, H, C, W).
    """
    height, _, width = _size(features)
    across = _axis(boxes[..., 0], boxes[..., 2], bins, scale, width)
    down = _axis(boxes[..., 1], boxes[..., 3], bins, scale, height)
    rows = torch.cat((down.integrals, down.values), 2)
    columns = torch.cat((across.integrals, across.values), 2)
    area = _inverse(across.bin) * _inverse(down.bin)
    both = _products(features, rows, columns) * area[..., None, None, None]
    return Pooled(
        both[:, :, :bins, :, :bins], both[:, :, :bins, :, bins:], both[:, :, bins:, :, :bins]
    )


def box_gradient(pooled: Pooled, upstream: Tensor, boxes: Tensor, scale: float) -> Tensor:
    """Gradient (B, N, 4) with respect to x, y, w, h of the sum of `upstream` times the values.

    upstream (B, N, bins, C, bins). When an edge moves, a bin gains what lies along it.
    """
    steps = _shares(int(upstream.shape[4]), boxes)
    sizes = _inverse(boxes[..., 2:])
    everything = (upstream * pooled.value).sum((2, 3, 4))

    # Per edge, what the sum gains when that edge moves by a cell: bins on either side of it.
    right = (upstream * pooled.across[..., 1:]).sum((2, 3))
    left = (upstream * pooled.across[..., :-1]).sum((2, 3))
    below = (upstream * pooled.down[:, :, 1:]).sum((3, 4))
    above = (upstream * pooled.down[:, :, :-1]).sum((3, 4))
    dx = scale * (right - left).sum(2)
    dy = scale * (below - above).sum(2)
    dw = scale * (right * steps[1:] - left * steps[:-1]).sum(2) - everything * sizes[..., 0]
    dh = scale * (below * steps[1:] - above * steps[:-1]).sum(2) - everything * sizes[..., 1]
    return torch.stack((dx, dy, dw, dh), 2)
