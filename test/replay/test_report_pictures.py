"""The moments that a page shows, with their pictures."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pages import HERE, Page, crowd, lost_in_the_middle, report
from recordings import IMAGE, JPEG, PERIOD, TOPIC, image_message, shots
from replays import (
    following,
    image_of,
    replay_of,
    timeline_of,
    track,
)

from tracker_ros.bags.types import own_topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.replay.annotations import TargetTruth
from tracker_ros.replay.job import Job
from tracker_ros.replay.moments import worst_moments
from tracker_ros.replay.mot_frames import match_frames
from tracker_ros.replay.pictures import read_pictures
from tracker_ros.replay.report import write_report
from tracker_ros.replay.score import score_plain, score_sot
from tracker_ros.track import TrackState

TRACKING, LOST = TrackState.TRACKING, TrackState.LOST


def pixels(page: Page) -> list[UInt8Image]:
    """The pictures of a page."""
    data = [image["src"].partition("base64,")[2] for image in page.all("img")]
    arrays = [np.frombuffer(base64.b64decode(text), np.uint8) for text in data]
    return [np.asarray(cv2.imdecode(array, cv2.IMREAD_COLOR), np.uint8) for array in arrays]


def test_the_worst_moment_is_where_the_target_was_lost(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    moments = worst_moments(result, score)
    worst = [moment for moment in moments if "LOST" in moment.words]
    assert [(moment.frame, moment.frames) for moment in worst] == [(13, 6)]
    assert [moment.frame for moment in moments] == sorted(moment.frame for moment in moments)
    frames = [moment.frame for moment in moments]
    assert min(np.diff(frames)) >= 5  # well apart


def test_a_target_published_where_it_is_not_visible_is_the_worst_of_all() -> None:
    result = following([TRACKING] * 40)
    boxes = np.array([HERE] * 30 + [(np.nan,) * 4] * 3 + [HERE] * 8)
    truth = TargetTruth("truth.txt", np.arange(41), boxes, False)
    (moment,) = worst_moments(result, score_sot(result, truth, "1"), most=1)
    assert (moment.frame, moment.frames) == (30, 3)
    assert "not visible, published as TRACKING" in moment.words


def test_the_moments_of_a_crowd_are_its_most_errors() -> None:
    result = crowd(200, 2)
    rows = np.array(
        [(t, n, 10.0 + 40 * n, 10, 20, 30) for t in range(200) for n in range(2)], np.float64
    )
    tracks = rows[~((rows[:, 0] == 77) | ((rows[:, 0] == 150) & (rows[:, 1] == 1)))]
    frames = match_frames(200, np.ones(200, np.bool_), rows, tracks)
    score = replace(score_plain(result), truth="gt.txt", mot=frames)
    moments = worst_moments(result, score)
    assert [moment.frame for moment in moments] == [77, 150]
    assert moments[0].words == "of 2 true boxes: 2 missed"


def test_pictures_are_asked_for_by_the_number_of_the_image_in_rising_order(tmp_path: Path) -> None:
    timeline = timeline_of(
        lambda i: [track("1", Box(*HERE), LOST if i % 20 == 0 else TRACKING)], range(100, 300)
    )
    result = replay_of(timeline, received=300)
    asked: list[int] = []

    def look(number: int) -> UInt8Image:
        asked.append(number)
        return image_of(number)

    score = score_plain(result)
    moments = worst_moments(result, score)
    write_report(tmp_path / "report.html", result, score, (), moments, look)
    assert asked == sorted(asked) and len(asked) == 6
    assert all(number >= 100 and number % 20 == 0 for number in asked)


@pytest.mark.parametrize("begin", [0, 4])
def test_images_are_counted_among_those_of_their_type(tmp_path: Path, begin: int) -> None:
    taken = shots(8)
    with BagWriter(tmp_path / "two") as writer:
        for kind in (JPEG, IMAGE):
            writer.add_topic(own_topic(TOPIC, kind))
        for shot in taken:
            for kind in (JPEG, IMAGE):  # a topic that has both
                writer.write(TOPIC, shot.recorded, image_message(shot, kind), kind)
    job = Job(tmp_path / "two", tmp_path, "sot", begin=begin * PERIOD / 1e9)
    timeline = timeline_of(lambda i: [], range(begin, 8))
    result = replay_of(timeline, topic=TOPIC, topic_type=IMAGE, first=begin, images=8)
    found = read_pictures(job, result, [5, 7, -1])
    assert sorted(found) == [5, 7]
    for number, image in found.items():
        np.testing.assert_array_equal(image, taken[number].image)


def test_the_pictures_show_the_truth_in_white_and_the_track_in_its_colour(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    black = np.zeros((120, 160, 3), np.uint8)
    moments = worst_moments(result, score)
    write_report(tmp_path / "report.html", result, score, (), moments, lambda number: black)
    page = Page.read(tmp_path / "report.html")
    for picture, image in zip(pixels(page), page.all("img"), strict=True):
        blue, green, red = (picture[..., channel].astype(int) for channel in range(3))
        assert ((blue > 200) & (green > 200) & (red > 200)).any()  # the truth
        lost = "LOST" in image["alt"]
        coloured = (red - green > 80) if lost else (green - red > 80)
        assert coloured.any()


def test_a_moment_without_an_image_is_told_without_a_picture(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    moments = worst_moments(result, score)
    write_report(tmp_path / "report.html", result, score, (), moments, lambda number: None)
    page = Page.read(tmp_path / "report.html")
    assert not page.all("img") and "no picture" in page.text


def test_boxes_far_outside_the_picture_are_no_trouble(tmp_path: Path) -> None:
    for box in (Box(-1e6, -1e6, 10, 10), Box(1e7, 5, 1e5, 1e5), Box(-50, -50, 1e4, 1e4)):
        timeline = timeline_of([[track("1", box, LOST)]].__getitem__, [0])
        assert report(tmp_path, replay_of(timeline)).all("img")
