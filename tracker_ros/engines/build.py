"""A TensorRT engine of a graph: from the cache, or built, checked and kept.

FP16 is not trusted because it is fast: its outputs are compared with those of float32 on samples
of what the network is given, and a network that loses by it stays in float32, which is told.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tracker_ros.engines.cache import Miss, Plan, PlanCache, PlanKey
from tracker_ros.engines.compile import Recipe, build_plan, spans
from tracker_ros.engines.devices import Device, find_device
from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.tensorrt import PlanError, TensorRTEngine
from tracker_ros.engines.tensorrt_module import load_tensorrt, surface_of
from tracker_ros.engines.trust import PRECISIONS, Trial, Verdict
from tracker_ros.errors import EngineError, ModelError

TACTICS_VARIABLE = "TRACKER_ROS_TACTIC_SOURCES"
"""Names the kernel libraries that TensorRT may use, or `none`: for machines where cuBLAS and cuDNN
are not there in full. TensorRT 8 tries both while it builds, and ends the process where it meets
an empty stand-in."""
BUILD = 2
"""Version of what this module does with a graph: another one builds anew."""
SLOW_FP16 = ("6.1",)
"""GPUs that compute float16 more slowly than float32."""
FIRST_FP16 = 5.3
DRAWN, NOTHING = "drawn pictures", "nothing"
"""Samples that are nobody's footage; and of fp32, which takes none."""

_log = logging.getLogger("tracker_ros.engines")

Samples = Callable[[], Sequence[Mapping[str, Array]]]


def named_tactics() -> str:
    """What TACTICS_VARIABLE says; empty leaves it to TensorRT."""
    return os.environ.get(TACTICS_VARIABLE, "")


@dataclass(frozen=True)
class BuildOptions:
    """How engines are built. Raises EngineError for a value that is none."""

    precision: str = "auto"
    """auto (fp16 where the GPU is fast in it and the network stands it), fp32, fp16 or int8."""
    cache: Path | None = None
    """Folder that engines are kept in; None: $XDG_CACHE_HOME/tracker_ros/engines."""
    most_rows: int = 32
    """Rows of the largest pass of a graph whose first axis is free."""
    workspace_mib: int = 1024
    """Scratch memory of the GPU that a kernel may use."""
    samples: str = DRAWN
    """What the samples are of: engines that were chosen by others are built anew."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise EngineError(f"no precision '{self.precision}'; there are {', '.join(PRECISIONS)}")
        for name in ("most_rows", "workspace_mib"):
            value = getattr(self, name)
            if value < 1:
                raise EngineError(f"{name} is {value}; it must be at least 1")


@dataclass(frozen=True)
class Progress:
    """How far a build is."""

    words: str
    done: float
    """0 to 1: an estimate, from the time it took before, where TensorRT does not say (below 10)."""


Tell = Callable[[Progress], None]


def open_tensorrt(
    graph: Path, options: BuildOptions, *, samples: Samples, tell: Tell
) -> TensorRTEngine:
    """A TensorRT engine of a graph, from the cache or built, which takes seconds to minutes.

    samples: inputs that the network is given in use, one mapping a pass; asked for once, and only
    when something is built in less than float32. tell: how far it is, at least every second, from
    this thread or another; what it raises ends the build as soon as TensorRT can be ended, and is
    raised here. Of several processes that want the same engine one builds it. Raises EngineError
    with the fix: TensorRT or the GPU missing, an unknown operator, too little memory.
    """
    job = _Job(graph, options, samples, tell)
    engine = job.found()
    if engine is None:
        with job.cache.lock(job.key, job.wait):
            engine = job.found() or job.built()
    if engine.remark:
        _log.warning("%s: %s", graph.stem, engine.remark)
        tell(Progress(f"{graph.stem}: {engine.remark}", 1.0))
    return engine


class _Job:
    """One graph on its way to an engine."""

    def __init__(self, graph: Path, options: BuildOptions, samples: Samples, tell: Tell) -> None:
        self._graph, self._options, self._samples, self._listener = graph, options, samples, tell
        self._ended: BaseException | None = None
        """What the listener has raised: nobody waits any more."""
        self._device = find_device()
        self._surface = surface_of(load_tensorrt())
        self._asked = options.precision
        if self._asked == "auto" and not fast_in_fp16(self._device.sm):
            self._asked = "fp32"
        self.cache = PlanCache(options.cache)
        self.key = key_of(graph, options, self._device)
        self._why = ""
        self._usual: float | None = None
        self._plans: dict[str, bytes] = {}

    def found(self) -> TensorRTEngine | None:
        """The engine in the cache; None, and it is known why, where there is none."""
        found = self.cache.load(self.key)
        if isinstance(found, Miss):
            # One that was refused before we had the lock is gone, and the reason is the refusal.
            self._why, self._usual = self._why or found.words, found.usual or self._usual
            return None
        try:
            engine = TensorRTEngine(found.content, remark=str(found.facts.get("remark", "")))
        except PlanError as error:
            self._why = str(error)
            self.cache.forget(self.key)
            return None
        self._say(f"{engine.precision}, from the cache", 1.0)
        return engine

    def wait(self, holder: str, seconds: float) -> None:
        """Another process builds it."""
        self._say(f"waiting for {holder}, which builds it, {seconds:.0f} s", 0.0)

    def built(self) -> TensorRTEngine:
        """The engine, built and kept."""
        began = time.monotonic()
        self._say(f"to be built: {self._why}", 0.0)
        trial = Trial(
            make=self._made, samples=self._samples, compare=self._compared, say=self._say,
            final=lambda error: error is self._ended,
        )  # fmt: skip
        chosen = trial.choose(self._asked)
        engine, plan = chosen.engine, self._plans[chosen.precision]
        engine.remark = chosen.remark
        facts = {
            "precision": engine.precision,
            "remark": chosen.remark,
            "checked": chosen.checked,
            "seconds": round(time.monotonic() - began, 1),
            "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "driver": self._device.driver,
        }
        if chosen.settled:
            self.cache.store(self.key, Plan(plan, facts))
        else:  # next time the rest may be there: kept as no more than it is
            self.cache.store(self._key_in(chosen.precision), Plan(plan, {**facts, "remark": ""}))
        self._say(f"{engine.precision}, built in {facts['seconds']:.0f} s", 1.0)
        return engine

    def _say(self, words: str, share: float = 0.0) -> None:
        words = f"{self._graph.stem}: {words}"
        _log.info("%s", words)
        self._tell(Progress(words, share))

    def _tell(self, progress: Progress) -> None:
        try:
            self._listener(progress)
        except BaseException as error:
            self._ended = error
            raise

    def _on(self, words: str, share: float) -> None:
        self._tell(Progress(words, min(share, 0.99)))

    def _key_in(self, precision: str) -> PlanKey:
        samples = NOTHING if precision == "fp32" else self._options.samples
        return replace(self.key, precision=precision, samples=samples)

    def _made(self, precision: str, samples: Sequence[Mapping[str, Array]]) -> TensorRTEngine:
        """The engine in a precision. Raises ModelError; EngineError where it cannot be built."""
        kept = self.cache.load(self._key_in(precision)) if precision != self._asked else None
        if isinstance(kept, Plan):
            with suppress(PlanError):
                engine = TensorRTEngine(kept.content)
                self._plans[precision] = kept.content
                return engine
        self._plans[precision] = self._plan(precision, samples)
        return TensorRTEngine(self._plans[precision])

    def _plan(self, precision: str, samples: Sequence[Mapping[str, Array]]) -> bytes:
        options = self._options
        recipe = Recipe(
            precision, typed=not self._surface.precision_flags, most_rows=options.most_rows,
            workspace_mib=options.workspace_mib, tactics=named_tactics(),
            keep=self._kept(samples) if precision == "fp16" else (),
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="tracker_ros-") as folder:
            graph = self._converted(recipe, samples, Path(folder))
            timings = self.cache.timings(self.key)
            return build_plan(graph, recipe, timings, self._on, usual=self._usual)

    def _kept(self, samples: Sequence[Mapping[str, Array]]) -> tuple[str, ...]:
        """Nodes that meet numbers on the samples that float16 cannot hold: they stay float32."""
        from tracker_ros.engines.half import beyond_half

        try:
            return beyond_half(self._graph, samples) if samples else ()
        except EngineError:  # no library to look with: the comparison tells in the end
            return ()

    def _converted(
        self, recipe: Recipe, samples: Sequence[Mapping[str, Array]], folder: Path
    ) -> Path:
        """The graph to build from: itself, where the builder needs no more than a permission."""
        converted = folder / self._graph.name
        if recipe.precision == "int8":
            from tracker_ros.engines.int8 import to_int8

            to_int8(self._graph, converted, samples)
        elif recipe.precision == "fp16" and recipe.typed:
            from tracker_ros.engines.half import to_half

            to_half(self._graph, converted, recipe.keep)
        else:
            return self._graph
        return converted

    def _compared(self, engine: TensorRTEngine, samples: Sequence[Mapping[str, Array]]) -> Verdict:
        """Whether an engine gives what float32 gives, and how near it comes."""
        from tracker_ros.engines.comparison import compare

        self._say(f"{engine.precision} is compared with fp32", 0.95)
        return compare(self._reference(), engine, samples)

    def _reference(self) -> Engine:
        """Float32: ONNX Runtime where there is one, which is nothing to wait for."""
        try:
            return OnnxEngine(self._graph)
        except ModelError:
            return self._made("fp32", ())


def key_of(graph: Path, options: BuildOptions, device: Device) -> PlanKey:
    """What an engine of a graph depends on. Raises EngineError when the file cannot be read.

    Weights in files beside the graph are not looked at; ours have none.
    """
    try:
        digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    except OSError as error:
        raise EngineError(f"{graph} cannot be read: {error.strerror or error}") from error
    rows = " and ".join("/".join(map(str, span)) for span in spans(options.most_rows))
    parts: dict[str, Any] = {"workspace": options.workspace_mib, "build": BUILD}
    if named_tactics():
        parts["tactics"] = named_tactics()
    return PlanKey(
        stem=graph.stem, graph=digest, tensorrt=device.tensorrt, sm=device.sm,
        gpu=device.name, multiprocessors=device.multiprocessors,
        precision=options.precision, profile=rows,
        options=", ".join(f"{name} {value}" for name, value in parts.items()),
        samples=NOTHING if options.precision == "fp32" else options.samples,
    )  # fmt: skip


def fast_in_fp16(sm: str) -> bool:
    """Whether a GPU of that compute capability gains by float16."""
    try:
        return sm not in SLOW_FP16 and float(sm) >= FIRST_FP16
    except ValueError:
        return True
