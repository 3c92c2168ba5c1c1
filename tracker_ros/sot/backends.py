"""What can run the networks of a model: TensorRT, ONNX Runtime, or torch for comparison."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from tracker_ros.engines.build import BuildOptions, Progress, Tell, open_tensorrt
from tracker_ros.engines.devices import why_not
from tracker_ros.engines.engine import Array, Engine, Tensor
from tracker_ros.engines.network import Networks
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.torch import TorchEngine
from tracker_ros.engines.upgrade import GivenUpError, Part, Upgrade
from tracker_ros.errors import DataError, EngineError, ModelError, program
from tracker_ros.models.card import Card
from tracker_ros.sot.atom_optimiser import REFINE, with_optimiser
from tracker_ros.sot.atom_parameters import AtomParameters
from tracker_ros.sot.clips import Footage
from tracker_ros.sot.search_crops import SEARCH, Cropping, with_cutter

AUTO, TENSORRT = "auto", "tensorrt"
ONNXRUNTIME, TORCH = OnnxEngine.backend, TorchEngine.backend
BACKENDS = (TENSORRT, ONNXRUNTIME, TORCH)
"""By name. `auto` takes TensorRT where it can be used, else ONNX Runtime, and says why."""
Samples = Callable[[Footage | None], Mapping[str, Sequence[Mapping[str, Array]]]]
"""What the networks of a model are given while it tracks, by role; None: over drawn pictures."""
CROPS, LEARNING = "crops", "learning"
"""What makes crops, and what ATOM's classifier learns by, in words of progress."""
PATIENCE = 0.5
"""Seconds after which a build that waits for another one says so again."""
_building = threading.Lock()
"""One build at a time: two at once measure each other."""


class OpenEngine(Protocol):
    """As tracker_ros.engines.build.open_tensorrt."""

    def __call__(
        self, graph: Path, options: BuildOptions, *,
        samples: Callable[[], Sequence[Mapping[str, Array]]], tell: Tell,
    ) -> Engine:  # fmt: skip
        """An engine that is cached, or is built now. Raises EngineError."""


@dataclass(frozen=True)
class Accelerator:
    """A backend whose engines are built where they run; what `tensorrt` stands for."""

    title: str = "TensorRT"
    why_not: Callable[[], str] = why_not
    """Why it cannot be used here, and what to do; empty where it can."""
    open: OpenEngine = open_tensorrt
    cuts: bool = False
    """Whether it cuts out the crops that trackers search in, where it does that right."""
    learns: bool = False
    """Whether ATOM's classifier learns by it, where it does that right."""


TENSORRT_ENGINES = Accelerator(cuts=True, learns=True)


def chosen_backend(name: str, accelerator: Accelerator = TENSORRT_ENGINES) -> tuple[str, str]:
    """What a name, or `auto`, stands for, and why `auto` stands for it.

    Raises ModelError when there is no such backend, EngineError when TensorRT is asked for and
    cannot be used.
    """
    if name != AUTO and name not in BACKENDS:
        raise ModelError(f"no backend '{name}'; there are {AUTO}, {', '.join(BACKENDS)}")
    if name not in (AUTO, TENSORRT):
        return name, ""
    reason = accelerator.why_not()
    if not reason:
        return TENSORRT, "" if name == TENSORRT else f"{accelerator.title} can be used"
    if name == TENSORRT:
        raise EngineError(f"backend {name}: {reason}")
    return ONNXRUNTIME, reason


@dataclass(frozen=True)
class EngineChoice:
    """What shall run the networks of a model, and how long may be waited for it."""

    backend: str = ONNXRUNTIME
    threads: int = 0
    """CPU threads of each network; 0: the engine's choice."""
    build: BuildOptions = field(default_factory=BuildOptions)
    wait: bool = True
    """False: with `auto`, ONNX Runtime runs them until the engines of TensorRT are built."""
    tell: Tell = lambda progress: None
    """Is told how far a build is that is waited for; what it raises ends the build."""
    accelerator: Accelerator = TENSORRT_ENGINES
    footage: Callable[[], Footage] | None = None
    """Opens pictures to choose a precision by, when engines are built or looked up; may raise
    DataError. None: drawn ones."""

    def open(
        self, card: Card, roles: Iterable[str], samples: Samples, cropping: Cropping | None = None,
        learning: AtomParameters | None = None,
    ) -> tuple[Networks, Upgrade | None]:  # fmt: skip
        """The networks of a card by role, and the engines that they may get later.

        samples: to choose a precision by. cropping: what `search` looks at. learning: how ATOM's
        classifier learns, where it is ATOM. Raises ModelError when a file is missing, damaged or
        does not fit; EngineError when a backend was asked for that cannot be had.
        """
        roles = tuple(sorted(roles))
        backend, reason = chosen_backend(self.backend, self.accelerator)
        if backend != TENSORRT:
            choice = self._choice(backend, reason)
            return Networks.of(self._engines(backend, card, roles), choice=choice), None

        def build(tell: Tell) -> Mapping[str, Engine]:
            return self._built(card, roles, samples, cropping, learning, tell)

        def standby() -> Mapping[str, Engine]:
            return self._engines(ONNXRUNTIME, card, roles)

        if self.backend != AUTO:
            return Networks.of(build(self.tell)), None
        networks = Networks.of(standby(), choice=f"{AUTO}: {TENSORRT}, as {reason}")
        title = f"{self.accelerator.title} engines of {card.name}"
        upgrade = Upgrade(title, [Part(networks, build, standby)])
        if not self.wait:
            return networks, upgrade
        try:
            upgrade.build(self.tell)
            upgrade.take_over()
        except GivenUpError:
            raise
        except EngineError:
            self.tell(Progress(networks.trouble, 1.0))
        return networks, None

    def _choice(self, backend: str, reason: str) -> str:
        """Why this backend, in words. Raises ModelError for a precision that it has not."""
        precision = self.build.precision
        if precision not in (AUTO, "fp32") and self.backend != AUTO:
            raise ModelError(
                f"precision {precision}: backend {backend} computes in what its weights are in; "
                f"leave precision at {AUTO}, or take backend {TENSORRT}"
            )
        return f"{AUTO}: {backend}, as {reason}" if reason else ""

    def _engines(self, backend: str, card: Card, roles: Sequence[str]) -> dict[str, Engine]:
        if backend == TORCH:
            return _torch_engines(card, roles, self.threads)
        return {role: OnnxEngine(card.graph(role), threads=self.threads) for role in roles}

    def _built(
        self, card: Card, roles: Sequence[str], samples: Samples, cropping: Cropping | None,
        learning: AtomParameters | None, tell: Tell,
    ) -> dict[str, Engine]:  # fmt: skip
        """Engines of the accelerator for each role, run once. Raises EngineError."""
        recorded: dict[str, Sequence[Mapping[str, Array]]] = {}
        footage: Footage | None = None

        def of(role: str) -> Sequence[Mapping[str, Array]]:
            if not recorded:
                recorded.update(samples(footage))
            return recorded.get(role, ())

        while not _building.acquire(timeout=PATIENCE):
            tell(Progress("waits for another build of this process to end", 0.0))
        try:
            build, engines = self.build, dict[str, Engine]()
            if self.footage is not None and build.precision != "fp32":
                tell(Progress("looks through the pictures of engine_samples", 0.0))
                footage = self.footage()
                build = replace(build, samples=footage.words)
            cropping = cropping if self.accelerator.cuts else None
            learning = learning if self.accelerator.learns else None
            parts = [*roles]
            parts += [CROPS] if cropping is not None else []
            parts += [LEARNING] if learning is not None else []

            def told(part: str, progress: Progress) -> None:
                share = (parts.index(part) + min(max(progress.done, 0.0), 1.0)) / len(parts)
                tell(Progress(f"{part}: {progress.words}", share))

            for role in roles:
                told(role, Progress("begins", 0.0))
                engines[role] = self.accelerator.open(
                    card.graph(role), build, samples=partial(of, role), tell=partial(told, role)
                )
                _run_once(engines[role])
            in_full = replace(build, precision="fp32")

            def beside(part: str, graph: Path) -> Engine:
                def nearly(progress: Progress) -> None:  # there are two, and a check after them
                    told(part, replace(progress, done=min(progress.done, 0.9)))

                return self.accelerator.open(graph, in_full, samples=list, tell=nearly)

            if cropping is not None:
                search = with_cutter(engines[SEARCH], cropping, partial(beside, CROPS))
                told(CROPS, Progress(search.remark or "cut out where the network runs", 1.0))
                engines[SEARCH] = search
            if learning is not None:
                refine = with_optimiser(engines, learning, partial(beside, LEARNING))
                told(LEARNING, Progress(refine.remark or "done where the networks run", 1.0))
                engines[REFINE] = refine
            return engines
        except EngineError:
            raise
        except (ModelError, DataError) as error:
            raise EngineError(str(error)) from error
        except Exception as error:  # of a library whose types are not known here
            raise EngineError(f"{type(error).__name__}: {error}") from error
        finally:
            _building.release()


def open_engines(
    card: Card, roles: Iterable[str], *, threads: int = 0, backend: str = ONNXRUNTIME
) -> dict[str, Engine]:
    """An engine for each role, built without samples. Raises what EngineChoice.open raises."""
    networks, _ = EngineChoice(backend, threads).open(card, roles, lambda footage: {})
    return {role: network.engine for role, network in networks.items()}


def _run_once(engine: Engine) -> None:
    """The first pass is slow, and tells whether the engine runs at all: not in a frame."""
    engine.run(
        {
            tensor.name: np.zeros([side or 1 for side in tensor.shape], tensor.dtype)
            for tensor in engine.inputs
        }
    )


def _torch_engines(card: Card, roles: Iterable[str], threads: int) -> dict[str, Engine]:
    weights = card.weights_path
    if not weights.exists():
        raise ModelError(
            f"model '{card.name}' has no weights for torch: {weights} does not exist. They come "
            f"with `{program()} models import`, `models fetch` and `train`; what ships with the "
            "package are ONNX graphs: use --backend onnxruntime"
        )
    try:
        from tracker_ros.networks.running import load_parts
    except ModuleNotFoundError as error:
        raise ModelError(
            f"--backend torch needs {error.name}, which this Python does not have: `./run setup "
            "train` installs it; elsewhere pip install 'tracker_ros[train]'"
        ) from error
    parts = load_parts(card.tracker, card.network, card.tracking, weights)
    engines: dict[str, Engine] = {}
    for role in roles:
        if role not in parts:
            raise ModelError(f"model '{card.name}': torch has no part for its '{role}' graph")
        part = parts[role]
        shapes = [
            (None, *given.shape[1:]) if part.batches else tuple(given.shape)
            for given in part.arguments
        ]
        engines[role] = TorchEngine(
            part.module,
            [Tensor(n, s, "float32") for n, s in zip(part.inputs, shapes, strict=True)],
            part.outputs,
            threads=threads,
        )
    return engines
