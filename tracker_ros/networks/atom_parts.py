"""From a trained ATOM to its four ONNX graphs.

search: crops -> layer2, layer3. The costly part, also run on the samples of the first frame.
modulate: layer2, layer3, box -> mod3, mod4. Of the first frame, and of what is compared with it.
project: layer2, layer3 -> c3, c4. Only where the classifier has found the target.
refine: c3, c4, mod3, mod4, boxes -> boxes, overlap. Gradient ascent, written out.

No weight is in two of them. Every first axis is free. An engine may run search and project in
half precision, but not refine, whose steps are differences of sums.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker_ros.networks.atom import ATOM, SCALES, TEST_BINS, LinearBlock
from tracker_ros.networks.parts import Function, Part, Parts
from tracker_ros.networks.prroi import box_gradient, pool_with_edges

BOXES = 10
STEPS = 5


class _Layer(nn.Module):
    """A LinearBlock in evaluation mode and its backward pass, for inputs (rows, C, columns).

    The normalisation is a factor and an offset of each output, folded into the linear layer.
    """

    def __init__(self, block: LinearBlock, bins: int) -> None:
        super().__init__()
        linear, norm = block.linear, block.bn
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = (linear.weight * factor[:, None]).reshape(len(factor), -1, bins, bins)
        bias = (linear.bias - norm.running_mean) * factor + norm.bias
        self.register_buffer("weight", weight.transpose(1, 2).flatten(1).detach().clone())
        self.register_buffer("bias", bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(functional.linear(x, self.weight, self.bias))

    def backward(self, outputs: Tensor, upstream: Tensor) -> Tensor:
        """Gradient of the inputs, of outputs (N, hidden) that `upstream` (hidden,) adds up."""
        return torch.matmul((outputs > 0).to(upstream.dtype) * upstream, self.weight)


class Refinement(nn.Module):
    """`STEPS` steps of gradient ascent of the predicted overlap, as a forward pass.

    A step adds to x, y, w, h the gradient times w, h, w, h. Source: specs of ATOM, sections 2, 5.
    """

    def __init__(self, network: ATOM, steps: int = STEPS) -> None:
        super().__init__()
        regressor = network.bb_regressor
        self.steps = steps
        self.third = _Layer(regressor.fc3_rt, TEST_BINS[0])
        self.fourth = _Layer(regressor.fc4_rt, TEST_BINS[1])
        self.predictor = regressor.iou_predictor

    def overlap_and_gradient(
        self, c3: Tensor, c4: Tensor, mod3: Tensor, mod4: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predicted overlap (B, N) of boxes (B, N, 4), and its gradient (B, N, 4).

        c3, c4 with their axes 1 and 2 exchanged: (B, h, hidden, w).
        """
        number, channels = int(boxes.shape[1]), int(c3.shape[2])
        weight = self.predictor.weight[0]
        weights = (weight[:channels], weight[channels:])
        overlap, gradients = self.predictor.bias, []
        for layer, features, factors, bins, scale, weight in zip(
            (self.third, self.fourth), (c3, c4), (mod3, mod4), TEST_BINS, SCALES, weights,
            strict=True,
        ):  # fmt: skip
            factors = factors[:, None, None, :, None]
            pooled = pool_with_edges(features, boxes, bins, scale)
            inputs = (pooled.value * factors).reshape(-1, int(layer.weight.shape[1]))
            outputs = layer(inputs)
            overlap = overlap + torch.matmul(outputs, weight).reshape(-1, number)
            upstream = layer.backward(outputs, weight)
            upstream = upstream.reshape(-1, number, bins, channels, bins) * factors
            gradients.append(box_gradient(pooled, upstream, boxes, scale))
        return overlap, gradients[0] + gradients[1]

    def forward(
        self, c3: Tensor, c4: Tensor, mod3: Tensor, mod4: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Boxes (B, N, 4) after the steps, and the overlap (B, N) predicted before the last."""
        c3, c4 = c3.transpose(1, 2), c4.transpose(1, 2)
        overlap = boxes[..., 0]
        for _ in range(self.steps):
            overlap, gradient = self.overlap_and_gradient(c3, c4, mod3, mod4, boxes)
            size = boxes[..., 2:]
            boxes = boxes + gradient * torch.cat((size, size), -1)
        return boxes, overlap


def atom_parts(network: ATOM, sample: int) -> Parts:
    """search, modulate, project and refine of a network, for crops of `sample` pixels."""
    network = network.eval().cpu().float()
    regressor, refinement = network.bb_regressor, Refinement(network).eval()
    crops = torch.zeros(1, 3, sample, sample)
    box = torch.tensor([[0.4, 0.4, 0.2, 0.2]]) * sample
    boxes = box[:, None].expand(-1, BOXES, -1).clone()

    def modulation(second: Tensor, third: Tensor, box: Tensor) -> tuple[Tensor, ...]:
        return tuple(regressor.modulation(second, third, box))

    with torch.no_grad():
        layers = network.features(crops)
        target = regressor.modulation(*layers, box)
        maps = regressor.test_features(*layers)
    both, mods, tests = ("layer2", "layer3"), ("mod3", "mod4"), ("c3", "c4")

    def part(module: nn.Module, inputs: tuple[str, ...], outputs: tuple[str, ...],
             arguments: tuple[Tensor, ...]) -> Part:  # fmt: skip
        return Part(module, inputs, outputs, arguments, batches=True)

    project = Function(regressor, regressor.test_features)
    ends = ("refined", "overlap")
    return {
        "search": part(Function(network, network.features), ("search",), both, (crops,)),
        "modulate": part(Function(regressor, modulation), (*both, "box"), mods, (*layers, box)),
        "project": part(project, both, tests, layers),
        "refine": part(refinement, (*tests, *mods, "boxes"), ends, (*maps, *target, boxes)),
    }
