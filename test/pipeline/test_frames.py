"""The history that a late target is set from, and how its stamps are written."""

import pytest

from tracker_ros.pipeline.frames import Frame, FrameHistory, seconds
from tracker_ros.pipeline.images import Stamped


def frame(number: int, size: int = 100) -> Frame:
    return Frame(bytes(size), Stamped(number, 0, "camera"), False, 0.0)


def stamps(frames: list[Frame]) -> list[int]:
    return [f.header.sec for f in frames]


def history(numbers: range, **bounds: int) -> FrameHistory:
    kept = FrameHistory(**{"max_frames": 10, "max_bytes": 10_000, **bounds})
    for number in numbers:
        kept.add(frame(number))
    return kept


def test_a_frame_is_found_by_its_exact_stamp_only() -> None:
    kept = history(range(5))
    found = kept.at(3 * 10**9)
    assert found is not None and found.header.sec == 3
    assert kept.at(3 * 10**9 + 1) is None


def test_what_came_after_a_stamp_comes_in_order() -> None:
    kept = history(range(5))
    assert stamps(kept.after(2 * 10**9)) == [3, 4]
    assert stamps(kept.after(2 * 10**9 - 1)) == [2, 3, 4]
    assert kept.after(9 * 10**9) == []


def test_the_oldest_go_when_there_are_too_many_frames_or_bytes() -> None:
    assert stamps(history(range(20)).after(0)) == list(range(10, 20))
    assert stamps(history(range(20), max_bytes=300).after(0)) == [17, 18, 19]


def test_the_oldest_go_when_they_are_too_old_though_there_are_few() -> None:
    kept = history(range(8), max_seconds=2)
    assert stamps(kept.after(0)) == [5, 6, 7]
    kept.add(frame(60))  # after a pause
    assert stamps(kept.after(0)) == [60]


def test_the_time_from_frame_to_frame_is_known_from_two_on() -> None:
    assert history(range(0)).period() == history(range(1)).period() == 0
    assert history(range(5)).period() == 10**9


def test_the_newest_stays_whatever_the_bounds() -> None:
    kept = history(range(3), max_frames=0, max_bytes=0, max_seconds=0)
    assert stamps(kept.after(0)) == [2]
    newest, oldest = kept.newest(), kept.oldest()
    assert newest is oldest is not None


def test_tighter_bounds_and_clear_take_effect_at_once() -> None:
    kept = history(range(10))
    kept.resize(3, 10_000)
    assert stamps(kept.after(0)) == [7, 8, 9]
    kept.resize(3, 10_000, 1)
    assert stamps(kept.after(0)) == [8, 9]
    kept.clear()
    assert kept.newest() is None and kept.oldest() is None
    kept.add(frame(1, 9_999))
    kept.add(frame(2, 2))  # the bytes of what was cleared count no more
    assert stamps(kept.after(0)) == [2]


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.000000000"),
        (1_700_000_000_033_333_333, "1700000000.033333333"),  # no float holds that
        (-1, "-0.000000001"),
        (-33_000_000, "-0.033000000"),
        (-1_500_000_000, "-1.500000000"),
        (-2_000_000_000, "-2.000000000"),
    ],
)
def test_a_stamp_is_written_in_seconds_exactly_before_zero_too(ns: int, text: str) -> None:
    assert seconds(ns) == text
