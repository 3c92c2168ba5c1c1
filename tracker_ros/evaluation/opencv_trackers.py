"""OpenCV's trackers behind our interface: what a learned tracker of ours has to beat."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import Estimate, Evidence, StageTimes

_CONSTRUCTORS = {
    "kcf": "TrackerKCF_create",
    "csrt": "TrackerCSRT_create",
    "mil": "TrackerMIL_create",
}
OPENCV_TRACKERS = tuple(_CONSTRUCTORS)
"""kcf and csrt are in OpenCV's contrib modules, mil in every OpenCV."""
NANOTRACK = "nanotrack"
"""OpenCV's Siamese tracker, whose two networks the user has to give; in every OpenCV from 4.7."""


class OpenCVTracker:
    """One of `OPENCV_TRACKERS` with OpenCV's default parameters, or NanoTrack."""

    def __init__(self, name: str, *, nanotrack: Path | None = None) -> None:
        """nanotrack: the folder of its networks, for the name `NANOTRACK`.

        Raises ModelError, saying what to install, when this OpenCV lacks the tracker, and when
        the networks are not there or OpenCV cannot load them.
        """
        self._create = _nanotrack(nanotrack) if name == NANOTRACK else _classical(name)
        self._tracker: Any = None
        self._box = Box(0, 0, 0, 0)

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box`. Raises TargetError when the box cannot be tracked."""
        height, width = image.shape[:2]
        box.require_trackable(width, height)
        # OpenCV takes whole pixels, and some of its trackers fail on a box over the border.
        x, y = max(round(box.x), 0), max(round(box.y), 0)
        w = min(round(box.x + box.w), width) - x
        h = min(round(box.y + box.h), height) - y
        tracker = self._create()
        tracker.init(image, (x, y, w, h))
        self._tracker, self._box = tracker, box

    def track(self, image: UInt8Image) -> Estimate:
        """Find the target; where OpenCV says it has failed, the box stays and the score is 0."""
        found, corners = self._tracker.update(image)
        before = self._box
        if found:
            self._box = Box(*(float(value) for value in corners))
        change = self._box.area / before.area if before.area > 0 else 1.0
        # OpenCV tells nothing but whether it succeeded.
        evidence = Evidence(score=float(bool(found)), peak_ratio=math.nan, size_change=change)
        return Estimate(self._box, evidence, StageTimes())


def find_nanotrack(folder: Path) -> tuple[Path, Path]:
    """The backbone and the head, ONNX files, of NanoTrack in a folder. Raises ModelError."""
    if not folder.is_dir():
        raise ModelError(f"--nanotrack {folder}: no such folder; give that of its two ONNX files")
    found = []
    for part in ("backbone", "head"):
        files = sorted(folder.glob(f"*{part}*.onnx"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise ModelError(
                f"--nanotrack {folder}: expected one file *{part}*.onnx and found {names}"
            )
        found.append(files[0])
    return found[0], found[1]


def _classical(name: str) -> Callable[[], Any]:
    constructor: Callable[[], Any] | None = getattr(cv2, _CONSTRUCTORS[name], None)
    if constructor is None:
        raise ModelError(
            f"tracker '{name}' is not in this OpenCV ({cv2.__version__}, without contrib): "
            "pip uninstall opencv-python-headless opencv-python, then "
            "pip install 'opencv-contrib-python-headless>=4.8,<5'"
        )
    return constructor


def _nanotrack(folder: Path | None) -> Callable[[], Any]:
    if folder is None:
        raise ModelError(
            "tracker 'nanotrack' needs its networks: --nanotrack DIR, the folder of its backbone "
            "and head as ONNX (SiamTrackers and OpenCV's model zoo have them)"
        )
    library: Any = cv2  # its stubs know some of it in some versions only
    if not hasattr(library, "TrackerNano_create"):
        raise ModelError(
            f"tracker 'nanotrack' is not in this OpenCV ({cv2.__version__}); it came with 4.7"
        )
    parameters = library.TrackerNano_Params()
    backbone, head = find_nanotrack(folder)
    parameters.backbone, parameters.neckhead = str(backbone), str(head)
    try:
        library.TrackerNano_create(parameters)  # damaged networks are refused before anything runs
    except cv2.error as error:
        what = f"{backbone.name} and {head.name}: {error.err}"
        raise ModelError(f"--nanotrack {folder}: OpenCV cannot load {what}") from error
    return lambda: library.TrackerNano_create(parameters)
