"""Where a run keeps its files, how its batches are drawn, and how it is interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any


@dataclass(frozen=True)
class Session:
    """What a run of `Trainer` needs beside its recipe. Nothing here changes what is learnt.

    The stage NAME of a run leaves in `folder`:

    * `checkpoints/NAME-STEP.pt`, the last two;
    * `curves/NAME.csv`: loss, figures, learning rate, gradient norm and speed of every step;
      beside it `NAME.older`, of the run before, until its checkpoint is replaced;
    * `tensorboard/NAME/`: the same every few steps, for TensorBoard;
    * `bad_batches/NAME-STEP.pt`, if the loss or its gradient was not finite.
    """

    folder: Path
    resume: bool = False
    """Go on from the newest checkpoint of the stage; without one, begin."""
    workers: int = 2
    """Processes that draw batches; 0 draws them between the steps."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What else decides what is learnt (the recipe's sections, names of data): a checkpoint of
    another one is not resumed. Values are compared by what they print as."""
    checkpoint_minutes: float = 5.0
    prefetch: int = 4
    """Batches that each worker draws ahead."""
    tensorboard: bool = True


class Interruption:
    """Within it, SIGINT and SIGTERM are kept until somebody asks; a second Ctrl-C acts at once.

    A second SIGTERM does not: torchrun hands on the one that its processes have got already.

    catch: False leaves them as they are. Only the main thread can catch signals.
    """

    def __init__(self, *, catch: bool) -> None:
        self._catch = catch and threading.current_thread() is threading.main_thread()
        self.signal = 0
        """The number of the signal that came; 0 for none."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if self._catch:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._keep)
        return self

    def _keep(self, number: int, frame: FrameType | None) -> None:
        if self.signal and number == signal.SIGINT:
            self.act(number)
        self.signal = number

    @staticmethod
    def act(number: int) -> None:
        """End as the signal asks: KeyboardInterrupt (exit code 130) or SystemExit(143)."""
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
