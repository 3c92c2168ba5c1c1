"""An SPM-Tracker with random weights that the authors' code was run with as well.

The boxes in the tests that use it are those of microsoft/SPM-Tracker at f3e997c (MIT), run outside
this repository: its C++ crop operator on the CPU, its two box loops in C, this state dict split
into cm_stage.pt and fm_stage.pt. Tests that import this need torch.
"""

from __future__ import annotations

import numpy as np
import torch

from tracker_ros.networks.spm import SPM

GAINS = {
    "cm.z_net.conv1.conv.weight": 2.0**-6,
    "cm.rpn_head.z_bbox_conv.weight": 2.0**-1,
    "cm.rpn_head.bbox_refine.weight": 2.0**-3,
    "fm.rcnn_cls.weight": 2.0**-2,
    "fm.rcnn_bbox.weight": 2.0**-2,
}
"""Keep activations near 1, scores away from 0 and 1, and boxes from growing."""
SQUARE = 7
"""Channel for the foreground of the square anchor, which is preferred: with the others the shape of
the box would change in every frame."""


def seeded_spm(seed: int = 0, widths: tuple[int, ...] | None = None, hidden: int = 256) -> SPM:
    """The network of that seed; its weights are of the values that float16 storage keeps."""
    network = SPM(hidden=hidden) if widths is None else SPM(widths, hidden)
    rng = np.random.default_rng(seed)
    state = {}
    for key, value in sorted(network.state_dict().items()):
        if key.endswith("num_batches_tracked"):
            state[key] = value
            continue
        weights = rng.standard_normal(tuple(value.shape), dtype=np.float32)
        if key.endswith("running_var") or ("bn_list" in key and key.endswith("weight")):
            weights = 1 + 0.25 * np.tanh(weights)
        elif key.endswith("weight"):
            fan_in = float(np.prod(weights.shape[1:]))
            weights = weights * np.float32((2 / fan_in) ** 0.5 * GAINS.get(key, 1.0))
        else:
            weights = weights * np.float32(0.1)
        state[key] = torch.from_numpy(storable(weights))
    state["cm.rpn_head.cls_bias"][0, SQUARE] += 3
    network.load_state_dict(state)
    return network.eval()


def storable(weights: np.ndarray) -> np.ndarray:
    """Rounded to what networks.export stores as float16."""
    largest = float(np.abs(weights).max())
    if weights.size < 64:
        return np.ascontiguousarray(weights, np.float32)
    factor = np.float32(2.0 ** round(np.log2(largest)))
    return (weights / factor).astype(np.float16).astype(np.float32) * factor
