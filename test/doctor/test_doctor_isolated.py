"""Questions to other processes are answered, whatever happens in them."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from tracker_ros.doctor.isolated import ask, end_of, output_of, stop_all
from tracker_ros.doctor.libraries import library_of


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that a question may be about; what stands in the file is up to the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "tried_module.py"


def test_a_module_that_can_be_imported_says_its_version(module: Path) -> None:
    module.write_text("__version__ = '1.2.3'\n")
    answer = ask("library", "tried_module")
    assert answer.values["version"] == "1.2.3"
    assert not answer.trouble and not answer.clash


def test_what_a_library_prints_is_not_taken_for_the_answer(module: Path) -> None:
    module.write_text("import os\nprint('{}')\nos.system('echo noise')\n__version__ = '1'\n")
    assert ask("library", "tried_module").values["version"] == "1"


def test_a_crash_is_an_answer(module: Path) -> None:
    module.write_text("import ctypes\nctypes.string_at(0)\n")
    assert ask("library", "tried_module").trouble == "killed by SIGSEGV"


def test_an_exit_is_an_answer(module: Path) -> None:
    module.write_text(
        "import os, sys\nprint('no licence', file=sys.stderr, flush=True)\nos._exit(3)\n"
    )
    assert ask("library", "tried_module").trouble == "no licence"
    module.write_text("import os\nos._exit(3)\n")
    assert ask("library", "tried_module").trouble == "ended with exit code 3"
    module.write_text("raise SystemExit('not on this machine')\n")
    assert ask("library", "tried_module").trouble == "SystemExit: not on this machine"


def test_a_hang_ends_and_so_does_what_it_has_started(module: Path, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    module.write_text(
        "import subprocess, time\n"
        f"subprocess.Popen(['sh', '-c', 'sleep 4; touch {mark}'])\n"
        "time.sleep(60)\n"
    )
    start = time.monotonic()
    assert ask("library", "tried_module", seconds=2).trouble == "no answer within 2 s"
    assert time.monotonic() - start < 10
    time.sleep(4.5)
    assert not mark.exists()


def test_an_error_is_one_line_and_names_its_cause(module: Path) -> None:
    module.write_text(
        "try:\n    open('/nowhere/at/all')\n"
        "except OSError as error:\n    raise ImportError('two\\nlines') from error\n"
    )
    trouble = ask("library", "tried_module").trouble
    assert trouble.startswith("FileNotFoundError: ") and "/nowhere/at/all" in trouble
    module.write_text("raise ImportError('\\n\\nfirst line\\nsecond line')\n")
    assert ask("library", "tried_module").trouble == "ImportError: first line"


def test_a_module_that_is_not_there_is_said_so() -> None:
    assert "no_such_module" in ask("library", "no_such_module").trouble


@pytest.mark.parametrize(
    "words",
    [
        "A module that was compiled using NumPy 1.x cannot be run in\\nNumPy 2.2.6, as it says",
        "_ARRAY_API not found",
        "numpy.dtype size changed, may indicate binary incompatibility",
        "module compiled against API version 0x10 but this version of numpy is 0xe",
    ],
)
def test_a_numpy_of_another_kind_is_noticed(module: Path, words: str) -> None:
    module.write_text(f"raise ImportError('{words}')\n")
    assert ask("library", "tried_module").clash
    module.write_text(f"import sys\nprint('{words}', file=sys.stderr)\n")  # and goes on, as torch
    answer = ask("library", "tried_module")
    assert answer.clash and not answer.trouble
    assert library_of([], answer).clash


def test_the_child_sees_the_modules_that_we_see(module: Path) -> None:
    module.write_text("__version__ = 'ours'\n")
    assert ask("library", "tried_module").values["version"] == "ours"
    sys.path.remove(str(module.parent))
    assert ask("library", "tried_module").trouble


def test_a_program_that_is_not_there_prints_nothing() -> None:
    assert output_of(["no-such-program-anywhere", "-q"]) == ""


def test_a_program_that_complains_still_prints_what_it_knows() -> None:
    assert output_of(["sh", "-c", "echo known; echo complaint >&2; exit 1"]) == "known\n"


def test_a_program_is_not_waited_for_longer_than_that() -> None:
    start = time.monotonic()
    assert end_of(["sleep", "60"], 0.3).code is None
    assert time.monotonic() - start < 5


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert "\ufffd" in output_of(["sh", "-c", "printf 'a\\377b'"])


def test_after_ctrl_c_nothing_runs_on() -> None:
    ends: list[int | None] = []
    thread = threading.Thread(target=lambda: ends.append(end_of(["sleep", "60"], 60).code))
    thread.start()
    time.sleep(0.5)
    stop_all()
    thread.join(10)
    assert ends == [-9]
