"""End to end: the real node, and the probe of `bench --node`, over DDS."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tracker_ros.bench.films import SceneFilm
from tracker_ros.bench.nodes import NodeTask, measure_node
from tracker_ros.bench.report import node_table
from tracker_ros.cli import main
from tracker_ros.errors import DataError
from tracker_ros.models.card import MODELS
from tracker_ros.sot import DEFAULT_MODELS

WIDTH, HEIGHT = 320, 240


def task(
    tracker: str = "siamrpnpp", targets: int = 2, frames: int = 20, rate: float = 15.0
) -> NodeTask:
    boxes = tuple(SceneFilm(WIDTH, HEIGHT, "bgr8").boxes(targets))
    return NodeTask(tracker, WIDTH, HEIGHT, boxes, frames, rate, "reliable", threads=1)


def children() -> list[str]:
    """Command lines of the processes that this one has started and not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (path / "cmdline").read_text(errors="replace")
        except OSError:
            continue  # it has just ended
        if parent == os.getpid():
            found.append(words.replace("\0", " "))
    return found


def test_every_image_is_either_answered_or_lost() -> None:
    figures = measure_node(task())
    assert (figures.tracker, figures.size, figures.targets) == ("siamrpnpp", "320x240", 2)
    assert 0 < figures.achieved_rate <= 15.0
    assert figures.frames == 20 and len(figures.latencies) + figures.lost == 20
    assert 0 <= figures.dropped <= figures.lost
    assert figures.latency_median == pytest.approx(np.median(figures.latencies))
    assert figures.latency_p95 == pytest.approx(np.quantile(figures.latencies, 0.95))
    assert figures.latency_max == max(figures.latencies)
    assert 0 < figures.rest_median < figures.latency_median and figures.received >= 1
    # The node's part of the way is no longer than the whole way.
    assert 0 < figures.frame_age_median < figures.latency_median
    assert figures.frame_age_median <= figures.frame_age_p95 <= figures.frame_age_max
    stages = figures.decode_median, figures.preprocess_median, figures.inference_median
    assert all(value > 0 for value in (*stages, figures.publish_median))
    assert figures.inference_median < figures.frame_age_median
    assert figures.memory_mb > 50 and figures.cpu_percent > 0
    assert not [words for words in children() if "tracker_ros" in words]


def test_a_node_that_cannot_load_its_model_is_told_with_its_own_words(tmp_path: Path) -> None:
    card = shutil.copy(MODELS / f"{DEFAULT_MODELS['siamrpnpp']}.yaml", tmp_path)
    with pytest.raises(DataError, match=r"the node process failed: .*is missing"):
        measure_node(task(str(card)))
    assert not [words for words in children() if "tracker_ros" in words]


def test_a_camera_that_cannot_keep_its_rate_is_told() -> None:
    figures = measure_node(task(tracker="siamfc", targets=1, rate=1e6))
    assert 0 < figures.achieved_rate < 1e5
    told = f"the camera of this machine reached {figures.achieved_rate:.1f} of 1e+06 Hz"
    assert f"WARNING: siamfc at 320x240: {told}" in node_table([figures])
    kept = replace(figures, rate=figures.achieved_rate)
    assert "WARNING" not in node_table([kept])


def test_the_command_measures_nodes_beside_the_stages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    options = ["--node", "--tracker", "siamfc", "kcf", "--size", "320x240", "--targets", "1"]
    short = ["--frames", "10", "--rate", "10", "--no-memory", "--json", str(path)]
    assert main(["bench", *options, *short]) == 0
    document = json.loads(path.read_text())
    # OpenCV's trackers run in no node of ours.
    assert [figures["tracker"] for figures in document["nodes"]] == ["siamfc"]
    assert [row["tracker"] for row in document["rows"]] == ["siamfc", "kcf"]
    figures = document["nodes"][0]
    assert figures["rate"] == 10 >= figures["achieved_rate"] and figures["frames"] == 10
    out = capsys.readouterr().out
    assert f"| {figures['achieved_rate']:.1f} of 10 Hz best_effort |" in " ".join(out.split())
    assert "### Nodes" in out and f"| {figures['latency_median']:.1f} |" in " ".join(out.split())
