"""A bag goes in, and what the node would have published comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import (
    FIRST,
    JPEG,
    PERIOD,
    files_of,
    film,
    follow,
    record,
    shots,
    write_truth,
)
from rosbags.rosbag2 import StoragePlugin

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import overlaps
from tracker_ros.geometry import Box
from tracker_ros.replay.job import parse_wish
from tracker_ros.replay.run import replay_bag
from tracker_ros.replay.work import run_job
from tracker_ros.track import TrackState

# --- following -----------------------------------------------------------------------------------


def test_every_image_is_answered_and_the_target_followed(bag: Path, tmp_path: Path) -> None:
    result = replay_bag(follow(bag, tmp_path))
    assert result.received == len(result.timeline) == 60
    assert result.rejected == result.dropped == 0
    assert result.timeline.frames.tolist() == list(range(1, 60))  # set on the first image
    truth = np.array([[b.x, b.y, b.w, b.h] for b in film()[1][1:] if b is not None])
    assert overlaps(result.timeline.boxes, truth).min() > 0.5
    assert result.timeline.states[-1] == TrackState.TRACKING


def test_the_same_bag_gives_the_same_bytes_on_every_run(bag: Path, tmp_path: Path) -> None:
    outcomes = [run_job(follow(bag, tmp_path / str(run))) for run in range(3)]
    assert len({outcome.digest for outcome in outcomes}) == 1
    texts = [
        {name: digest for name, digest in files_of(tmp_path / str(run)).items()
         if name.endswith((".csv", ".txt"))}
        for run in range(3)
    ]  # fmt: skip
    assert {"tracks.csv", "mot.txt", "vot/1.txt"} == texts[0].keys()
    assert texts[0] == texts[1] == texts[2]


def test_the_number_of_threads_changes_nothing(bag: Path, tmp_path: Path) -> None:
    digests = {
        replay_bag(follow(bag, tmp_path / str(n), settings={"threads": n})).digest for n in (1, 2)
    }
    assert len(digests) == 1


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_jpegs_and_both_kinds_of_storage_are_replayed(
    storage: StoragePlugin, tmp_path: Path
) -> None:
    bag = record(tmp_path / "bag", shots(30), kind=JPEG, storage=storage)
    result = replay_bag(follow(bag, tmp_path / "out"))
    assert len(result.timeline) == 30
    assert result.timeline.states[-1] == TrackState.TRACKING


def test_a_target_may_be_set_later_and_several_at_once(bag: Path, tmp_path: Path) -> None:
    box = film()[1][20]
    assert box is not None
    text = ",".join(map(str, (box.x, box.y, box.w, box.h)))
    wishes = (
        parse_wish(f"{text}@+0.65"),  # between two images: the next one
        parse_wish(f"{text}@1700000000.666666660"),
        parse_wish("10,10,40,40"),
    )
    result = replay_bag(follow(bag, tmp_path, wishes=wishes))
    numbers = [start.number for start in result.starts.values()]
    assert numbers == [0, 20, 20]
    assert result.target == "2"  # the truth, if there were one, is that of the first --target
    assert result.timeline.ids == ["1", "2", "3"]


def test_only_a_part_of_the_bag_is_replayed_when_asked_to(bag: Path, tmp_path: Path) -> None:
    box = film()[1][30]
    assert box is not None
    job = follow(bag, tmp_path, begin=1.0, end=1.5, wishes=(parse_wish(f"{box.x},{box.y},40,25"),))
    result = replay_bag(job)
    assert result.timeline.stamps[0] == FIRST + 30 * PERIOD
    assert result.timeline.inputs.tolist() == list(range(30, 45))  # numbers are the topic's
    assert (result.first, result.received, result.images) == (30, 15, 60)


# --- scores --------------------------------------------------------------------------------------


def test_the_truth_starts_the_target_and_scores_it(tmp_path: Path) -> None:
    boxes: list[Box | None] = [None, None, *film()[1][2:]]
    bag = record(tmp_path / "bag", shots())
    truth = write_truth(tmp_path / "truth.txt", boxes)
    outcome = run_job(follow(bag, tmp_path / "out", wishes=(), gt=str(truth), report=True))
    assert outcome.figures["auc"] > 0.7
    assert outcome.figures["scored"] == 57  # without the first two, and that it was set on
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_the_truth_is_that_of_the_first_target_that_was_asked_for(
    bag: Path, tmp_path: Path
) -> None:
    """Also where another one was set before it."""
    box = film()[1][10]
    assert box is not None
    truth = write_truth(tmp_path / "truth.txt", film()[1])
    text = f"{box.x},{box.y},{box.w},{box.h}@+0.33"
    wishes = (parse_wish(text), parse_wish("10,10,40,40"))
    outcome = run_job(follow(bag, tmp_path / "out", wishes=wishes, gt=str(truth)))
    assert outcome.figures["auc"] > 0.7 and outcome.figures["scored"] == 49


def test_a_part_of_the_bag_is_scored_by_the_lines_of_its_images(bag: Path, tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "truth.txt", film()[1])
    job = follow(bag, tmp_path / "out", wishes=(), gt=str(truth), begin=0.5, end=1.5)
    outcome = run_job(job)
    assert outcome.figures["auc"] > 0.7 and outcome.figures["scored"] == 29


def test_truth_of_another_length_is_refused_with_both_lengths(bag: Path, tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "truth.txt", film()[1][:50])
    with pytest.raises(DataError, match=r"50 lines.*60 images"):
        run_job(follow(bag, tmp_path / "out", gt=str(truth)))


# --- real time -----------------------------------------------------------------------------------


def test_in_real_time_a_slow_tracker_drops_images_and_says_so(tmp_path: Path) -> None:
    fast = [replace(shot, recorded=FIRST + index) for index, shot in enumerate(shots())]
    result = replay_bag(follow(record(tmp_path / "bag", fast), tmp_path / "out", rate="real"))
    assert result.dropped > 0
    assert result.received == 60 == result.dropped + len(result.timeline)


def test_in_real_time_a_pause_of_decades_is_refused(tmp_path: Path) -> None:
    images = shots(10)
    images[0] = replace(images[0], recorded=5)
    with pytest.raises(DataError, match="the recording pauses for"):
        replay_bag(follow(record(tmp_path / "bag", images), tmp_path / "out", rate="real"))


def test_in_real_time_a_bad_first_image_is_no_end(tmp_path: Path) -> None:
    images = [replace(shot, spoiled=index == 0) for index, shot in enumerate(shots(20))]
    result = replay_bag(follow(record(tmp_path / "bag", images), tmp_path / "out", rate="real"))
    assert result.rejected == 1 and result.starts["1"].number >= 1
