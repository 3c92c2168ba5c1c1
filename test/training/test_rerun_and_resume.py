"""Runs into a folder that holds another one, what a resumed run says, and SIGTERM to all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from circle import Points, classifier, loss_of  # noqa: E402
from torch import Tensor  # noqa: E402

from tracker_ros.training import journal  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402

STEPS = 12


class Busy(Points):
    """Says on stdout that a worker draws, and stays at its second batch."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        if step == 1:
            print("draws", flush=True)
            torch.randn(600, 600).matmul(torch.randn(600, 600))
        return super().__getitem__(step)


def train(
    folder: Path, *, stop_in: int = 0, minutes: float = 5.0, resume: bool = False,
    data: Any = None, workers: int = 0, steps: int = STEPS,
) -> None:  # fmt: skip
    """A run that is interrupted in its step number `stop_in`, counted from 1."""
    model = classifier()
    compute = loss_of(model)
    done = 0

    def loss(batch: tuple[Tensor, Tensor]) -> Any:
        nonlocal done
        done += 1
        if done == stop_in:
            signal.raise_signal(signal.SIGINT)
        return compute(batch)

    session = Session(
        folder, resume, workers, checkpoint_minutes=minutes, tensorboard=False, prefetch=2
    )
    Trainer(steps, 16, 1e-2).run(
        model, data or Points(), loss, name="points", session=session
    )  # fmt: skip


def interrupted(folder: Path, stop_in: int, **values: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(folder, stop_in=stop_in, **values)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def steps_of(folder: Path) -> list[int]:
    lines = (folder / "curves" / "points.csv").read_text().splitlines()[1:]
    return [int(line.split(",")[0]) for line in lines]


def test_an_interrupted_young_run_leaves_the_checkpoint_of_the_run_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(tmp_path, 5)
    older = tmp_path / "checkpoints" / "points-00000005.pt"
    content = older.read_bytes()
    capsys.readouterr()
    interrupted(tmp_path, 4)
    said = capsys.readouterr().err
    assert f"points: begins again, and replaces {older} in 5 min, or before that" in said
    assert f"stopped after step 4 of {STEPS}, without a checkpoint of it: {older}" in said
    assert names(tmp_path) == [older.name] and older.read_bytes() == content
    interrupted(tmp_path, 3)
    train(tmp_path, resume=True)
    assert steps_of(tmp_path) == list(range(STEPS))
    assert [path.name for path in (tmp_path / "curves").iterdir()] == ["points.csv"]
    assert f"points: resuming at step 5 of {STEPS} (checkpoint {older})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stop_in", "minutes", "left"),
    [(6, 5.0, ["points-00000006.pt"]), (3, 0.0, ["points-00000002.pt", "points-00000003.pt"])],
    ids=["past its step", "past the time"],
)
def test_a_run_that_begins_again_replaces_the_other_when_it_has_said_so(
    tmp_path: Path, stop_in: int, minutes: float, left: list[str]
) -> None:
    interrupted(tmp_path, 5)
    interrupted(tmp_path, stop_in, minutes=minutes)
    assert names(tmp_path) == left
    assert steps_of(tmp_path) == list(range(stop_in))
    assert [path.name for path in (tmp_path / "curves").iterdir()] == ["points.csv"]


def test_a_run_that_is_done_replaces_the_other_one(tmp_path: Path) -> None:
    interrupted(tmp_path, 5)
    train(tmp_path, steps=3)
    assert names(tmp_path) == ["points-00000003.pt"]


def test_resuming_without_a_checkpoint_and_after_the_end_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, resume=True)
    folder = tmp_path / "checkpoints"
    said = capsys.readouterr().err
    assert f"points: no checkpoint in {folder} to resume from; starts from step 0\n" in said
    train(tmp_path, resume=True)
    last = folder / f"points-{STEPS:08d}.pt"
    said = capsys.readouterr().err
    assert said == f"points: was done at step {STEPS} of {STEPS} (checkpoint {last})\n"


@pytest.mark.parametrize("start", [0, 5])
def test_the_first_line_comes_after_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start: int
) -> None:
    if start:
        interrupted(tmp_path, start)
    capsys.readouterr()
    interrupted(tmp_path, 2, resume=start > 0)
    lines = [line for line in capsys.readouterr().err.splitlines() if " loss " in line]
    assert len(lines) == 1 and lines[0].startswith(f"points: step {start + 1} of {STEPS}, loss ")
    assert "samples/s" not in lines[0], "that of a step in which everything starts"


def test_a_line_tells_the_speed_since_the_line_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LINE_SECONDS", 0.0)
    train(tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if " samples/s" in line]
    assert len(lines) == STEPS - 1
    assert not any(" 0 samples/s" in line for line in lines)


def test_sigterm_to_all_processes_finds_workers_with_threads_that_torch_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a real run has them: torch with several threads before its workers are forked."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    code = (
        "import sys, torch, pathlib, test_rerun_and_resume as t; torch.set_num_threads(2); "
        "t.train(pathlib.Path(sys.argv[1]), data=t.Busy(), workers=2, steps=100000)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "draws\n"
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "points: stopped after step" in said and len(names(tmp_path)) == 1
