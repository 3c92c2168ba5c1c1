"""What can run the networks of a model: ONNX Runtime, or torch for comparison."""

from __future__ import annotations

from collections.abc import Iterable

from tracker_ros.engines.engine import Engine, Tensor
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.torch import TorchEngine
from tracker_ros.errors import ModelError, program
from tracker_ros.models.card import Card

BACKENDS = (OnnxEngine.backend, TorchEngine.backend)
"""By name; the first is what `auto` takes."""
AUTO = "auto"


def chosen_backend(name: str) -> str:
    """What a name, or `auto`, stands for. Raises ModelError when there is no such backend."""
    if name != AUTO and name not in BACKENDS:
        raise ModelError(
            f"no backend '{name}'; there are {AUTO} (here {BACKENDS[0]}), {', '.join(BACKENDS)}"
        )
    return BACKENDS[0] if name == AUTO else name


def open_engines(
    card: Card, roles: Iterable[str], *, threads: int = 0, backend: str = AUTO
) -> dict[str, Engine]:
    """An engine for each role.

    Raises ModelError when a file is missing, damaged or does not fit.
    """
    if chosen_backend(backend) == OnnxEngine.backend:
        return {role: OnnxEngine(card.graph(role), threads=threads) for role in sorted(roles)}
    return _torch_engines(card, roles, threads)


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
