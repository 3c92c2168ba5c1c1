"""A collection made of drawn pictures, and recipes of two steps, for the tests of training."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from tracker_ros.geometry import Box
from tracker_ros.training import command

RED = (0, 0, 255)
TRACKING = {
    "atom": "sample: 288",
    "siamfc": "scales: 3",
    "siamrpnpp": "instance: 255, penalty_k: 0.1, window_influence: 0.4, lr: 0.3",
    "spm": "",
}
NETWORK = {
    "atom": "widths: [4, 4, 8, 8], hidden: 8",
    "siamfc": "widths: [4, 8, 8, 8, 8], groups: 1",
    "siamrpnpp": "widths: [4, 8, 8, 8, 8], hidden: 8",
    "spm": "widths: [4, 8, 8, 8, 8], hidden: 8",
}
SAMPLING = {
    "atom": "template_size: 288, search_size: 288, region: area",
    "spm": "template_size: 271, search_size: 271",
}
COMPACT = {
    "network": "{backbone: resnet18, widths: [4, 4, 8, 8], hidden: 8}",
    "tracking": f"{{{TRACKING['siamrpnpp']}, base_size: 8}}",
    "sampling": "{search_size: 255}",
}
"""Sections of a recipe of SiamRPN++ with ResNet-18."""


def red_rectangle(box: Box) -> np.ndarray:
    """An image 320x240 with a red target."""
    image = np.full((240, 320, 3), (90, 120, 60), np.uint8)
    cv2.rectangle(
        image, (int(box.x), int(box.y)), (int(box.x + box.w) - 1, int(box.y + box.h) - 1), RED, -1
    )
    return image


def write_collection(root: Path) -> Path:
    """Two tracks, kept and held, of 30 frames; a still; an unlabelled photograph."""
    video: dict[str, object] = {}
    for name in ("kept", "held"):
        folder = root / "video" / name
        folder.mkdir(parents=True)
        boxes: list[list[float] | None] = []
        for i in range(30):
            box = Box(60 + 4 * i, 80, 60, 40)
            cv2.imwrite(
                str(folder / f"{i:03d}.jpg"), red_rectangle(box), [cv2.IMWRITE_JPEG_QUALITY, 98]
            )
            boxes.append([box.x, box.y, box.w, box.h])
        boxes[3] = None
        names = [f"{i:03d}.jpg" for i in range(30)]
        video[name] = {"frames": names, "boxes": boxes, "kind": "made"}
    (root / "video.json").write_text(json.dumps(video))
    (root / "still").mkdir()
    cv2.imwrite(str(root / "still" / "a.jpg"), red_rectangle(Box(100, 100, 50, 50)))
    stills = {"still/a.jpg": {"wh": [320, 240], "boxes": [[100, 100, 50, 50, "red"]]}}
    (root / "still.json").write_text(json.dumps(stills))
    (root / "unlabelled").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    cv2.imwrite(str(root / "unlabelled" / "n.jpg"), noise)
    return root


def tiny_recipe(folder: Path, tracker: str, /, **changed: str) -> Path:
    """A recipe of two steps; `changed` replaces sections."""
    sections = {
        "name": "tiny",
        "tracker": tracker,
        "paper": "none",
        "backbone": "tiny",
        "network": f"{{{NETWORK[tracker]}}}",
        "held_out": "[held]",
        "sampling": f"{{{SAMPLING.get(tracker, '')}}}",
        "distil": "{steps: 2, batch: 2, learning_rate: 1.0e-3}",
        "train": "{steps: 2, batch: 2, learning_rate: 1.0e-3}",
        "tracking": f"{{{TRACKING[tracker]}}}",
    }
    path = folder / "tiny.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in {**sections, **changed}.items()))
    return path


def train(recipe: Path, data: Path, *options: object) -> int:
    """Run `tracker_ros train` on one thread."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [recipe, "--data", data, "--workers", 0, "--threads", 1, *options]
    return command.run(parser.parse_args([str(word) for word in words]))
