"""What networks cost on a GPU: TensorRT in float16 and float32, torch, ONNX Runtime.

    ./run python benchmarks/tensorrt_engines.py graphs build/graphs       # where torch and onnx are
    ./run python benchmarks/tensorrt_engines.py time build/graphs --json build/gpu.json
    ./run python benchmarks/tensorrt_engines.py frames build/graphs --json build/gpu.json
    ./run python benchmarks/tensorrt_engines.py table build/gpu.json

`graphs` writes the published networks with random weights beside copies of those that ship, and
what each computes. `time` measures one pass, arrays of the host in, arrays of the host out, at 1, 8
and 32 rows, and how long engines take to build: without anything kept, and with the timing cache.
`frames` measures whole frames, from the image to the box. Engines that a Python does not have are
left out, with the reason, and further runs, of another Python too, add to the same JSON: what is
compared was measured on one machine, the inputs are the same. No thread of its own, nothing else
on the machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from engine_graphs import PUBLISHED, SHIPPED, graphs_in, write_graphs
from engine_table import table

from tracker_ros.engines.build import BuildOptions, named_tactics
from tracker_ros.engines.compile import Recipe, build_plan
from tracker_ros.engines.devices import find_device, why_not
from tracker_ros.engines.engine import Engine
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.tensorrt import TensorRTEngine
from tracker_ros.engines.tensorrt_module import load_tensorrt, surface_of
from tracker_ros.errors import TrackerRosError

ENGINES = ("tensorrt-fp16", "tensorrt-fp32", "torch-eager", "torch-compiled", "onnxruntime")
FRAME_BACKENDS = ("tensorrt-fp16", "tensorrt-fp32", "torch", "onnxruntime")
WARM_UP, SECONDS, FEWEST = 30, 2.0, 50
FRAMES = 100


@dataclass
class Figure:
    """One measurement."""

    what: str
    """`pass`, `build` or `frame`."""
    engine: str
    name: str
    """MODEL.ROLE, or MODEL for frames."""
    rows: int
    milliseconds: dict[str, float] = field(default_factory=dict)
    precision: str = ""
    error: str = ""
    machine: dict[str, str] = field(default_factory=dict)


# --- engines -------------------------------------------------------------------------------------


class Kept:
    """A timing cache in memory."""

    content = b""

    def load(self) -> bytes:
        """What there is."""
        return self.content

    def store(self, content: bytes) -> None:
        """Keep it."""
        self.content = content


def built(path: Path, precision: str, rows: int) -> tuple[TensorRTEngine, dict[str, float]]:
    """An engine of a graph, and the milliseconds of its builds and of loading it."""
    reason = why_not()
    if reason:
        raise TrackerRosError(reason)
    typed = not surface_of(load_tensorrt()).precision_flags
    workspace, kept, took = BuildOptions().workspace_mib, Kept(), {}
    recipe = Recipe(precision, typed, rows, workspace, named_tactics())
    with tempfile.TemporaryDirectory() as folder:
        graph = path
        if typed and precision == "fp16":
            from tracker_ros.engines.half import to_half

            graph = Path(folder) / path.name
            to_half(path, graph)
        for name in ("cold", "with timing cache"):
            began = perf_counter()
            plan = build_plan(graph, recipe, kept, lambda words, share: None)
            took[name] = 1e3 * (perf_counter() - began)
    began = perf_counter()
    engine = TensorRTEngine(plan)
    took["load"] = 1e3 * (perf_counter() - began)
    took["plan MB"] = len(plan) / 1e6
    return engine, took


def torch_engine(folder: Path, path: Path, *, compiled: bool) -> Engine:
    """The part of a network as torch runs it on the GPU; its weights are random."""
    try:
        import torch

        from tracker_ros.engines.engine import Tensor
        from tracker_ros.engines.torch import TorchEngine
        from tracker_ros.models.card import read_card
        from tracker_ros.networks.zoo import ARCHITECTURES, build_network
    except ImportError as error:
        raise TrackerRosError(f"no torch here: {error}") from error
    if not torch.cuda.is_available():
        raise TrackerRosError("torch sees no GPU")
    model, _, role = path.stem.rpartition(".")
    card = read_card(
        str((folder if (folder / f"{model}.yaml").exists() else SHIPPED) / f"{model}.yaml")
    )
    if card.tracker not in ARCHITECTURES:
        raise TrackerRosError(f"no torch network of {card.tracker} to compare with")
    torch.manual_seed(0)
    parts = ARCHITECTURES[card.tracker].parts(
        build_network(card.tracker, card.network), card.tracking
    )
    part = parts[role]
    module = part.module.eval()
    if compiled:
        module = torch.compile(module.cuda(), mode="reduce-overhead")
    inputs = [
        Tensor(name, (None, *a.shape[1:]) if part.batches else tuple(a.shape), "float32")
        for name, a in zip(part.inputs, part.arguments, strict=True)
    ]
    return TorchEngine(module, inputs, part.outputs)


# --- measuring -----------------------------------------------------------------------------------


def given(engine: Engine, rows: int) -> dict[str, Any]:
    """The same numbers for every engine: pictures where a picture is taken, else of deviation 1."""
    rng = np.random.default_rng(0)
    made = {}
    for tensor in sorted(engine.inputs, key=lambda tensor: tensor.name):
        shape = tuple(rows if side is None else side for side in tensor.shape)
        numbers = rng.standard_normal(shape, np.float32)
        is_picture = len(shape) == 4 and shape[1] == 3
        made[tensor.name] = np.clip(numbers * 50 + 120, 0, 255) if is_picture else numbers
    return made


def timed(run: Callable[[], object]) -> dict[str, float]:
    """Median, 95th percentile and least milliseconds of a call."""
    for _ in range(WARM_UP):
        run()
    times: list[float] = []
    end = perf_counter() + SECONDS
    while len(times) < FEWEST or perf_counter() < end:
        began = perf_counter()
        run()
        times.append(1e3 * (perf_counter() - began))
    return {
        "median": float(np.median(times)), "p95": float(np.percentile(times, 95)),
        "least": min(times), "passes": float(len(times)),
    }  # fmt: skip


def passes(folder: Path, engines: list[str], counts: list[int]) -> Iterator[Figure]:
    """Figures of every graph on every engine."""
    for path in graphs_in(folder):
        for name in engines:
            try:
                build: dict[str, float] = {}
                if name.startswith("tensorrt"):
                    engine, build = built(path, name.partition("-")[2], max(counts))
                    yield Figure("build", name, path.stem, 0, build, engine.precision)
                elif name == "onnxruntime":
                    engine = OnnxEngine(path)
                else:
                    engine = torch_engine(folder, path, compiled=name == "torch-compiled")
            except (TrackerRosError, ImportError, RuntimeError) as error:
                yield Figure("pass", name, path.stem, 0, error=" ".join(str(error).split()))
                continue
            free = any(tensor.shape[:1] == (None,) for tensor in engine.inputs)
            for rows in counts if free else [1]:
                inputs = given(engine, rows)
                took = timed(lambda engine=engine, inputs=inputs: engine.run(inputs))
                yield Figure("pass", name, path.stem, rows, took, engine.precision)
            del engine


def frames(folder: Path, backends: list[str]) -> Iterator[Figure]:
    """Figures of whole frames, from the image to the box, of one target in the rendered scene."""
    from tracker_ros.demo.scene import Scene
    from tracker_ros.models.card import read_card
    from tracker_ros.sot.model import TRACKERS, load_model

    scene = Scene()
    pictures = [scene.frame(index) for index in range(FRAMES)]
    for card in sorted(folder.glob("*.yaml")):
        about = read_card(str(card))
        if about.tracker not in TRACKERS or not about.graphs_here:
            continue
        for name in backends:
            backend, _, precision = name.partition("-")
            try:
                options = BuildOptions(precision=precision or "auto")
                model = load_model(str(card), backend=backend, build=options)
            except TrackerRosError as error:
                yield Figure("frame", name, card.stem, 1, error=" ".join(str(error).split()))
                continue
            tracker = model.new_tracker()
            tracker.init(pictures[0].image, pictures[0].box)
            images = cycle([picture.image for picture in pictures])
            took = timed(lambda tracker=tracker, images=images: tracker.track(next(images)))
            yield Figure("frame", name, card.stem, 1, took, model.precision)


def machine() -> dict[str, str]:
    """What figures depend on."""
    facts = {"python": platform.python_version(), "numpy": np.__version__}
    if not why_not():
        facts |= {name: str(value) for name, value in asdict(find_device()).items()}
    if "torch" in sys.modules:
        facts["torch"] = str(sys.modules["torch"].__version__)
    query = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit"
    try:
        asked = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True)
        facts["nvidia-smi"] = found.stdout.strip().splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        pass  # a Jetson has none
    return facts


def keep(figures: Iterator[Figure], file: Path | None) -> None:
    """Print figures as they come, and add them to those in a file, in the place of older ones."""
    kept = json.loads(file.read_text()) if file is not None and file.exists() else []
    for figure in figures:
        figure.machine = machine()
        words = figure.error or ", ".join(f"{n} {v:.3f}" for n, v in figure.milliseconds.items())
        print(
            f"{figure.what:5} {figure.engine:15} {figure.name} x{figure.rows}: {words}", flush=True
        )
        same = {
            "what": figure.what,
            "engine": figure.engine,
            "name": figure.name,
            "rows": figure.rows,
        }
        kept = [one for one in kept if any(one[key] != value for key, value in same.items())]
        kept.append(asdict(figure))
        if file is not None:
            file.write_text(json.dumps(kept, indent=1))


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    graphs = commands.add_parser("graphs", help="write what is measured; needs torch and onnx")
    graphs.add_argument("folder", type=Path)
    graphs.add_argument("--models", nargs="*", default=PUBLISHED)
    for name, choices in (("time", ENGINES), ("frames", FRAME_BACKENDS)):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path, nargs="?", default=SHIPPED)
        command.add_argument("--engines", nargs="+", choices=choices, default=list(choices))
        command.add_argument("--rows", nargs="+", type=int, default=[1, 8, 32])
        command.add_argument("--json", type=Path)
    shown = commands.add_parser("table")
    shown.add_argument("file", type=Path)
    shown.add_argument("--work", type=Path, help="work.json of the folder of graphs")
    asked = parser.parse_args()
    if asked.command == "graphs":
        write_graphs(asked.folder, tuple(asked.models))
    elif asked.command == "table":
        work = json.loads(asked.work.read_text()) if asked.work else {}
        print(table(json.loads(asked.file.read_text()), work))
    elif asked.command == "time":
        keep(passes(asked.folder, asked.engines, asked.rows), asked.json)
    else:
        keep(frames(asked.folder, asked.engines), asked.json)


if __name__ == "__main__":
    main()
