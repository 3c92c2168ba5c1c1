"""What an operator asked for, where answers, ends and images came in another order, or never."""

from __future__ import annotations

from pathlib import Path

import pytest
from asked import (
    ASIDE,
    asked,
    recorded,
    replayed,
    request,
    stamp_of,
    stamps,
    start_images,
    status,
    truth,
)
from recordings import FIRST, PERIOD, record, shots

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.job import Job, Wish
from tracker_ros.replay.run import replay_bag
from tracker_ros.track import TrackState


def test_a_box_on_a_picture_from_before_an_end_of_all_begins_after_it(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 0, image=0, box=truth(0), target="1"),
            *(status(i, ("1", truth(i))) for i in range(1, 11)),
            request("clear", 10),
            *(status(i) for i in range(11, 15)),
            request("set_target", 13, image=8, box=truth(8), target="2"),
            *(status(i, ("2", truth(i))) for i in range(15, 24)),
        ],
    )
    result = replayed(bag, tmp_path / "out")
    assert start_images(result) == {"1": 0, "2": 15}
    assert [id for _, id in result.ended] == ["1"]


def test_a_click_that_found_nothing_takes_no_other_target_for_its_own(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("click", 1, image=1),
            *(status(i) for i in range(8)),
            request("set_target", 8, image=6, box=truth(6), target="1"),
            *(status(i, ("1", truth(i))) for i in range(9, 20)),
        ],
    )
    assert stamps(asked(bag)) == [stamp_of(6)]


def test_a_status_that_was_recorded_before_the_answer_is_no_target_of_its_own(
    tmp_path: Path,
) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            *(status(i) for i in range(5)),
            *(status(i, ("1", truth(i))) for i in range(5, 20)),
            request("set_target", 6, image=4, box=truth(4), target="1"),
        ],
    )
    assert stamps(asked(bag)) == [stamp_of(4)]


def test_an_identity_that_comes_again_after_its_end_is_a_new_target(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("click", 1, image=1),
            *(status(i, ("m7", truth(i))) for i in range(2, 9)),
            request("clear", 8),
            status(8, ("m7", truth(8)), state=TrackState.LOST, between=True),
            *(status(i) for i in range(9, 12)),
            request("click", 12, image=12),
            *(status(i, ("m7", truth(i))) for i in range(13, 20)),
        ],
    )
    assert start_images(replayed(bag, tmp_path / "out")) == {"1": 2, "2": 13}


def test_a_box_without_a_stamp_begins_where_its_target_is_first_seen(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            *(status(i) for i in range(8)),
            request("set_target", 8, box=ASIDE, target="1"),
            *(status(i, ("1", truth(i))) for i in range(9, 20)),
        ],
    )
    assert stamps(asked(bag)) == [stamp_of(9)]
    assert start_images(replayed(bag, tmp_path / "out")) == {"1": 9}


def test_a_part_begins_with_what_was_followed_in_it(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 2, image=2, box=truth(2), target="1"),
            *(status(i, ("1", truth(i))) for i in range(3, 24)),
            request("set_target", 15, image=9, box=ASIDE, target="2"),
        ],
    )
    # Between image 11 and its status.
    result = replayed(bag, tmp_path / "out", begin=(11 * PERIOD + 1_000_000) / 1e9)
    assert start_images(result) == {"1": 12}
    assert next(iter(result.starts.values())).box == pytest.approx(tuple(truth(12)))
    with pytest.raises(DataError, match=r"--from 60: .* is 0\.\d+ s long"):
        replayed(bag, tmp_path / "out", begin=60.0)


@pytest.mark.parametrize("before", [PERIOD, 60 * 10**9])
def test_what_was_asked_for_before_the_first_image_is_a_trouble(
    before: int, tmp_path: Path
) -> None:
    bag = record(tmp_path / "bag", shots(8))
    wishes = (
        Wish("early", ASIDE, FIRST - before, False),
        Wish("later", truth(5), stamp_of(5), False),
    )
    job = Job(bag, tmp_path / "out", "sot", settings={"threads": 1}, keep="none", report=False,
              wishes=wishes, again=True)  # fmt: skip
    result = replay_bag(job)
    assert start_images(result) == {"1": 5}
    assert result.troubles["target"].first.startswith("early: the first image is stamped")


def test_what_cannot_be_repeated_is_a_trouble_and_not_the_end(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 3, image=3, box=Box(5000, 5000, 20, 20)),
            request("set_target", 5, image=5, box=truth(5)),
            request("set_target", 22, image=400, box=truth(5)),
        ],
    )
    result = replayed(bag, tmp_path / "out")
    assert [start.number for start in result.starts.values()] == [5]
    assert "target" in result.troubles
