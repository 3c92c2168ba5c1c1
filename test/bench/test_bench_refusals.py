"""What `tracker_ros bench` refuses before anything runs, and what its help says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker_ros.bench.entrants import default_trackers
from tracker_ros.cli import main
from tracker_ros.engines.devices import why_not
from tracker_ros.models.card import MODELS, read_card
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS

TO_IMPORT = [n for n in TRACKERS if not read_card(str(MODELS / f"{DEFAULT_MODELS[n]}.yaml")).files]
"""Trackers of which the package has no weights."""


NO_GPU = pytest.mark.skipif(why_not() == "", reason="this machine can use TensorRT")


def write_images(folder: Path) -> None:
    """A sequence of three blank images."""
    (folder / "img").mkdir(parents=True)
    for number in range(1, 4):
        cv2.imwrite(str(folder / f"img/{number:06}.png"), np.zeros((48, 64, 3), np.uint8))
    (folder / "groundtruth.txt").write_text("10,10,9,9\n" * 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tracker", "goturn"], "no tracker 'goturn'; there are siamrpnpp, siamfc"),
        (["--tracker", "mine.yaml"], "mine.yaml does not exist"),
        (["--tracker", "kcf", "kcf"], "'kcf' is named twice|kcf: it is named twice"),
        (["--backend", "abacus"], "no backend 'abacus'; there are auto"),
        (["--backend", "onnxruntime", "onnxruntime"], "'onnxruntime' is named twice"),
        pytest.param(["--backend", "tensorrt"], f"backend tensorrt: {why_not()}", marks=NO_GPU),
        (["--backend", "torch", "--tracker", "sort"], "sort: its networks do not run on torch"),
        (["--backend", "torch", "--tracker", "siamfc"], "'siamfc_small' has no weights for torch"),
        (["--tracker", "nanotrack"], "--nanotrack DIR"),
        (["--nanotrack", "/nowhere"], "add --against opencv"),
        (["--against", "opencv", "--nanotrack", "/nowhere"], "/nowhere: no such folder"),
        (["--data", "/nowhere"], "/nowhere: no such folder"),
        (["--data", ".", "--tracker", "sort"], "no detections for sort"),
        (["--data", ".", "--size", "64x64"], "--size is for the rendered scene"),
        (["--json", "/nowhere/figures.json"], "/nowhere/figures.json cannot be written"),
        (["--tracker", "famnet:k=9"], "k is '9'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["bench", *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert any(part in err for part in words.split("|"))


@pytest.mark.parametrize("tracker", TO_IMPORT)
def test_a_tracker_without_weights_is_refused_with_where_to_get_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    tracker: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(tmp_path))
    write_images(tmp_path / "data/open")
    for command in (["bench"], ["eval", "sot", "--data", str(tmp_path / "data")], ["demo"]):
        assert main([*command, "--tracker", tracker]) == 2
        out, err = capsys.readouterr()
        card = DEFAULT_MODELS[tracker]
        assert out == "" and err.count("\n") == 1
        assert f"model '{card}' has no weights here" in err and f"models show {card}" in err


def test_what_is_measured_by_default_has_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACKER_ROS_MODELS", str(tmp_path))
    chosen = default_trackers(against_opencv=False, nanotrack=None, mot=False)
    assert chosen == [name for name in TRACKERS if name not in TO_IMPORT]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--size", "huge"),
        ("--size", "640x-480"),
        ("--size", "62x480"),
        ("--size", "641x480"),
        ("--size", "640x4098"),
        ("--targets", "0"),
        ("--targets", "33"),
        ("--targets", "some"),
        ("--detections", "0"),
        ("--frames", "9"),
        ("--frames", "1e9"),
        ("--threads", "-1"),
        ("--untrained", "-1"),
        ("--rate", "nan"),
        ("--rate", "0"),
        ("--encoding", "h264"),
        ("--against", "goturn"),
    ],
)
def test_numbers_and_names_that_make_no_sense_are_refused_by_value(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", option, value])
    assert ended.value.code == 2
    assert f"argument {option}" in (err := capsys.readouterr().err) and f"'{value}'" in err


def test_the_help_has_examples_and_says_how_it_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "tracker_ros bench --against opencv --nanotrack" in text
    assert "on the same frames, in rounds of 10 frames" in text
    assert "a tracker that has lost its target may well be fast" in text
