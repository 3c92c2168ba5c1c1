"""What is particular to the training of one paper: its network, its loss, its backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tracker_ros.errors import ModelError, program
from tracker_ros.networks.zoo import build_network
from tracker_ros.training.recipe import Recipe
from tracker_ros.training.sampling import Sampling

Figures = dict[str, float | Tensor]
"""Named numbers to show: floats, or detached tensors of no dimension."""


class Batch(NamedTuple):
    """Pairs of crops. Boxes are cx, cy, w, h in pixels of their crop, float32."""

    template: Tensor
    """(B, T, T, 3) uint8, BGR."""
    template_box: Tensor
    """(B, 4), the target in `template`."""
    search: Tensor
    """(B, S, S, 3) uint8, BGR."""
    box: Tensor
    """(B, 4), the target in `search`; of a negative pair, the object that is not the target."""
    positive: Tensor
    """(B,) bool: whether both crops show the same target."""
    scenes: Tensor
    """(B, 2): numbers of the videos or pictures that template and search crops are of. Only crops
    of the same one may show the same target."""
    taught: tuple[Tensor, ...] = ()
    """What a teacher answers to the pairs (tracker_ros.training.teacher); empty without one."""


class Level(NamedTuple):
    """A feature map of a backbone, and where its cells look."""

    features: Tensor
    """(B, C, h, w)."""
    stride: int
    """Pixels from cell to cell."""
    first: float
    """The pixel that cell 0 looks at."""


class Precision(Protocol):
    """What a loss needs of the trainer."""

    @property
    def device(self) -> str:
        """Where the network is."""

    def autocast(self) -> Any:
        """A context in which matrix products are computed in the run's precision."""


class Task(ABC):
    """The network of a recipe and how it learns. Subclasses are in tracker_ros.training.tasks."""

    tracker: ClassVar[str]
    """Its name in networks.zoo and sot.model."""
    rests: ClassVar[bool] = False
    """Whether the backbone stays as it begins."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.network: Any = build_network(self.tracker, recipe.network)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.register_forward_hook(_keep_gradients_dense)

    @abstractmethod
    def loss(self, batch: Batch, trainer: Precision) -> tuple[Tensor, Figures]:
        """The scalar to minimise, with `network` in training mode; and figures to show."""

    @property
    @abstractmethod
    def backbone(self) -> nn.Module:
        """The part of `network` that a teacher's features train beforehand."""

    @abstractmethod
    def levels(self, images: Tensor) -> tuple[Level, ...]:
        """Feature maps of `backbone` of crops (B, 3, 255, 255), BGR in 0..255."""

    @property
    def levels_taught(self) -> int:
        """How many of the last of `levels` a teacher's maps of stride 8 and 16 are taught to.

        1: the coarser one alone.
        """
        return 1

    def check(self, sampling: Sampling) -> None:
        """Raise ModelError for crops that the network or a teacher does not take."""
        sizes = (sampling.template_size, sampling.search_size)
        if self.recipe.respond and (*sizes, sampling.region) != (127, 255, "context"):
            raise self.refused(sampling, 127, 255, "context", "learns from a teacher's responses")

    def refused(
        self, sampling: Sampling, template: int, search: int, region: str, why: str
    ) -> ModelError:
        """The error for crops that do not fit."""
        return ModelError(
            f"recipe '{self.recipe.name}' {why}: its crops have to be {template} and {search} px "
            f"of region {region}, and are {sampling.template_size} and {sampling.search_size} px "
            f"of region {sampling.region}; correct the section sampling"
        )

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of a backbone that another run of this kind has distilled.

        Raises ModelError for the weights of another backbone.
        """
        load_strictly(self.backbone, state, self.recipe.name)


BACKBONES = ("backbone.", "feature_extractor.", "cm.z_net.")
"""What the keys of a backbone begin with in the networks of recipes."""


def read_weights(path: Path, option: str) -> dict[str, Tensor]:
    """What a file of safetensors, given by an option, holds. Raises ModelError."""
    require_weights(path, option)
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path} cannot be read as weights ({option} takes .safetensors): {error}"
        ) from error


def require_weights(path: Path, option: str) -> None:
    """Raise ModelError where there is no such file."""
    if not path.exists():
        raise ModelError(
            f"{option} {path}: there is neither such a file nor such a model; `{program()} models "
            "list` says which there are, and those that can be trained further have a .safetensors "
            "(`models show NAME`)"
        )


def backbone_in(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights of the backbone of a whole network; those of a backbone alone as they are."""
    for prefix in BACKBONES:
        found = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if found:
            return found
    return state


def load_strictly(
    module: nn.Module, state: Mapping[str, Tensor], name: str, part: str = "backbone"
) -> None:
    """Load weights; raises ModelError naming the first that is missing or does not fit."""
    expected = {key: value.shape for key, value in module.state_dict().items()}
    wrong = [
        key for key, shape in expected.items() if key not in state or state[key].shape != shape
    ]
    wrong += [key for key in state if key not in expected]
    if wrong:
        raise ModelError(
            f"the weights given to '{name}' are not those of its {part}: {len(wrong)} are "
            f"missing, unexpected or of another shape, as {wrong[0]}"
        )
    module.load_state_dict(dict(state))


def _keep_gradients_dense(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Parts of a map give gradients of another layout, with which normalisation is far slower."""
    if output.requires_grad:
        output.register_hook(lambda grad: grad.contiguous(memory_format=torch.channels_last))


def images_of(crops: Tensor) -> Tensor:
    """Crops (B, S, S, 3) uint8 as networks take them: (B, 3, S, S) float32, channels last."""
    return crops.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
