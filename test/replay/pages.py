"""Pages of reports as tests read them, and replays to make them of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from replays import (
    following,
    image_of,
    replay_of,
    timeline_of,
    track,
)

from tracker_ros.geometry import Box
from tracker_ros.replay.annotations import TargetTruth
from tracker_ros.replay.figures import check, parse_limits
from tracker_ros.replay.moments import worst_moments
from tracker_ros.replay.report import write_report
from tracker_ros.replay.result import ReplayResult
from tracker_ros.replay.score import Score, score_plain, score_sot
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
