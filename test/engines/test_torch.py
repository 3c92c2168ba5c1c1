"""torch as an engine, and torch beside ONNX Runtime for the same model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from safetensors.torch import save_file  # noqa: E402

from tracker_ros.engines.engine import Tensor  # noqa: E402
from tracker_ros.engines.network import Network  # noqa: E402
from tracker_ros.engines.torch import TorchEngine  # noqa: E402
from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.models.card import MODELS, Card, file_sha256, read_card  # noqa: E402
from tracker_ros.networks.export import export_parts  # noqa: E402
from tracker_ros.networks.zoo import ARCHITECTURES, build_network  # noqa: E402
from tracker_ros.sot import DEFAULT_MODELS, LoadedModel, load_model  # noqa: E402
from tracker_ros.sot.backends import open_engines  # noqa: E402
from tracker_ros.sot.model import paper_of  # noqa: E402

SMALL = ("siamfc_small", "siamrpnpp_alexnet_small")


def fresh_card(folder: Path, name: str) -> Card:
    """A card in `folder`: the network of the card `name` with fresh weights."""
    torch.manual_seed(0)
    card = read_card(name)
    network = build_network(card.tracker, card.network)
    stem = folder / "weights" / card.name
    # As for official weights: float16 would keep three digits of them.
    parts = ARCHITECTURES[card.tracker].parts(network, card.tracking)
    roles = export_parts(parts, stem, half=False)
    save_file(network.state_dict(), f"{stem}.safetensors")
    graphs = {role: stem.with_name(f"{name}.{role}.onnx") for role in roles}
    sums = {role: file_sha256(path) for role, path in graphs.items()}
    path = folder / f"{name}.yaml"
    path.write_text(replace(card, files=sums).as_yaml())
    return read_card(str(path))


@pytest.fixture(scope="module", params=SMALL)
def card(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Card:
    return fresh_card(tmp_path_factory.mktemp("models"), request.param)


@pytest.fixture(scope="module", params=DEFAULT_MODELS.values())
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Of every tracker."""
    return fresh_card(tmp_path_factory.mktemp("models"), request.param)


def test_a_module_runs_by_names_and_says_what_it_takes_and_gives() -> None:
    class Both(torch.nn.Module):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return left + right.mean(), (left - 1)[:, :1]

    taken = (Tensor("left", (None, 3), "float32"), Tensor("right", (None, 2), "float32"))
    engine = TorchEngine(Both(), taken, ("sum", "less"), threads=1)
    assert (engine.backend, engine.precision) == ("torch", "fp32")
    assert engine.inputs == taken
    assert [str(t) for t in engine.outputs] == ["sum float32 (?, 3)", "less float32 (?, 1)"]
    left, right = np.ones((2, 3), np.float32), np.full((2, 2), 4, np.float32)
    outputs = engine.run({"right": right, "left": left})
    assert outputs["sum"].tolist() == [[5, 5, 5]] * 2 and outputs["less"].tolist() == [[0]] * 2


def test_every_part_takes_and_gives_what_its_graph_does(each: Card) -> None:
    graphs = open_engines(each, each.files, threads=1, backend="onnxruntime")
    parts = open_engines(each, each.files, threads=1, backend="torch")
    assert set(parts) == set(graphs) >= set(paper_of(each).tracker.roles)
    for role, graph in graphs.items():
        assert parts[role].inputs == graph.inputs
        assert parts[role].outputs == graph.outputs
        assert Network(parts[role]).batches == Network(graph).batches


def test_torch_and_onnx_runtime_give_the_same_outputs(each: Card) -> None:
    graphs = open_engines(each, each.files, threads=1, backend="onnxruntime")
    parts = open_engines(each, each.files, threads=1, backend="torch")
    rng = np.random.default_rng(0)
    for role, graph in graphs.items():
        if any(t.name == "boxes" for t in graph.inputs):
            continue  # takes boxes and maps that go together; the tests of its network have them
        inputs = {
            t.name: (rng.random([side or 2 for side in t.shape]) * 255).astype(np.float32)
            for t in graph.inputs
        }
        found, expected = graph.run(inputs), parts[role].run(inputs)
        for name, value in expected.items():
            assert np.abs(found[name] - value).max() < 1e-4 * np.abs(value).max(), (role, name)


def test_a_model_tracks_in_torch_as_in_onnx_runtime(card: Card) -> None:
    path = card.folder / f"{card.name}.yaml"
    image = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
    found = {}
    for backend in ("auto", "torch"):
        model = load_model(str(path), threads=1, backend=backend)
        tracker = model.new_tracker()
        tracker.init(image, Box(60, 40, 30, 24))
        found[model.backend] = tracker.track(image)
        assert model.precision == "fp32"
    torchs, onnxs = found["torch"], found["onnxruntime"]
    assert list(torchs.box) == pytest.approx(list(onnxs.box), abs=0.1)
    assert torchs.evidence.score == pytest.approx(onnxs.evidence.score, abs=1e-3)


def test_weights_of_another_network_are_refused_with_a_key(card: Card, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    other = replace(card, folder=tmp_path)
    path = tmp_path / "weights" / f"{card.name}.safetensors"
    save_file({"backbone.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"are not those of the card's network.*backbone\.weight"):
        open_engines(other, card.files, backend="torch")
    path.write_bytes((card.folder / "weights" / path.name).read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read"):
        open_engines(other, card.files, backend="torch")


def test_a_model_that_has_only_graphs_says_that_torch_has_no_weights(tmp_path: Path) -> None:
    for name in SMALL:
        for path in (MODELS / f"{name}.yaml", *(MODELS / "weights").glob(f"{name}.*.onnx")):
            target = tmp_path / path.relative_to(MODELS)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
        with pytest.raises(ModelError, match=f"'{name}' has no weights for torch.*models import"):
            load_model(str(tmp_path / f"{name}.yaml"), backend="torch")
        assert isinstance(load_model(str(tmp_path / f"{name}.yaml")), LoadedModel)
    assert set(SMALL) <= set(DEFAULT_MODELS.values())
