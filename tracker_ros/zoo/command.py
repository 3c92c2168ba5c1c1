"""`tracker_ros models`: list them, show one, fetch and import official weights, export."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tracker_ros.errors import ModelError, program
from tracker_ros.models.card import MODELS, read_card, user_folder
from tracker_ros.zoo import listing
from tracker_ros.zoo.exporting import export_model, export_untrained
from tracker_ros.zoo.fetching import fetch
from tracker_ros.zoo.importing import import_weights, new_name, published
from tracker_ros.zoo.usable import DEFAULTS, require_usable

DESCRIPTION = """\
Models: which there are, official weights, and models for other machines.

A model is a card and its graphs (docs/models.md). Those of a published configuration are made here
out of the weights that its authors offer: 'show NAME' says where, 'fetch NAME' brings them where
there is a direct download, 'import FILE --model NAME' makes the model, in the user's own folder
($TRACKER_ROS_MODELS, else ~/.local/share/tracker_ros/models). Nothing that a checkpoint holds is
executed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the things that can be done with models."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)

    def task(name: str, words: str) -> argparse.ArgumentParser:
        return tasks.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")

    one = task("list", "every model: its paper, whether its files are here, how good it is")
    one.add_argument("--json", action="store_true", help="for programs")

    one = task("show", "all that is known of a model, and where its official weights are")
    one.add_argument("model", help="name of a model, or the path of a card (.yaml)")

    one = task("import", "make a model of official weights (needs torch)")
    one.add_argument(
        "files", type=Path, nargs="+", metavar="FILE",
        help="the checkpoint as its authors offer it (.pth, .pt, ...), all files of it; or "
        ".safetensors",
    )  # fmt: skip
    one.add_argument("--model", required=True, help="which configuration it is: see 'list'")
    _where_to(one)

    one = task("fetch", "download official weights and import them (needs torch)")
    one.add_argument("model", help="name of a published configuration")
    _where_to(one)

    one = task("export", "write a model into a folder, for another machine")
    one.add_argument("model", help="name of a model, or the path of a card (.yaml)")
    one.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to (default: ./NAME, the model's name)"
    )
    one.add_argument(
        "--untrained", type=int, metavar="SEED",
        help="NAME_untrained, with random weights of this seed instead: tracks nothing, and takes "
        "as long as the trained one (needs torch)",
    )  # fmt: skip
    one.add_argument("--force", action="store_true", help="replace a model of that name there")


def _where_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as", dest="name", default="", metavar="NEWNAME", help="a name of its own for the model"
    )
    parser.add_argument("--force", action="store_true", help="replace a model of that name")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for. Raises ModelError when it cannot be done; then nothing has changed."""
    if args.task == "list":
        return _list(args.json)
    # The name of a tracker stands for its default model, as everywhere.
    args.model = DEFAULTS.get(args.model, args.model)
    if args.task == "show":
        return _show(args.model)
    if args.task == "import":
        _import(args.files, args.model, args.name, force=args.force)
    elif args.task == "fetch":
        _fetch(args.model, args.name, force=args.force)
    elif args.task == "export":
        _export(args)
    return 0


def _list(as_json: bool) -> int:
    rows, errors = listing.rows_of_all()
    print(listing.as_json(rows) if as_json else listing.table(rows))
    if not as_json:
        print(f"\nfiles: 'import' are published configurations, see {program()} models show NAME\n"
              f"where: package is {MODELS}\n"
              f"       user is {user_folder()}")  # fmt: skip
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return 2 if errors else 0


def _show(model: str) -> int:
    card = read_card(model)
    print(listing.in_words(card))
    try:
        require_usable(card)
    except ModelError as error:
        print(f"INVALID: {error}")
        return 1
    return 0


def _fetch(model: str, name: str, *, force: bool) -> None:
    card = published(model)
    checkpoint = card.checkpoint
    if checkpoint is None:
        raise ModelError(f"'{card.name}' is no published configuration: it has nothing to fetch")
    command = listing.import_command(card)
    if not checkpoint.urls:
        raise ModelError(
            f"the weights of '{card.name}' have no address for a direct download on its card; get "
            f"{' and '.join(checkpoint.files)} at {checkpoint.page}, then: {command}"
        )
    new_name(card, name, force=force)  # refused before anything is fetched
    folder = user_folder() / "downloads" / card.name  # all of pysot's files are model.pth
    files = [folder / file for file in checkpoint.files]
    for url, sha256, file in zip(checkpoint.urls, checkpoint.sha256, files, strict=True):
        fetch(url, sha256, file)
    if importlib.util.find_spec("torch") is None:
        raise ModelError(
            f"{' and '.join(map(str, files))}: fetched and verified, but to import it torch is "
            "needed (`./run setup train` installs it; elsewhere pip install 'tracker_ros[train]'), "
            f"then: {program()} models import {' '.join(map(str, files))} --model {card.name}"
        )
    _import(files, model, name, force=force)
    shutil.rmtree(folder, ignore_errors=True)


def _import(files: Sequence[Path], model: str, name: str, *, force: bool) -> None:
    imported = import_weights(files, model, name=name, force=force, tell=_tell)
    if imported.doubt:
        _tell(
            f"note: not verified that these are the published weights ({imported.doubt}); the "
            "card says so of licence and training data"
        )
    if imported.strangers:
        _tell(
            f"note: the checkpoint also asks for {', '.join(imported.strangers)}: left out, "
            "nothing of it was run"
        )
    print(f"model: {imported.card.stem}\ncard: {imported.card}")
    for file in imported.files:
        print(f"file: {file} ({file.stat().st_size / 1e6:.1f} MB)")


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _export(args: argparse.Namespace) -> None:
    name = Path(args.model).stem
    if args.untrained is None:
        path = export_model(args.model, args.out or Path(name), force=args.force)
    else:
        folder = args.out or Path(f"{name}_untrained")
        path = export_untrained(args.model, args.untrained, folder, force=args.force)
    print(f"card: {path}")
