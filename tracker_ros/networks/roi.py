"""Pooling of regions as two small matrix products, out = A_y F A_x^T, in plain operators.

A row of A_y (or A_x) says how much of each row (column) of the map a sample takes. What kind of
pooling it is, is the making of these matrices; `linear_samples` makes those of crop-and-resize.
"""

from __future__ import annotations

import torch
from torch import Tensor


def linear_samples(first: Tensor, last: Tensor, count: int, cells: int) -> Tensor:
    """Matrices (..., count, cells) that sample a map's axis at points from `first` to `last`.

    first, last: cells along the axis, (...). The `count` points include both ends; between two
    cells values are interpolated, and a point outside [0, cells - 1] gives exactly 0. This is
    TensorFlow's crop_and_resize. Source: specs of SPM-Tracker, section 4.
    """
    steps = torch.arange(count, dtype=first.dtype, device=first.device) / (count - 1)
    points = (first.unsqueeze(-1) + (last - first).unsqueeze(-1) * steps).unsqueeze(-1)
    at = torch.arange(cells, dtype=first.dtype, device=first.device)
    weights = (1 - (points - at).abs()).relu()
    # Comparisons that every engine has; "or equal" is not among them.
    outside = (points < 0).to(first.dtype) + (points > cells - 1).to(first.dtype)
    return weights * (1 - outside)


def pool(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pooled maps (B, N, C, h, w) of features (B, C, H, W), by rows (B, N, h, H), columns (..., W).

    Both products are large ones: of all regions at once, then of each region for all channels.
    """
    channels, height, width = (int(size) for size in features.shape[1:])
    regions, high, wide = int(rows.shape[1]), int(rows.shape[2]), int(columns.shape[2])
    by_row = features.transpose(1, 2).reshape(-1, height, channels * width)
    picked = rows.reshape(-1, regions * high, height) @ by_row
    picked = picked.reshape(-1, regions, high * channels, width)
    pooled = picked @ columns.transpose(2, 3)
    return pooled.reshape(-1, regions, high, channels, wide).transpose(2, 3)
