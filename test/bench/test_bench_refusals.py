"""What `tracker_ros bench` refuses before anything runs, and what its help says."""

from __future__ import annotations

import pytest

from tracker_ros.cli import main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tracker", "goturn"], "no tracker 'goturn'; there are siamrpnpp, siamfc"),
        (["--tracker", "mine.yaml"], "mine.yaml does not exist"),
        (["--tracker", "kcf", "kcf"], "'kcf' is named twice|kcf: it is named twice"),
        (["--backend", "abacus"], "no backend 'abacus'; there are auto"),
        (["--backend", "auto", "onnxruntime"], "'onnxruntime' is named twice"),
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
