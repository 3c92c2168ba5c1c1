"""From SPM-Tracker to its four ONNX graphs.

template: crop, box of the target in it -> kernel_0, kernel_1, target. Once a target.
search: crops -> feature_0, feature_1, map. The costly part.
match: kernels and features of one target -> cls, bbox of the coarse stage.
refine: target, map, boxes -> cls, bbox of the fine stage.

The first axes of search and refine are free.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tracker_ros.networks.parts import Function, Part, Parts
from tracker_ros.networks.spm import SPM

INSTANCE = 271
PROPOSALS = 9
"""Boxes of a pass of `refine`; where there are fewer, the tracker repeats one."""


def spm_parts(network: SPM) -> Parts:
    """template, search, match and refine of a network."""
    network = network.eval().cpu().float()
    crop = torch.zeros(1, 3, INSTANCE, INSTANCE)
    box = torch.tensor([[[100.0, 100.0, 170.0, 170.0]]])
    with torch.no_grad():
        *kernels, target = network.template(crop, box)
        *features, shown = network.features(crop)

    def match(*inputs: Tensor) -> tuple[Tensor, ...]:
        return network.match(inputs[:2], inputs[2:])

    names, found, ends = ("kernel_0", "kernel_1"), ("feature_0", "feature_1"), ("cls", "bbox")
    boxes = box.repeat(1, PROPOSALS, 1)
    return {
        "template": Part(
            Function(network, network.template),
            ("template", "box"), (*names, "target"), (crop, box),
        ),
        "search": Part(
            Function(network, network.features), ("search",), (*found, "map"), (crop,), batches=True
        ),
        "match": Part(Function(network, match), (*names, *found), ends, (*kernels, *features)),
        "refine": Part(
            Function(network, network.refine), ("target", "map", "boxes"), ends,
            (target, shown, boxes), batches=True,
        ),
    }  # fmt: skip
