"""Write the demo's rendered scene as a sequence, for `eval`: NAME/img/*.jpg and groundtruth.txt.

./run python benchmarks/scene_as_sequence.py FOLDER/scene
./run eval honesty --data FOLDER --kinds filmed
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from tracker_ros.demo.scene import Scene


def main(folder: Path) -> None:
    """Film the scene into a folder that is not there yet."""
    (folder / "img").mkdir(parents=True)
    scene, lines = Scene(), []
    for index in range(len(scene)):
        frame = scene.frame(index)
        cv2.imwrite(str(folder / "img" / f"{index + 1:06d}.jpg"), frame.image)
        box = (float("nan"),) * 4 if frame.box is None else tuple(frame.box)
        lines.append(",".join(f"{value:.2f}" for value in box))
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
