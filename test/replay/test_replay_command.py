"""`tracker_ros replay` as it is called in CI."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from recordings import DETECTIONS, film, write_truth

from tracker_ros.cli import main
from tracker_ros.replay.command import bags_of, names_of
from tracker_ros.replay.folder import MARK

ROOT = Path(__file__).parents[2]
FAST = ("--set", "threads=1", "--no-report")


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_truth(tmp_path_factory.mktemp("truth") / "drive.txt", film()[1])


@pytest.fixture
def target() -> str:
    box = film()[1][0]
    assert box is not None
    return f"{box.x},{box.y},{box.w},{box.h}"


def replay(*words: object) -> int:
    return main(["replay", *map(str, words)])


def test_limits_that_are_kept_give_0_and_broken_ones_1(
    bag: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "junit.xml"
    words = (bag, "--gt", truth, "--out", tmp_path / "out", "--junit", junit, *FAST)
    assert replay(*words, "--fail-below", "auc=0.5", "--fail-above", "losses=0") == 0
    assert "PASS auc >= 0.5" in capsys.readouterr().out
    assert replay(*words, "--fail-below", "auc=0.999") == 1
    assert "FAIL auc >= 0.999" in capsys.readouterr().out
    failed = [case.get("name") for case in ET.parse(junit).iter("testcase") if len(case)]
    assert failed == ["auc >= 0.999"]
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["passed"] is False and result["figures"]["auc"] > 0.5


def test_without_a_word_of_where_the_results_lie_beside_the_bag_s_name(
    bag: Path, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert replay(bag, "--target", target, "--bag", "outputs", *FAST[:2]) == 0
    left = sorted(path.name for path in (tmp_path / "replay" / "drive").iterdir())
    assert left.pop(0) == MARK
    assert left == ["bag", "mot.txt", "report.html", "result.json", "tracks.csv", "vot"]


def test_parameters_come_from_the_file_of_the_launch_files(
    bag: Path, target: str, tmp_path: Path
) -> None:
    """With them the default of the package says what it is; --set and --tracker override it."""
    config = ROOT / "config" / "sot.yaml"
    words = (bag, "--target", target, "--params-file", config, *FAST)
    assert replay(*words, "--out", tmp_path / "default") == 0
    assert replay(bag, "--target", target, *FAST, "--out", tmp_path / "none") == 0
    assert replay(*words, "--tracker", "siamfc", "--out", tmp_path / "siamfc") == 0
    digest = {
        name: json.loads((tmp_path / name / "result.json").read_text())["digest"]
        for name in ("default", "none", "siamfc")
    }
    assert digest["default"] == digest["none"] != digest["siamfc"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what is to be followed?"),
        (("--target", "1,2,3"), "'1,2,3' is no box"),
        (("--target", "1,2,3,4", "--detections", DETECTIONS), "cannot be had together"),
        (("--target", "1,2,3,4", "--from", "3", "--to", "2"), "leaves nothing"),
        (("--target", "1,2,30,40", "--tracker", "famnet"), "famnet needs --detections"),
        (("--target", "1,2,30,40", "--set", "patience"), "expected NAME=VALUE"),
        (("--target", "1,2,30,40", "--fail-below", "auc=0.5"), "needs a truth"),
        (("--target", "1,2,30,40", "--fail-below", "beauty=0.5"), "no such figure"),
        (("--target", "1,2,30,40", "--params-file", "nothing.yaml"), "nothing.yaml cannot be read"),
        (("--gt", "nothing.txt"), "no such file, and no such topic"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_wrong_words_are_refused_in_one_line(
    words: tuple[str, ...], said: str, bag: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert replay(bag, *words, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_an_error_is_in_the_junit_file_and_no_verdict_of_before_stays(
    bag: Path, truth: Path, tmp_path: Path
) -> None:
    junit = tmp_path / "junit.xml"
    words = (bag, "--gt", truth, "--out", tmp_path / "out", "--junit", junit, *FAST)
    assert replay(*words) == 0
    assert replay(*words, "--topic", "/nothing") == 2
    (case,) = [case for case in ET.parse(junit).iter("testcase") if len(case)]
    assert case.get("name") == "replayed"
    assert replay(*words[:-3], "--junit", tmp_path / "nowhere" / "junit.xml") == 2


def test_a_pattern_leaves_what_many_bags_leave_also_where_it_finds_one(
    bag: Path, target: str, tmp_path: Path
) -> None:
    assert replay(f"{bag}*", "--target", target, "--out", tmp_path / "out", *FAST) == 0
    assert (tmp_path / "out" / "summary.json").is_file()
    assert (tmp_path / "out" / bag.name / "result.json").is_file()


def test_bags_of_one_name_get_folders_of_their_own(bag: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a/drive.1", "a/drive.2", "b/drive.1", "b/drive.1.mcap")]
    names = names_of(paths)
    assert len(set(names)) == 4
    assert names_of([tmp_path / "drive.mcap", tmp_path / "walk.db3"]) == ["drive", "walk"]
    assert len(bags_of([str(bag), f"{bag}/../{bag.name}"])) == 1


def test_a_bag_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay("nothing.mcap", "--target", "1,2,30,40") == 2
    assert "nothing.mcap" in capsys.readouterr().err
    assert replay("nothing/*.mcap", "--target", "1,2,30,40") == 2
    assert "nothing/*.mcap" in capsys.readouterr().err


def test_neither_ros_nor_torch_is_loaded(bag: Path, target: str, tmp_path: Path) -> None:
    script = (
        "import sys; from tracker_ros.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'rclpy', 'torch'} & set(sys.modules)\n"
    )
    words = ["replay", str(bag), "--target", target, "--out", str(tmp_path / "out"), *FAST]
    subprocess.run([sys.executable, "-c", script, *words], check=True, cwd=ROOT)


@pytest.mark.parametrize("keep", ["all", "outputs", "none"])
def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing_half_written(
    keep: str, bag: Path, target: str, tmp_path: Path
) -> None:
    """No file may grow beyond 3 kB: what the system then says is what it says of a full disk."""
    script = (
        "import resource, sys; from tracker_ros.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    out = tmp_path / "out"
    words = ["replay", str(bag), "--target", target, "--out", str(out), "--bag", keep, *FAST]
    ended = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 2, ended.stderr
    assert "cannot be written: File too large" in ended.stderr
    assert not out.exists()


def test_ctrl_c_leaves_nothing_half_written(bag: Path, target: str, tmp_path: Path) -> None:
    """In real time the bag takes two seconds: time enough to interrupt it."""
    command = [sys.executable, "-m", "tracker_ros.cli", "replay", str(bag), "--target", target,
               "--rate", "real", "--out", str(tmp_path / "out"), *FAST]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)
    assert process.stderr is not None
    os.read(process.stderr.fileno(), 1)  # the progress bar has begun
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    process.stderr.close()
    assert not (tmp_path / "out").exists()
