"""Convolutions put together: the same function from fewer or better shaped ones. Exact algebra.

All of it is done in float64, so that only the order of float32 sums differs in the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK = 16
"""ONNX Runtime computes in blocks of so many channels where all channels fill them (AVX-512)."""

Affine = tuple[Tensor, Tensor]
"""Weight (O, I, k, k) and bias (O,) of a convolution, float64."""


def folded(layers: Sequence[nn.Module]) -> Affine:
    """A convolution without bias and the normalisation after it, as one convolution."""
    conv, norm = layers[0], layers[1]
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return conv.weight.double() * scale[:, None, None, None], bias


def after(first: Affine, second: Affine) -> Affine:
    """One convolution that is `second` after the 1x1 convolution `first`, without padding."""
    weight = torch.einsum("omyx,mi->oiyx", second[0], first[0][:, :, 0, 0])
    bias = second[1] + torch.einsum("omyx,m->o", second[0], first[1])
    return weight, bias


def stacked(parts: Sequence[Affine]) -> Affine:
    """One convolution that gives the channels of several, which share their input."""
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def mean(parts: Sequence[nn.Module], shares: Tensor) -> list[Affine]:
    """Convolutions whose sum is the weighted mean of what the given ones give."""
    pairs = zip(parts, shares.double(), strict=True)
    return [(conv.weight.double() * s, conv.bias.double() * s) for conv, s in pairs]


def whole(channels: int) -> int:
    """The next number of channels that fills whole blocks."""
    return -(-channels // BLOCK) * BLOCK


def padded(affine: Affine, outputs: int, inputs: int) -> Affine:
    """The convolution with further outputs, which are 0, and further inputs, which do not count."""
    weight, bias = affine
    more = (outputs - weight.shape[0], inputs - weight.shape[1])
    return functional.pad(weight, (0, 0, 0, 0, 0, more[1], 0, more[0])), functional.pad(
        bias, (0, more[0])
    )


def conv_of(
    affine: Affine, *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    """The convolution as a module, float32."""
    weight, bias = affine
    outputs, inputs, kernel = weight.shape[0], weight.shape[1] * groups, weight.shape[2]
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups)
    conv.weight.data, conv.bias.data = weight.detach().float(), bias.detach().float()
    return conv
