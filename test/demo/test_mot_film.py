"""The film of identities: a colour for each, dashed where it was not seen, trails, moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker_ros.demo.film import write_panels
from tracker_ros.demo.mot_film import Annotator, choose_moments, write_film
from tracker_ros.demo.mot_recording import MotRecording
from tracker_ros.demo.mot_sources import CrowdSource
from tracker_ros.demo.sources import VideoSource
from tracker_ros.drawing import draw_identities, identity_colour
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import Evidence, Track, TrackState

GREY = 128


class GreySource:
    name, fps = "grey", 10.0
    truth: Sequence[Box | None] | None = None

    def __iter__(self) -> Iterator[UInt8Image]:
        for _ in range(20):
            yield grey()


def grey() -> UInt8Image:
    return np.full((240, 320, 3), GREY, np.uint8)


def track(id: str, box: Box, state: TrackState = TrackState.TRACKING) -> Track:
    return Track(id, box, state, Evidence(0.9, 0.0, 1.0))


def walk(frames: int = 20) -> MotRecording:
    """Somebody who moves to the right by 8 px a frame."""
    recording = MotRecording("grey", 10.0, "hog", stamps=list(range(frames)))
    for index in range(frames):
        recording.tracks[index] = [track("m1", Box(20 + 8 * index, 80, 40, 90))]
        recording.detected[index] = 1
    return recording


def test_an_identity_keeps_its_colour_and_neighbours_differ() -> None:
    assert identity_colour("m3") == identity_colour("m3")
    for a, b in combinations(range(1, 7), 2):
        apart = np.subtract(identity_colour(f"m{a}"), identity_colour(f"m{b}"))
        assert np.abs(apart).max() > 60, f"m{a} and m{b}"
    assert identity_colour("somebody") != identity_colour("somebody else")


def test_a_seen_box_is_whole_and_one_that_is_not_seen_is_dashed() -> None:
    box = Box(100, 80, 60, 100)
    for state, whole in (
        (TrackState.TRACKING, True),
        (TrackState.REACQUIRED, True),
        (TrackState.UNCERTAIN, False),
    ):
        image = grey()
        draw_identities(image, [track("m1", box, state)])
        side = (image[82:178, 159] != GREY).any(axis=1)
        assert side.all() == whole
        assert side.mean() > 0.3
        assert (image[100:170, 110:150] == GREY).all(), "what is inside stays visible"


def test_the_colour_is_that_of_the_identity() -> None:
    image = grey()
    draw_identities(image, [track("m5", Box(100, 80, 60, 100))])
    assert tuple(image[120, 100]) == identity_colour("m5")


@pytest.mark.parametrize("box", [Box(-30, -20, 60, 90), Box(300, 200, 90, 90), Box(9e4, 9e4, 5, 9)])
def test_a_box_over_the_border_is_drawn_as_far_as_it_goes(box: Box) -> None:
    image = grey()
    trail = [(box.cx, box.cy), (160.0, 120.0)]
    draw_identities(image, [track("m1", box)], {"m1": trail})
    assert (image != GREY).any()


def test_a_trail_fades_towards_its_old_end() -> None:
    image = grey()
    trail = [(20.0 + 10 * step, 200.0) for step in range(25)]
    draw_identities(image, [], {"m1": trail})
    strength = np.abs(image[200].astype(int) - GREY).max(axis=1)
    assert strength[40] < strength[140] < strength[240]


def test_trails_follow_the_feet_and_end_some_time_after_the_last_sight() -> None:
    recording = walk(60)
    for index in range(20, 60):
        recording.tracks[index] = []
    annotator = Annotator(recording)
    marked = []
    for index in range(60):
        image = grey()
        annotator.draw(image, index)
        marked.append((image[166:175, 30:60] != GREY).any())
    assert marked[19] and marked[25]
    assert not marked[59]


def test_a_frame_without_an_answer_says_so() -> None:
    recording = walk()
    del recording.tracks[4]
    images = [grey(), grey()]
    for index, image in zip((3, 4), images, strict=True):
        Annotator(recording).draw(image, index)
    assert (images[0][60:] != GREY).any(), "the frame before has a box"
    assert (images[1][:60] != images[0][:60]).any(), "the words differ"
    assert (images[1][60:] == GREY).all(), "no box of the frame before is shown as if it were known"


def test_the_film_has_every_published_frame_at_its_rate(tmp_path: Path) -> None:
    panels = write_film(tmp_path / "annotated.mp4", GreySource(), walk(), 12.5)
    film = VideoSource(tmp_path / "annotated.mp4")
    images = list(film)
    assert len(images) == 20
    assert film.fps == pytest.approx(12.5)
    shown = images[10][80, 105:135].astype(float).mean(axis=0)
    # A video stores colours coarsely; nearer to this identity's than to another's is enough.
    apart = [np.linalg.norm(shown - identity_colour(id)) for id in ("m1", "m2", "m3", "m4")]
    assert min(apart) == apart[0]
    assert len(panels) == 6
    write_panels(tmp_path / "sheet.png", panels)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape[1] > 3 * 480


def test_the_square_names_its_moments_when_all_of_it_was_filmed() -> None:
    source = CrowdSource(160, 120, fps=10.0)
    whole = choose_moments(source, MotRecording("", 10.0, "hog", stamps=list(range(200))))
    assert [index for index, _ in whole] == [round(i / 3) for i, _ in CrowdSource.moments]
    part = choose_moments(source, MotRecording("", 10.0, "hog", stamps=list(range(11))))
    assert [index for index, _ in part] == [0, 2, 4, 6, 8, 10]
