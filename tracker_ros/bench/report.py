"""What a benchmark says: tables in Markdown for people, JSON with every figure for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tracker_ros.bench.contention import Others
from tracker_ros.bench.machine import Machine
from tracker_ros.bench.memory import FRAMES, TrackerMemory
from tracker_ros.bench.nodes import NodeFigures
from tracker_ros.bench.rounds import Lane, Ratio, Surroundings, ratio
from tracker_ros.bench.stages import STAGES

COLUMNS = (
    "receive", "decode", "crop", "network", "postprocess", "track", "publish", "rest", "cpu",
)  # fmt: skip
"""Figures of a frame in the order of the table, besides `whole`."""
TITLES = {"postprocess": "post", "cpu": "CPU"}
NONE = "-"
KEPT = 0.95
"""Of the rate that was asked for: a camera that reaches less is told."""
LEGEND = """\
Medians of the frames that count, milliseconds; p95 is of the whole frame. The warm-up does not
count, nor the first frame of a round, when caches are full of another tracker. track is all from
pixels to tracks, for all targets: crop, network and post are parts of it; rest is the whole frame
without the network. CPU is the time of all threads in a whole frame. The ratio is that of whole
frames, to the first line, in the same rounds: the median of the rounds, and from the 10th to the
90th percentile of them."""
ONE_LEGEND = """\
x one: the ratio of whole frames to those of the same tracker with one target, in the same
rounds."""
IOU_LEGEND = """\
IoU: mean overlap with the truth of the first target, 0 where the tracker calls it lost."""
MEMORY_LEGEND = f"""\
MB: the peak of a process that holds this tracker alone, with Python and the libraries, and its
growth over {FRAMES} frames."""
NODE_LEGEND = """\
Medians in milliseconds, each p95 of the figure before it. camera: what it reached of the rate that
was asked for. latency: from the stamp, taken before the camera published, to the reception of the
tracks by the process of the camera; rest: without the network. frame age: from the node's reception
of the image to its publication. lost: images without tracks, dropped by the node or on the way.
CPU: of one core, all threads of the node."""


@dataclass(frozen=True)
class Summary:
    """Milliseconds of one stage."""

    median: float
    p95: float
    mean: float


@dataclass(frozen=True, eq=False)
class Row:
    """A lane with its figures worked out."""

    lane: Lane
    stages: Mapping[str, Summary | None]
    """Of all that `FrameTimes` has, by name; None: the tracker does not tell."""
    reference: str
    """The tracker that the ratio is to."""
    ratio: Ratio
    to_one: Ratio | None
    """To the same tracker with one target; None where that did not run, or this is it."""
    iou: float | None
    """Mean overlap; None where no truth is known."""
    memory: TrackerMemory | None
    """None: not asked for."""


@dataclass(frozen=True)
class Benchmark:
    """All of it."""

    machine: Machine
    options: Mapping[str, Any]
    rows: Sequence[Row]
    surroundings: Surroundings
    nodes: Sequence[NodeFigures]


def make_row(lane: Lane, reference: Lane, alone: Lane | None, memory: TrackerMemory | None) -> Row:
    """Work the figures of a lane out; `alone`: the lane of its tracker with one target."""
    stages: dict[str, Summary | None] = {}
    for name in (*COLUMNS, "whole"):
        values = [getattr(times, name) for times in lane.times]
        known = [value for value in values if value is not None]
        stages[name] = _summary(known) if len(known) == len(values) else None
    iou = float(np.mean(lane.overlaps)) if lane.overlaps else None
    to_one = None if alone is None else ratio(lane, alone)
    quotient = ratio(lane, reference)
    return Row(lane, stages, reference.entrant.name, quotient, to_one, iou, memory)


def _summary(values: Sequence[float]) -> Summary:
    return Summary(
        float(np.median(values)), float(np.quantile(values, 0.95)), float(np.mean(values))
    )


# --- for programs --------------------------------------------------------------------------------


def as_json(benchmark: Benchmark) -> dict[str, Any]:
    """Everything, the times of every single frame as well; milliseconds and MB."""
    memory, others = benchmark.surroundings.memory, benchmark.surroundings.others
    return {
        "machine": asdict(benchmark.machine),
        "options": dict(benchmark.options),
        "stages": list(STAGES),
        "rows": [_row_json(row) for row in benchmark.rows],
        "others": others and asdict(others),
        "process_mb": {**asdict(memory), "growth": memory.growth},
        "nodes": [asdict(figures) for figures in benchmark.nodes],
    }


def _row_json(row: Row) -> dict[str, Any]:
    lane, entrant = row.lane, row.lane.entrant
    width, height = lane.film.size
    raw = {name: [getattr(t, name) for t in lane.times] for name in row.stages}
    return {
        "tracker": entrant.name,
        "about": entrant.about,
        "backend": entrant.backend,
        "precision": entrant.precision,
        "film": lane.film.name,
        "width": width,
        "height": height,
        "encoding": lane.film.encoding,
        "detections" if entrant.choice.multi else "targets": lane.targets,
        "frames": len(lane.times),
        "ms": {name: s and asdict(s) for name, s in row.stages.items()},
        "ratio": row.ratio.median,
        "ratio_p10": row.ratio.p10,
        "ratio_p90": row.ratio.p90,
        "ratio_to": row.reference,
        "ratio_to_one_target": row.to_one and row.to_one.median,
        "iou": row.iou,
        "iou_frames": len(lane.overlaps),
        "memory_mb": row.memory and asdict(row.memory),
        "frames_ms": {n: v for n, v in raw.items() if row.stages[n] is not None},
    }


# --- for people ----------------------------------------------------------------------------------


def as_text(benchmark: Benchmark) -> str:
    """The machine, a table for each film and number of targets, and one of the nodes."""
    memory, others = benchmark.surroundings.memory, benchmark.surroundings.others
    above = [*benchmark.machine.lines(), *contention(others, benchmark.machine.threads)]
    blocks = ["\n".join(above)]
    groups: dict[str, list[Row]] = {}
    for row in benchmark.rows:
        groups.setdefault(_title(row.lane), []).append(row)
    for title, rows in groups.items():
        blocks.append(f"### {title}\n\n{_stage_table(rows)}")
    parts = [LEGEND] if benchmark.rows else []
    parts += [ONE_LEGEND] * any(row.to_one is not None for row in benchmark.rows)
    parts += [IOU_LEGEND] * any(row.iou is not None for row in benchmark.rows)
    parts += [MEMORY_LEGEND] * any(row.memory is not None for row in benchmark.rows)
    if parts:
        blocks.append("\n".join(parts))
    blocks.append(
        f"This process, with all of them: {memory.warm:.0f} MB after the warm-up, "
        f"{memory.end:.0f} MB at the end, {memory.peak:.0f} MB at its peak."
    )
    if benchmark.nodes:
        blocks.append(
            f"### Nodes, from the image's stamp to its tracks\n\n{node_table(benchmark.nodes)}"
        )
    return "\n\n".join(blocks)


def contention(others: Others | None, threads: int) -> list[str]:
    """What others did meanwhile, and what that means for the figures of so many threads each."""
    if others is None:
        return ["what others used while it ran is not known"]
    lines = [f"while it ran, others used {others.used:.2f} of {others.cores} cores"]
    if others.disturb and threads == 1:
        lines.append("WARNING: not an idle machine: compare ratios, not milliseconds")
    elif others.disturb:
        lines.append(
            "WARNING: not an idle machine: ratios of trackers that use more and fewer threads do "
            "not compare; measure with --threads 1, or when it is idle"
        )
    return lines


def _title(lane: Lane) -> str:
    width, height = lane.film.size
    kind = "objects, with detections" if lane.entrant.choice.multi else "target"
    kind += "s" if kind == "target" and lane.targets > 1 else ""
    frames = f"{len(lane.times)} frames"
    what = f"{lane.film.name}, {width}x{height} {lane.film.encoding}"
    return f"{what}, {lane.targets} {kind}, {frames}"


def _stage_table(rows: Sequence[Row]) -> str:
    names = [name for name in COLUMNS if any(row.stages[name] is not None for row in rows)]
    heading = ["tracker", "backend", *(TITLES.get(name, name) for name in names)]
    heading += ["whole", "p95", "ratio", "p10..p90"]
    with_one = any(row.to_one is not None for row in rows)
    with_iou = any(row.iou is not None for row in rows)
    with_memory = any(row.memory is not None for row in rows)
    heading += ["x one"] * with_one + ["IoU"] * with_iou + ["MB"] * with_memory
    lines = [heading]
    for row in rows:
        entrant, whole = row.lane.entrant, row.stages["whole"]
        assert whole is not None  # every frame has it
        cells = [entrant.name, f"{entrant.backend} {entrant.precision}".strip() or NONE]
        cells += [milliseconds(row.stages[name]) for name in names]
        cells += [f"{whole.median:.2f}", f"{whole.p95:.2f}", f"{row.ratio.median:.2f}"]
        cells.append(f"{row.ratio.p10:.2f}..{row.ratio.p90:.2f}")
        cells += [NONE if row.to_one is None else f"{row.to_one.median:.2f}"] * with_one
        cells += [NONE if row.iou is None else f"{row.iou:.3f}"] * with_iou
        cells += [_memory(row.memory)] * with_memory
        lines.append(cells)
    return table(lines)


def milliseconds(summary: Summary | None) -> str:
    """The median as the table shows it."""
    return NONE if summary is None else f"{summary.median:.2f}"


def _memory(memory: TrackerMemory | None) -> str:
    return NONE if memory is None else f"{memory.peak:.0f} {memory.growth:+.1f}"


def node_table(figures: Sequence[NodeFigures]) -> str:
    """The figures of nodes, with a warning for each camera that could not keep its rate."""
    lines = [
        ["tracker", "backend", "size", "camera", "targets", "latency", "p95", "of it network",
         "rest", "frame age", "p95", "publish", "lost", "CPU", "MB"]
    ]  # fmt: skip
    for f in figures:
        times = (f.latency_median, f.latency_p95, f.inference_median, f.rest_median,
                 f.frame_age_median, f.frame_age_p95, f.publish_median)  # fmt: skip
        camera = f"{f.achieved_rate:.1f} of {f.rate:g} Hz {f.reliability}"
        lost = f"{f.lost} of {f.frames}"
        lines.append(
            [f.tracker, f.backend, f.size, camera, str(f.targets),
             *(f"{time:.1f}" for time in times), lost,
             f"{f.cpu_percent:.0f} %", f"{f.memory_mb:.0f}"]
        )  # fmt: skip
    warnings = [
        f"WARNING: {f.tracker} at {f.size}: the camera of this machine reached "
        f"{f.achieved_rate:.1f} of {f.rate:g} Hz; give a lower --rate or a smaller --size"
        for f in figures
        if f.achieved_rate < KEPT * f.rate
    ]
    return "\n\n".join([table(lines), *warnings, NODE_LEGEND])


def table(lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, aligned for a terminal; numbers to the right, words to the left."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    numeric = [
        all(line[column][:1].isdecimal() or line[column] == NONE for line in lines[1:])
        for column in range(len(widths))
    ]

    def row(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in
            zip(widths, numeric, strict=True)]  # fmt: skip
    return "\n".join([row(lines[0]), row(rule), *(row(line) for line in lines[1:])])
