"""A bag that an operator recorded is replayed with what was asked for in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from recordings import FIRST, IMAGE, PERIOD, TOPIC, film, image_message, record, shots

from tracker_ros.bags.types import STATUS, own_topic, store
from tracker_ros.bags.writer import BagWriter
from tracker_ros.cli import main
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.command import asked_again
from tracker_ros.replay.job import Job
from tracker_ros.replay.requests import REQUEST, read_requests
from tracker_ros.replay.run import replay_bag

REQUESTS, STATUSES = "/operator/requests", "/sot/status"
NOWHERE = Box(0, 0, 0, 0)
TYPES = store().types


def header(stamp: int, frame_id: str = "camera") -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def bbox(box: Box) -> Any:
    point = TYPES["vision_msgs/msg/Point2D"](box.cx, box.cy)
    centre = TYPES["vision_msgs/msg/Pose2D"](point, 0.0)
    return TYPES["vision_msgs/msg/BoundingBox2D"](centre, box.w, box.h)


def stamp_of(image: int) -> int:
    return FIRST + image * PERIOD


def request(
    kind: str, after: int, *, image: int = 0, box: Box = NOWHERE, id: str = "",
    success: bool = True,
) -> tuple[int, str, bytes]:  # fmt: skip
    """Made after an image was recorded; image: the one it means."""
    message = TYPES[REQUEST](
        header=header(stamp_of(image), ""), kind=kind, bbox=bbox(box), id=id, label="", on=False,
        success=success, message="",
    )  # fmt: skip
    return stamp_of(after) + 6_000_000, REQUESTS, bytes(store().serialize_cdr(message, REQUEST))


def status(image: int, *targets: tuple[str, Box]) -> tuple[int, str, bytes]:
    numbers: dict[str, Any] = {
        "score": 0.9,
        "peak_ratio": 0.0,
        "size_change": 1.0,
        "contrast": 0.2,
        "drift": 0.0,
    }
    numbers |= {"jump": 0.0, "inside": 1.0, "likeness": 1.0}
    seen = header(stamp_of(image))
    numbers |= {"label": "", "state": 1, "reason": "", "age": 1, "frames_since_seen": 0}
    track = TYPES["tracker_ros/msg/Track"]
    tracks = [track(header=seen, id=id, bbox=bbox(box), **numbers) for id, box in targets]
    counts = ("received", "processed", "dropped", "rejected")
    times = ("decode_time", "preprocess_time", "inference_time", "postprocess_time",
             "publish_time", "frame_age", "image_latency")  # fmt: skip
    message = TYPES[STATUS](
        header=seen, tracks=tracks, **{f"frames_{name}": 0 for name in counts},
        **dict.fromkeys(times, 0.0),
        **dict.fromkeys(("tracker", "model", "backend", "precision"), ""),
    )  # fmt: skip
    return stamp_of(image) + 7_000_000, STATUSES, bytes(store().serialize_cdr(message, STATUS))


def recorded(path: Path, events: Sequence[tuple[int, str, bytes]], frames: int = 24) -> Path:
    """A bag as the operator's page writes it."""
    images = [(shot.recorded, TOPIC, image_message(shot, IMAGE)) for shot in shots(frames)]
    with BagWriter(path) as writer:
        for name, kind in ((TOPIC, IMAGE), (REQUESTS, REQUEST), (STATUSES, STATUS)):
            writer.add_topic(own_topic(name, kind))
        for when, topic, data in sorted([*images, *events], key=lambda event: event[0]):
            writer.write(topic, when, data)
    return path


def truth(image: int) -> Box:
    box = film()[1][image]
    assert box is not None
    return box


def replayed(bag: Path, out: Path) -> Any:
    job = Job(bag, out, "sot", settings={"threads": 1}, keep="none", report=False)
    return replay_bag(asked_again(job))


def test_a_box_begins_on_the_image_that_it_was_drawn_on(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 9, image=4, box=truth(4)),
            request("set_target", 12, image=12, box=Box(1, 2, 3, 4), success=False),
        ],
    )
    (wish,) = read_requests(bag).wishes
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
    found = read_requests(bag)
    assert [wish.stamp for wish in found.wishes] == [stamp_of(4), stamp_of(11)]
    assert found.most_targets == 1
    result = replayed(bag, tmp_path / "out")
    assert [start.number for start in result.starts.values()] == [4, 11]


def test_an_end_of_all_targets_is_repeated(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 0, image=0, box=truth(0)),
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
    other = Box(20, 20, 40, 30)
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 0, image=0, box=truth(0)),
            request("set_target", 0, image=0, box=other),
            *(status(i, ("1", truth(i)), ("2", other)) for i in range(2, 20)),
        ],
    )
    assert read_requests(bag).most_targets == 2
    assert len(replayed(bag, tmp_path / "out").starts) == 2


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


def test_the_command_does_so_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = recorded(tmp_path / "one.mcap", [request("set_target", 2, image=2, box=truth(2))])
    words = ["--set", "threads=1", "--bag", "none", "--no-report", "--out", str(tmp_path / "out")]
    assert main(["replay", str(bag), *words]) == 0
    assert "frames" in capsys.readouterr().out


def test_a_bag_without_requests_asks_for_a_target(tmp_path: Path) -> None:
    bag = record(tmp_path / "bag", shots(3))
    with pytest.raises(DataError, match=r"what is to be followed\?.*no operator asked"):
        asked_again(Job(bag, tmp_path / "out", "sot"))
