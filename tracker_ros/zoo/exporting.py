"""Writes a model for another machine; or a published network with random weights, for timing."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracker_ros.errors import ModelError, program
from tracker_ros.models.card import Card, read_card
from tracker_ros.zoo.checkpoints import RANDOM
from tracker_ros.zoo.importing import published
from tracker_ros.zoo.shelf import make, put, require_free, staging
from tracker_ros.zoo.usable import require_usable

EXPOSURES = ((127, 127), (40, 40), (215, 40), (10, 10), (245, 10), (90, 200))
"""Middle value and contrast of the synthetic images that random weights are scaled by. Random
layers enlarge a shift of brightness, layer by layer, unless their statistics know of it."""
BOXES = 16
"""Boxes in each of them."""
FEWEST = 16
"""Values that a statistic takes at least."""


def export_model(name: str, folder: Path, *, force: bool = False) -> Path:
    """Copy card, graphs and weights of a model into a folder; the path of the card there.

    A card there is found by its path, or by its name where $TRACKER_ROS_MODELS names the folder.
    Raises ModelError when the node would refuse the card, files of the model are missing or
    damaged, the folder has such a model (without `force`), or cannot be written.
    """
    card = read_card(name)
    require_usable(card)
    if not card.files:
        raise ModelError(
            f"model '{card.name}' has no weights here; see `{program()} models show {card.name}` "
            "for where to get them, or export it --untrained"
        )
    graphs = [card.graph(role) for role in card.files]
    if card.folder.resolve() == folder.resolve():
        raise ModelError(f"{folder} is where '{card.name}' is; --out names another folder")
    require_free(card.name, folder, force=force)
    with staging(folder) as stage:
        for path in (*graphs, card.weights_path):
            if path.is_file():
                shutil.copyfile(path, stage / "weights" / path.name)
        (stage / f"{card.name}.yaml").write_text(card.as_yaml(), encoding="utf-8")
        put(card.name, stage, folder)
    return folder / f"{card.name}.yaml"


def export_untrained(name: str, seed: int, folder: Path, *, force: bool = False) -> Path:
    """Write a model's network with seeded random weights, as NAME_untrained; the card's path.

    It finds nothing, but costs what the trained one costs. Raises ModelError as export_model does.
    """
    import torch

    from tracker_ros.networks.zoo import build_network

    base = published(name)
    card = dataclasses.replace(
        base,
        name=f"{base.name}_untrained",
        files={},
        licence="none: random numbers",
        trained_on=("nothing",),
        monitor={},
        measured={},
        checkpoint=None,
        origin="",
        notes=f"The network of {base.name} with random weights (seed {seed}): it tracks nothing "
        "and is for timing.",
    )
    require_free(card.name, folder, force=force)
    torch.manual_seed(seed)
    network = build_network(card.tracker, card.network)
    settle(network, card)
    with staging(folder) as stage:
        make(card, network, stage, {RANDOM: f"seed {seed}"})
        put(card.name, stage, folder)
    return folder / f"{card.name}.yaml"


def settle(network: Any, card: Card) -> None:
    """Scale random weights so that activations are about 1 everywhere, as after training.

    In the order in which layers are reached by synthetic images, each convolution and linear
    layer is scaled to give a deviation of 1, and each normalisation takes the statistics of what
    reaches it. Else the values of a deep network with random weights vanish or overflow, and a
    processor that meets subnormal numbers is slower than it will be.
    """
    import torch
    from torch import nn

    seen: set[nn.Module] = set()

    def scale(module: Any, _inputs: tuple[Any, ...], output: Any) -> Any:
        if module in seen or output.numel() < FEWEST:
            return output
        seen.add(module)
        factor = 1.0 / max(float(output.std()), 1e-2)
        module.weight.mul_(factor)
        if module.bias is not None:
            module.bias.mul_(factor)
        return output * factor

    def normalise(module: Any, inputs: tuple[Any, ...]) -> None:
        if module in seen:
            return
        seen.add(module)
        values = inputs[0].transpose(0, 1).flatten(1)
        if values.shape[1] >= FEWEST:
            module.running_mean.copy_(values.mean(1))
            # A channel that is constant is not to be divided by nothing.
            module.running_var.copy_(values.var(1).clamp(min=1e-2))

    hooks = []
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            hooks.append(module.register_forward_hook(scale))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            hooks.append(module.register_forward_pre_hook(normalise))
    with torch.no_grad():
        for _ in _passes(network, card):
            pass
    for hook in hooks:
        hook.remove()


def _passes(network: Any, card: Card) -> Iterator[Any]:
    """Forward passes over synthetic images that reach every layer of a network."""
    import torch

    count = len(EXPOSURES)
    around = torch.randn(count, BOXES, 4) * 10
    if card.tracker == "spm":
        corners = torch.tensor([[[100.0, 100.0, 170.0, 170.0]]])
        *kernels, target = network.template(_images(271)[:1], corners)
        *features, regions = network.features(_images(271))
        yield network.match(kernels, features)
        yield network.refine(target.expand(count, -1, -1, -1), regions, corners + around)
    elif card.tracker == "atom":
        boxes = torch.tensor([[[100.0, 100.0, 70.0, 70.0]]]) + around
        yield network(_images(288), boxes[:, 0], _images(288), boxes)
    else:
        yield network(_images(127), _images(int(card.tracking.get("instance", 255))))


def _images(size: int) -> Any:
    """Images (EXPOSURES, 3, size, size) in 0..255, with edges and grain as photographs have."""
    import torch
    from torch.nn import functional

    image = torch.zeros(len(EXPOSURES), 3, size, size)
    for cell in (64, 16, 4, 1):
        coarse = torch.rand(len(EXPOSURES), 3, size // cell + 1, size // cell + 1) - 0.5
        image += functional.interpolate(coarse, (size, size), mode="nearest")
    middle, contrast = (
        torch.tensor(EXPOSURES, dtype=torch.float32).reshape(-1, 2, 1, 1, 1).unbind(1)
    )
    return (middle + image * contrast).clamp(0, 255)
