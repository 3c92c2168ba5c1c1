"""One stage of a run, step after step: from a checkpoint on, if it was begun before."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tracker_ros.training import distributed
from tracker_ros.training.checkpoints import Checkpoints, fingerprint_of
from tracker_ros.training.divergence import DivergedError, Watch, save_batch
from tracker_ros.training.journal import SHOWN_EVERY, Journal, Row
from tracker_ros.training.loading import batches
from tracker_ros.training.optimisation import Optimisation
from tracker_ros.training.session import Interruption, Session

if TYPE_CHECKING:
    from tracker_ros.training.trainer import Batches, Trainer


class Stage:
    """What one call of Trainer.run does; its arguments are described there."""

    def __init__(
        self, trainer: Trainer, model: nn.Module, data: Batches[Any], loss: Callable[[Any], Any],
        name: str, session: Session | None,
    ) -> None:  # fmt: skip
        self.trainer, self.data, self.loss = trainer, data, loss
        self.name, self.session = name, session
        self.file_name = re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "train"
        self.optimisation = Optimisation(trainer, model)
        self.watch = Watch(trainer.diverged_factor, trainer.diverged_steps)
        self.start, self.smooth = 0, dict[str, float]()
        self.checkpoints: Checkpoints | None = None
        if session is not None:
            self._begin(model, session)

    def run(self) -> dict[str, float]:
        """Step after step."""
        trainer, optimisation = self.trainer, self.optimisation
        # On a GPU figures are looked at now and then, so that it never waits for us; and processes
        # agree now and then on going on.
        cuda = torch.device(trainer.device).type == "cuda"
        every = SHOWN_EVERY if cuda or distributed.world() > 1 else 1
        drawing = batches(self.data, self.start, trainer.steps, trainer.device, self.session)
        stopping = Interruption(catch=self.session is not None)
        journal = Journal(self.name, trainer.steps, trainer.batch, self.start, self.smooth)
        with drawing as drawn, stopping as interruption, journal:
            if self.session is not None:
                journal.open(self.session, self.file_name, self.start)
            for step in range(self.start, trainer.steps):
                batch = next(drawn)
                optimisation.begin(step)
                value, figures = self.loss(batch)
                norm = optimisation.step(value)
                journal.note(step, value, figures, norm, optimisation.rate)
                last = step + 1 == trainer.steps
                # The first is looked at, too: a run says at once that it goes.
                if (step + 1) % every and step > self.start and not last:
                    continue
                for row in journal.fetch():
                    self._judge(row)
                    journal.write(row)
                    self._judge_course(row)
                number = distributed.largest(interruption.signal, trainer.device)
                due = self.checkpoints is not None and self.checkpoints.due()
                spared = self.checkpoints.spared(step + 1) if self.checkpoints else None
                if due or last or (number and spared is None):
                    journal.flush()
                    self._write(step + 1)
                    journal.settle()
                if number:
                    self._say_interrupted(step + 1, None if last else spared)
                    interruption.act(number)
        optimisation.finish()
        return self.smooth

    def _judge(self, row: Row) -> None:
        """Raise DivergedError, with the batch written, for a step whose numbers are none."""
        what = "loss" if not math.isfinite(row.loss) else "norm of the gradient"
        value = row.loss if what == "loss" else row.gradient_norm
        if math.isfinite(value) or (what != "loss" and self.optimisation.forgives()):
            return
        batch = ""
        if self.session is not None:
            path = self.session.folder / "bad_batches" / f"{self.file_name}-{row.step:08d}.pt"
            if distributed.world() > 1:
                path = path.with_suffix(f".{distributed.rank()}.pt")
            save_batch(self.data[row.step], path)
            batch = f"; the batch is in {path}, torch.load(..., weights_only=True) reads it"
        raise DivergedError(
            f"{self.name}: the {what} is {value} in step {row.step}; lower the recipe's "
            f"learning_rate ({self.trainer.learning_rate:g}), or look for what is no number in the "
            f"batch{batch}"
        )

    def _judge_course(self, row: Row) -> None:
        """Raise DivergedError where the loss has gone up for good."""
        loss = self.smooth["loss"]
        if self.watch.see(loss):
            raise DivergedError(
                f"{self.name}: the smoothed loss is {loss:.4g} in step {row.step}, more than "
                f"{self.trainer.diverged_factor:g} times its least ({self.watch.best:.4g}) for "
                f"{self.watch.steps} steps; lower the recipe's learning_rate "
                f"({self.trainer.learning_rate:g})"
            )

    def _write(self, step: int) -> None:
        if self.checkpoints is None or not distributed.is_main():
            return
        state = {
            "optimisation": self.optimisation.state(),
            "smooth": self.smooth,
            "watch": self.watch.state(),
        }
        self.checkpoints.write(step, state)

    def _begin(self, model: nn.Module, session: Session) -> None:
        """Take up the newest checkpoint, if the session says so."""
        sections = {
            "stage": self.name,
            "recipe": session.recipe,
            "train": {k: v for k, v in dataclasses.asdict(self.trainer).items() if k != "device"},
            "network": {key: list(value.shape) for key, value in model.state_dict().items()},
            "processes": distributed.world(),
        }
        self.checkpoints = Checkpoints(
            session.folder, self.file_name, fingerprint_of(sections), session.checkpoint_minutes
        )
        if not session.resume:
            older = self.checkpoints.begin_again()
            if older is not None:
                self._say(
                    f"begins again, and replaces {older} in {session.checkpoint_minutes:g} min, or "
                    "before that once it is past its step or done; to go on from there, stop this "
                    "run and add --resume"
                )
            return
        state = distributed.of_main(self.checkpoints.latest)
        if state is None:
            folder = self.checkpoints.folder
            self._say(f"no checkpoint in {folder} to resume from; starts from step 0")
            return
        self.start, self.smooth = state["step"], dict(state["smooth"])
        self.optimisation.restore(state["optimisation"])
        self.watch.restore(state["watch"])
        where = f"step {self.start} of {self.trainer.steps} (checkpoint {state['path']})"
        done = self.start >= self.trainer.steps
        self._say(f"was done at {where}" if done else f"resuming at {where}")

    def _say_interrupted(self, step: int, spared: Path | None) -> None:
        where = f"stopped after step {step} of {self.trainer.steps}"
        if spared is None:
            self._say(f"{where}; the same command with --resume goes on from there")
        else:
            self._say(
                f"{where}, without a checkpoint of it: {spared} of the run before stays, and "
                "--resume goes on from that one"
            )

    def _say(self, words: str) -> None:
        if distributed.is_main():
            print(f"{self.name}: {words}", file=sys.stderr, flush=True)
