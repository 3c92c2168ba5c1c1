"""A tiny ATOM whose overlap network has seen the patch scene for some seconds. Needs torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
import yaml
from patch_scene import scene

from tracker_ros.models.card import read_card
from tracker_ros.networks.atom import ATOM
from tracker_ros.networks.atom_parts import atom_parts
from tracker_ros.networks.export import export_parts
from tracker_ros.networks.zoo import build_network
from tracker_ros.sot.atom_samples import as_input, crop_at

NETWORK = {"widths": [16, 24, 48, 128], "hidden": 16}
STEPS, RATE = 200, 0.01
"""Of the training, which ends at a rate near 0: with fewer or even steps it depends on the seed,
and so on the machine's rounding, whether the boxes stay on the patch."""
JITTER = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Of the boxes whose overlap is learnt, in roots of the target's area."""


def crops(number: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (number, 3, side, side) around the patch anywhere, and its boxes (number, 4)."""
    rng = np.random.default_rng(0)
    pictures, boxes = [], []
    for _ in range(number):
        x, y = int(rng.integers(0, 580)), int(rng.integers(0, 430))
        cx, cy = x + 29.5 + rng.uniform(-30, 30), y + 23.5 + rng.uniform(-30, 30)
        reach = 5 * (60 * 48) ** 0.5 * float(np.exp(rng.normal(0, 0.25)))
        crop = crop_at(scene(x, y), cx, cy, reach, side)
        cx, cy = crop.inward(x + 29.5, y + 23.5)
        w, h = 60 / crop.scale, 48 / crop.scale
        pictures.append(crop.pixels)
        boxes.append([cx - (w - 1) / 2, cy - (h - 1) / 2, w, h])
    blob = as_input(pictures, np.empty((number, 3, side, side), np.float32))
    return torch.from_numpy(blob), torch.tensor(boxes, dtype=torch.float32)


def overlap_of(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union (...,) of boxes (..., 4)."""
    first = torch.maximum(a[..., :2], b[..., :2])
    last = torch.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    inter = (last - first).clamp(min=0).prod(-1)
    return inter / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - inter)


def jittered(truth: torch.Tensor, number: int) -> torch.Tensor:
    """Boxes (B, number, 4) around the boxes (B, 4)."""
    side = truth[:, None, 2:].prod(-1, keepdim=True).sqrt()
    sigma = torch.tensor(JITTER)[torch.randint(0, len(JITTER), (len(truth), number, 1))]
    boxes = truth[:, None] + torch.randn(len(truth), number, 4) * sigma * side
    boxes[..., 2:].clamp_(min=6)
    return boxes


def settle(network: ATOM, pictures: torch.Tensor) -> None:
    """Give the backbone, whose weights stay random, the statistics of these pictures.

    The classifier learns online from whatever features there are, if only they differ.
    """
    backbone = network.feature_extractor.train()
    with torch.no_grad():
        for _ in range(10):
            network.features(pictures)
    backbone.eval()


def learnt() -> ATOM:
    """A network whose overlap part is trained: specs of ATOM, section 6, in small."""
    torch.manual_seed(0)
    network = build_network("atom", NETWORK)
    assert isinstance(network, ATOM)
    pictures, truth = crops(40, 288)
    settle(network, pictures[:6])
    with torch.no_grad():
        parts = [network.features(part) for part in pictures.split(4)]
    second, third = (torch.cat(layer) for layer in zip(*parts, strict=True))
    regressor = network.bb_regressor.train()
    optimiser = torch.optim.Adam(regressor.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        # References differ within a batch: batch normalisation learns nothing of equal ones.
        one, other = torch.randint(0, len(truth), (2, 8))
        boxes = jittered(truth[other], 16)
        target = regressor.modulation(second[one], third[one], truth[one])
        features = regressor.test_features(second[other], third[other])
        wanted = 2 * overlap_of(boxes, truth[other][:, None]) - 1
        loss = (regressor.overlap(*features, target, boxes) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def card_of(network: ATOM, folder: Path, sample: int = 288) -> Path:
    """A card with this network beside it, otherwise as the published one."""
    stem = folder / "weights" / "tiny"
    roles = export_parts(atom_parts(network, sample), stem)
    published = read_card("atom_resnet18")
    card = {
        "name": "tiny", "tracker": "atom", "paper": "-", "backbone": "-", "licence": "-",
        "trained_on": [], "network": NETWORK, "monitor": dict(published.monitor),
        "tracking": {**published.tracking, "sample": sample, "memory": 60},
        "files": {
            role: hashlib.sha256(stem.with_name(f"tiny.{role}.onnx").read_bytes()).hexdigest()
            for role in roles
        },
    }  # fmt: skip
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(card))
    return path
