"""ATOM's networks: keys, sizes, the gradient written out, the graphs. Needs torch."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.networks.atom import ATOM  # noqa: E402
from tracker_ros.networks.atom_parts import BOXES, Refinement, atom_parts  # noqa: E402
from tracker_ros.networks.export import export_parts  # noqa: E402
from tracker_ros.networks.zoo import build_network  # noqa: E402

SLIM = (16, 16, 24, 32)
BOX = [100.0, 110.0, 70.0, 55.0]


def lively(network: ATOM) -> ATOM:
    """Offsets, factors and statistics that are not those of a fresh normalisation."""
    generator = torch.Generator().manual_seed(3)

    def between(low: float, high: float, like: torch.Tensor) -> torch.Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.copy_(between(0.6, 1.2, module.weight))
                module.bias.copy_(between(-0.3, 0.3, module.bias))
                module.running_mean.copy_(between(-0.3, 0.3, module.running_mean))
                module.running_var.copy_(between(0.7, 1.5, module.running_var))
            elif isinstance(module, torch.nn.Linear):
                module.bias.copy_(between(-0.3, 0.3, module.bias))
        # Overlaps of about 1, as trained ones are: steps of some pixels.
        network.bb_regressor.iou_predictor.weight.mul_(0.1)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> ATOM:
    torch.manual_seed(0)
    return lively(ATOM(SLIM, hidden=32))


def proposals(batch: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    jitter = torch.randn(batch, BOXES, 4, generator=generator, dtype=dtype) * 8
    return torch.tensor(BOX, dtype=dtype) + jitter


# --- what official weights load into --------------------------------------------------------------


def test_the_keys_are_those_of_the_released_network() -> None:
    keys = {
        key: tuple(value.shape)
        for key, value in ATOM().state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    expected: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{name}.{part}"] = (width,)

    expected["feature_extractor.conv1.weight"] = (64, 3, 7, 7)
    norm("feature_extractor.bn1", 64)
    for layer, (inputs, width) in enumerate(((64, 64), (64, 128), (128, 256)), start=1):
        for block in range(2):
            name, into = f"feature_extractor.layer{layer}.{block}", width if block else inputs
            expected[f"{name}.conv1.weight"] = (width, into, 3, 3)
            expected[f"{name}.conv2.weight"] = (width, width, 3, 3)
            norm(f"{name}.bn1", width)
            norm(f"{name}.bn2", width)
            if into != width:
                expected[f"{name}.downsample.0.weight"] = (width, into, 1, 1)
                norm(f"{name}.downsample.1", width)
    convolutions = {
        "conv3_1r": (128, 128, 3), "conv4_1r": (256, 256, 3), "fc3_1r": (256, 128, 3),
        "fc34_3r": (256, 512, 1), "fc34_4r": (256, 512, 1), "conv3_1t": (256, 128, 3),
        "conv3_2t": (256, 256, 3), "conv4_1t": (256, 256, 3), "conv4_2t": (256, 256, 3),
    }  # fmt: skip
    for name, (outputs, inputs, side) in convolutions.items():
        expected[f"bb_regressor.{name}.0.weight"] = (outputs, inputs, side, side)
        expected[f"bb_regressor.{name}.0.bias"] = (outputs,)
        norm(f"bb_regressor.{name}.1", outputs)
    for name, inputs in (("fc3_rt", 6400), ("fc4_rt", 2304)):
        expected[f"bb_regressor.{name}.linear.weight"] = (256, inputs)
        expected[f"bb_regressor.{name}.linear.bias"] = (256,)
        norm(f"bb_regressor.{name}.bn", 256)
    expected["bb_regressor.iou_predictor.weight"] = (1, 512)
    expected["bb_regressor.iou_predictor.bias"] = (1,)
    assert keys == expected


def test_the_maps_have_the_sizes_of_the_specification() -> None:
    network = ATOM().eval()
    with torch.no_grad():
        second, third = network.features(torch.zeros(1, 3, 288, 288))
        c3, c4 = network.bb_regressor.test_features(second, third)
        target = network.bb_regressor.modulation(second, third, torch.tensor([BOX]))
        overlap = network.bb_regressor.overlap(c3, c4, target, proposals(1))
    assert (second.shape, third.shape) == ((1, 128, 36, 36), (1, 256, 18, 18))
    assert (c3.shape, c4.shape) == ((1, 256, 36, 36), (1, 256, 18, 18))
    assert target.third.shape == target.fourth.shape == (1, 256)
    assert overlap.shape == (1, BOXES)


def test_pictures_are_normalised_as_imagenet_is(network: ATOM) -> None:
    mean = torch.tensor([0.485, 0.456, 0.406]) * 255
    std = torch.tensor([0.229, 0.224, 0.225]) * 255
    noise = torch.randn(1, 3, 64, 64)
    picture = mean[:, None, None] + noise * std[:, None, None]
    with torch.no_grad():
        expected = network.feature_extractor(noise)[1]
        assert torch.allclose(network.features(picture)[1], expected, atol=1e-4)


def test_training_leaves_the_backbone_as_it_is() -> None:
    torch.manual_seed(0)
    network = ATOM(SLIM, hidden=32).train()
    before = {k: v.clone() for k, v in network.feature_extractor.state_dict().items()}
    crops = torch.rand(2, 3, 288, 288) * 255
    network(crops, torch.tensor([BOX, BOX]), crops, proposals(2)).sum().backward()
    after = network.feature_extractor.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(p.grad is None for p in network.feature_extractor.parameters())
    assert all(p.grad is not None for p in network.bb_regressor.parameters())


def test_the_zoo_builds_it_from_a_cards_values() -> None:
    built = build_network("atom", {"widths": list(SLIM), "hidden": 16})
    assert isinstance(built, ATOM) and not built.training


# --- the gradient, written out --------------------------------------------------------------------


def test_the_gradient_of_the_overlap_is_that_of_autograd_and_of_differences() -> None:
    torch.manual_seed(0)
    network = lively(ATOM(SLIM, hidden=32)).double()
    with torch.no_grad():
        layers = network.features(torch.rand(2, 3, 288, 288, dtype=torch.float64) * 255)
        box = torch.tensor([BOX, BOX], dtype=torch.float64)
        target = network.bb_regressor.modulation(*layers, box)
        c3, c4 = network.bb_regressor.test_features(*layers)
        boxes = proposals(2, torch.float64)
        refinement = Refinement(network)
        overlap, written = refinement.overlap_and_gradient(
            c3.transpose(1, 2), c4.transpose(1, 2), *target, boxes
        )

    def predicted(boxes: torch.Tensor) -> torch.Tensor:
        return network.bb_regressor.overlap(c3, c4, target, boxes)

    variable = boxes.clone().requires_grad_()
    value = predicted(variable)
    assert torch.allclose(overlap, value, rtol=1e-9)
    (automatic,) = torch.autograd.grad(value.sum(), variable)
    largest = automatic.abs().max()
    assert largest > 1e-3
    assert (written - automatic).abs().max() < 1e-9 * largest
    step = 1e-6
    for coordinate in range(4):
        moved = torch.zeros(4, dtype=torch.float64)
        moved[coordinate] = step
        with torch.no_grad():
            difference = (predicted(boxes + moved) - predicted(boxes - moved)) / (2 * step)
        assert (written[..., coordinate] - difference).abs().max() < 1e-4 * largest


def test_a_step_adds_the_gradient_times_the_size_and_the_overlap_is_that_before_the_last(
    network: ATOM,
) -> None:
    with torch.no_grad():
        layers = network.features(torch.rand(1, 3, 288, 288) * 255)
        target = network.bb_regressor.modulation(*layers, torch.tensor([BOX]))
        maps = network.bb_regressor.test_features(*layers)
    boxes = proposals(1)
    for _ in range(5):
        boxes = boxes.detach().requires_grad_()
        overlap = network.bb_regressor.overlap(*maps, target, boxes)
        (gradient,) = torch.autograd.grad(overlap.sum(), boxes)
        boxes = boxes + gradient * boxes[..., 2:].repeat(1, 1, 2)
    with torch.no_grad():
        refined, predicted = Refinement(network)(*maps, *target, proposals(1))
    assert not torch.allclose(refined, proposals(1), atol=0.1)
    assert torch.allclose(refined, boxes, rtol=1e-3, atol=1e-2)
    assert torch.allclose(predicted, overlap, rtol=1e-3, atol=1e-3)


# --- the graphs -----------------------------------------------------------------------------------


def agreement(first: np.ndarray, second: torch.Tensor) -> float:
    """Largest difference over the largest value."""
    expected = second.numpy()
    return float(np.abs(first - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("half, tolerance", [(False, 1e-4), (True, 0.02)])
def test_the_graphs_give_what_torch_gives_for_one_target_and_for_three(
    network: ATOM, tmp_path: Path, half: bool, tolerance: float
) -> None:
    roles = export_parts(atom_parts(network, 288), tmp_path / "net", half=half)
    assert roles == ("search", "modulate", "project", "refine")
    engines = {role: OnnxEngine(tmp_path / f"net.{role}.onnx", threads=1) for role in roles}
    assert all(tensor.shape[0] is None for e in engines.values() for tensor in e.inputs)
    torch.manual_seed(1)
    for batch in (1, 3):
        crops, boxes = torch.rand(batch, 3, 288, 288) * 255, proposals(batch)
        box = torch.tensor([BOX]) + torch.rand(batch, 4) * 20
        regressor = network.bb_regressor
        with torch.no_grad():
            layers = network.features(crops)
            target = regressor.modulation(*layers, box)
            maps = regressor.test_features(*layers)
            refined = Refinement(network)(*maps, *target, boxes)
        inputs = {
            "search": {"search": crops},
            "modulate": {"layer2": layers[0], "layer3": layers[1], "box": box},
            "project": {"layer2": layers[0], "layer3": layers[1]},
            "refine": {"c3": maps[0], "c4": maps[1], "mod3": target[0], "mod4": target[1],
                       "boxes": boxes},
        }  # fmt: skip
        outputs = {"search": layers, "modulate": target, "project": maps, "refine": refined}
        for role, engine in engines.items():
            found = engine.run({name: value.numpy() for name, value in inputs[role].items()})
            for value, expected in zip(found.values(), outputs[role], strict=True):
                assert agreement(value, expected) < tolerance, (role, batch)


def test_the_graphs_use_plain_operators_of_opset_17_and_no_weight_twice(
    network: ATOM, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: ./run setup train")
    roles = export_parts(atom_parts(network, 288), tmp_path / "net")
    kinds, weights = set(), 0
    for role in roles:
        model = onnx.load(str(tmp_path / f"net.{role}.onnx"))
        assert [entry.version for entry in model.opset_import] == [17]
        kinds |= {node.op_type for node in model.graph.node}
        weights += sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    # What TensorRT 8.5 takes, without plugins; no Loop, no If, no Einsum, nothing of our own.
    assert kinds <= {
        "Abs", "Add", "Cast", "Clip", "Concat", "Constant", "Conv", "Div", "Flatten", "Gather",
        "Gemm", "Greater", "Identity", "MatMul", "MaxPool", "Mul", "Reciprocal", "ReduceSum",
        "Relu", "Reshape", "Slice", "Sub", "Transpose", "Unsqueeze", "Where",
    }  # fmt: skip
    own = sum(value.numel() for value in network.state_dict().values())
    assert weights < 1.05 * own
