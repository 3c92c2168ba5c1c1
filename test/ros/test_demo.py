"""`tracker_ros demo`, whole: three processes over DDS, and what they leave behind."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from harness import TRACKER_ROS, RosProcess

from tracker_ros.demo.recording import FOLLOWED_IOU
from tracker_ros.demo.scene import Scene
from tracker_ros.geometry import Box
from tracker_ros.sot import DEFAULT_TRACKER

Start = Callable[..., RosProcess]
DEMO = [*TRACKER_ROS, "demo"]
FRAMES = 60


def children_of(pid: int) -> dict[int, str]:
    """The processes that `pid` started and that are still there, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found


@pytest.fixture(scope="module")
def results(ros_environment: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves behind of the first two seconds of its scene."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    demo = RosProcess([*DEMO, "--limit", str(FRAMES), "--out", str(folder)])
    try:
        assert demo.wait_exit(120) == 0, demo.output
        (folder / "output.txt").write_text(demo.output)
    finally:
        demo.finish()
    return folder


@pytest.fixture(scope="module")
def summary(results: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((results / "summary.json").read_text())
    return content


@pytest.fixture(scope="module")
def rows(results: Path) -> list[dict[str, str]]:
    with (results / "tracks.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_target_is_followed_to_the_end(summary: dict[str, Any]) -> None:
    assert summary["followed_to_the_end"]
    assert summary["mean_iou"] > 0.6
    assert summary["false_tracking"] == 0
    assert summary["states"]["TRACKING"] > 0


def test_every_frame_is_accounted_for(summary: dict[str, Any], rows: list[dict[str, str]]) -> None:
    assert summary["frames_published"] == FRAMES
    received = summary["frames_received"]
    done = [summary[f"frames_{what}"] for what in ("processed", "dropped", "rejected")]
    assert sum(done) == received <= FRAMES
    assert len(rows) == sum(summary["states"].values()) <= summary["frames_processed"]
    assert len({row["frame"] for row in rows}) == len(rows)


def test_the_table_tells_the_truth(rows: list[dict[str, str]], summary: dict[str, Any]) -> None:
    truth = Scene().truth()
    overlaps = []
    for row in rows:
        box = Box(*(float(row[name]) for name in "xywh"))
        true = truth[int(row["frame"])]
        assert true is not None
        assert [float(row[f"truth_{name}"]) for name in "xywh"] == pytest.approx(
            list(true), abs=0.01
        )
        assert float(row["iou"]) == pytest.approx(box.iou(true), abs=0.01)
        overlaps.append(box.iou(true))
        assert 0 < float(row["frame_age_ms"]) <= float(row["latency_ms"])
    assert summary["mean_iou"] == pytest.approx(np.mean(overlaps[1:]), abs=0.01)
    assert overlaps[-1] > FOLLOWED_IOU


def test_the_film_shows_every_frame(results: Path) -> None:
    film = cv2.VideoCapture(str(results / "annotated.mp4"))
    count = 0
    while film.grab():
        count += 1
    assert count == FRAMES
    assert math.isclose(film.get(cv2.CAP_PROP_FPS), 30.0)
    film.release()


def test_the_film_shows_the_box_in_the_colour_of_its_state(
    results: Path, rows: list[dict[str, str]]
) -> None:
    row = rows[-1]
    assert row["state"] == "TRACKING"
    film = cv2.VideoCapture(str(results / "annotated.mp4"))
    film.set(cv2.CAP_PROP_POS_FRAMES, int(row["frame"]))
    shown = film.read()[1].astype(int)
    film.release()
    plain = Scene().frame(int(row["frame"])).image.astype(int)
    x, y, w, h = (round(float(row[name])) for name in "xywh")
    greener = (shown - plain)[..., 1] - (shown - plain)[..., 2]
    sides = [greener[y + h // 2, x - 2 : x + 3], greener[y + h // 2, x + w - 2 : x + w + 3]]
    assert all(side.max() > 40 for side in sides), sides
    assert np.abs(greener[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]).mean() < 20


def test_a_sheet_of_moments_and_the_logs_are_left_too(results: Path) -> None:
    assert cv2.imread(str(results / "picture.jpg")) is not None
    assert f"configured: {DEFAULT_TRACKER}" in (results / "logs" / "node.log").read_text()
    assert f"published {FRAMES} frames" in (results / "logs" / "camera.log").read_text()


def test_the_live_line_says_state_box_rate_age_and_drops(
    start_process: Start, tmp_path: Path
) -> None:
    demo = start_process([*DEMO, "--out", str(tmp_path)])
    line = r"TRACKING +box +\d+, *\d+ +\d+x\d+ +\d+\.\d fps +age +\d+ ms +dropped \d+ +IoU 0\.\d+"
    demo.wait_for(line, 60)
    demo.send_signal(signal.SIGINT)
    assert demo.wait_exit(15) == 130, demo.output


def test_a_folder_of_images_with_its_truth_is_followed(
    start_process: Start, tmp_path: Path
) -> None:
    folder, scene = tmp_path / "drive", Scene()
    (folder / "img").mkdir(parents=True)
    boxes = []
    for index in range(45):
        frame = scene.frame(index)
        assert frame.box is not None
        cv2.imwrite(str(folder / "img" / f"{index:04d}.jpg"), frame.image)
        boxes.append(",".join(f"{value:.2f}" for value in frame.box))
    (folder / "groundtruth.txt").write_text("\n".join(boxes) + "\n")
    demo = start_process([*DEMO, "--sequence", str(folder), "--out", str(tmp_path / "out")])
    assert demo.wait_exit(120) == 0, demo.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["source"] == "drive"
    assert summary["frames_published"] == 45
    assert summary["followed_to_the_end"]
    assert summary["mean_iou"] > 0.6


@pytest.mark.parametrize(
    "shell",
    [[], ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]],
    ids=["in a terminal", "background job of a script"],
)
def test_ctrl_c_ends_every_process_with_code_130(
    start_process: Start, tmp_path: Path, shell: list[str]
) -> None:
    demo = start_process([*shell, *DEMO, "--out", str(tmp_path)])
    demo.wait_for("TRACKING", 60)
    children = children_of(demo.pid)
    commands = " ".join(children.values())
    assert len(children) == 3, children
    for part in ("sot --ros-args", "operator_client", "camera --reliability"):
        assert part in commands
    demo.send_signal(signal.SIGINT)
    assert demo.wait_exit(15) == 130, demo.output
    assert "Traceback" not in demo.output
    left = [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    assert not left, [children[pid] for pid in left]


def test_ctrl_c_while_it_starts_leaves_nothing_behind(start_process: Start, tmp_path: Path) -> None:
    demo = start_process([*DEMO, "--out", str(tmp_path)])
    demo.wait_for("ROS_DOMAIN_ID", 60)
    time.sleep(0.3)
    children = children_of(demo.pid)
    demo.send_signal(signal.SIGINT)
    assert demo.wait_exit(15) == 130, demo.output
    assert "Traceback" not in demo.output
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--box", "10,20,30"], "10,20,30"),
        (["--box", "10,20,nan,40"], "nan"),
        (["--box", "10,20,0,40"], "0"),
        (["--sequence", "nowhere"], "nowhere: no such folder"),
        (["--video", "nowhere.mp4"], "nowhere.mp4: no such file"),
        (["--limit", "0"], "--limit 0"),
        (["--tracker", "magic"], "magic"),
    ],
    ids=" ".join,
)
def test_a_wrong_input_ends_with_code_2_and_says_what_is_wrong(
    start_process: Start, tmp_path: Path, arguments: list[str], words: str
) -> None:
    demo = start_process([*DEMO, *arguments, "--out", str(tmp_path / "out")])
    assert demo.wait_exit(30) == 2, demo.output
    assert words in demo.output.splitlines()[-1]
    assert "Traceback" not in demo.output
    assert not (tmp_path / "out").exists(), "nothing was started, so nothing is written"


def test_pictures_without_a_truth_need_a_box(start_process: Start, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((48, 64, 3), np.uint8))
    demo = start_process([*DEMO, "--sequence", str(tmp_path), "--out", str(tmp_path / "out")])
    assert demo.wait_exit(30) == 2, demo.output
    assert "--box X,Y,W,H" in demo.output


def test_a_box_off_the_picture_is_refused_by_the_node_and_the_demo_fails(
    start_process: Start, tmp_path: Path
) -> None:
    demo = start_process([*DEMO, "--box", "2000,100,40,40", "--out", str(tmp_path)])
    assert demo.wait_exit(60) == 1, demo.output
    assert "the node refuses the target: box x=2000" in demo.output
    assert "Traceback" not in demo.output
