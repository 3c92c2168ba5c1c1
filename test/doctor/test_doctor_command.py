"""`tracker_ros doctor` on this machine: it answers, says nothing private, and does not crash."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from known_machines import DESKTOP, with_, without

from tracker_ros import cli
from tracker_ros.doctor import command
from tracker_ros.doctor.facts import Facts
from tracker_ros.errors import DataError

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]
SECRETS = {
    "GITHUB_TOKEN": "ghp_0123456789secret",
    "AWS_SECRET_ACCESS_KEY": "kept/to+oneself",
    "PIP_INDEX_URL": "https://alice:hunter22@registry.example/simple",
    "CYCLONEDDS_URI": "<CycloneDDS><Peer address='203.0.113.77'/></CycloneDDS>",
    "MY_VARIABLE": "value-of-no-interest",
}


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracker_ros.cli", "doctor", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def sees(monkeypatch: pytest.MonkeyPatch) -> Callable[[Facts], None]:
    """Lets the doctor see given facts in place of this machine's."""

    def set_facts(facts: Facts) -> None:
        monkeypatch.setattr(command, "collect", lambda: facts)

    return set_facts


# --- exit code and file --------------------------------------------------------------------------


def test_a_machine_in_order_is_exit_code_0(sees: Callable[[Facts], None], capsys: Capture) -> None:
    sees(DESKTOP)
    assert cli.main(["doctor"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out


def test_warnings_are_exit_code_0(sees: Callable[[Facts], None], capsys: Capture) -> None:
    sees(with_(DESKTOP, kernel={"rmem_max": 212992}, cache={"unwritable": "read-only"}))
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("2 warnings\n")


def test_an_error_is_exit_code_1(sees: Callable[[Facts], None], capsys: Capture) -> None:
    sees(without(DESKTOP, "onnxruntime"))
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith("1 error\n")


def test_the_file_holds_the_report_and_every_fact(
    sees: Callable[[Facts], None], capsys: Capture, tmp_path: Path
) -> None:
    sees(DESKTOP)
    file = tmp_path / "report.txt"
    assert cli.main(["doctor", "--out", str(file)]) == 0
    told = capsys.readouterr()
    text = file.read_text()
    assert text.startswith(told.out.rstrip("\n"))
    facts = json.loads(text.partition("every fact, for programs\n")[2])["facts"]
    assert facts["ros"]["vision_msgs"] == "4.1.1"
    assert f"written to {file}" in told.err


def test_json_is_all_that_is_printed_and_written(
    sees: Callable[[Facts], None], capsys: Capture, tmp_path: Path
) -> None:
    sees(DESKTOP)
    file = tmp_path / "report.json"
    assert cli.main(["doctor", "--json", "--out", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())


@pytest.mark.parametrize("name", ["", "missing/report.txt"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_looked_at(
    name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "collect", pytest.fail)
    assert cli.main(["doctor", "--out", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith("error: --out ")


def test_a_full_disk_is_told(sees: Callable[[Facts], None]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    sees(DESKTOP)
    with pytest.raises(DataError, match="No space left"):
        command.run(argparse.Namespace(out=Path("/dev/full"), json=False))


def test_a_terminal_that_knows_only_ascii_is_served() -> None:
    code = (
        "import argparse; from tracker_ros.doctor import command; "
        "from tracker_ros.doctor.facts import Facts, Machine; "
        "command.collect = lambda: Facts(machine=Machine(cpu='\\u00e9')); "
        "command.run(argparse.Namespace(out=None, json=False))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert "findings" in run.stdout and not run.stderr


# --- for real ------------------------------------------------------------------------------------


def test_the_doctor_itself_imports_nothing_that_may_be_broken() -> None:
    code = (
        "import sys; import tracker_ros.cli, tracker_ros.doctor.command; "
        "big = {'numpy', 'cv2', 'yaml', 'onnxruntime', 'torch', 'rclpy'}; "
        "print(sorted(big & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


def test_the_report_of_this_machine_holds_no_secret_and_no_name(tmp_path: Path) -> None:
    home = tmp_path / "home" / "alice"
    (home / ".cache").mkdir(parents=True)
    file = tmp_path / "report.txt"
    run = doctor(
        "--out",
        str(file),
        HOME=str(home),
        USER="alice",
        LOGNAME="alice",
        XDG_CACHE_HOME="",
        **SECRETS,
    )
    assert run.returncode in (0, 1), run.stderr
    for text in (file.read_text(), run.stdout):
        for value in SECRETS.values():
            assert value not in text
        assert "203.0.113.77" not in text and "hunter22" not in text
        assert "alice" not in text
        assert "~/.cache/tracker_ros/engines" in text
    facts = json.loads(file.read_text().partition("every fact, for programs\n")[2])["facts"]
    assert facts["ros"]["cyclone"] is True
    assert facts["libraries"]["numpy"]["version"]
    assert facts["machine"]["architecture"] == platform.machine()
    assert not facts["unread"]


def test_libraries_that_crash_are_findings(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("import ctypes\nctypes.string_at(0)\n")
    (tmp_path / "yaml.py").write_text("raise ImportError('built for another machine')\n")
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    run = doctor("--json", PYTHONPATH=os.pathsep.join(filter(None, paths)))
    assert run.returncode == 1, run.stderr
    document = json.loads(run.stdout)
    assert document["facts"]["libraries"]["numpy"]["trouble"] == "killed by SIGSEGV"
    broken = [row["what"] for row in document["findings"] if row["rule"] == "library-broken"]
    assert "SIGSEGV" in broken[0] and "built for another machine" in broken[0]
