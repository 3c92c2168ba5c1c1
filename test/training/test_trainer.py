"""The training loop: schedules, what learns, precision, averaged weights, losses that go wrong."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from torch import Tensor, nn  # noqa: E402

from tracker_ros.errors import DataError, ModelError, TrackerRosError  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.trainer import DivergedError, Trainer  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


class Points:
    """Batches of points of the plane, and whether they are in the unit circle."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        points = torch.randn(16, 2, generator=torch.Generator().manual_seed(step))
        return points, (points.norm(dim=1) < 1).float()


def classifier() -> nn.Module:
    torch.manual_seed(3)
    parts = {
        "backbone": nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU()),
        "head": nn.Linear(16, 1),
    }
    return nn.ModuleDict(parts)


def logits(model: Any, points: Tensor) -> Tensor:
    return model["head"](model["backbone"](points))[:, 0]


def loss_of(model: nn.Module) -> Any:
    def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        points, inside = batch
        found = logits(model, points).float()
        value = nn.functional.binary_cross_entropy_with_logits(found, inside)
        return value, {"right": ((found > 0) == (inside > 0.5)).float().mean()}

    return loss


def trained(trainer: Trainer, data: Any = None) -> tuple[nn.Module, dict[str, float]]:
    model = classifier()
    return model, trainer.run(model, data or Points(), loss_of(model), name="points")


# --- what it does --------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_network_learns_and_is_left_in_eval_mode(optimiser: str) -> None:
    rate = {"adamw": 3e-2, "sgd": 0.3}[optimiser]
    model, figures = trained(Trainer(150, 16, rate, optimiser=optimiser, warm_up=10))
    assert not model.training
    points, inside = (
        torch.cat(part) for part in zip(*(Points()[i] for i in range(900, 940)), strict=True)
    )
    assert figures["loss"] < 0.55
    assert ((logits(model, points) > 0) == (inside > 0.5)).float().mean() > 0.8


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    def weights(seed: int) -> Tensor:
        model = classifier()
        dropout = nn.Dropout(0.5)

        def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
            return logits(model, dropout(batch[0])).square().mean(), {}

        Trainer(5, 16, 1e-2, seed=seed, warm_up=0).run(model, Points(), loss, name="points")
        return model["head"].weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_averaged_weights_are_the_mean_of_the_way() -> None:
    """A weight that goes up by 1 a step: its average is behind it, by its memory."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    values = {}
    for average in (0.0, 0.8):
        with torch.no_grad():
            model.weight.zero_()
        trainer = Trainer(
            60, 1, 1.0, optimiser="sgd", momentum=0, weight_decay=0, clip=0, warm_up=0,
            schedule="constant", average=average,
        )  # fmt: skip
        trainer.run(model, [torch.ones(1, 1)] * 60, lambda x: (-model(x).sum(), {}), name="up")
        values[average] = model.weight.item()
    assert values[0.0] == pytest.approx(60)
    assert values[0.8] == pytest.approx(60 - 0.8 / (1 - 0.8), abs=0.1)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_matrix_products_are_in_the_precision_of_the_recipe(precision: str) -> None:
    trainer = Trainer(1, 1, 1e-3, precision=precision)
    with trainer.autocast():
        kind = nn.Linear(2, 2)(torch.ones(1, 2)).dtype
    assert kind == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def test_fp16_learns_from_gradients_that_are_too_small_for_it() -> None:
    """1e-7 times a weight: without a factor on the loss the gradient is 0 in half precision."""
    model = nn.Linear(8, 1, bias=False)
    before = model.weight.detach().clone()
    trainer = Trainer(3, 1, 1e-2, precision="fp16", warm_up=0, average=0)

    def loss(x: Tensor) -> tuple[Tensor, dict[str, float]]:
        with trainer.autocast():
            return model(x).float().sum() * 1e-9, {}

    trainer.run(model, [torch.ones(1, 8)] * 3, loss, name="small")
    assert (model.weight - before).abs().min() > 1e-3


def test_tensors_of_a_figure_and_numbers_are_smoothed_alike() -> None:
    model = nn.Linear(1, 1)
    figures = Trainer(2, 1, 1e-3).run(
        model,
        [torch.zeros(1, 1), torch.ones(1, 1)],
        lambda x: (model(x).square().sum(), {"a": float(x), "b": x.sum()}),
        name="figures",
    )
    assert figures["a"] == figures["b"] == pytest.approx(0.02)


def test_without_a_terminal_a_run_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    trained(Trainer(4, 16, 1e-2))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("points: step 4 of 4, loss 0.")
    assert ", right 0." in line and "samples/s, 0 min left" in line


def test_figures_that_change_their_names_are_refused(tmp_path: Path) -> None:
    """A table has the columns that its first row has."""
    model, names = classifier(), iter("aab")
    session = Session(tmp_path, workers=0, tensorboard=False)
    with pytest.raises(DataError, match=r"of step 2 are step, loss, b.*before were step, loss, a"):
        Trainer(3, 16, 1e-2).run(
            model,
            Points(),
            lambda batch: (logits(model, batch[0]).square().mean(), {next(names): 1.0}),
            name="points",
            session=session,
        )


# --- schedules -----------------------------------------------------------------------------------


def rates(**values: Any) -> list[float]:
    trainer = Trainer(steps=100, batch=1, learning_rate=1.0, **{"warm_up": 0, **values})
    return [trainer.rate(step) for step in range(100)]


def test_the_rate_warms_up_and_follows_half_a_cosine() -> None:
    found = rates(warm_up=10)
    assert found[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert found[55] == pytest.approx(0.5)
    assert found[-1] < 0.001


def test_the_rate_of_siamfc_falls_by_the_same_factor() -> None:
    """From 1e-2 to 1e-5: the same factor at every step."""
    found = rates(schedule="exponential", final=1e-3)
    ratios = {round(b / a, 9) for a, b in pairwise(found)}
    assert len(ratios) == 1
    assert found[50] == pytest.approx(1e-3**0.5)


def test_the_rate_of_siamrpnpp_warms_up_by_a_factor_a_step() -> None:
    """From .001 to .005 in a quarter of the epochs, then down to .0005."""
    found = rates(schedule="exponential", final=0.1, warm_up=25, warm_up_from=0.2)
    assert found[0] == pytest.approx(0.2)
    assert found[10] / found[9] == pytest.approx(5 ** (1 / 25))
    assert found[25] == 1.0
    assert found[-1] == pytest.approx(0.1, rel=0.05)


def test_the_rate_of_atom_falls_in_steps() -> None:
    """By 0.2 every 15 of 50 epochs."""
    found = rates(schedule="step", step_every=0.3, step_factor=0.2)
    tenths = rates(schedule="step", step_every=0.1, step_factor=0.5)
    assert [tenths[i * 10] for i in range(10)] == [0.5**i for i in range(10)]
    assert [found[i] for i in (0, 29, 30, 59, 60, 89, 90)] == pytest.approx(
        [1, 1, 0.2, 0.2, 0.04, 0.04, 0.008]
    )


def test_a_short_try_leaves_the_warm_up() -> None:
    trainer = Trainer(steps=10, batch=1, learning_rate=1.0, warm_up=200)
    assert max(trainer.rate(step) for step in range(10)) == 1.0


# --- what learns ---------------------------------------------------------------------------------


class Spy:
    """Points, with the state of the backbone's first weights and statistics at every step."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.seen: list[Tensor] = []

    def __getitem__(self, step: int) -> Any:
        backbone = self.model["backbone"]
        now = [backbone[0].weight.flatten(), backbone[1].running_mean, self.model["head"].bias]
        self.seen.append(torch.cat([part.detach() for part in now]).clone())
        return Points()[step]


def test_a_frozen_backbone_keeps_weights_and_statistics_until_its_time() -> None:
    model = classifier()
    spy = Spy(model)
    Trainer(10, 16, 1e-2, frozen_until=0.5, average=0).run(model, spy, loss_of(model), name="x")
    parts = torch.stack(spy.seen)
    backbone, head = parts[:, :-1], parts[:, -1]
    assert (backbone[:6] == backbone[0]).all()
    assert (backbone[6:] != backbone[0]).any(0).all()
    assert len(set(head.tolist())) == 10
    assert all(p.requires_grad for p in model.parameters())


def test_the_longest_name_decides_how_fast_a_part_learns() -> None:
    trainer = Trainer(10, 16, 1e-2, backbone_scale=0.1, rates={"backbone.0": 0, "head": 2})
    names = ("backbone.0.weight", "backbone.1.weight", "backbones.weight", "head.bias")
    assert [trainer.factor(name) for name in names] == [0, 0.1, 1, 2]
    model, _ = trained(trainer)
    assert torch.equal(model["backbone"][0].weight, classifier()["backbone"][0].weight)
    assert not torch.equal(model["backbone"][1].weight, classifier()["backbone"][1].weight)


def test_what_the_network_itself_has_frozen_stays_so() -> None:
    model = classifier()
    model["backbone"].requires_grad_(False)
    Trainer(3, 16, 1e-2).run(model, Points(), loss_of(model), name="points")
    assert not any(p.requires_grad for p in model["backbone"].parameters())


# --- what goes wrong -----------------------------------------------------------------------------


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
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(step)


def test_a_worker_that_is_killed_is_named_as_the_reason(tmp_path: Path) -> None:
    model = classifier()
    session = Session(tmp_path, workers=1, tensorboard=False)
    with pytest.raises(TrackerRosError, match=r"draws batches was ended from outside.*--workers"):
        Trainer(9, 16, 1e-2).run(model, Killed(), loss_of(model), name="points", session=session)


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
