"""The training loop: what it does with a network, in which precision, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from circle import Points, classifier, logits, trained  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from tracker_ros.errors import DataError  # noqa: E402
from tracker_ros.training.session import Session  # noqa: E402
from tracker_ros.training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_without_a_terminal_a_run_tells_its_first_step_and_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained(Trainer(4, 16, 1e-2))
    first, line = capsys.readouterr().err.splitlines()
    assert first.startswith("points: step 1 of 4, loss 0.")
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
