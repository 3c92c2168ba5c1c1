"""One step of training: what learns and how fast, precision, clipping, averaged weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tracker_ros.training import distributed

if TYPE_CHECKING:
    from tracker_ros.training.trainer import Trainer

LEAST_SCALE = 1.0
"""In fp16 a gradient that is not finite halves the factor on the loss, and the step is left out.
Below this factor, it is not the precision that is to blame."""


class Optimisation:
    """The optimiser of a model, as the section of a recipe says.

    Call `begin(step)`, compute the loss, and `step(loss)`. At the end, `finish()`.
    """

    def __init__(self, trainer: Trainer, model: nn.Module) -> None:
        self.trainer, self.model = trainer, model
        self.named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.parameters = list(self.named.values())
        """Those that learn in this step."""
        self.statistics: list[Tensor] = []
        """What normalisation collects in this step."""
        self.optimizer = _optimizer(trainer, self.named)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.rate = 0.0
        """The learning rate of this step, of what has a factor of 1."""
        kind = torch.device(trainer.device).type
        self.cuda = kind == "cuda"
        self.scaler = torch.amp.GradScaler(kind, enabled=trainer.precision == "fp16")
        self.average = Average(model, trainer.average) if trainer.average > 0 else None
        self.updates = 0
        self._frozen: bool | None = None

    def begin(self, step: int) -> None:
        """Set rates, what rests, and the random numbers of a step."""
        factor = self.trainer.rate(step)
        self.rate = self.trainer.learning_rate * factor
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        if self._frozen != self.trainer.frozen(step):
            self._frozen = self.trainer.frozen(step)
            self._let_rest(lambda name: self.trainer.rests(name, step))
        seed = seed_of(self.trainer.seed, step, distributed.rank())
        # torch.manual_seed seeds every kind of device there could be, at a millisecond a call.
        torch.default_generator.manual_seed(seed)
        if self.cuda:
            torch.cuda.manual_seed(seed)

    def step(self, loss: Tensor) -> Tensor:
        """Learn from a loss; returns the norm of the gradient before it is clipped (no sync)."""
        trainer = self.trainer
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        distributed.average(self.parameters, self.statistics)
        self.scaler.unscale_(self.optimizer)
        norm: Tensor = nn.utils.clip_grad_norm_(self.parameters, trainer.clip or float("inf"))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.updates)
        self.updates += 1
        return norm

    def forgives(self) -> bool:
        """Whether a gradient that is not finite may come from the precision alone."""
        return self.trainer.precision == "fp16" and self.scaler.get_scale() >= LEAST_SCALE

    def finish(self) -> None:
        """Leave the model with the averaged weights, in eval mode, and free to learn on."""
        if self.average is not None:
            self.average.copy_to_model()
        self._let_rest(lambda name: False)
        self.optimizer.zero_grad(set_to_none=True)
        self.model.eval()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, to be written with torch.save."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.values if self.average is not None else {},
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "updates": self.updates,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, with a model of the same kind."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.restore(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.updates = state["updates"]

    def _let_rest(self, rests: Callable[[str], bool]) -> None:
        """What rests does not learn, and its normalisation keeps its statistics."""
        for name, parameter in self.named.items():
            parameter.requires_grad_(not rests(name))
        self.model.train()
        for name, module in self.model.named_modules():
            if rests(name):
                module.training = False
        self.parameters = [p for p in self.named.values() if p.requires_grad]
        self.statistics = [
            buffer
            for module in self.model.modules()
            if module.training
            for buffer in module.buffers(recurse=False)
            if buffer.is_floating_point()
        ]


class Average:
    """Exponential moving average of everything in a model's state.

    Early on it forgets faster, as (1 + n) / (10 + n), so that a short run is not its first step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._of = dict(model.state_dict())  # the very tensors, which learn in place
        self.values = {key: value.detach().clone() for key, value in self._of.items()}
        smooth = [key for key, value in self._of.items() if value.is_floating_point()]
        counts = [key for key in self._of if key not in smooth]
        self._smooth = [self.values[key] for key in smooth]
        self._smooth_of = [self._of[key].detach() for key in smooth]
        self._counts = [self.values[key] for key in counts]
        self._counts_of = [self._of[key] for key in counts]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the model's weights after a step in."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._smooth, self._smooth_of, weight)
        if self._counts:
            torch._foreach_copy_(self._counts, self._counts_of)

    @torch.no_grad()
    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Go on with these."""
        for key, value in self.values.items():
            value.copy_(values[key])

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Give the model the averaged weights."""
        for key, value in self._of.items():
            value.copy_(self.values[key])


def seed_of(seed: int, step: int, rank: int) -> int:
    """A seed for what is drawn in a step: another one for every run, step and process."""
    return (seed * 1_000_003 + step) * 4_099 + rank


def _optimizer(trainer: Trainer, named: Mapping[str, nn.Parameter]) -> torch.optim.Optimizer:
    """Parameter groups by rate and decay: decay on matrices only, another rate for some parts."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        key = (trainer.factor(name), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    listed = [
        {
            "params": parameters,
            "lr": trainer.learning_rate * factor,
            "weight_decay": trainer.weight_decay if matrix else 0.0,
        }
        for (factor, matrix), parameters in groups.items()
    ]
    # Fused: on a CPU, too, the step of a small network takes a fraction of the time.
    if trainer.optimiser == "sgd":
        return torch.optim.SGD(listed, momentum=trainer.momentum, fused=True)
    return torch.optim.AdamW(listed, fused=True)
