"""Cross-correlation of a template with a search region, full and depthwise.

The template is the kernel, known only at run time. A convolution with a run-time kernel is
what ONNX Runtime takes. Training uses `trained_depthwise`: torch's own backward pass of a grouped
convolution on a CPU is an order of magnitude slower.
"""

from __future__ import annotations

from typing import Any

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


class _TrainedDepthwise(torch.autograd.Function):
    """`depthwise`, with both gradients written as what a CPU does fast."""

    @staticmethod
    def forward(ctx: Any, template: Tensor, search: Tensor) -> Tensor:
        ctx.save_for_backward(template, search)
        return depthwise(template, search)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        template, search = ctx.saved_tensors
        gradient, search = gradients[0].contiguous(), search.contiguous()
        k, (height, width) = template.shape[-1], gradient.shape[-2:]
        # The kernel turned round goes over the gradient, which is padded by its size.
        wide = functional.pad(gradient, [k - 1] * 4)
        of_search = depthwise(template.flip(2, 3), wide)
        taps = [
            (search[..., row : row + height, column : column + width] * gradient).flatten(2).sum(2)
            for row in range(k)
            for column in range(k)
        ]
        return torch.stack(taps, -1).reshape(template.shape), of_search


def trained_depthwise(template: Tensor, search: Tensor) -> Tensor:
    """The same as `depthwise` for square kernels, for training."""
    response: Tensor = _TrainedDepthwise.apply(template, search)
    return response


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
