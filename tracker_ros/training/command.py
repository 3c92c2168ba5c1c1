"""`tracker_ros train`: train a model of our own, export it and write its card."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from tracker_ros.errors import ModelError
from tracker_ros.evaluation.options import not_negative
from tracker_ros.models.card import read_card
from tracker_ros.training.recipe import is_famnet, recipe_names, recipe_path

EPILOG = """\
examples:
  ./run train siamrpnpp --data ../data/train --teacher nanotrack_v2/
  ./run train atom --data mine.yaml --held-out walk drive --weights atom_resnet18_small --scale 0.1
                                                              # the default goes on, on your footage
  ./run train atom --data ../data/train --backbone runs/siamrpnpp_resnet18/backbone.safetensors

--data is a folder with video.json, still.json and unlabelled/, a file that names data sets, or what
`./run data prepare` made; docs/training.md tells of all three. The result lies in runs/NAME:
checkpoints, curves, the ONNX graphs in weights/ and the card NAME.yaml, which every --tracker and
model parameter takes by its path.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tracker_ros train`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "recipe", help=f"{', '.join(recipe_names())}, or the path of a recipe (.yaml)"
    )
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, required=True, help="what to train on")
    data.add_argument(
        "--held-out",
        nargs="+",
        metavar="TRACK",
        help="tracks that are not trained on: they choose the tracking values and thresholds "
        "(default: the recipe's, which are those of this project's own data)",
    )
    data.add_argument(
        "--sequences",
        type=Path,
        metavar="DIR",
        help="famnet: MOTChallenge folders to train on, "
        "too; those without pictures teach motion alone",
    )
    start = parser.add_argument_group("where the weights begin")
    start.add_argument(
        "--teacher",
        type=Path,
        help="ONNX backbone to distil from, or a folder with *backbone*.onnx and *head*.onnx; "
        "without it: from scratch",
    )
    start.add_argument(
        "--weights",
        type=_weights,
        metavar="MODEL",
        help="fine-tune: go on from these weights, at a tenth of the recipe's learning rate; a "
        "model whose weights are here (atom_resnet18_small, siamrpnpp_resnet18, or one that was "
        "imported), or the network.safetensors of a run of this recipe",
    )
    start.add_argument(
        "--backbone",
        type=_weights,
        metavar="MODEL",
        help="start from this backbone alone: the backbone.safetensors or network.safetensors of a "
        "run, or a model as for --weights; famnet: from backbone and head of a siamrpnpp run",
    )
    run = parser.add_argument_group("the run")
    run.add_argument("--out", type=Path, help="folder of the run (default runs/NAME)")
    run.add_argument(
        "--resume",
        action="store_true",
        help="go on where the run in that folder stopped: finished stages are kept, an unfinished "
        "one goes on from its last checkpoint",
    )
    run.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    run.add_argument(
        "--precision", choices=("bf16", "fp16", "fp32"), help="instead of the recipe's"
    )
    run.add_argument(
        "--workers",
        type=not_negative,
        default=2,
        help="processes that draw pairs (default %(default)s)",
    )
    run.add_argument(
        "--threads", type=not_negative, default=0,
        help="CPU threads of the network (default: all cores)",
    )  # fmt: skip
    run.add_argument("--seed", type=not_negative, default=0)
    run.add_argument(
        "--scale", type=_share, default=1.0, help="factor on the steps, e.g. 0.01 for a try"
    )
    card = parser.add_argument_group("what the card says")
    card.add_argument("--licence", default="not stated", help="of the weights (%(default)s)")
    card.add_argument(
        "--trained-on",
        action="append",
        default=None,
        metavar="TEXT",
        help="of the data; repeat it (default: the data sets, with the licences that are declared)",
    )


def _weights(text: str) -> Path:
    """A file, or that of a model by its name, for argparse; whether it is there is looked at later.

    What has no suffix and is no model stays as it is: the message then names it.
    """
    path = Path(text)
    if path.suffix or path.exists():
        return path
    try:
        return read_card(text).weights_path
    except ModelError:
        return path


def _share(text: str) -> float:
    """A factor on the steps, for argparse."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no finite number over 0")
    return value


def run(args: argparse.Namespace) -> int:
    """Train, choose the tracking values on the held-out tracks, write the card."""
    # Not above: --help and a wrong word on the command line need no torch.
    import torch

    from tracker_ros.training.distributed import joined
    from tracker_ros.training.famnet_command import run_famnet
    from tracker_ros.training.siamese_command import run_siamese

    torch.set_num_threads(args.threads or os.cpu_count() or 1)
    path = recipe_path(args.recipe)
    with joined(args.device):
        return run_famnet(args, path) if is_famnet(path) else run_siamese(args)
