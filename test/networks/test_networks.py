"""The networks against the figures of the specifications. Needs torch (the train extra)."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.networks.backbones.alexnet import AlexNet  # noqa: E402
from tracker_ros.networks.correlation import (  # noqa: E402
    cross_correlation,
    depthwise,
    trained_depthwise,
)
from tracker_ros.networks.export import export_parts  # noqa: E402
from tracker_ros.networks.parts import siamese_parts  # noqa: E402
from tracker_ros.networks.siamfc import SiamFC  # noqa: E402
from tracker_ros.networks.siamrpn import SiamRPN  # noqa: E402
from tracker_ros.networks.siamrpn_merged import siamrpn_parts  # noqa: E402

SLIM = (16, 24, 32, 32, 16)


def calm(network: torch.nn.Module) -> torch.nn.Module:
    """Batch statistics of real size, so that a random network's outputs stay finite."""
    with torch.no_grad():
        network.train()
        for _ in range(3):
            network(torch.rand(4, 3, 127, 127) * 255, torch.rand(4, 3, 255, 255) * 255)
    return network.eval()


def test_siamfc_has_the_map_sizes_of_its_specification() -> None:
    network = SiamFC().eval()
    with torch.no_grad():
        template = network.template(torch.zeros(1, 3, 127, 127))
        assert [tuple(kernel.shape) for kernel in template] == [(1, 256, 6, 6)]
        assert network.backbone(torch.zeros(1, 3, 255, 255)).shape == (1, 256, 22, 22)
        for rows, side, cells in ((3, 255, 17), (1, 239, 15)):
            features = network.features(torch.zeros(rows, 3, side, side))
            assert network.match(template, features)[0].shape == (rows, 1, cells, cells)


def test_siamfc_has_the_keys_of_the_published_checkpoint() -> None:
    keys = set(SiamFC().state_dict())
    assert len(keys) == 30
    assert len([key for key in keys if not key.endswith("num_batches_tracked")]) == 26
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"backbone.conv{i}.0.{part}" for i in range(1, 6) for part in ("weight", "bias")}
    expected |= {f"backbone.conv{i}.1.{part}" for i in range(1, 5) for part in norm}
    assert keys == expected
    shapes = {key: tuple(value.shape) for key, value in SiamFC().state_dict().items()}
    assert shapes["backbone.conv2.0.weight"] == (256, 48, 5, 5)
    assert shapes["backbone.conv5.0.weight"] == (256, 192, 3, 3)


def test_siamrpn_has_the_map_sizes_of_its_specification() -> None:
    network = SiamRPN().eval()
    with torch.no_grad():
        assert network.backbone(torch.zeros(1, 3, 127, 127)).shape == (1, 256, 6, 6)
        assert network.backbone(torch.zeros(1, 3, 287, 287)).shape == (1, 256, 26, 26)
        kernels = network.template(torch.zeros(1, 3, 127, 127))
        assert [tuple(kernel.shape) for kernel in kernels] == [(1, 256, 4, 4)] * 2
        cls, loc = network.match(kernels, network.features(torch.zeros(1, 3, 287, 287)))
    assert cls.shape == (1, 10, 21, 21)
    assert loc.shape == (1, 20, 21, 21)


def test_siamrpn_has_the_keys_of_the_published_checkpoint() -> None:
    def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}

    expected: dict[str, tuple[int, ...]] = {}
    layers = (
        (0, 96, 3, 11),
        (4, 256, 96, 5),
        (8, 384, 256, 3),
        (11, 384, 384, 3),
        (14, 256, 384, 3),
    )
    for at, out, into, side in layers:
        expected[f"backbone.features.{at}.weight"] = (out, into, side, side)
        expected[f"backbone.features.{at}.bias"] = (out,)
        expected |= norm(f"backbone.features.{at + 1}", out)
    for branch, outputs in (("cls", 10), ("loc", 20)):
        head = f"rpn_head.{branch}"
        for part, side in (("conv_kernel", 3), ("conv_search", 3), ("head", 1)):
            expected[f"{head}.{part}.0.weight"] = (256, 256, side, side)
            expected |= norm(f"{head}.{part}.1", 256)
        expected[f"{head}.head.3.weight"] = (outputs, 256, 1, 1)
        expected[f"{head}.head.3.bias"] = (outputs,)
    assert {key: tuple(value.shape) for key, value in SiamRPN().state_dict().items()} == expected


def by_taps(template: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
    """Depthwise correlation by its definition: a sum of shifted slices, each times a tap."""
    k = template.shape[-1]
    high, wide = search.shape[-2] - k + 1, search.shape[-1] - k + 1
    return sum(
        search[..., row : row + high, column : column + wide]
        * template[..., row : row + 1, column : column + 1]
        for row in range(k)
        for column in range(k)
    )


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last], ids=str)
def test_correlation_in_training_has_the_gradients_of_its_definition(
    form: torch.memory_format,
) -> None:
    torch.manual_seed(0)
    template = torch.randn(3, 8, 5, 5).to(memory_format=form).requires_grad_()
    search = torch.randn(3, 8, 20, 14).to(memory_format=form).requires_grad_()
    assert torch.allclose(depthwise(template, search), by_taps(template, search), atol=1e-4)
    weight = torch.randn(3, 8, 16, 10)
    gradients = []
    for correlate in (trained_depthwise, by_taps):
        response = correlate(template, search)
        gradients.append(torch.autograd.grad((response * weight).sum(), (template, search)))
    for ours, defined in zip(*gradients, strict=True):
        assert torch.allclose(ours, defined, atol=1e-4)


def test_correlation_with_one_template_each_equals_one_at_a_time() -> None:
    torch.manual_seed(0)
    template, search = torch.randn(3, 8, 6, 6), torch.randn(3, 8, 22, 22)
    batch = cross_correlation(template, search)
    single = [cross_correlation(template[i : i + 1], search[i : i + 1]) for i in range(3)]
    assert torch.allclose(batch, torch.cat(single), atol=1e-3)


def test_siamfc_started_from_a_distilled_alexnet_gives_its_features() -> None:
    torch.manual_seed(0)
    alexnet, network = AlexNet(SLIM), SiamFC(SLIM, groups=1).eval()
    with torch.no_grad():
        alexnet(torch.rand(4, 3, 127, 127) * 255)
    network.backbone.start_from(alexnet.eval())
    image = torch.rand(1, 3, 127, 127) * 255
    with torch.no_grad():
        assert torch.allclose(alexnet(image), network.template(image.flip(1))[0], atol=1e-2)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Largest difference over the largest value."""
    return float(np.abs(first - second).max() / np.abs(second).max())


def run_graphs(stem: Path, template: torch.Tensor, search: torch.Tensor) -> dict[str, np.ndarray]:
    """What the three graphs give, one after the other."""
    kernels = OnnxEngine(Path(f"{stem}.template.onnx")).run({"template": template.numpy()})
    features = OnnxEngine(Path(f"{stem}.search.onnx")).run({"search": search.numpy()})
    return OnnxEngine(Path(f"{stem}.match.onnx")).run({**kernels, **features})


def test_exported_siamrpn_gives_the_networks_maps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = calm(SiamRPN(SLIM, hidden=16))
    export_parts(siamrpn_parts(network, 255), tmp_path / "net")
    template, search = torch.rand(1, 3, 127, 127) * 255, torch.rand(1, 3, 255, 255) * 255
    maps = run_graphs(tmp_path / "net", template, search)
    with torch.no_grad():
        cls, loc = network(template, search)
    # Weights are stored as float16: three decimal digits.
    assert agreement(maps["cls"], cls.numpy()) < 0.02
    assert agreement(maps["loc"], loc.numpy()) < 0.02


def test_exported_siamfc_gives_the_networks_response(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = calm(SiamFC(SLIM, groups=1))
    export_parts(siamese_parts(network, 255, ["response"], rows=3), tmp_path / "net")
    template, search = torch.rand(1, 3, 127, 127) * 255, torch.rand(3, 3, 255, 255) * 255
    response = run_graphs(tmp_path / "net", template, search)
    with torch.no_grad():
        expected = network(template, search)
    assert agreement(response["response"], expected.numpy()) < 0.02
