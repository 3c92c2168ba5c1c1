"""Small MOTChallenge sequences on disk: people who walk along straight lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

SIZE = (320, 240)
PERSON = (30, 60)
FRAMES = 10
LANES = (20.0, 90.0, 160.0)
"""Where, from the top, the people walk; the pixel in the corner is (0, 0)."""


def place(person: int, frame: int) -> tuple[float, float]:
    """Top-left corner, 0-based: one to the right, the next to the left, and so on."""
    step = 6.0 * frame
    return (20.0 + step if person % 2 == 0 else 250.0 - step), LANES[person]


def true_rows(frames: int = FRAMES, people: Sequence[int] = (0, 1)) -> list[str]:
    """Lines of gt.txt, as in MOT15: ids from 1, boxes 1-based."""
    lines = []
    for frame in range(1, frames + 1):
        for person in people:
            x, y = place(person, frame)
            lines.append(f"{frame},{person + 1},{x + 1},{y + 1},{PERSON[0]},{PERSON[1]},1,-1,-1,-1")
    return lines


def found_rows(truth: Sequence[str], score: float = 0.9) -> list[str]:
    """Lines of det.txt: the truth without its ids."""
    lines = []
    for line in truth:
        frame, _, *box = line.split(",")[:6]
        lines.append(",".join([frame, "-1", *box, f"{score}"]))
    return lines


def info(frames: int = FRAMES, **changes: str) -> str:
    values = {
        "name": "film", "imDir": "img1", "frameRate": "10", "seqLength": str(frames),
        "imWidth": str(SIZE[0]), "imHeight": str(SIZE[1]), "imExt": ".png",
    }  # fmt: skip
    return "[Sequence]\n" + "".join(f"{k}={v}\n" for k, v in {**values, **changes}.items() if v)


def write_mot_sequence(
    folder: Path,
    *,
    truth: Sequence[str] | None = None,
    found: Sequence[str] | None = None,
    frames: int = FRAMES,
    images: bool = True,
    **changes: str,
) -> Path:
    """Write NAME/{seqinfo.ini,img1,det,gt}; `changes` are those of seqinfo.ini."""
    rows = true_rows(frames) if truth is None else truth
    for name, lines in (("gt", rows), ("det", found_rows(rows) if found is None else found)):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "seqinfo.ini").write_text(info(frames, **changes))
    if images:
        (folder / "img1").mkdir()
        for frame in range(1, frames + 1):
            image = np.full((SIZE[1], SIZE[0], 3), frame, np.uint8)
            assert cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    return folder
