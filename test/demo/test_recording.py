"""What a run adds up to: every number of the summary, on runs small enough to add up by hand."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from tracker_ros.demo.recording import (
    FrameRecord,
    Recording,
    describe,
    summarise,
    write_summary,
    write_tracks,
)
from tracker_ros.geometry import Box
from tracker_ros.track import TrackState

BOX = Box(10, 10, 20, 20)
HALF = Box(20, 10, 20, 20)
"""Overlaps BOX by a third."""


def record(
    index: int, state: TrackState = TrackState.TRACKING, box: Box = BOX, latency: float = 0.03
) -> FrameRecord:
    return FrameRecord(index, index * 10**8, state, box, 0.9, "seen, clearly", 0.02, latency)


def recording(*records: FrameRecord, published: int) -> Recording:
    stamps = [index * 10**8 for index in range(published)]
    return Recording("test", "siamfc", "onnxruntime fp32", stamps, list(records))


def test_overlap_is_averaged_over_visible_frames_after_the_first() -> None:
    run = recording(record(0), record(1), record(2, box=HALF), record(3), published=4)
    summary = summarise(run, (BOX, BOX, BOX, None))
    assert summary.mean_iou == pytest.approx((1 + 1 / 3) / 2, abs=1e-4)
    # IoU 1 lies above 20 of the thresholds 0, 0.05, ..., 1; IoU 1/3 above 7 of them.
    assert summary.success_auc == pytest.approx((20 + 7) / 2 / 21, abs=1e-4)


def test_a_lost_target_overlaps_nothing_wherever_its_box_is() -> None:
    run = recording(record(0), record(1, TrackState.LOST), published=2)
    assert summarise(run, (BOX, BOX)).mean_iou == 0.0


def test_tracking_what_is_not_there_is_counted() -> None:
    run = recording(
        record(0),
        record(1),
        record(2, TrackState.LOST),
        record(3, TrackState.UNCERTAIN),
        published=4,
    )
    summary = summarise(run, (BOX, None, None, None))
    assert summary.false_tracking == 1
    assert summary.states == {"TRACKING": 2, "UNCERTAIN": 1, "LOST": 1}


def test_without_truth_nothing_is_claimed_about_it() -> None:
    summary = summarise(recording(record(0), record(1), published=2), None)
    assert (summary.mean_iou, summary.success_auc, summary.false_tracking) == (None, None, None)
    assert summary.followed_to_the_end is None
    assert "at last   TRACKING; whether that is right, no truth says" in describe(summary)
    assert "IoU" not in describe(summary)


@pytest.mark.parametrize(
    ("last", "truth", "followed"),
    [
        (record(9), BOX, True),
        (record(9, box=Box(200, 200, 20, 20)), BOX, False),
        (record(9, TrackState.LOST), BOX, False),
        (record(9, TrackState.LOST), None, True),
        (record(9), None, False),
        (record(6), BOX, True),
        (record(5), BOX, False),
    ],
    ids=["there", "elsewhere", "lost", "rightly-lost", "ghost", "near-the-end", "too-early"],
)
def test_followed_means_right_about_the_last_frame(
    last: FrameRecord, truth: Box | None, followed: bool
) -> None:
    run = recording(record(0), last, published=10)
    assert summarise(run, [truth] * 10).followed_to_the_end is followed


def test_a_run_without_a_record_followed_nothing() -> None:
    summary = summarise(recording(published=5), [BOX] * 5)
    assert not summary.followed_to_the_end
    assert summary.mean_iou is None
    assert summary.frame_age_ms is None
    assert "states    none" in describe(summary)


def test_times_are_median_and_p95_in_milliseconds_without_unknown_ones() -> None:
    latencies = [0.010, 0.020, 0.030, math.nan]
    run = recording(*(record(i, latency=s) for i, s in enumerate(latencies)), published=4)
    summary = summarise(run, None)
    assert summary.latency_ms == (20.0, 29.0)
    assert summary.frame_age_ms == (20.0, 20.0)


def test_the_table_has_a_line_per_processed_frame(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    run = recording(record(0), record(2, box=HALF), record(3, TrackState.LOST), published=4)
    write_tracks(path, run, (BOX, BOX, BOX, None))
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == ["0", "2", "3"]
    assert [row["iou"] for row in rows] == ["1.0000", "0.3333", ""]
    assert rows[1]["stamp"] == "0.200000000"
    assert rows[1]["x"] == "20.00"
    assert rows[1]["reason"] == "seen, clearly"
    assert (rows[2]["state"], rows[2]["truth_x"]) == ("LOST", "")


def test_the_summary_is_json_that_other_programs_can_read(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, summarise(recording(record(0), record(1), published=2), (BOX, BOX)))
    read = json.loads(path.read_text())
    assert read["frames_published"] == 2
    assert read["mean_iou"] == 1.0
    assert read["followed_to_the_end"] is True
