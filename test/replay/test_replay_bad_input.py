"""What bags and words that are wrong get."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from recordings import (
    follow,
    record,
    shots,
    write_truth,
)

from tracker_ros.bags.types import store
from tracker_ros.errors import DataError, ParameterError
from tracker_ros.geometry import Box
from tracker_ros.replay.figures import parse_limits
from tracker_ros.replay.job import parse_wish
from tracker_ros.replay.run import Progress, replay_bag
from tracker_ros.replay.truth import load_truth
from tracker_ros.replay.work import run_job
from tracker_ros.track import TrackState


def test_images_that_cannot_be_used_are_counted_and_named(tmp_path: Path) -> None:
    images = shots(40)
    images[10] = replace(images[10], spoiled=True)
    images[20] = replace(images[20], stamp=images[19].stamp - 1_000_000)
    result = replay_bag(follow(record(tmp_path / "bag", images), tmp_path / "out"))
    assert result.received == 40 and result.rejected == 2
    assert result.troubles["image: data"].count == 1
    assert result.troubles["image: stamp"].count == 1
    assert "stamps that go back" in result.troubles
    assert 10 not in result.timeline.inputs and 20 not in result.timeline.inputs
    assert result.timeline.states[-1] == TrackState.TRACKING


def test_gaps_and_changes_of_encoding_are_told(tmp_path: Path) -> None:
    images = shots(40)
    images = [replace(s, encoding="rgb8") if 15 <= i < 25 else s for i, s in enumerate(images)]
    late = 2 * 10**9
    images[30:] = [
        replace(s, stamp=s.stamp + late, recorded=s.recorded + late) for s in images[30:]
    ]
    result = replay_bag(follow(record(tmp_path / "bag", images), tmp_path / "out"))
    words = [event.words for event in result.events]
    assert any("rgb8" in w and "before: bgr8" in w for w in words)
    assert any("no image for 2.03 s" in w for w in words)
    assert len(result.timeline) == 40


def test_a_camera_that_starts_anew_ends_the_target_and_says_why(tmp_path: Path) -> None:
    images = shots(40)
    images[20:] = [replace(shot, stamp=shot.stamp - 5 * 10**9) for shot in images[20:]]
    result = replay_bag(follow(record(tmp_path / "bag", images), tmp_path / "out"))
    assert any("jumped back by 5.0 s" in event.words for event in result.events)
    assert len(result.timeline) == 40
    assert result.timeline.frames.max() == 19  # nothing is followed after that
    assert result.ended == [(20, "1")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"topic": "/nothing"}, r"no image topic /nothing; it holds /camera/image_raw"),
        ({"wishes": (parse_wish("700,10,20,20"),)}, r"--target 700,10,20,20: .*x=700"),
        ({"wishes": (parse_wish("10,10,20,20@+99"),)}, r"no image with that stamp, or a later"),
        ({"wishes": (parse_wish("10,10,20,20@3"),)}, r"@\+3 means 3 s after it"),
        ({"begin": 60.0}, r"--from 60: .* is 1.967 s long"),
        ({"kind": "mot", "detections": "/d", "wishes": ()}, r"no detections on /d; .*none of type"),
    ],
    ids=["topic", "box", "stamp", "no stamp", "from", "detections"],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    changes: dict[str, object], words: str, bag: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words):
        replay_bag(follow(bag, tmp_path / "out", **changes))
    assert not (tmp_path / "out" / "bag").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"monitor.patiense": 3}, "did you mean monitor.patience"),
        ({"monitor.patience": 3.5}, "must be a whole number"),
        ({"monitor.lost_score": 1}, "write 1.0"),
        ({"max_targets": 100}, "must be 1 to 32"),
        ({"tracker": "nonesuch"}, "choose one of siamrpnpp"),
    ],
    ids=["name", "whole", "real", "range", "choice"],
)
def test_parameters_are_checked_as_the_node_checks_them(
    settings: dict[str, object], words: str, bag: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=words):
        replay_bag(follow(bag, tmp_path, settings=settings))


def test_a_target_that_is_refused_is_refused_at_once(bag: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    progress = Progress(tick=lambda: seen.append(1))
    job = follow(bag, tmp_path / "out", wishes=(parse_wish("700,10,20,20"),))
    with pytest.raises(DataError, match="x=700"):
        replay_bag(job, progress=progress)
    assert len(seen) <= 1


def test_what_a_recorder_that_crashed_left_is_replayed(bag: Path, tmp_path: Path) -> None:
    whole = next(bag.glob("*.mcap"))
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = replay_bag(follow(cut, tmp_path / "out"))
    assert 0 < len(result.timeline) < 60
    assert "cut.mcap" in result.damage
    assert result.timeline.states[-1] == TrackState.TRACKING


def test_a_bag_that_is_cut_before_its_first_image_says_so(bag: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(next(bag.glob("*.mcap")).read_bytes()[:3000])
    with pytest.raises(DataError, match=r"it is damaged: cut\.mcap"):
        replay_bag(follow(cut, tmp_path / "out"))


def test_a_damaged_bag_can_be_made_to_fail(bag: Path, tmp_path: Path) -> None:
    whole = next(bag.glob("*.mcap")).read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole[: len(whole) // 2])
    limits = parse_limits(None, "damaged=0", "sot", truth=False)
    assert not run_job(follow(cut, tmp_path / "out", limits=limits)).passed
    assert run_job(follow(bag, tmp_path / "whole", limits=limits)).passed


def test_a_truth_of_another_recording_is_told_by_its_stamps(bag: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("stamp,x,y,w,h\n12.5,1,2,30,40\n")
    job = follow(bag, tmp_path / "out", wishes=(), gt=str(truth))
    with pytest.raises(DataError, match=r"none of its 1 stamps .* is 12\.500000000, .* 17000"):
        run_job(job)


def test_a_target_is_what_was_written(tmp_path: Path) -> None:
    wish = parse_wish("1,2.5,30,40@1700000000.123456789")
    assert wish.box == Box(1, 2.5, 30, 40) and wish.stamp == 1700000000123456789
    assert not wish.relative and parse_wish("1,2,3,4@+2").relative
    for text in ("1,2,3", "1,2,0,4", "1,2,nan,4", "1,2,3,4@soon", "a,b,c,d"):
        with pytest.raises(DataError, match=r"--target"):
            parse_wish(text)


def test_truth_that_shows_no_target_is_refused(bag: Path, tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "truth.txt", [None] * 60)
    job = follow(bag, tmp_path / "out", wishes=(), gt=str(truth))
    with pytest.raises(DataError, match="in none of the images"):
        replay_bag(job, load_truth(job.gt, job.kind, job.bag))


def test_definitions_of_our_types_are_at_hand() -> None:
    assert math.isclose(store().types["vision_msgs/msg/Point2D"](1.0, 2.0).x, 1.0)
