"""What SPM-Tracker's stages learn from: anchors, proposals, regions around targets, both losses.

Everything is in batches and in torch, so that it runs where the network does. Boxes are x1, y1, x2,
y2 in the pixels that the tracker counts in. Source: specs of SPM-Tracker, sections 3, 4 and 6.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tracker_ros.sot.spm_proposals import CELLS, LARGEST, RATIOS, REFINEMENT, anchor_table
from tracker_ros.training.losses import corners, iou, rpn_loss
from tracker_ros.training.task import Figures

FOREGROUND = 0.5
"""Least IoU with the target of a region that is one."""
CLOSE, LOOSE = 0.1, 0.35
"""How far drawn regions lie from a target, in its sides: most of the close ones are foreground, of
the loose ones a third."""


def counted(boxes: Tensor, crop: int) -> Tensor:
    """Boxes (..., 4) cx, cy, w, h, in pixels of a crop (B, crop, crop, 3), as the tracker counts.

    Where the tracker samples pixel p of a crop, it counts p * crop / (crop - 1) and half a pixel of
    the image more, because its boxes begin at the corner of a pixel and not at its middle. How
    large a pixel of the image is in the crop, a batch does not tell: as large as the crop's.
    """
    scaled = boxes * (crop / (crop - 1))
    return corners(torch.cat((scaled[..., :2] + 0.5, scaled[..., 2:]), -1), -1)


def anchors() -> Tensor:
    """cx, cy, w, h of the 1805 anchors as deltas count from them, (4, 5, 19, 19)."""
    table = torch.from_numpy(anchor_table())
    size = table[:, 2:] - table[:, :2] + 1
    boxes = torch.cat((table[:, :2] + size / 2, size), 1)
    return boxes.reshape(CELLS, CELLS, len(RATIOS), 4).permute(3, 2, 0, 1).contiguous()


def coarse_loss(
    cls: Tensor, bbox: Tensor, table: Tensor, boxes: Tensor, positive: Tensor
) -> tuple[Tensor, Figures]:
    """The loss of SiamRPN++ on the maps of the coarse stage, whose deltas lie by anchor.

    table: of `anchors`; boxes (B, 4): the targets, of which there is none where not `positive`.
    """
    by_coordinate = bbox.unflatten(1, (len(RATIOS), 4)).transpose(1, 2).flatten(1, 2)
    size = boxes[:, 2:] - boxes[:, :2]
    middles = torch.cat((boxes[:, :2] + size / 2, size), 1)
    loss, figures = rpn_loss(cls, by_coordinate, table, middles, positive)
    return loss, {**figures}


def decoded(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Boxes (..., 4) moved by deltas, as the tracker's function of that name moves them."""
    size = boxes[..., 2:] - boxes[..., :2] + 1
    middle = boxes[..., :2] + size / 2 + deltas[..., :2] * size
    half = deltas[..., 2:].clamp(max=LARGEST).exp() * size / 2
    return torch.cat((middle - half, middle + half), -1)


def encoded(boxes: Tensor, wanted: Tensor) -> Tensor:
    """The deltas that move boxes (..., 4) onto `wanted`: what `decoded` undoes."""
    size, goal = boxes[..., 2:] - boxes[..., :2] + 1, wanted[..., 2:] - wanted[..., :2]
    shift = wanted[..., :2] + goal / 2 - boxes[..., :2] - size / 2
    return torch.cat((shift / size, (goal.clamp(min=1) / size).log()), -1)


def proposals(cls: Tensor, bbox: Tensor, *, count: int = 8, nms: float = 0.75) -> Tensor:
    """Boxes (B, count, 4) that the coarse stage scores highest, none over another by `nms` IoU.

    Source: the authors' configuration of training, specs section 6. No gradient goes through them.
    """
    with torch.no_grad():
        background, target = cls.unflatten(1, (2, -1)).permute(1, 0, 3, 4, 2).flatten(2)
        table = torch.from_numpy(anchor_table()).to(cls.device)
        moved = decoded(table, bbox.permute(0, 2, 3, 1).reshape(len(bbox), -1, 4))
        score = target - background
        chosen = []
        for _ in range(count):
            best = score.argmax(1)[:, None, None].expand(-1, 1, 4)
            chosen.append(moved.gather(1, best))
            overlap, _ = iou(moved, chosen[-1], -1)
            score = score.masked_fill(overlap >= nms, -torch.inf)
        return torch.cat(chosen, 1)


def regions_around(boxes: Tensor, close: int, loose: int) -> Tensor:
    """Boxes (B, 1 + close + loose, 4): those of (B, 4), then some drawn around each of them."""
    reach = boxes.new_tensor([0.0] + [CLOSE] * close + [LOOSE] * loose)[:, None]
    drawn = torch.randn(len(boxes), len(reach), 4, device=boxes.device).clamp(-2, 2) * reach
    size = (boxes[:, 2:] - boxes[:, :2])[:, None]
    middle = boxes[:, None, :2] + size / 2 + drawn[..., :2] * size
    half = size / 2 * drawn[..., 2:].exp()
    return torch.cat((middle - half, middle + half), -1)


def strange(scenes: Tensor) -> Tensor:
    """Which search crops cannot show the target of the pair before, (B,) bool; scenes (B, 2).

    Alone in its batch a pair comes after itself.
    """
    return scenes[:, 0].roll(1) != scenes[:, 1]


class Fine(NamedTuple):
    """What the fine stage says to regions."""

    cls: Tensor
    """Logits (B, N, 2)."""
    bbox: Tensor
    """Deltas (B, N, 4), times (5, 5, 10, 10)."""


def fine_loss(
    found: Fine, regions: Tensor, boxes: Tensor, positive: Tensor, strangers: Tensor
) -> tuple[Tensor, Figures]:
    """Cross-entropy of foreground, half of it the foreground's, and smooth L1 of its deltas.

    regions (B, N, 4); boxes (B, 4): the targets, of which there is none where not `positive`: then
    all regions are background. strangers: logits (M, 2) of other targets' regions, background too.
    Figures: `acc`, right answers with both kinds counting half; `fine_iou` of refined foreground.
    """
    overlap, _ = iou(regions, boxes[:, None].expand_as(regions), -1)
    inside = (overlap >= FOREGROUND) & positive[:, None]
    label = torch.cat((inside.flatten(), inside.new_zeros(len(strangers))))
    logits = torch.cat((found.cls.flatten(0, 1), strangers))
    entropy = functional.cross_entropy(logits, label.long(), reduction="none")
    share, other = label / label.sum().clamp(min=1), ~label / (~label).sum().clamp(min=1)
    classification = 0.5 * ((share + other) * entropy).sum()

    factor = torch.from_numpy(REFINEMENT).to(regions.device)
    wanted = encoded(regions, boxes[:, None].expand_as(regions)) * factor
    distance = functional.smooth_l1_loss(found.bbox, wanted, reduction="none").sum(-1)
    regression = (distance * inside).sum() / inside.sum().clamp(min=1)

    with torch.no_grad():
        right = (logits[:, 1] > logits[:, 0]) == label
        moved = decoded(regions, found.bbox / factor)
        refined, _ = iou(moved, boxes[:, None].expand_as(moved), -1)
        figures: Figures = {
            "fine": classification.detach(),
            "acc": (0.5 * (share + other) * right).sum(),
            "fine_iou": (refined * inside).sum() / inside.sum().clamp(min=1),
        }
    return classification + regression, figures
