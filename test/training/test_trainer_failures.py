"""The training loop: losses that go wrong, batches that cannot be drawn, values that cannot be."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from circle import Points, classifier, loss_of  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from tracker_ros.errors import DataError, ModelError, TrackerRosError  # noqa: E402
from tracker_ros.training.divergence import DivergedError  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


class PoisonedPoints(Points):
    """Batch 3 holds something that is no number."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        points, inside = super().__getitem__(step)
        if step == 3:
            points[5, 1] = float("nan")
        return points, inside


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loss_that_is_no_number_stops_at_once_with_its_batch(
    tmp_path: Path, workers: int
) -> None:
    model = classifier()
    session = Session(tmp_path, workers=workers, tensorboard=False)
    with pytest.raises(DivergedError, match=r"points: the loss is nan in step 3.*0\.01") as stop:
        Trainer(9, 16, 1e-2).run(
            model, PoisonedPoints(), loss_of(model), name="points", session=session
        )
    path = tmp_path / "bad_batches" / "points-00000003.pt"
    assert str(path) in str(stop.value)
    points, inside = torch.load(path, weights_only=True)
    assert points[5, 1].isnan() and torch.equal(inside, Points()[3][1])


def test_a_gradient_that_is_no_number_stops_too() -> None:
    """The root of 0 has a value, and no slope."""
    model = nn.Linear(1, 1)
    with pytest.raises(DivergedError, match="norm of the gradient is nan in step 1"):
        Trainer(3, 1, 1e-3, average=0).run(
            model,
            [torch.ones(1, 1), torch.zeros(1, 1), torch.ones(1, 1)],
            lambda x: ((model(x) * x).abs().sqrt().sum(), {}),
            name="root",
        )


def test_fp16_leaves_out_steps_whose_gradient_is_too_large_for_it_and_goes_on() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    trainer = Trainer(8, 1, 1e-3, precision="fp16", average=0)

    def loss(x: Tensor) -> tuple[Tensor, dict[str, float]]:
        with trainer.autocast():
            return model(x).float().sum() * 4, {}

    trainer.run(model, [torch.ones(1, 1)] * 8, loss, name="large")
    assert math.isfinite(model.weight.item()) and model.weight.item() != 1


def test_a_loss_that_goes_up_for_good_stops_with_a_word_about_the_learning_rate() -> None:
    model = nn.Linear(1, 1)
    data = [torch.full((1, 1), 1.0 + max(0, i - 20)) for i in range(200)]
    trainer = Trainer(200, 1, 1e-9, diverged_factor=3.0, diverged_steps=10)
    with pytest.raises(
        DivergedError, match=r"3 times its least.*for 10 steps; lower.*learning_rate"
    ):
        trainer.run(model, data, lambda x: (x.sum() + 0 * model(x).sum(), {}), name="up")
    calm = Trainer(200, 1, 1e-9)
    figures = calm.run(model, data, lambda x: (x.sum() + 0 * model(x).sum(), {}), name="up")
    assert figures["loss"] > 100


class Broken(Points):
    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        if step == 1:
            raise DataError("dog/003.jpg cannot be read")
        return super().__getitem__(step)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_wrong_with_the_data_is_said_in_one_line(tmp_path: Path, workers: int) -> None:
    model = classifier()
    session = Session(tmp_path, workers=workers, tensorboard=False)
    with pytest.raises(DataError) as told:
        Trainer(9, 16, 1e-2).run(model, Broken(), loss_of(model), name="points", session=session)
    assert str(told.value) == "dog/003.jpg cannot be read"


class Killed(Points):
    """The worker that draws batch 2 is killed, as by a kernel that is out of memory."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        if step == 2 and torch.utils.data.get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(step)


@pytest.mark.parametrize("waits", [False, True], ids=["for a batch", "in a step"])
def test_a_worker_that_is_killed_is_named_as_the_reason(tmp_path: Path, waits: bool) -> None:
    """Also where torch hears of it in the middle of a step."""
    model = classifier()
    session = Session(tmp_path, workers=1, tensorboard=False)

    def loss(batch: tuple[Tensor, Tensor]) -> Any:
        if waits:
            time.sleep(60)  # the signal of the worker's end interrupts it
        return loss_of(model)(batch)

    with pytest.raises(TrackerRosError, match=r"draws batches was ended from outside.*--workers"):
        Trainer(9, 16, 1e-2).run(model, Killed(), loss, name="points", session=session)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"steps": 0}, "steps is 0; possible is 1 or more"),
        ({"steps": 1.5}, r"steps is 1\.5; expected a whole number"),
        ({"learning_rate": "1e-3"}, r"learning_rate is '1e-3'; expected a number.*write 1\.0e-3"),
        ({"learning_rate": 0}, "learning_rate is 0;"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; expected a number"),
        ({"average": 1}, "average is 1; possible is 0 to 0.99999"),
        ({"clip": -1.0}, r"clip is -1\.0; possible is 0 or more"),
        ({"frozen_until": 2}, "frozen_until is 2; possible is 0 to 1"),
        ({"precision": "half"}, "precision is 'half'; possible are bf16, fp16, fp32"),
        ({"schedule": "log"}, "schedule is 'log'; possible are cosine, exponential"),
        ({"optimiser": "lion"}, "optimiser is 'lion'; possible are adamw, sgd"),
        ({"rates": ["backbone"]}, r"rates is \['backbone'\]; expected parts of the network"),
        ({"rates": {"backbone": True}}, "rates: backbone is True; expected a number"),
        ({"warm_up": True}, "warm_up is True; expected a whole number"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Trainer(**{"steps": 10, "batch": 4, "learning_rate": 1e-3, **values})
