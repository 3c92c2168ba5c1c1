"""Loss curves as a picture: every figure of one run or several over the steps.

./run python -m tracker_ros.training.curves runs/NAME [runs/OTHER ...] --out curves.png
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError, TrackerRosError

Curve = dict[str, npt.NDArray[np.float64]]
"""Columns of a table by their names, of equal length; `step` and `loss` are among them."""
LEFT_OUT = ("step", "gradient_norm", "learning_rate", "samples_per_second")
"""Columns that are of no use in a picture of how well a network learns."""
SPAN = 0.02
"""Share of the steps that a point of the smoothed line is the mean of."""
MOST_POINTS = 2000
"""Of a line in the picture."""
OUTLIERS = (0.5, 99.5)
"""Percentiles of the values that the axes hold."""
WIDTH, HEIGHT = 5.0, 3.4
"""Of each figure's axes, in inches."""


def read_curve(path: Path) -> Curve:
    """A table that a run has written. Raises DataError; what a crash cut off is left out."""
    try:
        with open(path, newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        whole = [row for row in rows if len(row) == len(header)]
        values = np.array(whole, np.float64).reshape(len(whole), len(header))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is not the curve of a run: {error}") from error
    if not len(values) or not {"step", "loss"} <= set(header):
        raise DataError(f"{path} is not the curve of a run: no steps with a loss in it")
    return dict(zip(header, values.T, strict=True))


def curves_of(folders: Sequence[Path]) -> dict[str, Path]:
    """The curves of runs (or .csv files) by the name a legend has for them. Raises DataError."""
    found: dict[str, Path] = {}
    for folder in folders:
        tables = [folder] if folder.suffix == ".csv" else sorted((folder / "curves").glob("*.csv"))
        if not tables:
            raise DataError(f"{folder}: no curves/*.csv in it; give the folder of a run")
        for table in tables:
            run = table.resolve().parent.parent.name
            found[table.stem if len(folders) == 1 else f"{run}: {table.stem}"] = table
    return found


def smoothed(values: npt.NDArray[np.float64], span: int) -> npt.NDArray[np.float64]:
    """Mean of the `span` values around each one, of those that are numbers and there."""
    there = np.isfinite(values)
    window = np.ones(max(span, 1))
    # Never longer than the values: numpy would give as many as the window has.
    window = window[: len(values)]
    total = np.convolve(np.where(there, values, 0.0), window, "same")
    count = np.convolve(there.astype(np.float64), window, "same")
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0.5)


def draw_curves(curves: Mapping[str, Path], out: Path) -> Path:
    """Draw every figure of these curves, one axes for each, and write it as .png, .svg or .pdf.

    curves: name in the legend -> table. What is measured at each step is faint, its mean over 2 %
    of the steps is drawn over it. Returns `out`. Raises DataError.
    """
    # Here: only what draws needs it, and it takes a moment to load.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if out.suffix not in (".png", ".svg", ".pdf"):
        raise DataError(f"{out}: a picture of curves is a .png, .svg or .pdf")
    read = {name: read_curve(path) for name, path in curves.items()}
    if not read:
        raise DataError("no curves to draw")
    names = dict.fromkeys(key for curve in read.values() for key in curve if key not in LEFT_OUT)
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure = Figure((WIDTH * columns, HEIGHT * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax, name in zip(axes, names, strict=False):
        # A run has its colour in every axes, also where others have no such figure.
        own = [(n, run, curve) for n, (run, curve) in enumerate(read.items()) if name in curve]
        for number, run, curve in own:
            _line(ax, curve["step"], curve[name], f"C{number % 10}", run)
        values = np.concatenate([curve[name] for _, _, curve in own])
        values = values[np.isfinite(values)]
        if len(values):  # a few spikes must not flatten the rest
            low, high = np.percentile(values, OUTLIERS)
            margin = 0.05 * (high - low) or 0.1
            ax.set_ylim(low - margin, high + margin)
        ax.set_title(name)
        ax.set_xlabel("step")
        ax.grid(alpha=0.3)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    if len(read) > 1:
        axes[0].legend()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=110)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}") from error
    return out


def _line(
    ax: Any, steps: npt.NDArray[np.float64], values: npt.NDArray[np.float64], colour: str, run: str
) -> None:
    mean = smoothed(values, round(len(values) * SPAN))
    every = max(1, len(values) // MOST_POINTS)
    shown = slice(None, None, every)
    ax.plot(steps[shown], values[shown], color=colour, alpha=0.2, linewidth=0.6)
    ax.plot(steps[shown], mean[shown], color=colour, linewidth=1.5, label=run)


def main() -> int:
    """The command at the top of this file."""
    parser = argparse.ArgumentParser(description="Draw the loss curves of runs as a picture.")
    parser.add_argument("run", nargs="+", type=Path, help="folders of runs, or curves/*.csv")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help=".png, .svg or .pdf")
    args = parser.parse_args()
    try:
        print(draw_curves(curves_of(args.run), args.out))
    except TrackerRosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
