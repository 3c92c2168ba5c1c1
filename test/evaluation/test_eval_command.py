"""`tracker_ros eval sot`, whole: from a folder on disk to the table and the JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml
from films import true_lines, write_sequence

from tracker_ros.cli import main
from tracker_ros.engines.devices import why_not
from tracker_ros.models.card import MODELS, card_names
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS, trackers_with_weights


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sequences; in the second the target is hidden for two frames."""
    write_sequence(tmp_path / "data/open", true_lines(8))
    write_sequence(tmp_path / "data/hidden", true_lines(8, absent=[4, 5]))
    return tmp_path / "data"


def evaluate(data: Path, *options: str) -> dict[str, Any]:
    """Run the command; what it wrote as JSON."""
    path = data.parent / "result.json"
    assert main(["eval", "sot", "--data", str(data), "--json", str(path), *options]) == 0
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command, which has to refuse; the line on stderr."""
    assert main(["eval", "sot", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


def test_one_tracker_gives_its_figures_per_sequence_and_their_mean(data: Path) -> None:
    document = evaluate(data, "--tracker", "kcf")
    assert set(document) == {"tracker", "sequences", "mean", "run"}
    assert document["tracker"] == "kcf"
    assert list(document["sequences"]) == ["hidden", "open"]
    for figures in (*document["sequences"].values(), document["mean"]):
        assert set(figures) == {"auc", "precision", "fps", "ms_median", "ms_p95"}
        assert 0 < figures["ms_median"] <= figures["ms_p95"]
        assert 0.75 < figures["auc"] < 1 and figures["precision"] == 1 and figures["fps"] > 0
    for key in ("auc", "precision", "fps"):
        mean = document["mean"][key]
        values = [figures[key] for figures in document["sequences"].values()]
        assert mean == pytest.approx(sum(values) / 2)


def test_several_trackers_stand_side_by_side_the_first_at_the_top(data: Path) -> None:
    document = evaluate(data, "--tracker", "csrt", "--tracker", "kcf")
    assert set(document) == {"tracker", "sequences", "mean", "trackers", "run"}
    assert list(document["trackers"]) == ["csrt", "kcf"]
    first = document["trackers"]["csrt"]
    assert (document["sequences"], document["mean"]) == (first["sequences"], first["mean"])
    assert document["tracker"] == "csrt" and document["trackers"]["kcf"] != first


def test_the_json_says_under_which_conditions_it_was_measured(data: Path) -> None:
    run = evaluate(data, "--tracker", "kcf", "--limit", "7", "--threads", "1")["run"]
    assert run["frames"] == {"hidden": 4, "open": 6}
    assert (run["limit"], run["threads"], run["all_frames"]) == (7, 1, False)
    assert run["versions"]["opencv"] == cv2.__version__ and run["cpu"]
    assert run["models"] == {"kcf": "OpenCV, default parameters"}
    assert "left out" in run["convention"]


def test_all_frames_counts_the_given_box_and_absent_frames(data: Path) -> None:
    document = evaluate(data, "--tracker", "kcf", "--all-frames")
    assert document["run"]["frames"] == {"hidden": 8, "open": 8}
    assert document["sequences"]["hidden"]["precision"] == 6 / 8
    assert "failures" in document["run"]["convention"]


def test_the_table_is_aligned(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(data, "--tracker", "kcf", "--tracker", "csrt", "--sequences", "open")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["kcf", "csrt"]
    assert lines[1].split() == ["sequence", "frames", *("AUC", "P@20", "fps", "ms", "p95") * 2]
    assert [line.split()[:2] for line in lines[2:4]] == [["open", "7"], ["mean", "7"]]
    assert len({len(line) for line in lines[:4]}) == 1


def test_the_progress_goes_to_stderr(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(data, "--tracker", "kcf")
    out, err = capsys.readouterr()
    assert "kcf on open" in err and "14/14" in err
    assert "frames/s" not in out


def test_the_number_of_threads_is_as_before_afterwards(data: Path) -> None:
    before = cv2.getNumThreads()
    evaluate(data, "--tracker", "kcf", "--threads", str(before + 1))
    assert cv2.getNumThreads() == before


def test_our_trackers_whose_weights_are_here_are_measured_by_default(data: Path) -> None:
    document = evaluate(data, "--sequences", "open", "--threads", "1")
    there = trackers_with_weights()
    assert {"siamrpnpp", "siamfc"} <= set(there) <= set(TRACKERS)
    assert list(document["trackers"]) == list(there)
    for tracker in there:
        assert document["run"]["models"][tracker].startswith(DEFAULT_MODELS[tracker])
        assert 0.3 < document["trackers"][tracker]["mean"]["auc"] < 1


def test_a_model_is_measured_by_its_name_and_by_the_path_of_its_card(data: Path) -> None:
    card = DEFAULT_MODELS["siamrpnpp"]
    by_name = evaluate(data, "--tracker", card, "--sequences", "open")
    by_path = evaluate(data, "--tracker", str(MODELS / f"{card}.yaml"), "--sequences", "open")
    assert by_name["tracker"] == by_path["tracker"] == card
    assert by_name["mean"]["auc"] == by_path["mean"]["auc"]


def test_an_unknown_tracker_is_refused_with_the_choices(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, "--data", str(data), "--tracker", "kcf", "--tracker", "goturn")
    assert "no tracker 'goturn'" in line
    for choice in (*TRACKERS, *card_names(), "kcf", "csrt", "mil", "a card (.yaml)"):
        assert choice in line


def test_a_model_without_weights_is_refused_with_where_to_get_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load((MODELS / "siamfc_small.yaml").read_text())
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump({**document, "name": "published", "files": {}}))
    line = refusal(capsys, "--data", str(data), "--tracker", str(path))
    assert "model 'published' has no weights here" in line and "models show published" in line


def test_what_runs_the_networks_can_be_chosen(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = evaluate(data, "--tracker", "siamfc", "--backend", "onnxruntime", "--sequences", "open")
    assert run["run"]["models"] == {"siamfc": "siamfc_small, onnxruntime fp32"}
    capsys.readouterr()
    # What ships with the package are graphs.
    line = refusal(capsys, "--data", str(data), "--tracker", "siamfc", "--backend", "torch")
    assert "'siamfc_small' has no weights for torch" in line
    line = refusal(capsys, "--results", str(data), "--truth", str(data), "--backend", "torch")
    assert "leave out --results or --backend" in line


@pytest.mark.skipif(why_not() == "", reason="this machine can use TensorRT")
def test_tensorrt_that_cannot_be_used_is_refused_with_the_reason(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, "--data", str(data), "--backend", "tensorrt")
    assert line == f"error: backend tensorrt: {why_not()}\n"


def test_a_card_that_is_not_there_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "my_card.yaml" in refusal(capsys, "--data", str(data), "--tracker", "my_card.yaml")


def test_a_tracker_named_twice_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "--data", str(data), "--tracker", "kcf", "--tracker", "kcf")
    assert "'kcf' is named twice" in line


def test_a_broken_sequence_stops_it_before_anything_runs(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = data / "open/img/000005.png"
    image.write_bytes(image.read_bytes()[:-200])
    line = refusal(capsys, "--data", str(data), "--tracker", "kcf")
    assert f"{image} is damaged" in line and "frames" not in line


def test_a_json_file_that_cannot_be_written_is_refused_at_once(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, "--data", str(data), "--tracker", "kcf", "--json", "/nowhere/a.json")
    assert "/nowhere/a.json" in line


@pytest.mark.parametrize(
    "options",
    [["--limit", "1"], ["--limit", "some"], ["--threads", "-1"], ["--limit", "0"]],
    ids=" ".join,
)
def test_numbers_that_make_no_sense_are_refused_by_value(
    data: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["eval", "sot", "--data", str(data), *options])
    assert ended.value.code == 2
    assert f"'{options[1]}' is not a whole number" in capsys.readouterr().err


def test_the_help_says_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eval", "--help"])
    text = capsys.readouterr().out
    assert "the given box (frame 1) and frames where the target is not visible are left" in text
    assert "monitor" in text and "--all-frames" in text
