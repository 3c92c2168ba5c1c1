"""A bag goes in, and what the node would have published comes out."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import (
    DETECTIONS,
    FIRST,
    JPEG,
    OTHER,
    PERIOD,
    TOPIC,
    film,
    follow,
    record,
    shots,
    write_truth,
)
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin

from tracker_ros.bags.reader import open_bag
from tracker_ros.bags.types import store
from tracker_ros.errors import DataError, ParameterError
from tracker_ros.evaluation.metrics import overlaps
from tracker_ros.geometry import Box
from tracker_ros.replay.job import Job, parse_wish
from tracker_ros.replay.run import replay_bag
from tracker_ros.replay.truth import load_truth
from tracker_ros.replay.work import read_outcome, run_job
from tracker_ros.track import TrackState


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("bag") / "drive", shots(), chatter=True)


def files_of(folder: Path) -> dict[str, str]:
    """sha256 of every file below."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


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


def test_how_fast_the_machine_is_changes_nothing(bag: Path, tmp_path: Path) -> None:
    """Two threads round in other places than one, if the engine let them; one is slower."""
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
    stamps = [stamp for stamp, _ in result.starts.values()]
    assert stamps == [FIRST, FIRST + 20 * PERIOD, FIRST + 20 * PERIOD]
    assert result.timeline.ids == ["1", "2", "3"]


def test_only_a_part_of_the_bag_is_replayed_when_asked_to(bag: Path, tmp_path: Path) -> None:
    box = film()[1][30]
    assert box is not None
    job = follow(bag, tmp_path, begin=1.0, end=1.5, wishes=(parse_wish(f"{box.x},{box.y},40,25"),))
    result = replay_bag(job)
    assert result.timeline.stamps[0] == FIRST + 30 * PERIOD
    assert len(result.timeline) == 15


# --- what is left behind -------------------------------------------------------------------------


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


def test_a_result_is_not_left_from_a_run_before(bag: Path, tmp_path: Path) -> None:
    run_job(follow(bag, tmp_path))
    assert read_outcome(tmp_path) is not None
    with pytest.raises(DataError):
        run_job(follow(bag, tmp_path, topic="/nothing"))
    assert read_outcome(tmp_path) is None


def test_the_bag_that_is_replayed_is_never_replaced(bag: Path, tmp_path: Path) -> None:
    run_job(follow(bag, tmp_path))
    with pytest.raises(DataError, match="name another"):
        run_job(follow(tmp_path / "bag", tmp_path))
    assert (tmp_path / "bag" / "metadata.yaml").is_file()


# --- scores --------------------------------------------------------------------------------------


def test_the_truth_starts_the_target_and_scores_it(tmp_path: Path) -> None:
    boxes: list[Box | None] = [None, None, *film()[1][2:]]
    bag = record(tmp_path / "bag", shots())
    truth = write_truth(tmp_path / "truth.txt", boxes)
    outcome = run_job(follow(bag, tmp_path / "out", wishes=(), gt=str(truth), report=True))
    assert outcome.figures["auc"] > 0.7
    assert outcome.figures["scored"] == 57  # without the first two, and that it was set on
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_truth_of_another_length_is_refused_with_both_lengths(bag: Path, tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "truth.txt", film()[1][:50])
    with pytest.raises(DataError, match=r"50 lines.*60 images"):
        run_job(follow(bag, tmp_path / "out", gt=str(truth)))


# --- many objects --------------------------------------------------------------------------------


def crowd_bag(folder: Path, late: int = 60_000_000, missing: range = range(0)) -> Path:
    """The target of the film and a box that stands still, detected in every image but some."""
    still = Box(20, 20, 40, 60)
    found = [
        (FIRST + index * PERIOD, FIRST + index * PERIOD + late, [box, still])
        for index, box in enumerate(film()[1])
        if box is not None and index not in missing
    ]
    return record(folder, shots(), detections=found)


def identify(bag: Path, out: Path) -> Job:
    return Job(
        bag=bag, out=out, kind="mot", detections=DETECTIONS, settings={"tracker": "sort"},
        report=False,
    )  # fmt: skip


def test_detections_get_identities_in_simulated_time(tmp_path: Path) -> None:
    result = replay_bag(identify(crowd_bag(tmp_path / "bag"), tmp_path / "out"))
    assert result.timeline.ids == ["m1", "m2"]
    assert len(result.timeline) == 60
    # An image waits for its detections, which were recorded 60 ms after its stamp.
    assert np.median(result.timeline.received - result.timeline.stamps) == 60_000_000


def test_images_without_detections_are_answered_when_their_wait_is_over(tmp_path: Path) -> None:
    bag = crowd_bag(tmp_path / "bag", missing=range(40, 60))
    result = replay_bag(identify(bag, tmp_path / "out"))
    waits = (result.timeline.received - result.timeline.stamps) / 1e9
    assert len(result.timeline) == 60
    assert waits[40:] == pytest.approx(0.255, abs=1e-3)  # recorded 5 ms late, detection_wait 0.25


def test_identities_are_the_same_on_every_run(tmp_path: Path) -> None:
    bag = crowd_bag(tmp_path / "bag", late=200_000_000)
    assert len({replay_bag(identify(bag, tmp_path / str(n))).digest for n in range(3)}) == 1


# --- real time -----------------------------------------------------------------------------------


def test_in_real_time_a_slow_tracker_drops_images_and_says_so(tmp_path: Path) -> None:
    fast = [replace(shot, recorded=FIRST + index) for index, shot in enumerate(shots())]
    result = replay_bag(follow(record(tmp_path / "bag", fast), tmp_path / "out", rate="real"))
    assert result.dropped > 0
    assert result.received == 60 == result.dropped + len(result.timeline)
    assert result.timeline.states[-1] == TrackState.TRACKING


# --- bad input -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"topic": "/nothing"}, r"no image topic /nothing; it holds /camera/image_raw"),
        ({"wishes": (parse_wish("700,10,20,20"),)}, r"--target 700,10,20,20: .*x=700"),
        ({"wishes": (parse_wish("10,10,20,20@+99"),)}, r"no image with that stamp, or a later"),
        ({"begin": 60.0}, r"--from 60: .* is 1.967 s long"),
        ({"kind": "mot", "detections": "/d", "wishes": ()}, r"no detections on /d; .*none of type"),
    ],
    ids=["topic", "box", "stamp", "from", "detections"],
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


def test_what_a_recorder_that_crashed_left_is_replayed(bag: Path, tmp_path: Path) -> None:
    whole = next(bag.glob("*.mcap"))
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = replay_bag(follow(cut, tmp_path / "out"))
    assert 0 < len(result.timeline) < 60
    assert "cut.mcap" in result.damage
    assert result.timeline.states[-1] == TrackState.TRACKING


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
