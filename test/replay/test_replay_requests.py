"""A bag that an operator recorded is replayed with what was asked for in it."""

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
from recordings import record, shots

from tracker_ros.cli import main
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.command import asked_again
from tracker_ros.replay.job import Job
from tracker_ros.track import TrackState


def test_a_box_begins_on_the_image_that_it_was_drawn_on(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 9, image=4, box=truth(4), target="1"),
            request("set_target", 12, image=12, box=Box(1, 2, 3, 4), success=False),
        ],
    )
    (wish,) = asked(bag).wishes
    assert wish.stamp == stamp_of(4) and wish.box is not None
    assert tuple(wish.box) == pytest.approx(tuple(truth(4)))
    result = replayed(bag, tmp_path / "out")
    assert next(iter(result.starts.values())).number == 4
    assert result.starts.keys() == {"1"} and not result.troubles


def test_what_was_clicked_on_or_named_begins_where_it_was_first_followed(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("click", 2, image=2),
            status(3),
            *(status(i, ("1", truth(i))) for i in range(4, 9)),
            request("follow", 8, id="m7"),
            *(status(i, ("1", truth(i))) for i in range(9, 11)),
            *(status(i, ("m7", truth(i))) for i in range(11, 20)),
        ],
    )
    found = asked(bag)
    assert stamps(found) == [stamp_of(4), stamp_of(11)]
    assert found.most_targets == 1
    result = replayed(bag, tmp_path / "out")
    assert [start.number for start in result.starts.values()] == [4, 11]


def test_an_end_of_all_targets_is_repeated(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 0, image=0, box=truth(0), target="1"),
            *(status(i, ("1", truth(i))) for i in range(1, 11)),
            request("clear", 10),
            *(status(i) for i in range(11, 20)),
        ],
    )
    result = replayed(bag, tmp_path / "out")
    assert any("cleared by request" in event.words for event in result.events)
    ((image, _),) = result.ended
    assert image in (11, 12)


def test_several_targets_are_followed_where_several_were(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 0, image=0, box=truth(0), target="1"),
            request("set_target", 0, image=0, box=ASIDE, target="2"),
            *(status(i, ("1", truth(i)), ("2", ASIDE)) for i in range(2, 20)),
        ],
    )
    assert asked(bag).most_targets == 2
    assert len(replayed(bag, tmp_path / "out").starts) == 2


def test_what_was_followed_before_the_recording_begins_where_it_is_first_seen(
    tmp_path: Path,
) -> None:
    lost = TrackState.LOST
    bag = recorded(
        tmp_path / "one.mcap",
        [
            status(0, ("7", ASIDE), between=True),  # as it was last, of no image
            status(1, ("7", ASIDE), state=lost),
            *(status(i, ("7", truth(i))) for i in range(2, 10)),
            status(10, ("7", ASIDE), state=lost),
            *(status(i, ("7", truth(i))) for i in range(11, 20)),
        ],
    )
    assert stamps(asked(bag)) == [stamp_of(2)]
    assert start_images(replayed(bag, tmp_path / "out")) == {"1": 2}


def test_a_target_that_was_pointed_at_anew_stays_the_same(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            *(status(i, ("3", ASIDE), ("4", ASIDE)) for i in range(11)),
            request("set_target", 10, image=10, box=truth(10), id="3", target="3"),
            *(status(i, ("3", truth(i)), ("4", ASIDE)) for i in range(11, 24)),
        ],
    )
    result = replayed(bag, tmp_path / "out")
    assert start_images(result) == {"1": 0, "2": 0} and not result.troubles
    last = result.timeline.boxes[result.timeline.targets == 0][-1]
    assert Box(*last).iou(truth(23)) > 0.5


def test_the_command_does_so_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = recorded(tmp_path / "one.mcap", [request("set_target", 2, image=2, box=truth(2))])
    words = ["--set", "threads=1", "--bag", "none", "--no-report", "--out", str(tmp_path / "out")]
    assert main(["replay", str(bag), *words]) == 0
    assert "frames" in capsys.readouterr().out


def test_a_bag_without_requests_asks_for_a_target(tmp_path: Path) -> None:
    bag = record(tmp_path / "bag", shots(3))
    with pytest.raises(DataError, match=r"what is to be followed\?.*no operator asked"):
        asked_again(Job(bag, tmp_path / "out", "sot"))
