"""SPM-Tracker's network against its specification, and its graphs against it. Needs torch."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

import onnx  # noqa: E402
from seeded_spm import seeded_spm  # noqa: E402
from torch.nn import functional  # noqa: E402

from tracker_ros.engines.onnx import OnnxEngine  # noqa: E402
from tracker_ros.networks.backbones.alexnet_padded import (  # noqa: E402
    ChannelNorm,
    PaddedAlexNet,
)
from tracker_ros.networks.export import export_parts  # noqa: E402
from tracker_ros.networks.roi import linear_samples, pool  # noqa: E402
from tracker_ros.networks.spm import SPM, Relation  # noqa: E402
from tracker_ros.networks.spm_parts import PROPOSALS, spm_parts  # noqa: E402
from tracker_ros.networks.zoo import build_network  # noqa: E402

SLIM = (16, 24, 32, 32, 16)
BOX = torch.tensor([[[100.0, 100.0, 170.0, 170.0]]])
PLAIN = {
    "Abs", "Add", "BatchNormalization", "Cast", "Concat", "Constant", "Conv", "Div", "Gather",
    "Gemm", "Greater", "Identity", "Less", "MatMul", "MaxPool", "Mul", "Relu", "Reshape", "Shape",
    "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze",
}  # fmt: skip


@pytest.fixture(scope="module")
def slim() -> SPM:
    return seeded_spm(1, SLIM, hidden=16)


def crops(count: int, seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, 271, 271))
    return torch.from_numpy(pixels.astype(np.float32))


def sampled_plainly(
    features: np.ndarray, box: tuple[float, float, float, float], count: int
) -> np.ndarray:
    """Crop-and-resize of (C, H, W) point by point, as specs, section 4.1, describe it."""
    channels, height, width = features.shape
    x1, y1, x2, y2 = box
    out = np.zeros((channels, count, count))
    for row in range(count):
        for column in range(count):
            x = x1 + (x2 - x1) * column / (count - 1)
            y = y1 + (y2 - y1) * row / (count - 1)
            if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
                continue
            left, top = int(np.floor(x)), int(np.floor(y))
            right, below = int(np.ceil(x)), int(np.ceil(y))
            upper = features[:, top, left] * (1 - x + left) + features[:, top, right] * (x - left)
            lower = features[:, below, left] * (1 - x + left) + features[:, below, right] * (
                x - left
            )
            out[:, row, column] = upper * (1 - y + top) + lower * (y - top)
    return out


def test_the_maps_have_the_sizes_of_the_specification() -> None:
    network = SPM().eval()
    with torch.no_grad():
        conv2, conv4, middle = network.cm.z_net(torch.zeros(1, 3, 271, 271), 24)
        assert conv2.shape == (1, 256, 34, 34)
        assert conv4.shape == (1, 384, 34, 34)
        assert middle.shape == (1, 256, 24, 24)
        *kernels, target = network.template(torch.zeros(1, 3, 271, 271), BOX)
        assert [tuple(kernel.shape) for kernel in kernels] == [(10, 256, 4, 4), (20, 256, 4, 4)]
        assert target.shape == (1, 256, 6, 6)
        *features, shown = network.features(torch.zeros(1, 3, 271, 271))
        assert [tuple(feature.shape) for feature in features] == [(1, 256, 22, 22)] * 2
        assert shown.shape == (1, 640, 34, 34)
        cls, bbox = network.match(kernels, features)
        assert (cls.shape, bbox.shape) == ((1, 10, 19, 19), (1, 20, 19, 19))
        assert network.regions(shown, BOX.repeat(1, 9, 1)).shape == (1, 9, 640, 6, 6)
        cls, bbox = network.refine(target, shown, BOX.repeat(1, 9, 1))
        assert (cls.shape, bbox.shape) == ((1, 9, 2), (1, 9, 4))


def test_the_keys_are_those_of_the_published_files() -> None:
    def layer(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}

    def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}

    coarse = layer("z_net.conv1.conv", 96, 3, 11, 11)
    coarse |= layer("z_net.conv2.conv", 256, 48, 5, 5)
    coarse |= layer("z_net.conv3.conv", 384, 256, 3, 3)
    coarse |= layer("z_net.conv4.conv", 384, 192, 3, 3)
    coarse |= layer("z_net.conv5.conv", 256, 192, 3, 3)
    coarse |= layer("rpn_head.z_cls_conv", 2560, 256, 3, 3)
    coarse |= layer("rpn_head.z_bbox_conv", 5120, 256, 3, 3)
    coarse |= layer("rpn_head.x_cls_conv.0", 256, 256, 3, 3)
    coarse |= layer("rpn_head.x_bbox_conv.0", 256, 256, 3, 3)
    coarse |= layer("rpn_head.bbox_refine", 20, 20, 1, 1)
    coarse |= {"rpn_head.cls_bias": (1, 10, 1, 1)}
    fine = norm("feat_extractor.bn_list.0", 384) | norm("feat_extractor.bn_list.1", 256)
    fine |= layer("siam_fusion.roi_conv.roi_conv0", 256, 1280, 3, 3)
    fine |= layer("siam_fusion.linear_layers.linear0", 256, 9216)
    fine |= layer("siam_fusion.linear_layers.linear1", 256, 256)
    fine |= layer("rcnn_cls", 2, 256) | layer("rcnn_bbox", 4, 256)
    expected = {f"cm.{key}": shape for key, shape in coarse.items()}
    expected |= {f"fm.{key}": shape for key, shape in fine.items()}
    found = build_network("spm", {}).state_dict()
    assert {key: tuple(value.shape) for key, value in found.items()} == expected


def test_the_middle_of_conv5_is_that_of_the_whole_padded_map(slim: SPM) -> None:
    net, image = slim.cm.z_net, crops(1) - 110
    with torch.no_grad():
        whole = net.conv5(net.conv4(net.conv3(net.conv2(net.conv1(image)))))
        for cells, offset in ((6, 14), (24, 5)):
            middle = net(image, cells)[2]
            place = slice(offset, offset + cells)
            assert torch.allclose(middle, whole[..., place, place], rtol=1e-4, atol=1e-5)


def test_a_crop_too_small_for_the_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="24 cells"):
        PaddedAlexNet(SLIM)(torch.zeros(1, 3, 127, 127), 24)


def test_the_channel_norm_is_local_response_normalisation() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 16, 5, 7) * 300
    expected = functional.local_response_norm(features, 5, alpha=1e-4, beta=0.75, k=1.0)
    assert torch.allclose(ChannelNorm(16)(features), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "box",
    [
        (3.2, 4.7, 9.9, 12.1),
        (0.0, 0.0, 19.0, 16.0),
        (-3.0, -0.5, 4.0, 8.0),
        (12.0, 9.0, 25.0, 16.001),
        (30.0, 30.0, 40.0, 40.0),
        (5.0, 5.0, 5.0, 5.0),
    ],
)
def test_pooling_by_matrices_is_crop_and_resize(box: tuple[float, float, float, float]) -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 3, 17, 20)
    x1, y1, x2, y2 = torch.tensor([[box]]).unbind(-1)
    rows, columns = linear_samples(y1, y2, 6, 17), linear_samples(x1, x2, 6, 20)
    pooled = pool(features, rows, columns)[0, 0].numpy()
    expected = sampled_plainly(features[0].numpy(), box, 6)
    assert np.allclose(pooled, expected, atol=1e-4)
    # Outside is exactly 0, and not what interpolation with zeros around the map would give.
    assert np.array_equal(pooled == 0, expected == 0)


def test_regions_are_pooled_on_the_device_that_the_boxes_are_on() -> None:
    ends = torch.zeros(1, 2, device="meta")
    assert linear_samples(ends, ends, 6, 9).device.type == "meta"


def test_regions_of_several_maps_are_pooled_each_from_its_own() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 3, 9, 9)
    low, high = torch.rand(2, 4) * 3, 4 + torch.rand(2, 4) * 4
    rows, columns = linear_samples(low, high, 6, 9), linear_samples(high, low, 6, 9)
    together = pool(features, rows, columns)
    for i in range(2):
        alone = pool(features[i : i + 1], rows[i : i + 1], columns[i : i + 1])
        assert torch.allclose(together[i : i + 1], alone, atol=1e-5)


def test_the_relation_is_the_convolution_of_both_regions_side_by_side() -> None:
    torch.manual_seed(0)
    relation, target, regions = Relation(8, 4), torch.randn(1, 8, 6, 6), torch.randn(1, 3, 8, 6, 6)
    with torch.no_grad():
        both = torch.cat([target.expand(3, -1, -1, -1), regions[0]], dim=1)
        expected = relation.linear_layers(relation.roi_conv(both).flatten(1))
        assert torch.allclose(relation(relation.of_target(target), regions), expected, atol=1e-5)


def relative(found: np.ndarray, expected: torch.Tensor) -> float:
    """Largest difference over the largest value."""
    return float(np.abs(found - expected.numpy()).max() / expected.abs().max())


def test_the_graphs_give_what_the_network_gives(slim: SPM, tmp_path: Path) -> None:
    roles = export_parts(spm_parts(slim), tmp_path / "net", half=False)
    assert roles == ("template", "search", "match", "refine")
    engines = {role: OnnxEngine(tmp_path / f"net.{role}.onnx") for role in roles}
    template, search = crops(1), crops(2, seed=1)
    boxes = torch.rand(2, PROPOSALS, 2) * 200 - 20
    boxes = torch.cat([boxes, boxes + 10 + torch.rand(2, PROPOSALS, 2) * 120], dim=-1)
    with torch.no_grad():
        *kernels, target = slim.template(template, BOX)
        *features, shown = slim.features(search)
        targets = target.repeat(2, 1, 1, 1)
        refined = slim.refine(targets, shown, boxes)
        first = [feature[:1] for feature in features]
        matched = slim.match(kernels, first)
    learnt = engines["template"].run({"template": template.numpy(), "box": BOX.numpy()})
    for name, expected in zip(("kernel_0", "kernel_1", "target"), (*kernels, target), strict=True):
        assert relative(learnt[name], expected) < 1e-4
    seen = engines["search"].run({"search": search.numpy()})  # two targets share this pass
    for name, expected in zip(("feature_0", "feature_1", "map"), (*features, shown), strict=True):
        assert relative(seen[name], expected) < 1e-4
    maps = engines["match"].run(
        {"kernel_0": learnt["kernel_0"], "kernel_1": learnt["kernel_1"],
         "feature_0": seen["feature_0"][:1], "feature_1": seen["feature_1"][:1]}
    )  # fmt: skip
    fine = engines["refine"].run(
        {"target": targets.numpy(), "map": seen["map"], "boxes": boxes.numpy()}
    )
    for outputs, expecteds in ((maps, matched), (fine, refined)):
        for name, expected in zip(("cls", "bbox"), expecteds, strict=True):
            assert relative(outputs[name], expected) < 1e-4


def test_the_graphs_hold_plain_operators_of_opset_17(slim: SPM, tmp_path: Path) -> None:
    for role in export_parts(spm_parts(slim), tmp_path / "net"):
        model = onnx.load(str(tmp_path / f"net.{role}.onnx"))
        assert [opset.version for opset in model.opset_import] == [17]
        assert {node.op_type for node in model.graph.node} <= PLAIN
