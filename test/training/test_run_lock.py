"""Two runs into one folder at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from small_collection import tiny_recipe, train, write_collection

from tracker_ros.errors import ModelError
from tracker_ros.training import run_lock

HOLD = """
import pathlib, sys
from tracker_ros.training.run_lock import alone_in
with alone_in(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_with_who_holds_the_folder_until_that_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setattr(run_lock, "PATIENCE", 0.3)
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert first.stdout is not None and first.stdout.readline() == "held\n"
    words = rf"process {first.pid} on .* trains into .*another --out"
    with pytest.raises(ModelError, match=words), run_lock.alone_in(tmp_path):
        pass
    assert capsys.readouterr().err.count(": waits 0.3 s for its end\n") == 1
    first.kill()
    first.communicate(timeout=60)
    with run_lock.alone_in(tmp_path):
        pass


def test_other_processes_of_the_same_run_do_not_wait_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_lock.alone_in(tmp_path):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
        with run_lock.alone_in(tmp_path):
            pass


def test_the_command_is_refused_before_it_reads_or_writes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "PATIENCE", 0.1)
    data, out = write_collection(tmp_path), tmp_path / "run"
    out.mkdir()
    with run_lock.alone_in(out), pytest.raises(ModelError, match=r"trains into .*run right now"):
        train(tiny_recipe(tmp_path, "siamfc"), data, "--out", out)
    assert [path.name for path in out.iterdir()] == [".lock"]
