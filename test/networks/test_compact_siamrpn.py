"""SiamRPN++ with ResNet-18: where its maps look, and what it refuses. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.errors import ModelError  # noqa: E402
from tracker_ros.networks.backbones.resnet18 import PictureResNet18  # noqa: E402
from tracker_ros.networks.correlation import depthwise  # noqa: E402
from tracker_ros.networks.neck import Pyramid  # noqa: E402
from tracker_ros.networks.zoo import build_network, export_network  # noqa: E402

SMALL = {"backbone": "resnet18", "widths": [4, 4, 8, 8], "hidden": 8, "tower": 1}


def noise(size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 255, (1, 3, size, size), generator=generator).float()


def test_maps_have_the_sizes_of_those_with_three_levels() -> None:
    network = build_network("siamrpnpp", SMALL)
    with torch.no_grad():
        kernels = network.template(noise(127))
        features = network.features(noise(255))
        cls, loc = network.match(kernels, features)
    assert [tuple(k.shape) for k in kernels] == [(1, 8, 5, 5)] * 2
    assert [tuple(f.shape) for f in features] == [(1, 8, 29, 29)] * 2
    assert tuple(cls.shape) == (1, 10, 25, 25) and tuple(loc.shape) == (1, 20, 25, 25)


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (64, -32), (-48, 80)])
def test_a_template_is_found_where_it_lies_in_the_search_crop(dx: int, dy: int) -> None:
    """The middle of the template is pixel 63, that of the search crop 127; a cell is 8 px."""
    torch.manual_seed(0)
    backbone, neck = PictureResNet18((8, 8, 8, 8)).eval(), Pyramid(8, 8, 8).eval()
    search = torch.full((1, 3, 255, 255), 115.0)
    template = torch.full((1, 3, 127, 127), 115.0)
    patch = noise(48)
    template[..., 40:88, 40:88] = patch
    y, x = 40 + 64 + dy, 40 + 64 + dx
    search[..., y : y + 48, x : x + 48] = patch
    with torch.no_grad():
        kernel, features = neck(*backbone(template)), neck(*backbone(search))
        assert kernel.shape[-2:] == (7, 7) and features.shape[-2:] == (31, 31)
        kernel = kernel - kernel.mean((2, 3), keepdim=True)
        response = depthwise(kernel, features).sum((0, 1))  # 25x25
    row, column = divmod(int(response.argmax()), 25)
    assert (column - 12, row - 12) == (dx // 8, dy // 8)


def test_the_exported_graphs_give_what_the_network_gives(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = build_network("siamrpnpp", SMALL)
    tracking = {"instance": 255, "base_size": 8}
    roles = export_network("siamrpnpp", network, tracking, tmp_path / "m", half=False)
    graphs = {role: OnnxEngine(tmp_path / f"m.{role}.onnx", threads=1) for role in roles}
    template, search = noise(127), noise(255)
    kernels = graphs["template"].run({"template": template.numpy()})
    features = graphs["search"].run({"search": search.numpy()})
    maps = graphs["match"].run({**kernels, **features})
    with torch.no_grad():
        cls, loc = network(template, search)
    np.testing.assert_allclose(maps["cls"], cls.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(maps["loc"], loc.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"neck": [8, 8, 8]}, "of several levels; resnet18 has one"),
        ({"weighted": True}, "of several levels; resnet18 has one"),
        ({"backbone": "alexnet", "widths": [4, 8, 8, 8, 8]}, "the head of alexnet has none"),
        ({"widths": [4, 4, 8]}, "not enough values"),
        ({"width": 1.0}, "width is MobileNetV2's, not that of resnet18"),
    ],
    ids=str,
)
def test_values_that_do_not_fit_resnet18_are_told(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        build_network("siamrpnpp", {**SMALL, **changed})
