"""What the result of a job depends on, in one line: where it is the same, a result can be kept."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

from tracker_ros.errors import ParameterError
from tracker_ros.evaluation.report import library_versions
from tracker_ros.models.card import MODELS
from tracker_ros.pipeline.parameters import read_params_file
from tracker_ros.replay.job import Job
from tracker_ros.replay.truth import truth_file


def fingerprint(job: Job) -> str:
    """The sha256 of all that the result of a job depends on, but for the machine.

    Of the bag's files the size and the time of the last change, of the params file, the truth and
    the models their content, all options, and the versions of this package and of its libraries.
    What cannot be read counts as such: whoever replays the job says so.
    """
    asked = {
        field.name: getattr(job, field.name)
        for field in dataclasses.fields(job)
        if field.name not in ("bag", "out", "params_file")
    }
    file = truth_file(job.gt) if job.gt else None
    # A pipe can be read once, and that is not here: what comes of it is no result to keep.
    truth = "" if file is None else _sha256(file) if file.is_file() else uuid.uuid4().hex
    if truth:
        del asked["gt"]  # else it is a topic
    document = {
        "bag": [str(job.bag.resolve()), *_sizes_and_times(job.bag)],
        "asked": asked,
        "parameters": _sha256(job.params_file),
        "truth": truth,
        "models": [_sha256(card) for card in [*sorted(MODELS.glob("*.yaml")), *_own_cards(job)]],
        "versions": library_versions(),
    }
    text = json.dumps(document, default=_plain, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def files_of(bag: Path) -> list[Path]:
    """The files of a bag: itself, or those in its folder."""
    return sorted(path for path in bag.rglob("*") if path.is_file()) if bag.is_dir() else [bag]


def is_card(value: object) -> bool:
    """Whether the value of a parameter is the path of a model card, which names its weights."""
    return isinstance(value, str) and value.endswith((".yaml", ".yml")) and Path(value).is_file()


def _sizes_and_times(bag: Path) -> list[tuple[str, int, int]]:
    rows = []
    for path in files_of(bag):
        try:
            about = path.stat()
        except OSError:
            continue
        rows.append((path.name, about.st_size, about.st_mtime_ns))
    return rows


def _own_cards(job: Job) -> list[Path]:
    """The model cards that the parameters name by path."""
    values = dict(job.settings)
    if job.params_file is not None:
        with contextlib.suppress(ParameterError):  # the replay refuses it
            values = {**read_params_file(job.params_file, job.kind), **values}
    words = [word for value in values.values() if isinstance(value, str) for word in _parts(value)]
    return [Path(word) for word in words if is_card(word)]


def _parts(value: str) -> tuple[str, str]:
    """A path, and what it is without the variants of a tracker behind a colon."""
    return value, value.partition(":")[0]


def _sha256(path: Path | None) -> str:
    try:
        return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "not a file"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
