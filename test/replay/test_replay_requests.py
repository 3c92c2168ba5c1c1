"""A bag that an operator recorded is replayed with what was asked for in it."""

from __future__ import annotations

import re
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
from tracker_ros.pipeline.parameters import GivenParameters
from tracker_ros.pipeline.sot_parameters import declare_sot_parameters, read_sot_parameters
from tracker_ros.replay.command import asked_again
from tracker_ros.replay.job import Job, Wish
from tracker_ros.replay.requests import ANSWER, REQUEST, Requests, read_requests
from tracker_ros.replay.run import replay_bag
from tracker_ros.replay.sot_session import SotSession
from tracker_ros.sot import load_model
from tracker_ros.track import TrackState

REQUESTS, STATUSES = "/operator/requests", "/sot/status"
NOWHERE = Box(0, 0, 0, 0)
ASIDE = Box(20, 20, 40, 30)
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
    kind: str, after: int, *, image: int | None = None, box: Box = NOWHERE, id: str = "",
    success: bool = True, words: str = "",
) -> tuple[int, str, bytes]:  # fmt: skip
    """Made after an image was recorded; image: the one it means; words: the answer."""
    stamp = 0 if image is None else stamp_of(image)
    message = TYPES[REQUEST](
        header=header(stamp, ""), kind=kind, bbox=bbox(box), id=id, label="", on=False,
        success=success, message=words,
    )  # fmt: skip
    return stamp_of(after) + 6_000_000, REQUESTS, bytes(store().serialize_cdr(message, REQUEST))


def status(
    image: int, *targets: tuple[str, Box], state: TrackState = TrackState.TRACKING,
    between: bool = False,
) -> tuple[int, str, bytes]:  # fmt: skip
    """Of an image; between: of no image, a little later."""
    numbers: dict[str, Any] = {
        "score": 0.9,
        "peak_ratio": 0.0,
        "size_change": 1.0,
        "contrast": 0.2,
        "drift": 0.0,
    }
    numbers |= {"jump": 0.0, "inside": 1.0, "likeness": 1.0}
    seen = header(stamp_of(image), "" if between else "camera")
    numbers |= {"label": "", "state": int(state), "reason": "", "age": 1, "frames_since_seen": 0}
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
    return (
        stamp_of(image) + (9 if between else 7) * 1_000_000,
        STATUSES,
        bytes(store().serialize_cdr(message, STATUS)),
    )


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


def asked(bag: Path, begin: float = 0.0) -> Requests:
    return read_requests(Job(bag, Path(), "sot", begin=begin))


def stamps(requests: Requests) -> list[int | None]:
    return [wish.stamp for wish in requests.wishes]


def replayed(bag: Path, out: Path, begin: float = 0.0) -> Any:
    job = Job(bag, out, "sot", settings={"threads": 1}, keep="none", report=False, begin=begin)
    return replay_bag(asked_again(job))


def start_images(result: Any) -> dict[str, int]:
    return {id: start.number for id, start in result.starts.items()}


def test_a_box_begins_on_the_image_that_it_was_drawn_on(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 9, image=4, box=truth(4), words="following 1"),
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
            request("set_target", 0, image=0, box=truth(0), words="following 1"),
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
            request("set_target", 0, image=0, box=truth(0), words="following 1"),
            request("set_target", 0, image=0, box=ASIDE, words="following 2"),
            *(status(i, ("1", truth(i)), ("2", ASIDE)) for i in range(2, 20)),
        ],
    )
    assert asked(bag).most_targets == 2
    assert len(replayed(bag, tmp_path / "out").starts) == 2


def test_a_box_on_a_picture_from_before_an_end_of_all_begins_after_it(tmp_path: Path) -> None:
    late = "following 2, set 0.17 s late: catches up on 5 images"
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 0, image=0, box=truth(0), words="following 1"),
            *(status(i, ("1", truth(i))) for i in range(1, 11)),
            request("clear", 10),
            *(status(i) for i in range(11, 15)),
            request("set_target", 13, image=8, box=truth(8), words=late),
            *(status(i, ("2", truth(i))) for i in range(15, 24)),
        ],
    )
    result = replayed(bag, tmp_path / "out")
    assert start_images(result) == {"1": 0, "2": 15}
    assert [id for _, id in result.ended] == ["1"]


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


def test_a_click_that_found_nothing_takes_no_other_target_for_its_own(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("click", 1, image=1),
            *(status(i) for i in range(8)),
            request("set_target", 8, image=6, box=truth(6), words="following 1"),
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
            request("set_target", 6, image=4, box=truth(4), words="following 1"),
        ],
    )
    assert stamps(asked(bag)) == [stamp_of(4)]


def test_a_target_that_was_pointed_at_anew_stays_the_same(tmp_path: Path) -> None:
    again = "following 3"
    bag = recorded(
        tmp_path / "one.mcap",
        [
            *(status(i, ("3", ASIDE), ("4", ASIDE)) for i in range(11)),
            request("set_target", 10, image=10, box=truth(10), id="3", words=again),
            *(status(i, ("3", truth(i)), ("4", ASIDE)) for i in range(11, 24)),
        ],
    )
    result = replayed(bag, tmp_path / "out")
    assert start_images(result) == {"1": 0, "2": 0} and not result.troubles
    last = result.timeline.boxes[result.timeline.targets == 0][-1]
    assert Box(*last).iou(truth(23)) > 0.5


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
            request("set_target", 8, box=ASIDE, words="following 1"),
            *(status(i, ("1", truth(i))) for i in range(9, 20)),
        ],
    )
    assert stamps(asked(bag)) == [stamp_of(9)]
    assert start_images(replayed(bag, tmp_path / "out")) == {"1": 9}


def test_a_part_begins_with_what_was_followed_in_it(tmp_path: Path) -> None:
    bag = recorded(
        tmp_path / "one.mcap",
        [
            request("set_target", 2, image=2, box=truth(2), words="following 1"),
            *(status(i, ("1", truth(i))) for i in range(3, 24)),
            request("set_target", 15, image=9, box=ASIDE, words="following 2 instead of 1"),
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


def test_the_words_of_a_node_name_the_target(tmp_path: Path) -> None:
    given = GivenParameters({"threads": 1})
    declare_sot_parameters(given)
    parameters = read_sot_parameters(given)

    class Nowhere:
        def publish(self, kind: str, recorded: int, data: bytes) -> None:
            pass

    session = SotSession(load_model(parameters.model), parameters, store(), Nowhere())
    frames = []
    for number, shot in enumerate(shots(4)):
        raw = image_message(shot, IMAGE)
        session.add_image(raw, shot.recorded, number=number, compressed=False)
        assert session.newest is not None
        frames.append(session.newest)
    forms = (
        (frames[1], r"following 1, set \S+ s late: .*"),
        (frames[3], r"following 2 instead of 1"),
        (frames[1], r"following 3 instead of 2, set \S+ s late: .*"),
    )
    for frame, form in forms:
        accepted = session.set_target(truth(0), frame).result()
        assert re.fullmatch(form, accepted.message)
        words = ANSWER.fullmatch(accepted.message)
        assert words is not None and words[1] == accepted.id


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
