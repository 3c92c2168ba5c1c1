"""The HTML report: one file, safe with any name, readable for long replays, honest about gaps."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import IMAGE, JPEG, PERIOD, TOPIC, image_message, shots
from replays import (
    event,
    following,
    image_of,
    replay_of,
    start_on,
    timeline_of,
    track,
    trouble,
)

from tracker_ros.bags.types import own_topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.replay.annotations import TargetTruth
from tracker_ros.replay.figures import check, parse_limits
from tracker_ros.replay.job import Job
from tracker_ros.replay.moments import worst_moments
from tracker_ros.replay.mot_frames import match_frames
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.pictures import read_pictures
from tracker_ros.replay.report import write_index, write_report
from tracker_ros.replay.result import ReplayResult, Trouble
from tracker_ros.replay.score import Score, score_plain, score_sot
from tracker_ros.replay.svg import clock, merged, thinned, ticks
from tracker_ros.replay.timeline_chart import unanswered
from tracker_ros.track import TrackState

TRACKING, LOST = TrackState.TRACKING, TrackState.LOST
HERE = (10.0, 10.0, 20.0, 20.0)
EVIL = "<script>alert('1')</script><img src=x onerror=alert(2)>\"&"


@dataclass
class Page(HTMLParser):
    """What is in a page; raises ValueError where an element is not closed."""

    text: str = ""
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    drawings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []

    @classmethod
    def read(cls, path: Path) -> Page:
        page = cls()
        source = path.read_text()
        page.feed(source)
        page.close()
        if page._open:
            raise ValueError(f"not closed: {page._open}")
        page.drawings = re.findall(r'<svg class="chart.*?</svg>', source, re.DOTALL)
        return page

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        closed = (self.get_starttag_text() or "").endswith("/>")
        if not closed and tag not in ("meta", "img", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            raise ValueError(f"</{tag}> closes nothing")
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def report(folder: Path, result: ReplayResult, score: Score | None = None, below: str = "") -> Page:
    """Write the report of a replay and read it."""
    score = score or score_plain(result)
    limits = parse_limits(below, None, result.kind, truth=bool(score.truth))
    path = folder / "report.html"
    checks, moments = check(score.figures, limits), worst_moments(result, score)
    write_report(path, result, score, checks, moments, image_of)
    return Page.read(path)


def lost_in_the_middle() -> tuple[ReplayResult, Score]:
    """30 frames: followed, lost for 6, followed 5 px beside."""
    result = following([TRACKING] * 12 + [LOST] * 6 + [TRACKING] * 12)
    boxes = np.array([HERE] * 19 + [(15.0, 10.0, 20.0, 20.0)] * 12)
    truth = TargetTruth("truth.txt", np.arange(31), boxes, False, ("A note.",))
    return result, score_sot(result, truth, "1")


def crowd(frames: int = 40, people: int = 3) -> ReplayResult:
    """People side by side; every one of them is there all the time."""
    timeline = timeline_of(
        lambda i: [track(f"p{n}", Box(10.0 + 40 * n, 10, 20, 30)) for n in range(people)],
        range(frames),
    )
    return replay_of(timeline, kind="mot", tracker="famnet")


# --- what is in it -------------------------------------------------------------------------------


def test_it_says_whether_the_limits_were_kept(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    assert "✔ Passed" in report(tmp_path, result, score, "auc=0.1").text
    failed = report(tmp_path, result, score, "auc=0.9,sr50=0.1").text
    assert "✖ Failed" in failed and f"auc {score.figures['auc']:.3f}, limit ≥ 0.9" in failed
    assert "Not judged" in report(tmp_path, result, score).text


def test_it_holds_every_figure_every_stage_and_what_ran(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    result = replace(result, options={"--rate": "max", "sot.patience": "12"})
    text = report(tmp_path, result, score).text
    for name in score.figures:
        assert name in text
    for words in (
        "decode", "preprocess", "inference", "postprocess", "publish", "siamfc_small", "float32",
        "sot.patience", result.digest, "onnxruntime", "A note.", "10,10,20,20 @ 1700000000.0",
    ):  # fmt: skip
        assert words in text


def test_with_a_truth_there_are_three_curves_a_timeline_and_a_histogram(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    page = report(tmp_path, result, score)
    assert len(page.drawings) == 5
    for drawing in page.drawings:
        root = ET.fromstring(drawing)  # well formed on its own
        assert root.get("role") == "img" and len(root.get("aria-label", "")) > 20
    assert f"AUC {score.figures['auc']:.3f}" in page.text


def test_without_a_truth_there_are_none_but_the_moments_are_shown(tmp_path: Path) -> None:
    page = report(tmp_path, following([TRACKING] * 12 + [LOST] * 6 + [TRACKING] * 12))
    assert len(page.drawings) == 2
    assert "Moments to look at" in page.text and "LOST" in page.text


def test_every_state_has_a_lane_with_its_name(tmp_path: Path) -> None:
    page = report(tmp_path, following([TRACKING] * 5 + [LOST] * 5))
    timeline = ET.fromstring(page.drawings[0])
    words = {element.text for element in timeline.iter("text")}
    assert {state.name for state in TrackState} <= words
    drawn = {str(element.get("class")) for element in timeline.iter("path")}
    assert {"state tracking", "state lost"} <= drawn
    assert "state uncertain" not in drawn


def test_events_are_numbered_in_the_drawing_and_told_below_it(tmp_path: Path) -> None:
    result = replace(
        following([TRACKING] * 60),
        events=[event(1, "target 1 set"), event(31, "time jumped back 9 s")],
    )
    page = report(tmp_path, result)
    numbers = [
        element.text
        for element in ET.fromstring(page.drawings[0]).iter("text")
        if element.get("class") == "event-number"
    ]
    assert numbers == ["1", "2"]
    assert "1 s" in page.text and "time jumped back 9 s" in page.text


def test_a_thousand_events_are_not_all_told(tmp_path: Path) -> None:
    result = replace(
        following([TRACKING] * 60), events=[event(i % 60, f"event {i}!") for i in range(1000)]
    )
    text = report(tmp_path, result).text
    assert "event 59!" in text and "event 60!" not in text
    assert "and 940 more events" in text


def test_troubles_damage_and_images_without_an_answer_are_told(tmp_path: Path) -> None:
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))], [0, 1, 2, 6, 7])
    result = replay_of(
        timeline, received=8, rejected=2, dropped=1, damage="it ends in message 512",
        troubles={"encoding": trouble(2, "yuv999 is not known")},
    )  # fmt: skip
    page = report(tmp_path, result)
    for words in ("it ends in message 512", "3 of 8 images got no answer", "yuv999 is not known"):
        assert words in page.text
    assert "NO ANSWER" in page.text
    assert "Troubles" not in report(tmp_path, following([TRACKING] * 5)).text


def test_a_trouble_that_is_only_counted_has_no_time(tmp_path: Path) -> None:
    result = replay_of(
        timeline_of(lambda i: [], range(4)),
        troubles={"gaps": Trouble(3, "in the images", 0), "image: size": trouble(1, "too small")},
    )
    times = re.findall(r"\d+\.\d{9}", report(tmp_path, result).text.partition("Over time")[0])
    assert times == ["1700000000.099999999"]


def test_a_tracker_that_failed_has_not_passed_whatever_the_limits(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    failed = replace(result, troubles={"tracker": trouble(7, "ValueError: odd\nTraceback ...")})
    for below in ("", "auc=0.1"):
        text = report(tmp_path, failed, score, below).text
        assert "✖ Failed" in text
        assert "the tracker failed 7 times, first: ValueError: odd" in text


def test_images_outside_of_the_replayed_part_are_not_missed(tmp_path: Path) -> None:
    part = replay_of(timeline_of(lambda i: [], [40, 42]), first=40, received=3, images=90)
    assert unanswered(part).tolist() == [41]
    assert "1 of 3 images got no answer" in report(tmp_path, part).text


def test_a_replay_in_which_nothing_was_answered_has_a_report(tmp_path: Path) -> None:
    result = replay_of(timeline_of(lambda i: [], []), received=3, rejected=3)
    assert "No image was answered." in report(tmp_path, result).text


def test_a_single_frame_has_a_report(tmp_path: Path) -> None:
    assert "1 of 1 images" in report(tmp_path, replay_of(timeline_of(lambda i: [], [0]))).text


def test_many_targets_have_a_row_for_every_identity(tmp_path: Path) -> None:
    page = report(tmp_path, crowd())
    words = {element.text for element in ET.fromstring(page.drawings[0]).iter("text")}
    assert {"p0", "p1", "p2"} <= words


def test_of_very_many_the_longest_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    lives = {f"id{n}": n + 1 for n in range(100)}  # id99 lives longest
    timeline = timeline_of(
        lambda i: [track(id, Box(*HERE)) for id, life in lives.items() if i < life], range(100)
    )
    page = report(tmp_path, replay_of(timeline, kind="mot"))
    words = {element.text for element in ET.fromstring(page.drawings[0]).iter("text")}
    assert {"id99", "id60"} <= words and "id59" not in words
    assert "and 60 more identities, none longer than these" in words


# --- pictures ------------------------------------------------------------------------------------


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


# --- safe and self-contained ---------------------------------------------------------------------


def evil_result(kind: str) -> ReplayResult:
    timeline = timeline_of(
        lambda i: [track(EVIL, Box(*HERE), LOST if i == 4 else TRACKING, label=EVIL)], range(8)
    )
    return replay_of(
        timeline, kind=kind, bag=EVIL, topic=EVIL, tracker=EVIL, model=EVIL, backend=EVIL,
        precision=EVIL, damage=EVIL, events=[event(2, EVIL)], troubles={EVIL: trouble(1, EVIL)},
        starts={EVIL: start_on(0)}, options={EVIL: EVIL}, received=9, digest=EVIL,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["sot", "mot"])
def test_no_name_in_a_bag_becomes_part_of_the_page(tmp_path: Path, kind: str) -> None:
    page = report(tmp_path, evil_result(kind))
    assert not page.all("script")
    assert all(image["src"].startswith("data:image/jpeg") for image in page.all("img"))
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "alert('1')" in page.text  # shown, as words


def test_it_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    page = report(tmp_path, result, score, "auc=0.5")
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:")
    source = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?://|@import|url\((?!#)", source)


def test_every_picture_and_drawing_has_words_for_who_does_not_see_it(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    page = report(tmp_path, result, score)
    assert all(image["alt"] for image in page.all("img"))
    for drawing in page.all("svg"):
        assert drawing.get("aria-label") or drawing.get("aria-hidden") == "true"
    assert page.all("html")[0]["lang"] == "en"


def test_an_odd_file_name_does_not_keep_the_report_from_being_written(tmp_path: Path) -> None:
    assert report(tmp_path, replace(following([TRACKING] * 5), bag="odd\udcff.mcap")).text


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    result = following([TRACKING] * 5)
    (tmp_path / "report.html").mkdir()
    with pytest.raises(DataError, match=r"--report .*report\.html cannot be written"):
        write_report(tmp_path / "report.html", result, score_plain(result), (), (), image_of)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


# --- long replays --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sot", "mot"])
def test_a_hundred_thousand_frames_make_a_page_of_a_few_megabytes(
    tmp_path: Path, kind: str
) -> None:
    random = np.random.default_rng(5)
    states = [[TrackState(n) for n in row] for row in random.integers(0, 5, (100_000, 3)).tolist()]
    scores = random.random((100_000, 3)).tolist()
    timeline = timeline_of(
        lambda i: [
            track(str(n if kind == "sot" else n + 3 * (i // 500)), Box(*HERE), states[i][n], score)
            for n, score in enumerate(scores[i])
        ],
        range(100_000),
    )
    report(tmp_path, replay_of(timeline, kind=kind))
    assert (tmp_path / "report.html").stat().st_size < 2e6


def test_a_thinned_curve_keeps_every_peak() -> None:
    x = np.linspace(0, 100, 10_000)
    y = np.zeros(10_000)
    y[5_432] = 1
    (part,) = thinned(x, y)
    assert len(part) <= 210
    assert part[:, 1].max() == 1
    assert part[part[:, 1].argmax(), 0] == 54


def test_a_curve_is_broken_where_nothing_is_known() -> None:
    parts = thinned(np.arange(6.0), np.array([1, np.nan, np.nan, 2, 3, np.nan]))
    assert [part.tolist() for part in parts] == [[[0, 1]], [[3, 2], [4, 3]]]


def test_stretches_that_one_cannot_tell_apart_are_joined() -> None:
    starts, ends = np.array([0, 1, 5.0]), np.array([0.9, 2, 6.0])
    assert merged(starts, ends) == [(0, 2), (5, 6)]


def test_axes_have_round_numbers() -> None:
    assert ticks(0, 6.2, 10) == pytest.approx([0, 1, 2, 3, 4, 5, 6])
    assert ticks(0, 0.5, 5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [clock(t) for t in (0, 4.5, 119, 125)] == ["0 s", "4.5 s", "119 s", "2:05"]
    assert [clock(t, 3725) for t in (0, 30, 3725)] == ["0:00", "0:30", "1:02:05"]


# --- the merged report ---------------------------------------------------------------------------


def outcomes() -> list[Outcome]:
    limits = parse_limits("auc=0.5", None, "sot", truth=True)
    figures = ({"auc": 0.8, "losses": 1.0}, {"auc": 0.4, "losses": 2.0})
    done = [
        Outcome(f"bags/{n}.mcap", "", f, check(f, limits), f"{n}/report.html", duration=60, wall=5)
        for n, f in enumerate(figures)
    ]
    return [*done, Outcome("bags/broken.mcap", error=f"broken: {EVIL}")]


def index(folder: Path, rows: Sequence[Outcome]) -> Page:
    write_index(folder / "index.html", rows, "bags/*.mcap")
    return Page.read(folder / "index.html")


def test_the_merged_report_has_a_row_and_a_link_for_every_bag(tmp_path: Path) -> None:
    page = index(tmp_path, outcomes())
    assert [link["href"] for link in page.all("a")] == ["./0/report.html", "./1/report.html"]
    for words in ("✔ passed", "✖ failed", "✖ not replayed", "broken: <script>", "✖ 0.400", "2:00"):
        assert words in page.text
    assert not page.all("script")


def test_the_merged_report_gives_totals_and_means_of_what_was_replayed(tmp_path: Path) -> None:
    foot = index(tmp_path, outcomes()).text.rpartition("total")[2].split()
    assert foot[:5] == ["3", "mean", "0.600", "1.5", "tracker_ros"]


def test_the_merged_report_says_whether_all_passed(tmp_path: Path) -> None:
    good, bad, broken = outcomes()
    assert "limits not kept: 1 of 3 bags" in index(tmp_path, [good, bad, broken]).text
    assert "not replayed: 1 of 2 bags" in index(tmp_path, [good, broken]).text
    assert "all 1 bags kept their limits" in index(tmp_path, [good]).text
    assert "Not judged" in index(tmp_path, [Outcome("a.mcap", figures={"auc": 1.0})]).text


def test_the_merged_report_says_where_the_tracker_failed(tmp_path: Path) -> None:
    odd = replace(outcomes()[0], troubles={"tracker": trouble(2, "ValueError: odd")})
    page = index(tmp_path, [odd])
    assert "✖ Failed" in page.text and "the tracker failed: 1 of 1 bags" in page.text
    assert "✖ tracker failed" in page.text and "✔ passed" not in page.text
    assert "limits not kept" not in page.text


def test_a_link_is_never_more_than_a_path(tmp_path: Path) -> None:
    odd = Outcome("a.mcap", report="javascript:alert(1)")
    assert index(tmp_path, [odd]).all("a")[0]["href"] == "./javascript%3Aalert%281%29"
