"""Boxes around a target, near and far: what a network that predicts overlaps learns from.

Source: specs of ATOM, section 6.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tracker_ros.training.losses import corners, iou

SCALES = (0.01, 0.05, 0.1, 0.2, 0.3)
"""Standard deviations of place and size, in roots of the target's area; each box has one."""
LEAST_OVERLAP = 0.1
TRIES, SHRINK = 16, 0.9
"""Draws for each box, and how much nearer to the target each is than the one before."""
MIN_SIDE = 1.0
"""Pixels of the crop."""


def proposals(truth: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """`number` boxes (B, N, 4) around each of the boxes (B, 4), and their overlap (B, N) with it.

    Boxes are cx, cy, w, h in pixels. The overlap is at least LEAST_OVERLAP. All draws of a box are
    made at once, and the first that overlaps enough is taken: no device waits for an answer. The
    random numbers are those of torch's own generator of the boxes' device.
    """
    batch, device = len(truth), truth.device
    which = torch.randint(len(SCALES), (batch, number), device=device)
    scale = torch.tensor(SCALES, device=device)[which] * truth[:, None, 2:].prod(-1).sqrt()
    nearer = SHRINK ** torch.arange(TRIES, device=device)
    offset = torch.randn(TRIES, batch, number, 4, device=device) * scale[..., None]
    drawn = truth[:, None] + offset * nearer[:, None, None, None]
    centre, size = drawn.split(2, -1)
    # Behind all draws the target's own box, which always overlaps enough.
    own = truth[None, :, None].expand(1, batch, number, 4)
    tried = torch.cat((torch.cat((centre, size.clamp(min=MIN_SIDE)), -1), own))
    overlap, _ = iou(corners(tried, -1), corners(own, -1), -1)
    enough = overlap >= LEAST_OVERLAP
    enough[-1] = True
    first = enough.int().argmax(0, keepdim=True)
    boxes = tried.gather(0, first[..., None].expand(1, batch, number, 4))[0]
    return boxes, overlap.gather(0, first)[0]
