"""Publishes the detections of a folder of MOTChallenge beside a camera that plays its images.

The n-th camera_info that comes tells the stamp of the n-th image; the detections of det/det.txt
for that frame go out on ~/detections with that very stamp, as a detector's do.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection2DArray

from tracker_ros.demo.mot_sources import MotFolderSource
from tracker_ros.errors import TrackerRosError
from tracker_ros.mot.detections import Detection
from tracker_ros.nodes.names import camera_info_topic
from tracker_ros.nodes.outputs import ros_messages
from tracker_ros.nodes.process import (
    InvalidHandle,
    RCLError,
    add_ros_arguments,
    interrupt_between_callbacks,
    ros_arguments,
    start_ros,
)
from tracker_ros.nodes.qos import CAMERA_INFO


class DetectionPlayer:
    """Answers every camera_info with the detections of its frame; after the last with none."""

    def __init__(self, node: Any, detections: Sequence[Sequence[Detection]]) -> None:
        self._detections = detections
        self._next = 0
        reliable = ReliabilityPolicy.RELIABLE
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=reliable)
        self._arrays = node.create_publisher(Detection2DArray, "~/detections", qos)
        self._messages = ros_messages()
        topic = camera_info_topic(node.resolve_topic_name("image"))
        node.create_subscription(CameraInfo, topic, self._on_camera_info, CAMERA_INFO)

    def _on_camera_info(self, info: CameraInfo) -> None:
        found = self._detections[self._next] if self._next < len(self._detections) else ()
        self._next += 1
        new, header = self._messages, info.header
        messages = [new.detection(header, d.box, d.label, d.score, "") for d in found]
        self._arrays.publish(new.detections(header, messages))


def main(words: Sequence[str]) -> int:
    """Play until interrupted; 2 when the folder cannot be used."""
    parser = argparse.ArgumentParser(prog="detection_player", description=__doc__)
    parser.add_argument("--sequence", type=Path, required=True, help="NAME/{seqinfo.ini,det}")
    add_ros_arguments(parser)
    args = parser.parse_args(words)
    try:
        detections = MotFolderSource(args.sequence).detections()
    except TrackerRosError as error:
        print(f"detection_player: {error}", file=sys.stderr)
        return 2
    start_ros(ros_arguments(args))
    node = rclpy.create_node("detector")
    try:
        DetectionPlayer(node, detections)
        interrupt_between_callbacks()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except (RCLError, InvalidHandle):
        if rclpy.ok():
            raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
