"""The training loop: how fast it learns, and which part of a network."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from circle import Points, classifier, loss_of, trained  # noqa: E402
from torch import Tensor  # noqa: E402

from tracker_ros.training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


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
