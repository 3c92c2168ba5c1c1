"""The line on the terminal keeps its columns."""

from __future__ import annotations

import pytest

from tracker_ros.demo.live_line import LiveLine
from tracker_ros.demo.recording import FrameRecord
from tracker_ros.geometry import Box
from tracker_ros.track import TrackState

BOX = Box(100, 80, 60, 40)


def shown(
    capsys: pytest.CaptureFixture[str], dropped: int, state: TrackState, truth: Box | None
) -> str:
    LiveLine().show(FrameRecord(1, 1, state, BOX, 0.9, "", 0.02, 0.03), 30.0, dropped, truth)
    return capsys.readouterr().out.removesuffix("\n")


def test_columns_stay_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    few = shown(capsys, 3, TrackState.TRACKING, BOX)
    many = shown(capsys, 1043, TrackState.REACQUIRED, BOX)
    assert few.index("IoU") == many.index("IoU")
    assert few.endswith("dropped 3       IoU 1.00") and many.endswith("dropped 1043    IoU 1.00")


def test_a_line_without_a_truth_ends_with_what_was_dropped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, 3, TrackState.TRACKING, None).endswith("dropped 3")
