"""Runs that end before their time and go on: signals, kills, other recipes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from torch import Tensor, nn  # noqa: E402

from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.training.session import Interruption, Session  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402

STEPS = 40


pytestmark = pytest.mark.usefixtures("one_thread")


class Pictures:
    """Pictures, whose mean is to be told."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        return images, images.mean((1, 2, 3))


class Crash(Exception):
    """A run ends without a word."""


def train(
    folder: Path,
    *,
    resume: bool = False,
    pause: float = 0.0,
    crash_in: int = STEPS,
    workers: int = 0,
    tensorboard: bool = False,
    recipe: Any = None,
    **values: Any,
) -> dict[str, Any]:
    """A run with everything that has a memory: dropout, statistics, averages, optimiser."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(8, 1, 6)
    )
    given: dict[str, Any] = {"warm_up": 5, "average": 0.9, "diverged_factor": 1e6, **values}
    trainer = Trainer(STEPS, 4, 1e-2, **given)
    left = iter(range(crash_in))

    def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        time.sleep(pause)
        if next(left, None) is None:
            raise Crash
        images, wanted = batch
        with trainer.autocast():
            found = model(images)
        error = found.float()[:, 0, 0, 0] - wanted
        return error.square().mean(), {"spread": found.detach().std()}

    session = Session(
        folder, resume, workers, recipe or {}, checkpoint_minutes=0.0, tensorboard=tensorboard
    )
    figures = trainer.run(model, Pictures(), loss, name="train", session=session)
    return {"figures": figures, "weights": model.state_dict()}


def files(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("*.pt"))


def curve(folder: Path) -> list[list[str]]:
    """Everything but how fast it was."""
    with open(folder / "curves" / "train.csv") as file:
        return [row[:-1] for row in csv.reader(file)]


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["figures"] == other["figures"]
    for key, value in one["weights"].items():
        assert torch.equal(value, other["weights"][key]), key


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"precision": "fp16"},
        {"precision": "fp32", "optimiser": "sgd", "schedule": "exponential"},
        {"rates": {"0": 0.5}, "average": 0},
    ],
    ids=str,
)
def test_a_run_that_crashed_resumes_with_the_same_loss_curve(tmp_path: Path, values: Any) -> None:
    whole = train(tmp_path / "whole", **values)
    steps = [row[0] for row in curve(tmp_path / "whole")]
    assert steps == ["step", *map(str, range(STEPS))]
    with pytest.raises(Crash):
        train(tmp_path / "cut", crash_in=23, **values)
    assert_same(train(tmp_path / "cut", resume=True, **values), whole)
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


def test_a_frozen_backbone_is_let_go_at_its_step_in_a_run_that_was_resumed(tmp_path: Path) -> None:
    def run(folder: Path, resume: bool, crash_in: int) -> Any:
        torch.manual_seed(0)
        model = nn.ModuleDict({"backbone": nn.Linear(3, 3), "head": nn.Linear(3, 1)})
        left = iter(range(crash_in))

        def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
            if next(left, None) is None:
                raise Crash
            means = batch[0].mean((2, 3))
            return (model["head"](model["backbone"](means))[:, 0] - batch[1]).square().mean(), {}

        trainer = Trainer(STEPS, 4, 1e-2, frozen_until=0.5, backbone_scale=0.1)
        session = Session(folder, resume, 0, checkpoint_minutes=0.0, tensorboard=False)
        trainer.run(model, Pictures(), loss, name="train", session=session)
        return {"figures": {}, "weights": model.state_dict()}

    whole = run(tmp_path / "whole", False, STEPS)
    for step in (12, 28):  # before, and after
        with pytest.raises(Crash):
            run(tmp_path / "cut", False, step)
        assert_same(run(tmp_path / "cut", True, STEPS), whole)


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, crash_in: int = STEPS) -> Any:
    """The same run in a process of its own, slowly; back once it is in the middle."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    code = (
        "import sys, torch, pathlib, test_training_checkpoints as t; torch.set_num_threads(1); "
        f"t.train(pathlib.Path(sys.argv[1]), pause=0.05, workers=1, crash_in={crash_in})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while len(files(folder)) < 2 and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    return process


def test_a_killed_run_resumes_with_the_same_loss_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole")
    process = start(tmp_path / "cut", monkeypatch)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert 1 <= len(curve(tmp_path / "cut")) < STEPS
    assert_same(train(tmp_path / "cut", resume=True), whole)
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


@pytest.mark.parametrize(
    ("number", "send", "code"),
    [
        (signal.SIGINT, os.killpg, -2),
        (signal.SIGTERM, os.killpg, 143),
        (signal.SIGTERM, os.kill, 143),
    ],
    ids=["Ctrl-C", "systemd", "docker stop"],
)
def test_an_interrupted_run_writes_a_checkpoint_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, send: Any, code: int
) -> None:
    """Sent to all its processes, or to the first alone, which ends the one that draws.

    Python ends by SIGINT itself where nobody turns KeyboardInterrupt into 130, as cli does.
    """
    process = start(tmp_path, monkeypatch)
    send(process.pid, number)
    _, said = process.communicate(timeout=60)  # ends when the worker, too, has closed stderr
    assert process.returncode == code
    done = int(files(tmp_path)[-1].stem.split("-")[1])
    assert f"train: stopped after step {done} of {STEPS}; the same command with --resume" in said
    assert len(curve(tmp_path)) == done + 1


def test_a_run_that_crashes_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(tmp_path, monkeypatch, crash_in=30)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and said.endswith("Crash\n")


def test_a_second_ctrl_c_ends_a_run_at_once_and_a_second_sigterm_does_not() -> None:
    with Interruption(catch=True) as interruption:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert interruption.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    whole = train(tmp_path)
    assert_same(train(tmp_path, resume=True, crash_in=0), whole)


def test_a_run_that_begins_again_says_what_it_will_replace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path)
    newest = files(tmp_path)[-1]
    with pytest.raises(Crash):
        train(tmp_path, crash_in=5)
    assert f"begins again, and replaces {newest}" in capsys.readouterr().err
    assert [path.stem for path in files(tmp_path)] == ["train-00000004", "train-00000005"]
    assert len(curve(tmp_path)) == 6


def test_another_recipe_seed_or_precision_is_refused_before_a_step(tmp_path: Path) -> None:
    train(tmp_path, recipe={"sampling": {"shift": 64}})
    with pytest.raises(ModelError, match=r"recipe\.sampling\.shift is 64 in it and 32 now"):
        train(tmp_path, recipe={"sampling": {"shift": 32}}, resume=True)
    with pytest.raises(ModelError, match=r"train\.seed is 0 in it and 1 now"):
        train(tmp_path, recipe={"sampling": {"shift": 64}}, seed=1, resume=True)


def test_tensorboard_shows_every_point_once_after_a_crash(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with pytest.raises(Crash):
        train(tmp_path, crash_in=25, tensorboard=True)
    train(tmp_path, resume=True, tensorboard=True)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "train"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        "loss", "spread", "gradient_norm", "learning_rate", "samples_per_second",
    }  # fmt: skip
    assert [point.step for point in events.Scalars("loss")] == [19, 39]
