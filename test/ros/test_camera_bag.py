"""What the camera films can be recorded: a bag to try a replay on."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from harness import TRACKER_ROS, Peer, RosProcess
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection2DArray

from tracker_ros.bags.bag import IMAGE
from tracker_ros.bags.reader import open_bag
from tracker_ros.demo.scene import Scene
from tracker_ros.nodes.qos import CAMERA_INFO
from tracker_ros.pipeline.images import decode_image, read_header
from tracker_ros.replay.job import Job
from tracker_ros.replay.work import run_job

FILM = [*TRACKER_ROS, "camera", "--size", "320x240"]


def test_every_image_that_was_published_is_in_the_bag(ros_environment: int, tmp_path: Path) -> None:
    path = tmp_path / "film.mcap"
    process = RosProcess([*FILM, "--limit", "12", "--record", str(path)])
    assert process.wait_exit(30.0) == 0
    with open_bag(path) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        topic = next(topic for topic in bag.topics if topic.type == IMAGE)
        messages = list(bag.messages({topic.name}))
    assert counts == {"/image": 12, "/camera_info": 12, "/truth": 12}
    assert topic.qos[0].reliability == "best_effort"
    assert decode_image(messages[0].data).shape == (240, 320, 3)
    stamps = [read_header(message.data).ns for message in messages]
    assert stamps == sorted(set(stamps))


def test_where_the_target_is_is_told_live_under_the_header_of_the_image(
    ros_environment: int, ros: Peer
) -> None:
    told = ros.collect(Detection2DArray, "/truth", 100)
    infos = ros.collect(CameraInfo, "/camera_info", CAMERA_INFO)
    process = RosProcess([*FILM, "--loop", "--wait-for-subscriber", "--info-subscribers", "1"])
    ros.collect(Image, "/image", qos_profile_sensor_data)
    ros.wait_until(lambda: len(told) >= 5, 30.0, "the truth of five images")
    process.stop()
    known = Scene(320, 240).truth()
    for message in told[:5]:
        # The truth of an image that was sent before we were found is not heard; the header tells.
        index = [info.header.stamp for info in infos].index(message.header.stamp)
        (detection,) = message.detections
        box = known[index]
        assert box is not None
        assert detection.bbox.center.position.x == box.cx
        assert detection.bbox.size_y == box.h


def test_it_can_be_replayed_and_scored_by_the_truth_in_it(
    ros_environment: int, tmp_path: Path
) -> None:
    path = tmp_path / "film.mcap"
    process = RosProcess([*FILM, "--limit", "20", "--record", str(path)])
    assert process.wait_exit(30.0) == 0
    assert f"recorded in {path}" in process.output
    job = Job(bag=path, out=tmp_path / "out", kind="sot", gt="/truth", report=False, keep="none")
    figures = run_job(job).figures
    assert figures["auc"] > 0.7 and figures["scored"] == 19


def test_a_name_that_is_neither_a_bag_s_nor_a_film_s_is_refused(
    ros_environment: int, tmp_path: Path
) -> None:
    process = RosProcess([*FILM, "--limit", "3", "--record", str(tmp_path / "film.bag")])
    assert process.wait_exit(30.0) == 2
    assert "name it .mcap or .db3" in process.output


def test_a_recording_that_is_interrupted_is_a_whole_bag(
    ros_environment: int, tmp_path: Path
) -> None:
    path = tmp_path / "film.mcap"
    process = RosProcess([*FILM, "--loop", "--record", str(path)])
    process.wait_for("on /image", 30.0)
    partial = tmp_path / ".film.mcap.partial"
    deadline = time.monotonic() + 20
    while not any(file.stat().st_size > 10**6 for file in partial.rglob("*.mcap")):
        assert time.monotonic() < deadline, process.output
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait_exit() == 0
    with open_bag(path) as bag:
        assert not bag.damage and bag.count > 3


def test_a_bag_that_is_there_is_not_written_over(ros_environment: int, tmp_path: Path) -> None:
    path = tmp_path / "film.mcap"
    path.write_bytes(b"mine")
    process = RosProcess([*FILM, "--limit", "3", "--record", str(path)])
    assert process.wait_exit(30.0) == 1
    assert "is there already" in process.output
    assert path.read_bytes() == b"mine"
