"""Makes folders as MOTChallenge lays them out, of the rendered square."""

from __future__ import annotations

from pathlib import Path

import cv2

from tracker_ros.demo.crowd import Crowd

INFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate={fps:g}\nseqLength={count}\n"


def write_mot_folder(
    folder: Path, frames: int, *, truth: bool = True, detections: bool = True, fps: float = 10.0
) -> Crowd:
    """Write the first frames; det.txt holds the true boxes of those who are not hidden."""
    crowd = Crowd(fps=fps)
    (folder / "img1").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(INFO.format(name=folder.name, fps=fps, count=frames))
    det, gt = [], []
    for index in range(frames):
        frame = crowd.frame(index)
        cv2.imwrite(str(folder / "img1" / f"{index + 1:06d}.jpg"), frame.image)
        for person in frame.people:
            box = f"{person.box.x + 1:.2f},{person.box.y + 1:.2f},{person.box.w:.2f},"
            box += f"{person.box.h:.2f}"
            gt.append(f"{index + 1},{person.id},{box},{int(not person.hidden)},1,1")
            if not person.hidden:
                det.append(f"{index + 1},-1,{box},0.9,-1,-1,-1")
    for name, lines in (("gt", gt if truth else []), ("det", det if detections else [])):
        if lines:
            (folder / name).mkdir()
            (folder / name / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return crowd
