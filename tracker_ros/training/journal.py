"""What a run tells while it goes on: curves in a file, TensorBoard, a bar or lines on stderr."""

from __future__ import annotations

import csv
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.training import distributed
from tracker_ros.training.session import Session

SMOOTHING = 0.98
"""Decay of the figures that are shown."""
SHOWN_EVERY = 20
"""Steps between two looks of the bar and two points in TensorBoard."""
LINE_SECONDS = 60.0
"""Between two lines where stderr is no terminal."""


class Row(NamedTuple):
    """What is known of one step, as numbers."""

    step: int
    loss: float
    figures: dict[str, float]
    gradient_norm: float
    learning_rate: float

    def columns(self, speed: float) -> dict[str, float]:
        """By the names that the curves have."""
        return {
            "step": self.step,
            "loss": self.loss,
            **self.figures,
            "gradient_norm": self.gradient_norm,
            "learning_rate": self.learning_rate,
            "samples_per_second": round(speed, 1),
        }


class Journal:
    """Takes the figures of every step, and gives them out where somebody reads them.

    Figures stay on the GPU until `fetch`, which gets all of them at once.
    """

    def __init__(
        self, name: str, steps: int, batch: int, start: int, smooth: dict[str, float]
    ) -> None:
        self.name, self.steps, self.batch = name, steps, batch
        self.smooth = smooth
        """Smoothed figures, `loss` among them."""
        self._pending: list[tuple[int, Mapping[str, float | Tensor], float]] = []
        self._outputs: list[Any] = []
        self._curves: Curves | None = None
        self._last = (time.monotonic(), start)
        self._speed = 0.0
        self._line: tuple[float, int] | None = None
        shown = distributed.is_main()
        self._terminal = shown and sys.stderr.isatty()
        self._lines = shown and not self._terminal
        self._bar = tqdm(
            total=steps, initial=start, desc=name, unit="step", disable=not self._terminal
        )

    def open(self, session: Session, file_name: str, start: int) -> None:
        """Write curves and TensorBoard's logs from here on.

        What they had from `start` on is dropped. Raises DataError if the folder cannot be written.
        """
        if not distributed.is_main():
            return
        try:
            self._curves = Curves(session.folder / "curves" / f"{file_name}.csv", start)
            self._outputs.append(self._curves)
            if session.tensorboard:
                logs = session.folder / "tensorboard" / file_name
                self._outputs.append(Board(logs, start))
        except OSError as error:
            raise DataError(f"the curves of the run cannot be written: {error}") from error

    def note(
        self, step: int, loss: Tensor, figures: Mapping[str, float | Tensor], norm: Tensor,
        rate: float,
    ) -> None:  # fmt: skip
        """Take the figures of a step, without waiting for them."""
        values = {"loss": loss.detach(), "gradient_norm": norm.detach(), **figures}
        self._pending.append((step, values, rate))

    def fetch(self) -> list[Row]:
        """The steps since the last call as numbers; waits for the GPU once."""
        tensors = [
            value.detach().double()
            for _, values, _ in self._pending
            for value in values.values()
            if isinstance(value, Tensor)
        ]
        numbers = iter(torch.stack(tensors).tolist() if tensors else ())
        rows = []
        for step, values, rate in self._pending:
            known = {
                key: next(numbers) if isinstance(value, Tensor) else float(value)
                for key, value in values.items()
            }
            loss, norm = known.pop("loss"), known.pop("gradient_norm")
            rows.append(Row(step, loss, known, norm, rate))
        self._pending.clear()
        return rows

    def write(self, row: Row) -> None:
        """Give a step out, and take it into the smoothed figures."""
        for key, value in {"loss": row.loss, **row.figures}.items():
            if value == value:  # a figure may be none in a batch that has nothing of its kind
                before = self.smooth.get(key, value)
                self.smooth[key] = SMOOTHING * before + (1 - SMOOTHING) * value
        done = row.step + 1
        looked = done % SHOWN_EVERY == 0 or done == self.steps
        if looked:
            self._speed = self._measured(done)
        try:
            for output in self._outputs:
                output.write(row.columns(self._speed), looked)
        except OSError as error:
            raise DataError(
                f"the curves of the run cannot be written: {error}; make room, then --resume"
            ) from error
        if self._terminal:
            self._bar.update(done - self._bar.n)
            if looked:
                self._bar.set_postfix({key: f"{value:.3f}" for key, value in self.smooth.items()})
        elif self._lines:
            self._print(done)

    def flush(self) -> None:
        """Bring everything to the disk that was given out."""
        for output in self._outputs:
            output.flush()

    def settle(self) -> None:
        """Let go of the curve of an earlier run: its checkpoint has been replaced."""
        if self._curves is not None:
            self._curves.settle()

    def _measured(self, done: int) -> float:
        """Samples a second since the last call, of all processes."""
        now, (before, start) = time.monotonic(), self._last
        self._last = now, done
        return (done - start) * self.batch * distributed.world() / max(now - before, 1e-9)

    def _print(self, done: int) -> None:
        """The first step, then a line now and then.

        How fast it goes is told from the second line on: processes start in the first step.
        """
        now, pace = time.monotonic(), ""
        if self._line is not None:
            before, start = self._line
            if now - before < LINE_SECONDS and done < self.steps:
                return
            each = max(now - before, 1e-9) / max(done - start, 1)
            speed = self.batch * distributed.world() / each
            pace = f", {speed:.0f} samples/s, {_duration(each * (self.steps - done))} left"
        self._line = now, done
        figures = ", ".join(f"{key} {value:.3f}" for key, value in self.smooth.items())
        print(
            f"{self.name}: step {done} of {self.steps}, {figures}{pace}",
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
        for output in self._outputs:
            output.close()


class Curves:
    """A table (.csv) with a row for every step and a column for every figure.

    That of an earlier run lies beside it (.older) as long as that run may be resumed.
    """

    def __init__(self, path: Path, start: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._older = path.with_suffix(".older")
        if start == 0 and path.is_file() and not self._older.is_file():
            os.replace(path, self._older)
        resumed = self._older if self._older.is_file() else path
        self._columns, kept = _rows_before(resumed, start)
        new = path.with_suffix(".new")
        with open(new, "w", newline="") as file:
            file.writelines(kept)
        os.replace(new, path)
        if start:
            self.settle()
        self._file = open(path, "a", newline="")  # noqa: SIM115 - closed by close()

    def write(self, columns: Mapping[str, float], looked: bool) -> None:
        """Add a row. Raises DataError if its figures are not those of the rows before."""
        writer = csv.writer(self._file, lineterminator="\n")
        if not self._columns:
            self._columns = list(columns)
            writer.writerow(self._columns)
        if list(columns) != self._columns:
            raise DataError(
                f"the figures of step {columns['step']:g} are {', '.join(columns)}; those of the "
                f"steps before were {', '.join(self._columns)}: a loss gives the same every time"
            )
        writer.writerow([repr(value) for value in columns.values()])
        if looked:
            self._file.flush()

    def settle(self) -> None:
        """Remove the table of an earlier run, which is not resumed any more, or goes on here."""
        self._older.unlink(missing_ok=True)

    def flush(self) -> None:
        """Bring the rows to the disk."""
        self._file.flush()

    def close(self) -> None:
        """Write no more."""
        self._file.close()


class Board:
    """The curves for TensorBoard, a point for each look."""

    def __init__(self, folder: Path, start: int) -> None:
        # Here: it takes a second to import, and most of what trains in tests needs none of it.
        from torch.utils.tensorboard import SummaryWriter

        if start == 0:
            shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(folder), purge_step=start or None)

    def write(self, columns: Mapping[str, float], looked: bool) -> None:
        """Add a point to every curve, at a look."""
        if looked:
            step = int(columns["step"])
            for key, value in columns.items():
                if key != "step":
                    self._writer.add_scalar(key, value, step)

    def flush(self) -> None:
        """Bring the points to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Write no more."""
        self._writer.close()


def _rows_before(path: Path, start: int) -> tuple[list[str], list[str]]:
    """Columns and whole lines of a table before a step; a line that was cut ends it."""
    if start == 0 or not path.is_file():
        return [], []
    header, *lines = path.read_text().splitlines(keepends=True) or [""]
    kept = []
    for line in lines:
        number = line.split(",", 1)[0]
        if not line.endswith("\n") or not number.isdigit() or int(number) >= start:
            break
        kept.append(line)
    return header.strip().split(","), [header, *kept]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
