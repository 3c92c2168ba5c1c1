"""Where the demo's pictures come from: the scene, a folder, a video, a camera or a bag.

Every source is iterated for its frames, from the first one each time (a camera: from now on).
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tracker_ros.demo.bag import BagSource
from tracker_ros.demo.mot_sources import CrowdSource, MotFolderSource, is_mot_folder
from tracker_ros.demo.scene import Scene
from tracker_ros.errors import DataError, TargetError
from tracker_ros.evaluation.datasets import TRUTH_FILE, list_images, read_image, read_truth
from tracker_ros.evaluation.metrics import has_target
from tracker_ros.geometry import MIN_SIDE, Box, UInt8Image

SCENES = ("road", "square")
"""What the project renders itself: a drive, and people in a square."""
DEFAULT_FPS = 30.0
"""Of sources that do not say their own, hertz."""


class Source(Protocol):
    """Frames in order, as (height, width, 3) uint8 BGR images."""

    name: str
    """For people: what it is."""
    fps: float
    """Frames per second it is meant to be shown at."""

    @property
    def truth(self) -> Sequence[Box | None] | None:
        """The target's box in every frame, None where it is not visible; None: not known."""

    def __iter__(self) -> Iterator[UInt8Image]: ...


class SceneSource:
    """The scene that the project renders itself."""

    moments = (
        (15, "the operator has pointed at it"),
        (178, "a look-alike overtakes"),
        (324, "hidden by a bridge"),
        (352, "out again"),
        (484, "out of the picture"),
        (560, "back"),
    )
    """What is worth a picture: frame at 30 Hz and a caption."""

    def __init__(self, width: int = 640, height: int = 480, fps: float = DEFAULT_FPS) -> None:
        self.name = f"rendered scene {width}x{height}"
        self.fps = fps
        self._scene = Scene(width, height, fps)

    @property
    def truth(self) -> Sequence[Box | None]:
        """The target's box in every frame; None where it is not visible."""
        return self._scene.truth()

    def __iter__(self) -> Iterator[UInt8Image]:
        for index in range(len(self._scene)):
            yield self._scene.frame(index).image


class SequenceSource:
    """A folder of images, or NAME/img/*.jpg beside NAME/groundtruth.txt (0-based x,y,w,h)."""

    def __init__(self, folder: Path, fps: float = DEFAULT_FPS) -> None:
        """Raises DataError when there is no such folder, no image in it or a broken truth."""
        if not folder.is_dir():
            raise DataError(
                f"--sequence {folder}: no such folder; expected a folder of images, "
                "or one that holds img/ and groundtruth.txt"
            )
        images = folder / "img" if (folder / "img").is_dir() else folder
        truth_path = folder / TRUTH_FILE
        self._paths = list_images(images, gaps=not truth_path.is_file())
        self.name = folder.resolve().name
        self.fps = fps
        self.truth: Sequence[Box | None] | None = None
        if truth_path.is_file():
            boxes = read_truth(truth_path)
            self.truth = tuple(
                Box(*box) if shown else None
                for box, shown in zip(boxes.tolist(), has_target(boxes), strict=True)
            )
            if len(self.truth) != len(self._paths):
                raise DataError(
                    f"{truth_path} has {len(self.truth)} lines for {len(self._paths)} images "
                    f"in {images}; expected one line for every image"
                )

    def __iter__(self) -> Iterator[UInt8Image]:
        for path in self._paths:
            yield read_image(path)


class VideoSource:
    """A video file that OpenCV can read."""

    truth: Sequence[Box | None] | None = None

    def __init__(self, path: Path, fps: float | None = None) -> None:
        """Raises DataError when there is no such file or it is not a video."""
        if not path.is_file():
            raise DataError(f"--video {path}: no such file")
        self._path = path
        capture = self._open()
        told = float(capture.get(cv2.CAP_PROP_FPS))
        capture.release()
        self.name = path.name
        self.fps = fps or (told if math.isfinite(told) and 1.0 <= told <= 240.0 else DEFAULT_FPS)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened() or not capture.grab():
            raise DataError(
                f"{self._path} is not a video that OpenCV can read (mp4, avi, mkv, ...)"
            )
        capture.release()
        return cv2.VideoCapture(str(self._path))

    def __iter__(self) -> Iterator[UInt8Image]:
        capture = self._open()
        try:
            while True:
                ok, image = capture.read()
                if not ok:
                    return
                yield np.asarray(image, np.uint8)
        finally:
            capture.release()


class CameraSource:
    """A camera of this machine, by its number; goes on until nobody asks for more frames."""

    truth: Sequence[Box | None] | None = None

    def __init__(self, number: int, fps: float | None = None) -> None:
        """Raises DataError when the camera cannot be opened."""
        self.name = f"camera {number}"
        self._number = number
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise DataError(
                f"--camera {number} cannot be opened; `ls /dev/video*` shows the cameras, and you "
                "may have to be in the group video (sudo usermod -aG video $USER, log in again)"
            )
        told = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps or (told if math.isfinite(told) and 1.0 <= told <= 240.0 else DEFAULT_FPS)

    def __iter__(self) -> Iterator[UInt8Image]:
        while True:
            ok, image = self._capture.read()
            if not ok:
                raise DataError(f"camera {self._number} gives no more pictures; is it unplugged?")
            yield np.asarray(image, np.uint8)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose a source."""
    group = parser.add_argument_group("input", "Default: a scene that this program renders itself.")
    choice = group.add_mutually_exclusive_group()
    choice.add_argument(
        "--sequence",
        type=Path,
        metavar="DIR",
        help="folder of images, with img/ and "
        "groundtruth.txt, or of MOTChallenge (seqinfo.ini, img1/)",
    )
    choice.add_argument("--video", type=Path, metavar="FILE", help="video file")
    choice.add_argument("--camera", type=int, metavar="N", help="camera of this machine, 0 first")
    choice.add_argument(
        "--bag", type=Path, metavar="FILE", help="ROS 2 bag: an .mcap or .db3 file, or its folder"
    )
    choice.add_argument(
        "--scene", choices=SCENES, help="which one to render: a drive, or people in a square"
    )
    group.add_argument("--topic", help="image topic in the bag (default: the first one)")
    group.add_argument("--size", type=_size, metavar="WxH", help="of the scene (default: 640x480)")
    group.add_argument(
        "--fps",
        type=_positive,
        help="frames per second (default: the source's own, else 30; "
        "demo mot: 8, which HOG keeps up with on two cores)",
    )
    group.add_argument("--limit", type=int, metavar="N", help="stop after N frames")


def source_arguments(args: argparse.Namespace) -> list[str]:
    """Give back the command line that `add_source_arguments` parsed, for another process."""
    options = ("sequence", "video", "camera", "bag", "topic", "scene", "fps", "limit")
    words: list[str] = []
    for option in options:
        value = getattr(args, option)
        if value is not None:
            words.append(f"--{option}={value}")
    if args.size is not None:
        words += ["--size", "{}x{}".format(*args.size)]
    return words


def open_source(args: argparse.Namespace) -> Source:
    """Open the source that the options name. Raises DataError when it cannot be read."""
    if args.limit is not None and args.limit < 1:
        raise DataError(f"--limit {args.limit}: at least one frame is needed")
    if args.topic is not None and args.bag is None:
        raise DataError(f"--topic {args.topic} names a topic in a bag; give --bag FILE too")
    if args.fps is not None and args.bag is not None:
        raise DataError(f"--fps {args.fps:g}: a bag is replayed as it was recorded; leave it out")
    given = (args.sequence, args.video, args.camera, args.bag)
    if args.size is not None and any(source is not None for source in given):
        raise DataError(
            "--size {}x{} is that of a scene; pictures of your own keep theirs".format(*args.size)
        )
    if args.sequence is not None and is_mot_folder(args.sequence):
        return MotFolderSource(args.sequence, args.fps)
    if args.sequence is not None:
        return SequenceSource(args.sequence, args.fps or DEFAULT_FPS)
    if args.video is not None:
        return VideoSource(args.video, args.fps)
    if args.camera is not None:
        return CameraSource(args.camera, args.fps)
    if args.bag is not None:
        return BagSource(args.bag, args.topic)
    width, height = args.size or (640, 480)
    if args.scene == "square":
        return CrowdSource(width, height, args.fps or DEFAULT_FPS)
    return SceneSource(width, height, args.fps or DEFAULT_FPS)


def first_target(truth: Sequence[Box | None] | None, box: Box | None) -> tuple[int, Box]:
    """Choose the frame and the box to follow: `box` on frame 0, else the first of the truth.

    Raises DataError when there is neither.
    """
    if box is not None:
        return 0, box
    for index, known in enumerate(truth or ()):
        if known is not None:
            return index, known
    raise DataError(
        "which target? Give its box in the first picture, in pixels from the top-left: "
        "--box X,Y,W,H"
    )


def box_argument(text: str) -> Box:
    """Read an x,y,w,h option, for argparse."""
    try:
        box = Box.parse(text)
    except TargetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not all(math.isfinite(value) for value in box) or min(box.w, box.h) < MIN_SIDE:
        raise argparse.ArgumentTypeError(
            f"box '{text}' is not x,y,w,h in pixels with a width and height of {MIN_SIDE:g} or more"
        )
    return box


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or min(int(match[1]), int(match[2])) < 64:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size of at least 64x64, as in 640x480")
    return int(match[1]), int(match[2])


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return value
