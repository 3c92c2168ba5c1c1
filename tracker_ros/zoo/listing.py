"""Says which models there are, and all that is known of one."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tracker_ros.errors import ModelError, program
from tracker_ros.models.card import Card, card_names, file_sha256, read_card, user_folder

TELLING = "ten_public_sequences_auc"
"""The figure of a card that a list shows, where it has several."""
HEADS = ("model", "tracker", "paper", "files", "where", "licence", "measured")


@dataclass(frozen=True)
class Row:
    """A model in a list."""

    model: str
    tracker: str
    paper: str
    files: str
    """yes: graphs are here; import: a published configuration without weights; no: files lack."""
    where: str
    """package, or user: the user's own folder, which comes first."""
    licence: str
    measured: Mapping[str, Any]

    @classmethod
    def of(cls, card: Card) -> Row:
        """The row of a card."""
        files = "yes" if card.graphs_here else "no" if card.files else "import"
        where = "user" if card.folder == user_folder() else "package"
        return cls(
            card.name, card.tracker, card.paper, files, where, card.licence, dict(card.measured)
        )

    def short(self) -> tuple[str, ...]:
        """The cells of a table: who and where of the paper, one figure."""
        authors, _, _ = self.paper.partition(", ")
        _, _, venue = self.paper.rpartition(", ")
        own = [key for key in self.measured if not key.startswith("published_")]
        key = TELLING if TELLING in own else next(iter(own), "")
        figure = f"{key.replace('_', ' ')} {self.measured[key]}" if key else "-"
        licence = textwrap.shorten(re.split("[,;]", self.licence)[0], 40, placeholder=" ...")
        paper = " ".join((f"{authors}, {venue}" if venue != authors else authors).split())
        return (self.model, self.tracker, paper, self.files, self.where, licence, figure)


def rows_of_all() -> tuple[list[Row], list[str]]:
    """A row for every model; and what is wrong with each card that cannot be read."""
    rows, errors = [], []
    for name in card_names():
        try:
            rows.append(Row.of(read_card(name)))
        except ModelError as error:
            errors.append(str(error))
    return rows, errors


def table(rows: Sequence[Row]) -> str:
    """The rows for people."""
    cells = [HEADS, *(row.short() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def as_json(rows: Sequence[Row]) -> str:
    """The rows for programs."""
    return json.dumps([asdict(row) for row in rows], indent=2)


def in_words(card: Card) -> str:
    """All that a card says, what is true of its files, and how official weights are imported."""
    return "\n".join(
        f"{head:<13}{line}".rstrip()
        for title, lines in _sections(card)
        for head, line in zip((title, *[""] * len(lines)), lines or ["-"], strict=False)
    )


def _sections(card: Card) -> Iterator[tuple[str, list[str]]]:
    yield "model", [card.name]
    yield "tracker", [card.tracker]
    yield "paper", [card.paper]
    yield "backbone", [card.backbone]
    yield "licence", [card.licence]
    yield "trained on", list(card.trained_on)
    yield "files", list(_files(card))
    yield "network", _values(card.network)
    yield "tracking", _values(card.tracking)
    yield "thresholds", _values(card.monitor)
    yield "measured", _values(card.measured)
    yield "notes", [card.notes] if card.notes else []
    if card.origin:
        yield "imported", [f"from {card.origin}"]
    if card.checkpoint is not None:
        yield "official", list(_official(card))


def _values(values: Mapping[str, Any]) -> list[str]:
    shown = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    return [f"{key} {value}" for key, value in shown.items()]


def _files(card: Card) -> Iterator[str]:
    if not card.files:
        yield "none here: official weights are to be imported (below)"
    for role in card.files:
        path = card.graph_path(role)
        try:
            size = f"{path.stat().st_size / 1e6:.1f} MB"
            holds = file_sha256(path) == card.files[role]
            verdict = "sha256 holds" if holds else "DAMAGED: its sha256 is not the card's"
        except OSError as error:
            size, verdict = "-", f"MISSING: {error.strerror}"
        yield f"{path}  {size}  {verdict}"
    if card.files and card.weights_path.is_file():
        size = f"{card.weights_path.stat().st_size / 1e6:.1f} MB"
        yield f"{card.weights_path}  {size}  (what the graphs were exported from)"


def _official(card: Card) -> Iterator[str]:
    checkpoint = card.checkpoint
    assert checkpoint is not None
    yield f"{' and '.join(checkpoint.files)} at {checkpoint.page}"
    yield f"licence of the weights: {checkpoint.licence}; layout {checkpoint.layout}"
    if card.files:
        yield "imported already; to replace what is here:"
    if checkpoint.urls:
        yield f"{program()} models fetch {card.name}{' --force' if card.files else ''}"
    yield import_command(card)


def import_command(card: Card) -> str:
    """What is typed to import the official files once they are here."""
    files = " ".join(card.checkpoint.files) if card.checkpoint is not None else "FILE"
    force = " --force" if card.files else ""
    return f"{program()} models import {files} --model {card.name}{force}"
