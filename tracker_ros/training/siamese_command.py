"""`tracker_ros train` of the single-object trackers: the run, what it leaves, and the card."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from tracker_ros.errors import ModelError
from tracker_ros.models.card import Card
from tracker_ros.sot.model import load_model
from tracker_ros.training.curves import curves_of, draw_curves
from tracker_ros.training.distributed import is_main
from tracker_ros.training.holding_out import hold_out, warn_of_one
from tracker_ros.training.pictures import FrameTrack
from tracker_ros.training.reading import read_collection
from tracker_ros.training.recipe import read_recipe, recipe_path
from tracker_ros.training.record import graphs_of, origins, record
from tracker_ros.training.run import Run, check, export, train
from tracker_ros.training.run_lock import alone_in
from tracker_ros.training.session import Session
from tracker_ros.training.tracking_values import choose_tracking
from tracker_ros.training.validation import held_out_pairs, mean_auc, thresholds_from_tracks

LEARNT = ("tracker", "network", "sampling", "distil", "train", "respond")
"""The sections of a recipe that decide the weights: a run of others is not resumed."""


def run_siamese(args: argparse.Namespace) -> int:
    """Train as the options of `tracker_ros train` say; everything is checked first."""
    recipe = read_recipe(args.recipe)
    names = args.held_out or recipe.held_out
    if not names:
        raise ModelError(
            f"recipe '{recipe.name}' holds no track out; name some with --held-out: "
            "they choose the tracking values"
        )
    folder = args.out or Path("runs") / recipe.name
    begun = origins(args.teacher, args.backbone, args.weights)
    learnt_from = {
        **{key: vars(recipe)[key] for key in LEARNT},
        **begun,
        "held out": names,
    }
    plan = Run(
        Session(folder, args.resume, args.workers, learnt_from), args.device, args.teacher,
        args.weights, args.backbone, args.precision, args.seed, args.scale,
    )  # fmt: skip
    check(recipe, plan)
    path = recipe_path(args.recipe)
    with alone_in(folder):
        everything = read_collection(args.data, progress=is_main())
        collection, held_out = hold_out(everything, names, bool(args.held_out), path)
        warn_of_one(held_out, bool(args.held_out), path)
        learnt_from["data"] = collection.fingerprint
        task = train(recipe, collection, plan)
        if not is_main():
            return 0
        draw_curves(curves_of([folder]), folder / "curves.png")
        export(task, folder / "weights" / recipe.name)
        declared = [f"{name} ({licence})" for name, licence in collection.licences.items()]
        taught = [f"distilled from {begun['teacher']}"] if args.teacher else []
        batches = {
            "distil": plan.trainer(recipe.distil).batch,
            recipe.name: plan.trainer(recipe.train).batch,
        }
        card = Card(
            recipe.name, recipe.tracker, recipe.paper, recipe.backbone, args.licence,
            tuple(args.trained_on or [*declared, *taught]), graphs_of(recipe.name, folder),
            network=recipe.network, tracking=recipe.tracking,
            training=record(args.recipe, folder, batches, args.device, args.seed, begun),
        )  # fmt: skip
        measured = write_measured(card, folder, held_out)
        print(f"card: {folder / card.name}.yaml\ntracking: {dict(measured.tracking)}")
        print(f"monitor: {dict(measured.monitor)}\nmeasured: {dict(measured.measured)}")
        return 0


def write_measured(card: Card, folder: Path, held_out: list[FrameTrack]) -> Card:
    """Write the card with the tracking values and thresholds that the held-out tracks choose.

    Every choice is made with what the card says up to then, as users would run it.
    """
    path = folder / f"{card.name}.yaml"
    path.write_text(card.as_yaml())
    tracking, auc = choose_tracking(load_model(str(path)), held_out)
    card = dataclasses.replace(card, tracking=tracking)
    path.write_text(card.as_yaml())
    card = dataclasses.replace(card, monitor=thresholds_from_tracks(path, held_out))
    figures = {
        "held_out_footage_auc": auc,
        "held_out_tracks_auc": mean_auc(load_model(str(path)), held_out),
        **held_out_pairs(path, held_out),
    }
    card = dataclasses.replace(card, measured=figures)
    path.write_text(card.as_yaml())
    return card
