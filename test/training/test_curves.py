"""The picture of loss curves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker_ros.errors import DataError
from tracker_ros.training.curves import curves_of, draw_curves, read_curve, smoothed

matplotlib = pytest.importorskip(
    "matplotlib", reason="matplotlib is not installed: ./run setup train"
)
RNG = np.random.default_rng(0)


def run_of(folder: Path, name: str = "train", rows: int = 300, figures: str = "loss,iou") -> Path:
    """The folder of a run with a curve that falls."""
    path = folder / "curves" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"step,{figures},gradient_norm,learning_rate,samples_per_second"]
    for step in range(rows):
        values = [np.exp(-step / 100) + 0.1 * RNG.normal() for _ in figures.split(",")]
        lines.append(",".join(map(repr, [step, *map(float, values), 1.0, 1e-3, 100.0])))
    path.write_text("\n".join(lines) + "\n")
    return folder


def has_colour(image: np.ndarray, bgr: tuple[int, int, int]) -> bool:
    return bool((np.abs(image.astype(int) - bgr).max(axis=2) < 12).sum() > 50)


BLUE, ORANGE = (180, 119, 31), (14, 127, 255)
"""The first colours of matplotlib, as OpenCV has them."""


def test_several_runs_are_lines_of_one_picture(tmp_path: Path) -> None:
    folders = [run_of(tmp_path / "a"), run_of(tmp_path / "b", figures="loss,right")]
    curves = curves_of(folders)
    assert list(curves) == ["a: train", "b: train"]
    image = cv2.imread(str(draw_curves(curves, tmp_path / "out" / "both.png")))
    assert image.shape[1] > 2.5 * image.shape[0], "loss, iou and right side by side"
    third = image.shape[1] // 3
    assert has_colour(image[:, :third], BLUE) and has_colour(image[:, :third], ORANGE)
    assert has_colour(image[:, third : 2 * third], BLUE)
    assert not has_colour(image[:, third : 2 * third], ORANGE), "the second run has no iou"


def test_stages_of_one_run_have_their_names(tmp_path: Path) -> None:
    run_of(tmp_path, "distil")
    assert list(curves_of([run_of(tmp_path, "train")])) == ["distil", "train"]


def test_a_smoothed_line_is_the_mean_around_a_point_and_leaves_out_what_is_no_number() -> None:
    values = np.array([1.0, 3.0, np.nan, 5.0, 7.0])
    assert smoothed(values, 3).tolist() == [2.0, 2.0, 4.0, 6.0, 6.0]
    assert len(smoothed(values[:2], 9)) == 2


def test_a_table_that_a_crash_cut_is_read_up_to_there(tmp_path: Path) -> None:
    table = run_of(tmp_path) / "curves" / "train.csv"
    table.write_text(table.read_text() + "300,0.1")
    assert read_curve(table)["step"].tolist() == list(range(300))


@pytest.mark.parametrize("content", ["", "step,loss\n", "step,loss\n1,x\n", "a,b\n1,2\n"])
def test_what_is_not_a_curve_is_named(tmp_path: Path, content: str) -> None:
    table = tmp_path / "odd.csv"
    table.write_text(content)
    with pytest.raises(DataError, match=r"odd\.csv is not the curve of a run"):
        draw_curves({"odd": table}, tmp_path / "odd.png")


def test_a_folder_without_curves_and_a_picture_of_no_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no curves"):
        curves_of([tmp_path])
    with pytest.raises(DataError, match=r"is a \.png, \.svg or \.pdf"):
        draw_curves(curves_of([run_of(tmp_path)]), tmp_path / "curves.txt")


def test_the_command_draws_and_says_where(tmp_path: Path) -> None:
    out = tmp_path / "curves.svg"
    words = [sys.executable, "-m", "tracker_ros.training.curves"]
    done = subprocess.run(
        [*words, str(run_of(tmp_path)), "--out", str(out)], capture_output=True, text=True
    )
    assert done.stdout.strip() == str(out) and out.read_text().count("<path") > 10
    refused = subprocess.run([*words, str(tmp_path / "no")], capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.startswith("error: ")
