"""Labels and losses of the Siamese networks, on batches of boxes in crop pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def corners(boxes: Tensor, dim: int) -> Tensor:
    """cx, cy, w, h to x0, y0, x1, y1 along `dim`."""
    cx, cy, w, h = boxes.unbind(dim)
    return torch.stack((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), dim)


def iou(first: Tensor, second: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes given by corners along `dim`."""
    ax0, ay0, ax1, ay1 = first.unbind(dim)
    bx0, by0, bx1, by1 = second.unbind(dim)
    width = (torch.minimum(ax1, bx1) - torch.maximum(ax0, bx0)).clamp(min=0)
    height = (torch.minimum(ay1, by1) - torch.maximum(ay0, by0)).clamp(min=0)
    inter = width * height
    union = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - inter
    hull = (torch.maximum(ax1, bx1) - torch.minimum(ax0, bx0)) * (
        torch.maximum(ay1, by1) - torch.minimum(ay0, by0)
    )
    overlap = inter / union.clamp(min=1e-6)
    return overlap, overlap - (hull - union) / hull.clamp(min=1e-6)


def siamfc_loss(response: Tensor, boxes: Tensor, positive: Tensor, crop: int) -> Tensor:
    """Balanced logistic loss of a response (B, 1, h, w); the target may be anywhere in the crop.

    A cell is positive within 2 cells (L1 distance) of the target's middle, as in the paper's
    port; there the target is always in the middle, here it is where the crop was shifted to.
    `boxes` (B, 4) cx, cy, w, h in crop pixels; a pair that is not `positive` has no target.
    """
    size = response.shape[-1]
    ticks = (torch.arange(size, device=response.device) - (size - 1) / 2) * 8 + (crop - 1) / 2
    dx = (ticks[None, None, :] - boxes[:, 0, None, None]).abs()
    dy = (ticks[None, :, None] - boxes[:, 1, None, None]).abs()
    label = ((dx + dy <= 16) & positive[:, None, None]).float()
    logits = response[:, 0]
    loss = functional.binary_cross_entropy_with_logits(logits, label, reduction="none")
    negative = 1 - label
    return 0.5 * (loss * label).sum() / label.sum().clamp(min=1) + 0.5 * (
        (loss * negative).sum() / negative.sum().clamp(min=1)
    )


def rpn_loss(
    cls: Tensor, loc: Tensor, anchors: Tensor, boxes: Tensor, positive: Tensor, hardest: int = 32
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of SiamRPN++ maps: cls (B, 10, s, s), loc (B, 20, s, s).

    anchors (4, 5, s, s) and boxes (B, 4) are cx, cy, w, h in crop pixels. Labels are the
    paper's (positive over 0.6 IoU, negative under 0.3). Deviations: all negatives count
    instead of 48 drawn ones, and their `hardest` make half of their loss; the best anchor of a
    target is positive from 0.35 on; a generalised IoU term stands beside the L1 term.
    """
    batch, size = cls.shape[0], cls.shape[-1]
    logits = functional.log_softmax(cls.reshape(batch, 2, 5, size, size), dim=1)
    offsets = loc.reshape(batch, 4, 5, size, size)
    target = boxes[:, :, None, None, None]
    overlap, _ = iou(corners(anchors[None], 1), corners(target, 1), 1)
    overlap = overlap * positive[:, None, None, None]
    best = overlap.flatten(1).amax(1)[:, None, None, None]
    inside = positive[:, None, None, None] & ((overlap > 0.6) | ((overlap >= best) & (best > 0.35)))
    outside = (overlap < 0.3) & ~inside

    positives = inside.float()
    cls_positive = -(logits[:, 1] * positives).sum() / positives.sum().clamp(min=1)
    negative_loss = (-logits[:, 0]).masked_fill(~outside, 0.0)
    cls_negative = negative_loss.sum() / outside.sum().clamp(min=1)
    hard = negative_loss.flatten(1).topk(hardest, dim=1).values.mean()
    classification = 0.5 * cls_positive + 0.25 * cls_negative + 0.25 * hard

    weight = positives / positives.flatten(1).sum(1).clamp(min=1)[:, None, None, None]
    count = positive.sum().clamp(min=1)
    wanted = torch.stack(
        (
            (target[:, 0] - anchors[0]) / anchors[2],
            (target[:, 1] - anchors[1]) / anchors[3],
            (target[:, 2] / anchors[2]).log(),
            (target[:, 3] / anchors[3]).log(),
        ),
        1,
    )
    distance = ((offsets - wanted).abs().sum(1) * weight).sum() / count
    predicted = torch.stack(
        (
            offsets[:, 0] * anchors[2] + anchors[0],
            offsets[:, 1] * anchors[3] + anchors[1],
            offsets[:, 2].clamp(-3, 3).exp() * anchors[2],
            offsets[:, 3].clamp(-3, 3).exp() * anchors[3],
        ),
        1,
    )
    plain, generalised = iou(corners(predicted, 1), corners(target, 1).expand_as(predicted), 1)
    overlap_loss = ((1 - generalised) * weight).sum() / count
    figures = {
        "cls": classification.detach(),
        "iou": (plain * weight).sum().detach() / count,
    }
    return classification + 0.8 * distance + overlap_loss, figures
