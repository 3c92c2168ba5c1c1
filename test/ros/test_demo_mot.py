"""`tracker_ros demo mot`, whole: four processes over DDS, and what they leave behind."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from harness import TRACKER_ROS, RosProcess
from mot_folders import write_mot_folder
from test_demo import children_of

from tracker_ros.demo.crowd import Crowd
from tracker_ros.drawing import identity_colour
from tracker_ros.evaluation.mot_files import read_rows

Start = Callable[..., RosProcess]
DEMO = [*TRACKER_ROS, "demo", "mot", "--tracker", "sort"]
FRAMES = 40
FPS = 6.0
"""Below the default: these tests share their cores with others."""


@pytest.fixture(scope="module")
def results(ros_environment: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves behind of the first seconds of its scene."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    words = ["--fps", f"{FPS:g}", "--limit", str(FRAMES), "--out", str(folder)]
    demo = RosProcess([*DEMO, *words])
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


def test_people_are_detected_and_tracked(summary: dict[str, Any]) -> None:
    assert summary["tracker"] == "sort"
    assert summary["detections_by"] == "hog"
    assert summary["frames_published"] == FRAMES
    assert summary["frames_with_tracks"] > 0.8 * FRAMES
    assert summary["frames_with_detections"] > 0.7 * FRAMES
    assert summary["detections"] > FRAMES
    assert 2 <= summary["identities"] <= summary["tracks"]
    assert summary["frame_age_ms"][0] > 0


def test_every_frame_is_accounted_for(summary: dict[str, Any]) -> None:
    done = [summary[f"frames_{what}"] for what in ("processed", "dropped", "rejected")]
    assert sum(done) == summary["frames_received"] <= FRAMES
    assert summary["frames_with_tracks"] <= FRAMES


def test_the_figures_are_there_where_trackeval_is(summary: dict[str, Any]) -> None:
    try:
        import trackeval  # noqa: F401
    except ImportError:
        assert "./run setup mot" in summary["not_scored"]
        return
    assert summary["not_scored"] == ""
    assert 0.1 < summary["mota"] <= 1
    assert 0.1 < summary["hota"] <= 1
    assert 0.1 < summary["idf1"] <= 1


def test_the_tracks_lie_on_people(results: Path, summary: dict[str, Any]) -> None:
    rows = read_rows(results / "tracks.txt", frames=FRAMES)
    assert len(rows) == summary["tracks"]
    assert len(np.unique(rows[:, 1])) == summary["identities"]
    crowd = Crowd(fps=FPS)
    near = 0
    for frame, _, x, y, w, h in rows[:, :6].tolist():
        people = crowd.people(int(frame) - 1)
        near += any(
            abs(x + w / 2 - p.box.cx) < p.box.h / 4 and abs(y + h / 2 - p.box.cy) < p.box.h / 3
            for p in people
        )
    assert near / len(rows) > 0.7


def test_the_film_shows_the_tracks_of_the_same_image(results: Path) -> None:
    rows = read_rows(results / "tracks.txt")
    film = cv2.VideoCapture(str(results / "annotated.mp4"))
    images = []
    while True:
        ok, image = film.read()
        if not ok:
            break
        images.append(image)
    film.release()
    assert len(images) == FRAMES
    frame = int(rows[len(rows) // 2, 0])
    crowd = Crowd(fps=FPS)
    plain = crowd.frame(frame - 1).image.astype(float)
    for _, id, x, y, w, h in rows[rows[:, 0] == frame][:, :6].tolist():
        if x < 4 or x + w > 636 or h < 40:
            continue
        colour = np.array(identity_colour(f"m{id:.0f}"), float)
        shown = images[frame - 1].astype(float)
        rows_of_side = slice(int(y + 0.3 * h), int(y + 0.7 * h))
        columns = slice(round(x) - 2, round(x) + 3)
        before = np.linalg.norm(plain[rows_of_side, columns] - colour, axis=-1).min(axis=1)
        after = np.linalg.norm(shown[rows_of_side, columns] - colour, axis=-1).min(axis=1)
        assert np.median(after) < np.median(before) - 20, f"no box of m{id:.0f} in frame {frame}"


def test_a_sheet_of_moments_and_the_logs_are_left_too(results: Path) -> None:
    assert cv2.imread(str(results / "picture.jpg")) is not None
    assert "hog" in (results / "logs" / "detector.log").read_text()
    assert f"published {FRAMES} frames" in (results / "logs" / "camera.log").read_text()
    assert (results / "logs" / "node.log").is_file()


def test_the_live_line_says_tracks_ids_rate_age_and_drops(results: Path) -> None:
    output = (results / "output.txt").read_text()
    line = r"\d+ tracked +(\d+|-) detected +\d+ ids so far +\d+\.\d fps +age +\d+ ms +dropped \d+"
    assert re.search(line, output), output


def test_a_folder_of_motchallenge_is_played_with_its_own_detections(
    start_process: Start, tmp_path: Path
) -> None:
    write_mot_folder(tmp_path / "plaza", 25)
    words = ["--sequence", str(tmp_path / "plaza"), "--out", str(tmp_path / "out")]
    demo = start_process([*DEMO, *words])
    assert demo.wait_exit(120) == 0, demo.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["source"] == "plaza"
    assert summary["detections_by"] == "det"
    assert summary["frames_published"] == summary["frames_with_detections"] == 25
    assert summary["frames_with_tracks"] >= 22
    det = (tmp_path / "plaza" / "det" / "det.txt").read_text().splitlines()
    assert summary["detections"] == len(det), "every line once, under the stamp of its image"
    assert "detector.log" not in {path.name for path in (tmp_path / "out" / "logs").iterdir()}
    if not summary["not_scored"]:
        # The detections are the truth: what is not perfect is who is hidden and lost frames.
        assert summary["idf1"] > 0.6


def test_ctrl_c_ends_every_process_with_code_130(start_process: Start, tmp_path: Path) -> None:
    demo = start_process([*DEMO, "--out", str(tmp_path)])
    demo.wait_for("tracked", 60)
    children = children_of(demo.pid)
    commands = " ".join(children.values())
    assert len(children) == 4, children
    for part in ("mot --ros-args", "detector --ros-args", "mot_listener", "camera --scene=square"):
        assert part in commands
    demo.send_signal(signal.SIGINT)
    assert demo.wait_exit(15) == 130, demo.output
    assert "Traceback" not in demo.output
    left = [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    assert not left, [children[pid] for pid in left]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mot", "--box", "10,20,30,40"], "--box names one target"),
        (["mot", "--tracker", "magic"], "--tracker magic: choose one of famnet"),
        (["mot", "--tracker", "siamfc"], "--tracker siamfc: choose one of famnet"),
        (["mot", "--detections", "det"], "det/det.txt"),
        (["mot", "--sequence", "nowhere"], "nowhere: no such folder"),
        (["mot", "--picture", "sheet.tiff"], "sheet.tiff"),
        (["mot", "--limit", "0"], "--limit 0"),
        (["--detections", "hog"], "--detections hog is for demo mot"),
        (["--tracker", "famnet"], "--tracker famnet: choose one of"),
        (["everything"], "everything"),
    ],
    ids=" ".join,
)
def test_a_wrong_input_ends_with_code_2_and_says_what_is_wrong(
    start_process: Start, tmp_path: Path, arguments: list[str], words: str
) -> None:
    demo = start_process([*TRACKER_ROS, "demo", *arguments, "--out", str(tmp_path / "out")])
    assert demo.wait_exit(30) == 2, demo.output
    assert words in demo.output.splitlines()[-1]
    assert "Traceback" not in demo.output
    assert not (tmp_path / "out").exists(), "nothing was started, so nothing is written"


@pytest.mark.parametrize("file", ["gt/gt.txt", "det/det.txt"])
def test_a_wrong_line_is_told_before_anything_starts(
    start_process: Start, tmp_path: Path, file: str
) -> None:
    write_mot_folder(tmp_path / "plaza", 3)
    with (tmp_path / "plaza" / file).open("a") as lines:
        lines.write("3,1,wrong\n")
    words = ["--sequence", str(tmp_path / "plaza"), "--out", str(tmp_path / "out")]
    demo = start_process([*DEMO, *words])
    assert demo.wait_exit(30) == 2, demo.output
    assert file in demo.output.splitlines()[-1] and "not all numbers" in demo.output
    assert not (tmp_path / "out").exists()


def test_a_film_without_anybody_is_no_success(start_process: Start, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for index in range(5):
        cv2.imwrite(str(tmp_path / "frames" / f"{index}.png"), np.zeros((480, 640, 3), np.uint8))
    words = ["--sequence", str(tmp_path / "frames"), "--out", str(tmp_path / "out")]
    demo = start_process([*DEMO, *words])
    assert demo.wait_exit(60) == 1, demo.output
    assert "the node published no track" in demo.output, "there is nobody in black pictures"
    assert "Traceback" not in demo.output
