"""`tracker_ros train famnet`: films, training, export and the card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tracker_ros.errors import DataError, ModelError
from tracker_ros.models.card import Card
from tracker_ros.networks.famnet import FAMNet
from tracker_ros.training import distributed
from tracker_ros.training.famnet import (
    FamnetRecipe,
    Films,
    check_famnet,
    compose_films,
    export,
    read_famnet_recipe,
    read_sequences,
    save,
    start_network,
    train_famnet,
)
from tracker_ros.training.footage import CellReader, Film
from tracker_ros.training.holding_out import hold_out
from tracker_ros.training.pictures import Collection
from tracker_ros.training.reading import read_collection
from tracker_ros.training.recipe_keys import section
from tracker_ros.training.record import graphs_of, origins, record
from tracker_ros.training.run import Run, check_machine
from tracker_ros.training.run_lock import alone_in
from tracker_ros.training.session import Session

HELD_OUT_FILMS = 12
HELD_OUT_SHARE = 0.15
"""Of the photographs."""


def run_famnet(args: argparse.Namespace, recipe_path: Path) -> int:
    """Train FAMNet as the options of `tracker_ros train` say; everything is checked first."""
    recipe = read_famnet_recipe(recipe_path)
    if args.teacher is not None:
        raise ModelError(
            "famnet is trained in one stage on a backbone that stays as it is: leave out --teacher"
        )
    if args.weights is not None:
        raise ModelError("famnet is not gone on with: leave out --weights, give --backbone")
    if args.backbone is None:
        raise ModelError(
            "FAMNet stands on the backbone of a trained SiamRPN++: train that first and give its "
            "weights, --backbone runs/siamrpnpp_alexnet_small/network.safetensors"
        )
    folder = args.out or Path("runs") / recipe.name
    names = args.held_out or recipe.held_out
    network = section(str(recipe_path), "network", lambda: start_network(recipe, args.backbone))
    told = _told(recipe, names, args)
    run = Run(
        Session(folder, args.resume, args.workers, told), args.device,
        precision=args.precision, seed=args.seed, scale=args.scale,
    )  # fmt: skip
    trainer = section(
        str(recipe_path), "train", lambda: run.trainer(recipe.train, str(recipe_path), "train")
    )
    check_machine(run)
    with alone_in(folder):
        sequences, held_out = _sequences(args.sequences, recipe)
        collection, others = _split(
            read_collection(args.data), names, bool(args.held_out), recipe_path
        )
        told["data"] = collection.fingerprint
        reader = CellReader(network.feature.backbone, args.device)
        films = _films(recipe, collection, sequences, reader, args)
        checked = _held_out(recipe, others, held_out, reader, args)
        network.feature.backbone.cpu()
        train_famnet(recipe, network, films, trainer, run.session)
        if not distributed.is_main():
            return 0
        save(network, folder / "network.safetensors")
        measured = check_famnet(network.cpu(), checked, recipe.past_frames)
        card = _write_card(recipe, network, folder, measured, args)
        print(f"card: {card}\nmeasured: {measured}")
        return 0


def _told(recipe: FamnetRecipe, held_out: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """What a checkpoint must be of to be resumed, but for the data."""
    return {
        "recipe": vars(recipe),
        "sequences": args.sequences and args.sequences.resolve().name,
        **origins(None, args.backbone),
        "held out": held_out,
    }


def _split(
    collection: Collection, held_out: list[str], given: bool, recipe: Path
) -> tuple[Collection, Collection]:
    """What is trained on, and what is not: the tracks named, and the last photographs."""
    kept, tracks = hold_out(collection, held_out, given, recipe)
    stills, unlabelled = (
        round(len(pictures) * (1 - HELD_OUT_SHARE)) for pictures in (kept.stills, kept.unlabelled)
    )
    return (
        Collection(kept.tracks, kept.stills[:stills], kept.unlabelled[:unlabelled]),
        Collection(tracks, kept.stills[stills:], kept.unlabelled[unlabelled:]),
    )


def _sequences(folder: Path | None, recipe: FamnetRecipe) -> tuple[list[Path], list[Path]]:
    """The MOTChallenge sequences to train on, and those held out."""
    if folder is None:
        return [], []
    if not folder.is_dir():
        raise DataError(f"--sequences {folder}: no such folder; expected NAME/seqinfo.ini in it")
    found = sorted(path.parent for path in folder.glob("*/seqinfo.ini"))
    if not found:
        raise DataError(f"--sequences {folder}: no NAME/seqinfo.ini in it")
    held = [path for path in found if path.name in recipe.held_out_sequences]
    return [path for path in found if path not in held], held


def _films(
    recipe: FamnetRecipe, collection: Collection, sequences: list[Path], reader: CellReader,
    args: argparse.Namespace,
) -> Films:  # fmt: skip
    count = max(1, round(recipe.crowds["films"] * min(args.scale, 1.0)))
    crowds = compose_films(collection, reader, count, recipe.crowds["frames"], args.seed)
    return Films(crowds, *read_sequences(sequences, reader, args.seed))


def _held_out(
    recipe: FamnetRecipe, collection: Collection, sequences: list[Path], reader: CellReader,
    args: argparse.Namespace,
) -> list[Film]:  # fmt: skip
    count = max(1, round(HELD_OUT_FILMS * min(args.scale, 1.0)))
    crowds = compose_films(collection, reader, count, recipe.crowds["frames"], args.seed + 1)
    pictures, _ = read_sequences(sequences, reader, args.seed)
    return [*crowds, *pictures]


def _write_card(
    recipe: FamnetRecipe, network: FAMNet, folder: Path, measured: dict[str, float],
    args: argparse.Namespace,
) -> Path:  # fmt: skip
    section = export(network, recipe, folder / "weights" / recipe.name)
    batches = {recipe.name: int(recipe.train["batch"])}
    begun = origins(None, args.backbone)
    card = Card(
        recipe.name, recipe.tracker, recipe.paper, recipe.backbone, args.licence,
        tuple(args.trained_on or [args.data.resolve().name]), graphs_of(recipe.name, folder),
        network=section, measured=measured,
        training=record(args.recipe, folder, batches, args.device, args.seed, begun),
    )  # fmt: skip
    path = folder / f"{recipe.name}.yaml"
    path.write_text(card.as_yaml())
    return path
