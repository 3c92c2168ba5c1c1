"""The annotated video and the sheet of key moments show what the run found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker_ros.demo.film import (
    STATE_COLOURS,
    FilmWriter,
    annotate,
    choose_moments,
    write_film,
    write_sheet,
)
from tracker_ros.demo.recording import FrameRecord, Recording
from tracker_ros.demo.sources import SceneSource, VideoSource
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import TrackState


class GreySource:
    """Twenty grey frames."""

    name = "grey"
    fps = 10.0
    truth: Sequence[Box | None] | None = None

    def __iter__(self) -> Iterator[UInt8Image]:
        for _ in range(20):
            yield np.full((240, 320, 3), 128, np.uint8)


def record(index: int, state: TrackState = TrackState.TRACKING) -> FrameRecord:
    return FrameRecord(index, index, state, Box(100, 80, 60, 40), 0.9, "", 0.02, 0.03)


def run_with(*records: FrameRecord) -> Recording:
    return Recording("grey", stamps=list(range(20)), records=list(records))


@pytest.mark.parametrize("state", list(TrackState))
def test_the_box_has_the_colour_of_its_state(state: TrackState) -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    annotate(image, 3, record(3, state), None)
    assert tuple(image[80, 102]) == STATE_COLOURS[state]
    assert tuple(image[100, 130]) == (128, 128, 128), "what is inside stays visible"


def test_a_lost_box_is_dashed_and_a_visible_one_is_not() -> None:
    visible, lost = np.full((2, 240, 320, 3), 128, np.uint8)
    annotate(visible, 3, record(3), None)
    annotate(lost, 3, record(3, TrackState.LOST), None)
    assert (visible[80, 102:158] != 128).any(axis=1).all()
    drawn = (lost[80, 102:158] != 128).any(axis=1)
    assert 0.3 < drawn.mean() < 0.8


def test_a_box_over_the_border_is_drawn_as_far_as_it_goes() -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    out = FrameRecord(3, 3, TrackState.TRACKING, Box(300, 220, 60, 40), 0.9, "", 0.02, 0.03)
    annotate(image, 3, out, Box(-30, -20, 60, 40))
    assert tuple(image[220, 310]) == STATE_COLOURS[TrackState.TRACKING]


def test_the_film_has_every_published_frame_also_the_dropped_ones(tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4"
    kept = write_film(path, GreySource(), run_with(record(2), record(9)), None)
    film = VideoSource(path)
    images = list(film)
    assert len(images) == 20
    assert film.fps == pytest.approx(10.0)
    assert images[0].shape == (240, 320, 3)
    # Frame 5 was dropped: it still shows the last box that was known then.
    blue, green, red = images[5][80, 110:150].mean(axis=0)
    assert green > blue + 30 and green > red + 30
    assert set(kept) == {index for index, _ in choose_moments(GreySource(), run_with())}


def test_a_film_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone/annotated\.mp4 cannot be written"):
        write_film(tmp_path / "gone" / "annotated.mp4", GreySource(), run_with(), None)


def test_the_sheet_shows_the_first_the_last_and_the_changes_of_state() -> None:
    run = run_with(
        *(record(i, TrackState.LOST if 7 <= i < 12 else TrackState.TRACKING) for i in range(20))
    )
    chosen = [index for index, _ in choose_moments(GreySource(), run)]
    assert len(chosen) == 6
    assert {0, 12, 19} <= set(chosen)


def test_the_scene_names_its_own_moments_when_all_of_it_was_filmed() -> None:
    scene = SceneSource(160, 120)
    whole = Recording("scene", stamps=list(range(600)))
    assert choose_moments(scene, whole) == list(SceneSource.moments)
    part = Recording("scene", stamps=list(range(90)))
    assert [index for index, _ in choose_moments(scene, part)] == [0, 18, 36, 53, 71, 89]


@pytest.mark.parametrize("name", ["sheet.jpg", "sheet.png"])
def test_the_sheet_is_one_picture_of_six_panels(tmp_path: Path, name: str) -> None:
    run = run_with(record(0), record(19))
    kept = write_film(tmp_path / "annotated.mp4", GreySource(), run, None)
    write_sheet(tmp_path / name, GreySource(), run, kept)
    sheet = cv2.imread(str(tmp_path / name))
    assert sheet is not None
    assert sheet.shape[1] > 3 * 480
    assert sheet.shape[0] > 2 * 360


def test_pictures_of_another_size_are_in_the_film_too(tmp_path: Path) -> None:
    with FilmWriter(tmp_path / "film.mp4", 10.0) as film:
        for width in (320, 160, 320):
            film.add(np.full((240, width, 3), width // 2, np.uint8))
    images = list(VideoSource(tmp_path / "film.mp4"))
    assert [image.shape for image in images] == [(240, 320, 3)] * 3
    assert [round(float(image.mean()), -1) for image in images] == [160, 80, 160]


def test_a_run_of_one_frame_has_a_sheet_too(tmp_path: Path) -> None:
    run = Recording("grey", stamps=[0], records=[record(0)])
    kept = write_film(tmp_path / "annotated.mp4", GreySource(), run, None)
    write_sheet(tmp_path / "sheet.jpg", GreySource(), run, kept)
    assert (tmp_path / "sheet.jpg").stat().st_size > 0
