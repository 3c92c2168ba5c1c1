"""`tracker_ros train`: train a model of our own, export it and write its card."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tracker_ros.errors import ModelError
from tracker_ros.training.pictures import read_collection
from tracker_ros.training.recipe import (
    Recipe,
    is_famnet,
    read_recipe,
    recipe_names,
    recipe_path,
)
from tracker_ros.training.validation import choose_tracking, held_out_pairs, thresholds_from_tracks

EPILOG = """\
example:
  ./run train siamrpnpp --data ../data/train --teacher nanotrack_backbone_sim.onnx

A collection (--data) is a folder with video.json, still.json and unlabelled/; see
docs/training.md. The result lies in runs/NAME: checkpoints, the two ONNX graphs in weights/
and the card NAME.yaml, which every --tracker and model parameter takes by its path.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tracker_ros train`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "recipe", help=f"{', '.join(recipe_names())}, or the path of a recipe (.yaml)"
    )
    parser.add_argument("--data", type=Path, required=True, help="the collection to train on")
    parser.add_argument(
        "--teacher", type=Path, help="ONNX backbone to distil from; without it: from scratch"
    )
    parser.add_argument(
        "--backbone",
        type=Path,
        help="start from this distilled backbone (.safetensors); famnet: "
        "from backbone and head of this network.safetensors of a siamrpnpp run",
    )
    parser.add_argument(
        "--sequences",
        type=Path,
        metavar="DIR",
        help="famnet: MOTChallenge folders to train on, "
        "too; those without pictures teach motion alone",
    )
    parser.add_argument(
        "--held-out",
        nargs="+",
        metavar="TRACK",
        help="tracks of video.json that are not trained on: they choose the tracking values and "
        "thresholds (default: the recipe's, which are those of this project's own data)",
    )
    parser.add_argument("--out", type=Path, help="folder of the run (default runs/NAME)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes that draw pairs (default %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="CPU threads of the network (default: all cores)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on the steps, e.g. 0.01 for a try"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep the stages that the run has finished"
    )
    parser.add_argument(
        "--licence", default="not stated", help="licence the card states (default: %(default)s)"
    )
    parser.add_argument(
        "--trained-on",
        action="append",
        default=None,
        metavar="TEXT",
        help="what the card says of the data; repeat it (default: the folder's name)",
    )


def run(args: argparse.Namespace) -> int:
    """Train, choose the tracking values on the held-out tracks, write the card."""
    # Not above: --help and a wrong word on the command line need no torch.
    import torch

    from tracker_ros.training.famnet_command import run_famnet
    from tracker_ros.training.siamese import Run, check, export, train

    torch.set_num_threads(args.threads or os.cpu_count() or 1)
    path = recipe_path(args.recipe)
    if is_famnet(path):
        return run_famnet(args, path)
    recipe = read_recipe(args.recipe)
    folder = args.out or Path("runs") / recipe.name
    session = Run(
        folder=folder,
        device=args.device,
        workers=args.workers,
        teacher=args.teacher,
        backbone=args.backbone,
        seed=args.seed,
        scale=args.scale,
        resume=args.resume,
    )
    check(recipe, session)
    names = args.held_out or recipe.held_out
    if not names:
        raise ModelError(
            f"recipe '{recipe.name}' holds no track out; name some with --held-out: "
            "they choose the tracking values"
        )
    collection, held_out = read_collection(args.data).split(names)
    network = train(recipe, collection, session)
    stem = folder / "weights" / recipe.name
    export(network, recipe, stem)
    trained_on = args.trained_on or [args.data.resolve().name]
    card = folder / f"{recipe.name}.yaml"
    write_card(card, recipe, recipe.tracking, {}, {}, args.licence, trained_on)
    tracking, auc = choose_tracking(card, recipe, held_out)
    monitor = thresholds_from_tracks(card, tracking, held_out)
    measured = {"held_out_tracks_auc": auc, **held_out_pairs(card, held_out)}
    write_card(card, recipe, tracking, monitor, measured, args.licence, trained_on)
    print(f"card: {card}\ntracking: {tracking}\nmonitor: {monitor}\nmeasured: {measured}")
    return 0


def write_card(
    path: Path,
    recipe: Recipe,
    tracking: Mapping[str, float],
    monitor: dict[str, float],
    measured: dict[str, float],
    licence: str,
    trained_on: Sequence[str],
) -> None:
    """Write the model card; the graphs lie in weights/ beside it."""
    files = {}
    for graph in sorted((path.parent / "weights").glob(f"{recipe.name}.*.onnx")):
        role = graph.name.removeprefix(f"{recipe.name}.").removesuffix(".onnx")
        files[role] = hashlib.sha256(graph.read_bytes()).hexdigest()
    card = {
        "name": recipe.name,
        "tracker": recipe.tracker,
        "paper": recipe.paper,
        "backbone": recipe.backbone,
        "licence": licence,
        "trained_on": list(trained_on),
        "files": files,
        "network": dict(recipe.network),
        "tracking": dict(tracking),
        "monitor": dict(monitor),
        "measured": dict(measured),
    }
    path.write_text(yaml.safe_dump(card, sort_keys=False, width=100))
