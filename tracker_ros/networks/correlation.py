"""Cross-correlation of a template with a search region, full and depthwise.

The template is the kernel, known only at run time. A convolution with a run-time kernel is
what ONNX Runtime takes; where an engine does not, `depthwise_by_taps` gives the same numbers
with slices, products and sums alone. It is also what training uses: the backward pass of a
grouped convolution on a CPU is an order of magnitude slower.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cross_correlation(template: Tensor, search: Tensor) -> Tensor:
    """Response (B, 1, h, w) of search features (B, C, H, W), h = H - k + 1.

    template: (1, C, k, k), shared by the batch (a scale pyramid), or (B, C, k, k), one each.
    """
    if template.shape[0] == 1:
        return functional.conv2d(search, template)
    batch, channels = search.shape[:2]
    stacked = search.reshape(1, batch * channels, *search.shape[2:])
    response = functional.conv2d(stacked, template, groups=batch)
    return response.transpose(0, 1)


def depthwise(template: Tensor, search: Tensor) -> Tensor:
    """Depthwise correlation (B, C, h, w) of (B, C, H, W) with (B, C, k, k), as one grouped Conv."""
    batch, channels = search.shape[:2]
    kernel = template.reshape(batch * channels, 1, *template.shape[2:])
    stacked = search.reshape(1, batch * channels, *search.shape[2:])
    response = functional.conv2d(stacked, kernel, groups=batch * channels)
    return response.reshape(batch, channels, *response.shape[2:])


def depthwise_by_taps(template: Tensor, search: Tensor) -> Tensor:
    """The same as `depthwise`, as a sum over the k*k taps of shifted slices."""
    k = template.shape[-1]
    height, width = search.shape[-2] - k + 1, search.shape[-1] - k + 1
    total = torch.zeros_like(search[..., :height, :width])
    for row in range(k):
        for column in range(k):
            tap = template[..., row : row + 1, column : column + 1]
            total = total + search[..., row : row + height, column : column + width] * tap
    return total


def up_channel(template: Tensor, search: Tensor) -> Tensor:
    """Responses (B, O, h, w) of search features (B, C, H, W) to kernels (B, O, C, k, k) of each.

    For training: unlike those of a grouped convolution, forward and backward are large matrix
    products, of all taps of the kernels with all cells. A response is then a sum of shifted ones.
    """
    batch, outputs, channels, k, _ = template.shape
    height, width = search.shape[-2:]
    taps = template.permute(0, 3, 4, 1, 2).reshape(batch, k * k * outputs, channels)
    products = (taps @ search.flatten(2)).reshape(batch, k * k, outputs, height, width)
    high, wide = height - k + 1, width - k + 1
    parts = [
        part[..., tap // k : tap // k + high, tap % k : tap % k + wide]
        for tap, part in enumerate(products.unbind(1))
    ]
    return torch.stack(parts).sum(0)
