"""From an ONNX graph to a TensorRT plan, with the API that versions 8.5 to 11 have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tracker_ros.engines.build_progress import Phases, Telling
from tracker_ros.engines.cuda import MIB, open_cuda
from tracker_ros.engines.tensorrt_module import (
    WORDS,
    Surface,
    load_tensorrt,
    logger_of,
    subclass,
    surface_of,
)
from tracker_ros.errors import EngineError

SEVERAL = 8
"""Rows that the profile for several targets is made fastest for."""
FULL = re.compile(r"out ?of ?memory|insufficient memory|memoryallocation|bad_alloc", re.IGNORECASE)


class Timings(Protocol):
    """Where what TensorRT has measured of its kernels is kept from build to build."""

    def load(self) -> bytes:
        """What there is; empty where there is nothing that can be used."""

    def store(self, content: bytes) -> None:
        """Keep it."""


@dataclass(frozen=True)
class Recipe:
    """How a plan is built."""

    precision: str
    """fp32, fp16 or int8: what the builder may use, where that is for flags to say."""
    typed: bool
    """The graph's own types decide: it was converted, or is to be fp32 throughout."""
    most_rows: int
    workspace_mib: int
    tactics: str = ""
    """Kernel libraries that may be used; see tactic_mask."""
    keep: tuple[str, ...] = ()
    """Nodes of the graph that stay float32 among the others in float16."""


def spans(most_rows: int) -> tuple[tuple[int, int, int], ...]:
    """The profiles of a graph whose first axis is free: fewest, usual and most rows of each.

    One row has a profile of its own: it is the usual case, its kernels are chosen for it alone,
    and in TensorRT 8 only a profile that nothing else runs in keeps its CUDA graph.
    """
    if most_rows == 1:
        return ((1, 1, 1),)
    return ((1, 1, 1), (2, min(SEVERAL, most_rows), most_rows))


def tactic_mask(kinds: Any, names: str) -> int:
    """The bits of the named tactic sources, as `JIT_CONVOLUTIONS,CUBLAS`; `none` is none of them.

    Raises EngineError for a name that this TensorRT does not have.
    """
    mask = 0
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name.lower() == "none":
            continue
        if name not in kinds.__members__:
            raise EngineError(
                f"no tactic source '{name}' in this TensorRT; there are none, "
                f"{', '.join(kinds.__members__)}"
            )
        mask |= 1 << int(kinds.__members__[name])
    return mask


def build_plan(
    graph: Path, recipe: Recipe, timings: Timings, tell: Callable[[str, float], object], *,
    usual: float | None = None,
) -> bytes:  # fmt: skip
    """Build the plan of a graph, which takes seconds to minutes.

    tell: words and a share of 0 to 1, at least every second, also from another thread; what it
    raises ends the build where TensorRT can be ended, and is raised here. usual: seconds that it
    took last time. Raises EngineError with the fix: an operator that TensorRT does not know, too
    little memory, a device that fails.
    """
    trt = load_tensorrt()
    surface, mark, logger = surface_of(trt), WORDS.mark(), logger_of(trt)
    try:
        builder = trt.Builder(logger)
    except (TypeError, RuntimeError, MemoryError) as error:  # null: CUDA does not start
        raise EngineError(
            f"TensorRT {trt.__version__} cannot start to build: {WORDS.since(mark) or error}; its "
            "CUDA needs another driver, or the GPU is not one it knows"
        ) from error
    network = builder.create_network(network_flags(trt, surface, typed=recipe.typed))
    parser = trt.OnnxParser(network, logger)  # keeps the weights until the plan is built
    if not parser.parse_from_file(str(graph)):
        raise EngineError(_refusal(parser, graph, trt.__version__))
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace_mib * MIB)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the precision is read from it
    if recipe.tactics:
        config.set_tactic_sources(tactic_mask(trt.TacticSource, recipe.tactics))
    permit(config, trt.BuilderFlag, surface, recipe)
    if recipe.keep and surface.precision_flags:
        _hold(network, config, trt, recipe.keep)
    _add_profiles(builder, config, network, recipe.most_rows)
    cache = _timing_cache(config, timings)
    phases = Phases() if surface.progress else None
    words = f"building {graph.stem} in {recipe.precision}"
    with Telling(words, tell, phases=phases, usual=usual) as telling:
        if phases is not None:
            monitor = _monitor(trt, phases, telling)  # whose half in Python nobody else may hold
            config.progress_monitor = monitor
        try:
            plan = builder.build_serialized_network(network, config)
        except (RuntimeError, MemoryError) as error:
            raise EngineError(_trouble(graph, recipe, str(error))) from error
        if plan is not None and cache is not None:  # also of a plan that nobody waits for any more
            timings.store(bytes(memoryview(config.get_timing_cache().serialize())))
    if plan is None:
        raise EngineError(_trouble(graph, recipe, WORDS.since(mark)))
    return bytes(memoryview(plan))


def network_flags(module: Any, surface: Surface, *, typed: bool) -> int:
    """What kind of network to create, as bits."""
    kinds: Any = getattr(module, "NetworkDefinitionCreationFlag", None)
    flags = 0
    if surface.explicit_batch:
        flags |= 1 << int(kinds.EXPLICIT_BATCH)
    if typed and surface.strongly_typed and not surface.precision_flags:
        flags |= 1 << int(kinds.STRONGLY_TYPED)
    return flags


def permit(config: Any, flags: Any, surface: Surface, recipe: Recipe) -> None:
    """Permit the builder the precision of a recipe."""
    if surface.precision_flags:
        if recipe.precision in ("fp16", "int8"):
            config.set_flag(flags.FP16)
        if recipe.precision == "int8":
            config.set_flag(flags.INT8)
    elif recipe.precision != "fp32" and not recipe.typed:
        raise EngineError(
            f"this TensorRT takes {recipe.precision} from the types of a graph, and the graph was "
            "not converted"
        )
    if recipe.precision == "fp32":
        config.clear_flag(flags.TF32)  # on unless told otherwise, and keeps ten bits of 23


def _hold(network: Any, config: Any, module: Any, names: Collection[str]) -> None:
    """Hold the layers of these names to float32, where it is floats that they give."""
    full = module.DataType.FLOAT
    for layer in (network.get_layer(index) for index in range(network.num_layers)):
        given = [layer.get_output(index).dtype for index in range(layer.num_outputs)]
        if layer.name in names and given and all(kind == full for kind in given):
            layer.precision = full
            for index in range(layer.num_outputs):
                layer.set_output_type(index, full)
    # Not OBEY: a build that fails for it helps nobody, and the comparison tells what came of it.
    config.set_flag(module.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)


def _add_profiles(builder: Any, config: Any, network: Any, most_rows: int) -> None:
    given = [network.get_input(index) for index in range(network.num_inputs)]
    free = [tensor for tensor in given if -1 in tuple(tensor.shape)]
    if not free:
        return
    for tensor in free:
        sides = tuple(tensor.shape)
        if -1 in sides[1:]:
            raise EngineError(
                f"the input {tensor.name} has the sides {sides}: only the first may be free; "
                "export the graph with the others fixed"
            )
    for span in spans(most_rows):
        profile = builder.create_optimization_profile()
        for tensor in free:
            rest = tuple(tensor.shape)[1:]
            profile.set_shape(tensor.name, *((rows, *rest) for rows in span))
        if config.add_optimization_profile(profile) < 0:
            raise EngineError(f"TensorRT refuses a profile of {span[0]} to {span[2]} rows")


def _timing_cache(config: Any, timings: Timings) -> Any:
    """The timing cache in use; None where TensorRT takes none."""
    for content in (timings.load(), b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return cache  # held by the caller until the build is over
    return None


def _monitor(module: Any, phases: Phases, telling: Telling) -> Any:
    def begin(self: Any, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        phases.start(phase_name, parent_phase, num_steps)

    def step(self: Any, phase_name: str, step: int) -> bool:
        phases.step(phase_name, step)
        return not telling.ended

    def finish(self: Any, phase_name: str) -> None:
        phases.finish(phase_name)

    methods = {"phase_start": begin, "step_complete": step, "phase_finish": finish}
    return subclass(module.IProgressMonitor, methods)()


def _refusal(parser: Any, graph: Path, version: str) -> str:
    """What the parser has against a graph."""
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    words = "; ".join(dict.fromkeys(" ".join(str(error.desc()).split()) for error in errors))
    return (
        f"TensorRT {version} cannot read {graph}: {words or 'it does not say why'}. Export the "
        "model again with operators that this version knows, update TensorRT, or use the backend "
        "onnxruntime"
    )


def _trouble(graph: Path, recipe: Recipe, said: str) -> str:
    """Why a build failed, with the fix."""
    said = said or "TensorRT does not say why"
    if FULL.search(said):
        free, total = open_cuda().free_memory()  # raises what the device says, if it has failed
        return (
            f"the GPU has too little memory to build {graph.name} ({free // MIB} of "
            f"{total // MIB} MiB are free): end other programs on it (nvidia-smi lists them; on a "
            f"Jetson, any program), build before the rest starts (build_only), or lower most_rows "
            f"(now {recipe.most_rows}) or workspace_mib (now {recipe.workspace_mib}). TensorRT "
            f"says: {said}"
        )
    open_cuda().free_memory()
    return (
        f"TensorRT could not build {graph.name} in {recipe.precision}: {said}; try another "
        "precision or a newer TensorRT, or use the backend onnxruntime"
    )
