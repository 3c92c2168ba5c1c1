"""What is measured on what: from the command line to heats, all loaded, and runs of nodes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tracker_ros.bench.entrants import Entrant, choose, default_trackers, open_entrant
from tracker_ros.bench.films import CrowdFilm, Film, SceneFilm, SequenceFilm
from tracker_ros.bench.memory import TrackerMemory, measure_memory
from tracker_ros.bench.nodes import NodeFigures, NodeTask, measure_node, require_ros
from tracker_ros.bench.rounds import ROUND, Heat, Lane
from tracker_ros.bench.untrained import with_random_weights
from tracker_ros.errors import DataError, ModelError
from tracker_ros.evaluation.formats import load_sequences
from tracker_ros.evaluation.opencv_trackers import NANOTRACK
from tracker_ros.sot import TRACKERS
from tracker_ros.sot.backends import ONNXRUNTIME, TENSORRT

SIZE = (640, 480)
"""Of the scene, where none is asked for."""


OF_NODES = (TENSORRT, ONNXRUNTIME)
"""Backends that nodes are measured on."""


@dataclass(frozen=True)
class Plan:
    """All that is measured."""

    heats: tuple[Heat, ...]
    nodes: tuple[NodeTask, ...]

    def reference(self, lane: Lane) -> Lane:
        """The lane that a ratio is to: the first on the same frames with as many targets."""
        beside = next(heat.lanes for heat in self.heats if lane in heat.lanes)
        return next(other for other in beside if other.targets == lane.targets)

    def with_one_target(self, lane: Lane) -> Lane | None:
        """The same tracker on the same frames with one target, when it ran and this has more."""
        beside = next(heat.lanes for heat in self.heats if lane in heat.lanes)
        alone = (o for o in beside if o.entrant is lane.entrant and o.targets == 1 < lane.targets)
        return next(alone, None)

    def order(self, lane: Lane) -> tuple[int, int]:
        """By film, then by targets; the trackers stay in the order they were named in."""
        number = next(n for n, heat in enumerate(self.heats) if lane in heat.lanes)
        return number, lane.targets


def prepare(args: argparse.Namespace, folder: Path) -> Plan:
    """Load every tracker and open every film; models that are made for it go into `folder`.

    Raises ModelError for a tracker or backend that is none or cannot be loaded, DataError for
    data that cannot be read and for options that contradict each other.
    """
    trackers = _trackers(args)
    if args.untrained is not None:
        trackers = with_random_weights(trackers, args.untrained, folder)
    choices = choose(trackers, args.backend, threads=args.threads, nanotrack=args.nanotrack)
    if args.data is not None:
        for choice in choices:
            if choice.multi:
                raise DataError(
                    f"--data {args.data} has no detections for {choice.tracker}: without --data it "
                    "is measured on rendered walkers"
                )
        if args.size or args.node:
            option = "--size" if args.size else "--node"
            raise DataError(f"{option} is for the rendered scene; leave out --data or {option}")
    if args.node:
        require_ros()
    entrants = [open_entrant(choice) for choice in choices]
    single = [entrant for entrant in entrants if not entrant.choice.multi]
    several = [entrant for entrant in entrants if entrant.choice.multi]
    if args.node and all(entrant.backend not in OF_NODES for entrant in single):
        raise ModelError(
            f"--node runs single-object models of ours on {' or '.join(OF_NODES)}, and no "
            "--tracker is one"
        )
    sizes = list(dict.fromkeys(args.size or [SIZE]))
    encodings = list(dict.fromkeys(args.encoding))
    targets = sorted(set(args.targets))
    heats = []
    if single:
        for film in _films(args, sizes, encodings):
            film.boxes(max(targets))  # where there is no room for so many, this says so
            heats.append(_heat(film, single, targets))
    if several:
        for (width, height), encoding, count in product(
            sizes, encodings, sorted(set(args.detections))
        ):
            heats.append(_heat(CrowdFilm(width, height, encoding, count), several, [count]))
    nodes = _node_tasks(args, single, sizes, targets) if args.node else []
    return Plan(tuple(heats), tuple(nodes))


def _trackers(args: argparse.Namespace) -> list[str]:
    """The names, those that options add included."""
    extra = default_trackers(
        against_opencv=args.against == "opencv", nanotrack=args.nanotrack, mot=args.mot
    )
    if args.untrained is not None and args.tracker is None:
        extra = [*TRACKERS, *(name for name in extra if name not in TRACKERS)]
    if args.tracker is None:
        return extra if not args.nanotrack else _with_nanotrack(extra, args)
    ours = default_trackers(against_opencv=False, nanotrack=None, mot=False)
    named = [*args.tracker]
    named += [name for name in extra if name not in ours and name not in named]
    return _with_nanotrack(named, args) if args.nanotrack else named


def _with_nanotrack(names: list[str], args: argparse.Namespace) -> list[str]:
    if NANOTRACK not in names:
        raise DataError(
            f"--nanotrack {args.nanotrack}: add --against opencv or --tracker nanotrack, "
            "else nothing uses it"
        )
    return names


def _films(
    args: argparse.Namespace, sizes: Sequence[tuple[int, int]], encodings: Sequence[str]
) -> list[Film]:
    if args.data is not None:
        sequences = load_sequences(args.data).sequences
        return [SequenceFilm(seq, encoding) for seq, encoding in product(sequences, encodings)]
    return [SceneFilm(w, h, encoding) for (w, h), encoding in product(sizes, encodings)]


def _heat(film: Film, entrants: Sequence[Entrant], targets: Sequence[int]) -> Heat:
    lanes = [Lane(entrant, film, count) for count in targets for entrant in entrants]
    return Heat(film, tuple(lanes))


def _node_tasks(
    args: argparse.Namespace, entrants: Sequence[Entrant], sizes: Sequence[tuple[int, int]],
    targets: Sequence[int],
) -> list[NodeTask]:  # fmt: skip
    tasks = []
    for (width, height), count in product(sizes, targets):
        boxes = SceneFilm(width, height, "bgr8").boxes(count)
        tasks += [
            NodeTask(
                entrant.choice.tracker, width, height, tuple(boxes), args.frames, args.rate,
                args.reliability, args.threads, entrant.backend,
            )
            for entrant in entrants
            if entrant.backend in OF_NODES
        ]  # fmt: skip
    return tasks


def measure_memories(
    heats: Sequence[Heat], say: Callable[[str], object]
) -> dict[Lane, TrackerMemory]:
    """The memory of every lane's tracker, each in a process of its own. Raises DataError."""
    found = {}
    for heat in heats:
        shots = heat.film.anew().take(ROUND)  # the boxes are those of its first frame
        for lane in heat.lanes:
            say(f"memory of {lane.entrant.name}")
            boxes = heat.film.boxes(lane.targets)
            found[lane] = measure_memory(lane.entrant.choice, shots, boxes)
    return found


def measure_nodes(tasks: Sequence[NodeTask], say: Callable[[str], object]) -> list[NodeFigures]:
    """Run the nodes, one after the other. Raises DataError."""
    figures = []
    for task in tasks:
        say(f"node {task.tracker} {task.width}x{task.height}")
        figures.append(measure_node(task))
    return figures
