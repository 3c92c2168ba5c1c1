"""`tracker_ros eval`: score trackers on sequences with truth, side by side."""

from __future__ import annotations

import argparse

from tracker_ros.evaluation import convert_command, honesty_command, mot_command, sot_command

DESCRIPTION = f"""\
eval sot

{sot_command.DESCRIPTION}

eval mot

{mot_command.DESCRIPTION}

eval honesty

{honesty_command.DESCRIPTION}
eval convert

{convert_command.DESCRIPTION}
'eval TASK --help', as in 'eval sot --help', lists the options.
"""

TASKS = {
    "sot": sot_command,
    "mot": mot_command,
    "honesty": honesty_command,
    "convert": convert_command,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the evaluations, each with options of its own."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    tasks = parser.add_subparsers(
        dest="task", metavar="{sot,mot,honesty,convert}", required=True,
        help="single- or multi-object trackers; what is said of lost targets; or the form of data",
    )  # fmt: skip
    for name, command in TASKS.items():
        command.add_arguments(tasks.add_parser(name))


def run(args: argparse.Namespace) -> int:
    """Run the chosen evaluation."""
    return int(TASKS[args.task].run(args))
