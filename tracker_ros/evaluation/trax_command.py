"""`tracker_ros trax`: a tracker behind the TraX protocol, for the VOT toolkit to run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracker_ros.errors import DataError, ModelError, TargetError, TrackerRosError
from tracker_ros.evaluation.contestants import Contestant, open_contestant
from tracker_ros.evaluation.datasets import read_image
from tracker_ros.evaluation.opencv_trackers import NANOTRACK, OPENCV_TRACKERS
from tracker_ros.evaluation.options import not_negative
from tracker_ros.evaluation.vot_files import aligned_boxes
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.sot import DEFAULT_TRACKER, TRACKERS
from tracker_ros.sot.tracker import Tracker

DESCRIPTION = """\
Serve a tracker to a TraX client, such as the toolkit of the VOT challenge, which starts this
command itself: over stdin and stdout, or the socket that TRAX_SOCKET names.

The bare tracker runs: the node's monitor, which says when a target is LOST, has no part. With
every box goes its score as the property `confidence`. docs/vot.md has the entry of trackers.ini.
"""
CONFIDENCE = "confidence"
"""Name of the property that VOT's long-term measures read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `trax`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--tracker",
        default=DEFAULT_TRACKER,
        metavar="NAME",
        help=f"{', '.join((*TRACKERS, *OPENCV_TRACKERS, NANOTRACK))}, a model card's name, or the "
        "path of a card (.yaml) (default: %(default)s)",
    )
    parser.add_argument(
        "--nanotrack", type=Path, metavar="DIR",
        help="folder of NanoTrack's backbone and head (ONNX), for --tracker nanotrack",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=not_negative, default=0, metavar="N",
        help="CPU threads of the network (default: what the engine chooses)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Serve until the client quits; 0 then.

    Raises ModelError when the tracker cannot be loaded, and DataError for --nanotrack without it,
    before the client is greeted; DataError and TargetError, which the client is told as the reason
    of the end, when an image or region cannot be used, and DataError when the client hangs up.
    """
    if args.nanotrack is not None and args.tracker != NANOTRACK:
        raise DataError(
            f"--nanotrack {args.nanotrack}: the tracker is {args.tracker}, which does not use it; "
            f"give --tracker {NANOTRACK}"
        )
    import trax  # here: --help, and every other command, needs no vot-trax

    contestant = open_contestant(args.tracker, threads=args.threads, nanotrack=args.nanotrack)
    print(f"{contestant.name}: {contestant.about}", file=sys.stderr)
    try:
        server = trax.Server(
            [trax.Region.RECTANGLE, trax.Region.POLYGON],
            [trax.Image.PATH, trax.Image.MEMORY, trax.Image.BUFFER],
            tracker_name=contestant.name,
            tracker_description=f"tracker_ros: {contestant.about}",
            tracker_family="tracker_ros",
            multiobject=True,
        )
    except trax.TraxException as error:
        raise DataError(f"no TraX client to talk to: {error}") from None
    try:
        serve(server, contestant)
    except TrackerRosError as error:
        with suppress(trax.TraxException):  # it may have hung up, which may be the error itself
            server.quit(str(error))
        raise
    return 0


def serve(server: Any, contestant: Contestant) -> None:
    """Answer the requests of a trax.Server's client until it quits.

    Raises DataError and TargetError, as `run` has it.
    """
    import trax

    trackers: list[Tracker] = []
    while True:
        try:
            request = server.wait()
        except trax.TraxException as error:
            raise DataError(
                f"the TraX client hung up without quitting, or sent what is not TraX: {error}"
            ) from None
        if request.type == trax.TraxStatus.QUIT:
            return
        if request.type == trax.TraxStatus.INITIALIZE:
            trackers = []
        elif not trackers:
            raise DataError("the TraX client sent a frame before any object to track")
        image = decode(request.image)
        followed = [_follow(tracker, image, number) for number, tracker in enumerate(trackers)]
        # Protocol 4: objects may join in any frame; their trackers answer with what they got.
        for region, _ in request.objects or ():
            tracker, box = contestant.new_tracker(), box_of(region)
            tracker.init(image, box)
            trackers.append(tracker)
            followed.append((box, 1.0))
        if not followed:
            raise DataError("the TraX client initialized without an object to track")
        answer = [
            (trax.Rectangle.create(*box), {CONFIDENCE: f"{score:.6f}"}) for box, score in followed
        ]
        try:
            server.status(answer)
        except trax.TraxException as error:
            raise DataError(f"the TraX client hung up before the answer: {error}") from None


def _follow(tracker: Tracker, image: UInt8Image, number: int) -> tuple[Box, float]:
    """The box and the score of an object in the next frame. Raises ModelError for NaN."""
    estimate = tracker.track(image)
    if not all(np.isfinite((*estimate.box, estimate.evidence.score))):
        raise ModelError(f"the network has answered with NaN for object {number}")
    return estimate.box, estimate.evidence.score


def decode(images: Mapping[str, Any]) -> UInt8Image:
    """The colour image of a request, (height, width, 3) BGR. Raises DataError."""
    import trax

    image = images.get("color")
    if image is None:
        raise DataError("the TraX client sent no colour image")
    if image.type() == trax.Image.PATH:
        path = Path(image.path())
        if not path.is_file():
            raise DataError(f"the TraX client names an image that is not there: {path}")
        return read_image(path)
    if image.type() == trax.Image.BUFFER:
        data = np.frombuffer(image.buffer(), np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if decoded is None:
            raise DataError(
                f"the TraX client sent {data.size} bytes that are no jpeg or png that can be read"
            )
        return np.asarray(decoded, np.uint8)
    pixels = image.array()  # (height, width, 1 or 3), RGB
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)  # the high byte, as our nodes do
    code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_GRAY2BGR
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def box_of(region: Any) -> Box:
    """The box to start on, of a rectangle or, by the rule of `aligned_boxes`, a polygon.

    Raises TargetError for any other region, and for a polygon without area.
    """
    import trax

    if region.type == trax.Region.RECTANGLE:
        return Box(*region.bounds())
    if region.type == trax.Region.POLYGON:
        corners = np.array([region.get(index) for index in range(region.size())], np.float64)
        box = aligned_boxes(corners[None])[0]
        if not np.isfinite(box).all():
            raise TargetError(f"polygon {corners.tolist()} has no area; give one around the target")
        return Box(*box.tolist())
    raise TargetError(f"the TraX client sent a region of type {region.type}; send a rectangle")
