"""Training of SiamFC and SiamRPN++: distil the backbone, then train the whole on pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tracker_ros.anchors import AnchorGrid
from tracker_ros.errors import ModelError
from tracker_ros.networks.backbones.alexnet import AlexNet
from tracker_ros.networks.siamfc import SiamFC
from tracker_ros.networks.siamrpn import SiamRPN
from tracker_ros.networks.zoo import export_network
from tracker_ros.sot.ranges import checked
from tracker_ros.sot.siamfc import SiamFCParameters
from tracker_ros.sot.siamrpnpp import SiamRPNParameters
from tracker_ros.training.distill import distill
from tracker_ros.training.losses import rpn_loss, siamfc_loss
from tracker_ros.training.pairs import Batch, PairBatches, Sampling, batch_loader
from tracker_ros.training.pictures import Collection
from tracker_ros.training.recipe import Recipe
from tracker_ros.training.schedule import Trainer

PARAMETERS: dict[str, type[Any]] = {
    "siamfc": SiamFCParameters,
    "siamrpnpp": SiamRPNParameters,
}
Loss = Callable[[Batch], tuple[Tensor, dict[str, float]]]


@dataclasses.dataclass(frozen=True)
class Run:
    """Where a run keeps its files and what it may use."""

    folder: Path
    device: str = "cpu"
    workers: int = 2
    teacher: Path | None = None
    """ONNX file of the backbone to distil from; None trains from scratch."""
    backbone: Path | None = None
    """A distilled backbone to start from instead of distilling."""
    seed: int = 0
    scale: float = 1.0
    """Factor on the number of steps, for a quick try."""
    resume: bool = False

    def trainer(self, values: Mapping[str, Any]) -> Trainer:
        """The loop of a stage, with this run's seed, device and number of steps."""
        trainer = Trainer(**values, seed=self.seed, device=self.device)
        return dataclasses.replace(trainer, steps=max(1, round(trainer.steps * self.scale)))


def build(recipe: Recipe) -> SiamFC | SiamRPN:
    """The recipe's network with fresh weights."""
    arguments = dict(recipe.network)
    widths = tuple(arguments.pop("widths"))
    if recipe.tracker == "siamfc":
        return SiamFC(widths, **arguments)
    if recipe.tracker == "siamrpnpp":
        return SiamRPN(widths, **arguments)
    raise ModelError(
        f"recipe '{recipe.name}' trains '{recipe.tracker}'; known are siamfc, siamrpnpp"
    )


def check(recipe: Recipe, run: Run) -> None:
    """Raise ModelError for what would stop the run later: before anything takes its time."""
    parts: dict[str, Callable[[], object]] = {
        "network": lambda: build(recipe),
        "sampling": lambda: Sampling(**recipe.sampling),
        "distil": lambda: run.trainer(recipe.distil),
        "train": lambda: run.trainer(recipe.train),
        "tracking": lambda: checked(
            PARAMETERS[recipe.tracker],
            recipe.tracking,
            f"recipe '{recipe.name}', section tracking",
        ),
    }
    for name, make in parts.items():
        try:
            make()
        except (TypeError, KeyError) as error:
            raise ModelError(f"recipe '{recipe.name}', section {name}: {error}") from error
    for path in (run.teacher, run.backbone):
        if path is not None and not path.is_file():
            raise ModelError(f"{path}: no such file (--teacher, --backbone)")
    try:
        torch.zeros(1, device=run.device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"--device {run.device} cannot be used: {error}") from error


def train(recipe: Recipe, collection: Collection, run: Run) -> SiamFC | SiamRPN:
    """Both stages; finished ones are kept in the run's folder and, with `resume`, not repeated."""
    run.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.seed)
    network = build(recipe)
    finished = run.folder / "network.safetensors"
    if run.resume and finished.exists():
        network.load_state_dict(load_file(finished))
        return network.eval()
    _start_backbone(network, recipe, collection, run)
    sampling = Sampling(**recipe.sampling)
    trainer = run.trainer(recipe.train)
    batches = PairBatches(collection, sampling, trainer.batch, run.seed + 1000)
    loader = iter(batch_loader(batches, run.workers))
    trainer.run(network, loader, _loss(network, sampling, trainer), name=recipe.name)
    network.cpu()
    _save(network, finished)
    return network


def _save(network: nn.Module, path: Path) -> None:
    """Write the weights; training keeps them channels last, which safetensors does not take."""
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)


def _start_backbone(
    network: SiamFC | SiamRPN, recipe: Recipe, collection: Collection, run: Run
) -> None:
    kept = run.backbone or run.folder / "backbone.safetensors"
    backbone = AlexNet(tuple(recipe.network["widths"]))
    if run.backbone is not None or (run.resume and kept.exists()):
        backbone.load_state_dict(load_file(kept))
    elif run.teacher is not None:
        trainer = run.trainer(recipe.distil)
        distill(backbone, collection, run.teacher, trainer, workers=run.workers)
        _save(backbone.cpu(), kept)
    else:
        return
    if isinstance(network, SiamFC):
        network.backbone.start_from(backbone)
    else:
        network.backbone.load_state_dict(backbone.state_dict())


def _loss(network: SiamFC | SiamRPN, sampling: Sampling, trainer: Trainer) -> Loss:
    device = trainer.device
    if isinstance(network, SiamFC):

        def siamfc(batch: Batch) -> tuple[Tensor, dict[str, float]]:
            template, search, boxes, positive = (part.to(device) for part in batch)
            with trainer.autocast():
                response = network(_images(template.flip(-1)), _images(search.flip(-1)))
            loss = siamfc_loss(response.float(), boxes, positive, sampling.search_size)
            return loss, {}

        return siamfc
    cells = (sampling.search_size - 127) // 8 + 1
    anchors = torch.from_numpy(AnchorGrid(cells).table()).to(device)
    anchors[:2] += (sampling.search_size - 1) / 2

    def siamrpn(batch: Batch) -> tuple[Tensor, dict[str, float]]:
        template, search, boxes, positive = (part.to(device) for part in batch)
        with trainer.autocast():
            cls, loc = network(_images(template), _images(search))
        return rpn_loss(cls.float(), loc.float(), anchors, boxes, positive)

    return siamrpn


def _images(crops: Tensor) -> Tensor:
    """Crops (B, S, S, 3) uint8 as the networks take them: (B, 3, S, S) float32."""
    return crops.permute(0, 3, 1, 2).float()


def export(network: SiamFC | SiamRPN, recipe: Recipe, stem: Path) -> tuple[str, ...]:
    """Write the graphs STEM.ROLE.onnx and return their roles."""
    return export_network(recipe.tracker, network, recipe.tracking, stem)
