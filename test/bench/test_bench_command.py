"""`tracker_ros bench`, whole: real trackers on real frames, to the tables and the JSON."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tracker_ros.bench.stages import STAGES
from tracker_ros.cli import main
from tracker_ros.demo.scene import Scene
from tracker_ros.models.card import MODELS
from tracker_ros.mot.model import DEFAULT_MODEL
from tracker_ros.sot import DEFAULT_MODELS

QUICK = ("--frames", "10", "--size", "320x240", "--threads", "1")
FIGURES = {*STAGES, "track", "whole", "rest", "cpu"}


@dataclass(frozen=True)
class Run:
    """What a run has said."""

    document: dict[str, Any]
    out: str
    err: str

    def rows(self, **wanted: Any) -> list[dict[str, Any]]:
        rows = self.document["rows"]
        return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]

    def tables(self) -> dict[str, list[dict[str, str]]]:
        """Heading -> the rows of the table under it, each by column; of two p95 the last."""
        tables: dict[str, list[dict[str, str]]] = {}
        for block in self.out.split("### ")[1:]:
            title, _, text = block.partition("\n\n")
            lines = [line for line in text.splitlines() if line.startswith("|")]
            assert len({len(line) for line in lines}) == 1, "the table is not aligned"
            cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
            tables[title] = [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
        return tables


def bench(folder: Path, *options: str) -> Run:
    path = folder / "figures.json"
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["bench", "--json", str(path), *options]) == 0, err.getvalue()
    return Run(json.loads(path.read_text()), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two trackers of ours and one of OpenCV's, with one and with two targets."""
    options = ("--tracker", "siamrpnpp", "siamfc", "kcf", "--targets", "2", "1", "--no-memory")
    return bench(tmp_path_factory.mktemp("sot"), *QUICK, *options)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trackers of several objects."""
    options = ("--tracker", "famnet:recover=off", "sort", "--detections", "3", "5", "--no-memory")
    return bench(tmp_path_factory.mktemp("mot"), *QUICK, *options)


# --- figures -------------------------------------------------------------------------------------


def test_there_is_a_row_for_every_tracker_and_number_of_targets(single: Run) -> None:
    rows = [(row["targets"], row["tracker"]) for row in single.document["rows"]]
    names = ("siamrpnpp", "siamfc", "kcf")
    assert rows == [(count, name) for count in (1, 2) for name in names]
    for row in single.document["rows"]:
        assert (row["width"], row["height"], row["encoding"]) == (320, 240, "bgr8")
        assert row["film"] == "scene"


def test_a_row_says_what_exactly_ran(single: Run) -> None:
    ours, theirs = single.rows(tracker="siamfc", targets=1) + single.rows(tracker="kcf", targets=1)
    assert ours["about"] == f"{DEFAULT_MODELS['siamfc']}, onnxruntime fp32"
    assert (ours["backend"], ours["precision"]) == ("onnxruntime", "fp32")
    assert (theirs["backend"], theirs["precision"]) == ("opencv", "")


def test_every_frame_after_the_warm_up_counts_in_every_stage(single: Run) -> None:
    for row in single.document["rows"]:
        assert row["frames"] == 10
        assert {len(values) for values in row["frames_ms"].values()} == {10}
    assert single.document["options"]["warm_up"] == 20


def test_our_trackers_tell_the_time_of_every_stage_and_none_is_nothing(single: Run) -> None:
    for row in (*single.rows(tracker="siamrpnpp"), *single.rows(tracker="siamfc")):
        assert set(row["frames_ms"]) == FIGURES
        for name, values in row["frames_ms"].items():
            assert all(value > 0 for value in values), name


def test_of_opencvs_trackers_only_the_whole_of_tracking_is_known(single: Run) -> None:
    for row in single.rows(tracker="kcf"):
        assert set(row["frames_ms"]) == FIGURES - {"crop", "network", "postprocess", "rest"}
        assert row["ms"]["network"] is None


def test_the_stages_of_a_frame_are_no_longer_than_the_frame(single: Run, several: Run) -> None:
    for row in (*single.document["rows"], *several.document["rows"]):
        frames = {name: np.array(values) for name, values in row["frames_ms"].items()}
        parts = [frames[name] for name in STAGES if name in frames]
        assert (np.sum(parts, axis=0) <= frames["whole"] + 1e-9).all()
        outer = frames["receive"] + frames["decode"] + frames["track"] + frames["publish"]
        assert (outer <= frames["whole"] + 1e-9).all()
        if "network" in frames:
            assert frames["rest"] == pytest.approx(frames["whole"] - frames["network"])
        inner = [frames[name] for name in ("crop", "network", "postprocess") if name in frames]
        assert (np.sum(inner, axis=0) <= frames["track"] + 1e-9).all()


def test_medians_and_p95_are_those_of_the_frames(single: Run, several: Run) -> None:
    for row in (*single.document["rows"], *several.document["rows"]):
        for name, values in row["frames_ms"].items():
            summary = row["ms"][name]
            assert summary["median"] == pytest.approx(np.median(values))
            assert summary["p95"] == pytest.approx(np.quantile(values, 0.95))
            assert summary["mean"] == pytest.approx(np.mean(values))


def test_a_ratio_is_to_the_first_tracker_with_as_many_targets(single: Run) -> None:
    for count in (1, 2):
        first, *others = single.rows(targets=count)
        assert first["ratio"] == 1
        for row in others:
            assert row["ratio_to"] == first["tracker"] == "siamrpnpp"
            # Ten frames are one round.
            expected = row["ms"]["whole"]["median"] / first["ms"]["whole"]["median"]
            assert row["ratio"] == pytest.approx(expected)
            assert row["ratio_p10"] == row["ratio"] == row["ratio_p90"]


def test_several_targets_stand_beside_one_target_of_the_same_tracker(
    single: Run, several: Run
) -> None:
    for row in single.rows(targets=1) + several.document["rows"]:
        assert row["ratio_to_one_target"] is None
    _, table = single.tables().values()
    for row, cells in zip(single.rows(targets=2), table, strict=True):
        (alone,) = single.rows(targets=1, tracker=row["tracker"])
        # Ten frames are one round.
        expected = row["ms"]["whole"]["median"] / alone["ms"]["whole"]["median"]
        assert row["ratio_to_one_target"] == pytest.approx(expected)
        assert cells["x one"] == f"{expected:.2f}"


def test_how_well_the_target_was_followed_stands_beside(single: Run) -> None:
    for row in single.document["rows"]:
        # Those that do not count, too: the target must not be lost there.
        assert row["iou_frames"] == 20 + 1 + 10
        assert 0.6 < row["iou"] < 1
    for name in ("siamrpnpp", "siamfc"):
        one, two = single.rows(tracker=name)
        assert one["iou"] == two["iou"], "the first target does not depend on others"


def test_the_memory_of_a_tracker_is_that_of_a_process_of_its_own(tmp_path: Path) -> None:
    options = ("--tracker", "siamfc", "kcf", "sort", "--targets", "1", "--detections", "3")
    run = bench(tmp_path, *QUICK, *options)
    for row in run.document["rows"]:
        memory = row["memory_mb"]
        assert 20 < memory["empty"] <= memory["loaded"] <= memory["peak"] < 2000
        assert memory["growth"] <= memory["peak"] - memory["empty"]
    ours, theirs = (run.rows(tracker=name)[0]["memory_mb"] for name in ("siamfc", "kcf"))
    assert ours["loaded"] - ours["empty"] > 5, "a network was loaded"
    assert theirs["loaded"] - theirs["empty"] < 5
    assert "memory of sort" in run.err
    cells = [cells for table in run.tables().values() for cells in table]
    peaks = [f"{row['memory_mb']['peak']:.0f}" for row in run.document["rows"]]
    assert [row["MB"].split()[0] for row in cells] == peaks


def test_the_memory_of_the_whole_run_is_told(single: Run) -> None:
    process = single.document["process_mb"]
    assert process["growth"] == pytest.approx(process["end"] - process["warm"])
    assert process["peak"] >= process["end"] > 20
    assert f"{process['end']:.0f} MB at the end" in single.out


def test_trackers_of_several_objects_get_detections(several: Run) -> None:
    rows = [(row["detections"], row["tracker"]) for row in several.document["rows"]]
    names = ("famnet:recover=off", "sort")
    assert rows == [(count, name) for count in (3, 5) for name in names]
    for row in several.document["rows"]:
        assert row["film"] == "walkers" and "targets" not in row
        assert row["iou"] is None and row["memory_mb"] is None
        missing = {"crop", "network", "rest"} if row["tracker"] == "sort" else {"crop"}
        assert set(row["frames_ms"]) == FIGURES - missing


# --- what people and programs read ---------------------------------------------------------------


def test_the_tables_show_the_figures_of_the_json(single: Run, several: Run) -> None:
    for run in (single, several):
        shown = [row for table in run.tables().values() for row in table]
        assert len(shown) == len(run.document["rows"])
        for cells, row in zip(shown, run.document["rows"], strict=True):
            assert cells["tracker"] == row["tracker"]
            for name in ("receive", "decode", "network", "track", "publish", "rest", "whole"):
                summary = row["ms"][name]
                assert cells[name] == ("-" if summary is None else f"{summary['median']:.2f}")
            assert cells["p95"] == f"{row['ms']['whole']['p95']:.2f}"
            assert cells["ratio"] == f"{row['ratio']:.2f}"
            assert cells["p10..p90"] == f"{row['ratio_p10']:.2f}..{row['ratio_p90']:.2f}"
            if row["iou"] is not None:
                assert cells["IoU"] == f"{row['iou']:.3f}"


def test_a_heading_says_on_what_was_measured(single: Run, several: Run) -> None:
    assert list(single.tables()) == [
        "scene, 320x240 bgr8, 1 target, 10 frames",
        "scene, 320x240 bgr8, 2 targets, 10 frames",
    ]
    heading = "walkers, 320x240 bgr8, 3 objects, with detections, 10 frames"
    assert next(iter(several.tables())) == heading


def test_the_machine_stands_above_the_figures(single: Run) -> None:
    machine = single.document["machine"]
    assert machine["threads"] == machine["opencv_threads"] == 1
    assert machine["cores"] >= 1 and machine["ram_gb"] > 0 and machine["system"]
    assert {"python", "numpy", "opencv", "onnxruntime"} <= set(machine["versions"])
    above = single.out.split("###")[0]
    for words in (machine["cpu"], machine["system"], "load average before", "onnxruntime "):
        assert words in above


def test_what_others_used_meanwhile_stands_above_the_figures(single: Run) -> None:
    others, above = single.document["others"], single.out.split("###")[0]
    assert others["cores"] == single.document["machine"]["cores"]
    assert f"others used {others['used']:.2f} of {others['cores']} cores" in above
    assert ("WARNING" in above) == (others["used"] >= 0.3)


def test_the_progress_goes_to_stderr(single: Run) -> None:
    # Of six lanes: twenty to warm up, one that does not count and ten that do.
    assert "186/186" in single.err and "all in rounds" in single.err
    assert "frames/s" not in single.out


def test_opencvs_trackers_are_added_to_those_that_are_named(tmp_path: Path) -> None:
    options = ("--tracker", "siamfc", "--against", "opencv", "--targets", "1", "--no-memory")
    run = bench(tmp_path, *QUICK, *options)
    names = [row["tracker"] for row in run.document["rows"]]
    assert names == ["siamfc", "kcf", "csrt", "mil"]


def test_sizes_and_encodings_have_tables_of_their_own(tmp_path: Path) -> None:
    options = ("--tracker", "sort", "--detections", "2", "--no-memory", "--frames", "10")
    encodings = ("--encoding", "bgr8", "jpeg", "--size", "64x64", "320x240")
    run = bench(tmp_path, *options, *encodings)
    found = [(row["width"], row["encoding"]) for row in run.document["rows"]]
    assert found == [(64, "bgr8"), (64, "jpeg"), (320, "bgr8"), (320, "jpeg")]
    raw, jpeg = run.rows(width=320)
    assert min(jpeg["frames_ms"]["decode"]) > 0 and len(run.tables()) == 4 and raw != jpeg


def test_a_model_of_ones_own_is_measured_by_the_path_of_its_card(tmp_path: Path) -> None:
    card = MODELS / f"{DEFAULT_MODELS['siamrpnpp']}.yaml"
    run = bench(tmp_path, *QUICK, "--tracker", str(card), "--targets", "1", "--no-memory")
    assert [row["tracker"] for row in run.document["rows"]] == [card.stem]


def test_a_multi_object_model_is_measured_by_the_name_of_its_card(tmp_path: Path) -> None:
    options = ("--tracker", DEFAULT_MODEL, "--detections", "2", "--no-memory")
    run = bench(tmp_path, *QUICK, *options)
    (row,) = run.document["rows"]
    assert row["tracker"] == DEFAULT_MODEL and DEFAULT_MODEL in row["about"]


def test_sequences_with_truth_take_the_place_of_the_scene(tmp_path: Path) -> None:
    folder, scene = tmp_path / "data/open", Scene(320, 240)
    (folder / "img").mkdir(parents=True)
    for index in range(8):
        assert cv2.imwrite(str(folder / f"img/{index + 1:06}.png"), scene.frame(index).image)
    lines = [",".join(map(str, box)) for box in scene.truth()[:8] if box is not None]
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    options = ("--data", str(tmp_path / "data"), "--tracker", "kcf", "--targets", "1")
    run = bench(tmp_path, *options, "--frames", "10", "--no-memory")
    (row,) = run.document["rows"]
    assert row["film"] == "open" and row["frames"] == 10
    # Eight pictures are shown there and back again: the truth goes along, and so does the target.
    assert row["iou_frames"] == 31 and row["iou"] > 0.6


def test_sequences_may_have_the_form_of_any_data_set_that_eval_sot_reads(tmp_path: Path) -> None:
    folder, scene = tmp_path / "OTB/Open", Scene(320, 240)
    (folder / "img").mkdir(parents=True)
    for index in range(8):
        assert cv2.imwrite(str(folder / f"img/{index + 1:04}.jpg"), scene.frame(index).image)
    boxes = [box for box in scene.truth()[:8] if box is not None]
    # Counted from 1, as OTB has it.
    lines = [f"{box.x + 1}\t{box.y + 1}\t{box.w}\t{box.h}" for box in boxes]
    (folder / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")
    options = ("--data", str(tmp_path / "OTB"), "--tracker", "kcf", "--targets", "1")
    run = bench(tmp_path, *options, "--frames", "10", "--no-memory")
    (row,) = run.document["rows"]
    assert row["film"] == "Open" and row["iou"] > 0.6
