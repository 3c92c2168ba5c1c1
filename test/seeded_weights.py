"""Weights that are the same on every machine, for comparing a network with its reference.

Seeds are of the names of tensors, so that any network with the official names gets the same
weights. A pass over two pictures sets the statistics of the normalisations: values inside stay near
1, and a tracker with such weights moves. Needs torch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn


def seed(network: nn.Module, salt: str = "") -> None:
    """Give every tensor its weights."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            rng = np.random.RandomState(zlib.crc32((salt + name).encode()))
            noise = rng.standard_normal(tuple(value.shape))
            if name.endswith("head.3.weight"):  # logits of about 1, offsets of about 0.2
                drawn = noise * (1.5 if ".cls." in name else 0.2) / value.shape[1] ** 0.5
            elif value.dim() == 4:
                drawn = noise * (2 / value[0].numel()) ** 0.5
            elif name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                continue
            elif name.endswith("bias"):
                drawn = noise * 0.1
            elif name.endswith(("cls_weight", "loc_weight")):
                drawn = noise * 0.7
            else:
                drawn = 1 + 0.1 * noise
            value.copy_(torch.from_numpy(drawn))


def calibrate(network: nn.Module, run: Callable[[], object]) -> None:
    """Take the statistics of every normalisation from one run of the network, its last pass."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        run()
    network.eval()


def picture(side: int, number: int) -> np.ndarray:
    """Coloured squares of 8 pixels, (side, side, 3) uint8."""
    cells = -(-side // 8)
    squares = np.random.RandomState(number).randint(0, 256, (cells, cells, 3))
    return np.kron(squares, np.ones((8, 8, 1), int))[:side, :side].astype(np.uint8)


def crop(side: int, number: int) -> torch.Tensor:
    """A picture as a network takes it, (1, 3, side, side)."""
    return torch.from_numpy(picture(side, number)).permute(2, 0, 1)[None].float()
