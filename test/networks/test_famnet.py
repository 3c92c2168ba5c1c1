"""FAMNet's network: assignment with gradients, sampled features, exported graphs. Needs torch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.mot import assignment  # noqa: E402
from tracker_ros.networks.export_famnet import MASKED, Sizes, export_famnet  # noqa: E402
from tracker_ros.networks.famnet import (  # noqa: E402
    GEOMETRY,
    LONG_TERM,
    FAMNet,
    power_iteration,
    sample_cells,
)
from tracker_ros.networks.siamrpn import SiamRPN  # noqa: E402

SLIM = (16, 24, 32, 32, 16)
SIZES = Sizes(canvas=(320, 240), candidates=8, crops=2, pairs=16, triples=16)


@pytest.fixture(scope="module")
def network() -> FAMNet:
    torch.manual_seed(0)
    net = FAMNet(SLIM, 16)
    for part in net.feature.children():
        part.train()
    with torch.no_grad():  # batch statistics of real size
        for _ in range(3):
            net.embed(net.feature.backbone(torch.rand(8, 3, 127, 127) * 255))
    return net.eval()


def window_of(seed: int, *sizes: int) -> tuple[assignment.Hypotheses, np.ndarray]:
    rng = np.random.default_rng(seed)
    gates = [rng.uniform(size=pair) < 0.8 for pair in pairwise(sizes)]
    window = assignment.enumerate_hypotheses(gates)
    return window, rng.uniform(0.05, 1.0, len(window))


def layers_of(window: assignment.Hypotheses) -> list[tuple[torch.Tensor, ...]]:
    return [
        tuple(torch.from_numpy(part) for part in (la.source, la.target, la.of_hypothesis))
        for la in window.layers
    ]


@pytest.mark.parametrize("dual", [True, False])
@pytest.mark.parametrize("sizes", [(3, 4, 3), (3, 3), (2, 3, 3, 2)])
def test_the_iteration_of_training_is_that_of_the_tracker(
    sizes: tuple[int, ...], dual: bool
) -> None:
    window, affinity = window_of(2, *sizes)
    expected = assignment.power_iteration(window, affinity, iterations=7, dual=dual)
    found = power_iteration(torch.from_numpy(affinity), layers_of(window), 7, dual=dual)
    for one, other in zip(found, expected, strict=True):
        assert one.numpy() == pytest.approx(other, abs=1e-12)


@pytest.mark.parametrize("dual", [True, False])
def test_the_gradient_through_six_iterations_is_that_of_finite_differences(dual: bool) -> None:
    window, affinity = window_of(4, 3, 3, 3)
    layers = layers_of(window)
    values = torch.from_numpy(affinity).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda c: tuple(power_iteration(c, layers, 6, dual=dual)), (values,), atol=1e-6
    )


def test_sampled_cells_are_those_of_the_map_where_they_lie_on_it() -> None:
    features = torch.rand(1, 5, 20, 30)
    rows = torch.arange(3.0, 9.0)[None]
    columns = torch.arange(10.0, 16.0)[None]
    assert torch.allclose(sample_cells(features, rows, columns)[0], features[0, :, 3:9, 10:16])
    between = sample_cells(features, rows + 0.5, columns)
    expected = (features[0, :, 3:9, 10:16] + features[0, :, 4:10, 10:16]) / 2
    assert torch.allclose(between[0], expected)
    assert not sample_cells(features, rows - 50, columns).any()


def test_the_network_starts_from_a_checkpoint_of_siamrpnpp() -> None:
    own = FAMNet(SLIM, 16).feature.state_dict()
    given = SiamRPN(SLIM, 16).state_dict()
    assert set(own) <= set(given)
    assert all(own[key].shape == given[key].shape for key in own)


def test_exported_graphs_give_what_the_network_gives(network: FAMNet, tmp_path: Path) -> None:
    roles = export_famnet(network, SIZES, tmp_path / "net")
    engines = {role: OnnxEngine(tmp_path / f"net.{role}.onnx") for role in roles}
    rng = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, shape).astype(np.float32)

    crops = rng.uniform(0, 255, (2, 3, 127, 127)).astype(np.float32)
    with torch.no_grad():
        template, search = network.embed(network.feature.backbone(torch.from_numpy(crops)))
    found = engines["crop"].run({"crops": crops})
    for name, expected in (("template", template), ("search", search)):
        assert relative_error(found[name], expected.flatten(1).numpy()) < 2e-3  # float16 weights

    templates, searches = some(16, 256), some(16, 256)
    figures, seen = some(16, GEOMETRY), np.repeat(np.float32([0, 1]), 8)
    mask = np.float32([1] * 12 + [0] * 4)
    logits = engines["pair"].run(
        {"template": templates, "search": searches, "figures": figures, "seen": seen, "mask": mask}
    )["logits"]
    with torch.no_grad():
        shape = (16, 16, 16)
        expected = network.phi(
            network.correlation(
                torch.from_numpy(templates).reshape(shape),
                torch.from_numpy(searches).reshape(shape),
            ),
            torch.from_numpy(figures),
            torch.from_numpy(seen),
        ).numpy()
    assert relative_error(logits[:12], expected[:12]) < 2e-3
    assert (logits[12:] == MASKED).all()

    triples = some(16, LONG_TERM)
    logits = engines["triple"].run({"figures": triples, "mask": mask})["logits"]
    with torch.no_grad():
        expected = network.long_term(torch.from_numpy(triples)).numpy()
    assert relative_error(logits[:12], expected[:12]) < 2e-3
    assert (logits[12:] == MASKED).all()


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_without_a_picture_the_embedding_has_no_say(network: FAMNet) -> None:
    figures = torch.rand(4, GEOMETRY)
    unseen = torch.zeros(4)
    with torch.no_grad():
        one = network.phi(torch.rand(4, 16), figures, unseen)
        other = network.phi(torch.rand(4, 16), figures, unseen)
        seen = network.phi(torch.rand(4, 16), figures, torch.ones(4))
    assert torch.equal(one, other)
    assert not torch.equal(one, seen)
