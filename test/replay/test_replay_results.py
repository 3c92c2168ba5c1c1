"""What a replay leaves behind, and what it never touches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recordings import (
    OTHER,
    TOPIC,
    files_of,
    film,
    follow,
    record,
    shots,
)
from rosbags.highlevel import AnyReader

from tracker_ros.bags.reader import open_bag
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.folder import staged
from tracker_ros.replay.job import Wish, parse_wish
from tracker_ros.replay.run import replay_bag
from tracker_ros.replay.work import run_job
from tracker_ros.track import TrackState


def test_the_bag_that_is_written_holds_the_others_topics_untouched(
    bag: Path, tmp_path: Path
) -> None:
    run_job(follow(bag, tmp_path))
    with open_bag(bag) as before, open_bag(tmp_path / "bag") as after:
        for topic in (TOPIC, OTHER):
            assert list(after.messages({topic})) == list(before.messages({topic}))
        assert {topic.name for topic in after.topics} == {
            TOPIC, OTHER, "/sot/tracks", "/sot/status",
        }  # fmt: skip


def test_others_can_read_what_is_published(bag: Path, tmp_path: Path) -> None:
    """With the definitions in the bag alone."""
    result = replay_bag(follow(bag, tmp_path))
    with AnyReader([tmp_path / "bag"]) as reader:
        tracks = [c for c in reader.connections if c.topic == "/sot/tracks"]
        read = [reader.deserialize(d, c.msgtype) for c, _, d in reader.messages(tracks)]
        status = [c for c in reader.connections if c.topic == "/sot/status"]
        said = [reader.deserialize(d, c.msgtype) for c, _, d in reader.messages(status)]
    assert [len(array.detections) for array in read] == [0] + [1] * 59
    last = read[-1].detections[0]
    centre = last.bbox.center.position
    box = Box.from_center(centre.x, centre.y, last.bbox.size_x, last.bbox.size_y)
    assert np.allclose([box.x, box.y, box.w, box.h], result.timeline.boxes[-1])
    assert last.id == "1" and read[-1].header.frame_id == "camera"
    assert said[-1].frames_processed == 60 and said[-1].tracks[0].state == TrackState.TRACKING
    assert said[-1].image_latency == pytest.approx(0.005, abs=1e-3)  # of the recording


def test_a_bag_that_holds_tracks_of_a_node_keeps_them(bag: Path, tmp_path: Path) -> None:
    run_job(follow(bag, tmp_path / "first"))
    run_job(follow(tmp_path / "first" / "bag", tmp_path / "second"))
    with open_bag(tmp_path / "second" / "bag") as again:
        names = {topic.name: topic.count for topic in again.topics}
    assert names["/sot/tracks"] == names["/replay/sot/tracks"] == 60
    run_job(follow(tmp_path / "second" / "bag", tmp_path / "third"))
    with open_bag(tmp_path / "third" / "bag") as again:
        assert "/replay/replay/sot/tracks" in {topic.name for topic in again.topics}


@pytest.mark.parametrize(
    "changes",
    [{"topic": "/nothing"}, {"wishes": (parse_wish("700,10,20,20"),)}, {"gt": "none.txt"}],
)
def test_a_replay_that_is_refused_leaves_the_results_of_before(
    changes: dict[str, object], bag: Path, tmp_path: Path
) -> None:
    run_job(follow(bag, tmp_path))
    before = files_of(tmp_path)
    with pytest.raises(DataError):
        run_job(follow(bag, tmp_path, **changes))
    assert files_of(tmp_path) == before


def test_a_replay_that_is_refused_leaves_no_empty_folder(bag: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        run_job(follow(bag, tmp_path / "out", topic="/nothing"))
    assert not (tmp_path / "out").exists()


def test_two_replays_do_not_write_into_one_folder(bag: Path, tmp_path: Path) -> None:
    with staged(tmp_path), pytest.raises(DataError, match="is being written by another replay"):
        run_job(follow(bag, tmp_path))


def test_what_no_replay_has_left_is_never_removed(bag: Path, tmp_path: Path) -> None:
    """A recording of the user's own is often called bag."""
    own = record(tmp_path / "bag", shots(5))
    (tmp_path / "vot").mkdir()
    (tmp_path / "vot" / "notes.txt").write_text("mine")
    before = files_of(tmp_path)
    with pytest.raises(DataError, match="holds bag, which no replay has left"):
        run_job(follow(bag, tmp_path))
    assert files_of(tmp_path) == before
    run_job(follow(bag, tmp_path / "out", keep="none"))
    own.rename(tmp_path / "out" / "bag")  # into a folder that is a replay's
    with pytest.raises(DataError, match="holds bag"):
        run_job(follow(bag, tmp_path / "out"))
    assert files_of(tmp_path / "out" / "bag")
    assert (tmp_path / "out" / "result.json").is_file()


def test_nothing_stays_of_the_replay_before(bag: Path, tmp_path: Path) -> None:
    box = film()[1][0]
    assert box is not None
    two = (Wish("a", box, None, False), Wish("b", Box(10, 10, 40, 40), None, False))
    run_job(follow(bag, tmp_path, wishes=two, report=True))
    assert {"vot/2.txt", "report.html", "bag/metadata.yaml"} < files_of(tmp_path).keys()
    run_job(follow(bag, tmp_path, keep="none"))
    left = {name for name in files_of(tmp_path) if not name.startswith(".")}
    assert left == {"tracks.csv", "mot.txt", "vot/1.txt", "result.json"}


def test_the_bag_that_is_replayed_is_never_replaced(bag: Path, tmp_path: Path) -> None:
    run_job(follow(bag, tmp_path))
    with pytest.raises(DataError, match="name another"):
        run_job(follow(tmp_path / "bag", tmp_path))
    assert (tmp_path / "bag" / "metadata.yaml").is_file()
