"""Checkpoints of one stage of a run: written whole or not at all, read back with suspicion."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tracker_ros.errors import ModelError

FORMAT = 1
KEPT = 2
"""The newest, and the one before should the newest be damaged."""


class Checkpoints:
    """The files FOLDER/checkpoints/NAME-STEP.pt of the stage `name` of a run.

    fingerprint: what decides what is learnt; a checkpoint with another one is refused.
    """

    def __init__(
        self, folder: Path, name: str, fingerprint: Mapping[str, str], minutes: float
    ) -> None:
        self.folder, self.name = folder / "checkpoints", name
        self.fingerprint, self.seconds = dict(fingerprint), 60 * minutes
        self._written = time.monotonic()
        self._kept: list[Path] = []
        self._older: Path | None = None

    def files(self) -> list[Path]:
        """Those there are, the newest first."""
        own = re.compile(re.escape(self.name) + r"-\d{8}\.pt")
        found = self.folder.glob("*.pt") if self.folder.is_dir() else ()
        return sorted((path for path in found if own.fullmatch(path.name)), reverse=True)

    def begin_again(self) -> Path | None:
        """The newest checkpoint of an earlier run, which this run is to replace; None without."""
        self._older = next(iter(self.files()), None)
        return self._older

    def spared(self, step: int) -> Path | None:
        """The earlier run's newest checkpoint, if this run is too young to replace it.

        It is, up to that one's step, until it is time to write one.
        """
        if self._older is None or self.due() or step > step_of(self._older):
            return None
        return self._older

    def due(self) -> bool:
        """Whether it is time to write one."""
        return time.monotonic() - self._written >= self.seconds

    def write(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write the state after `step` steps, and remove all but the last two files.

        Raises ModelError when it cannot be written; what was there before stays.
        """
        path = self.folder / f"{self.name}-{step:08d}.pt"
        content = {"format": FORMAT, "fingerprint": self.fingerprint, "step": step, **state}
        temporary = path.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except (OSError, RuntimeError) as error:
            temporary.unlink(missing_ok=True)
            raise ModelError(
                f"the checkpoint {path} cannot be written: {error}; make room, then --resume"
            ) from error
        self._kept, self._older = [path, *self._kept][:KEPT], None
        # What else is there is damaged, or of an earlier run that was not resumed.
        for other in (*self.files(), *self.folder.glob(f"{self.name}-*.new")):
            if other not in self._kept:
                other.unlink(missing_ok=True)
        self._written = time.monotonic()
        return path

    def latest(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read; None if there is no file at all.

        With its `path`. A damaged one is told on stderr, and the one before taken. Raises
        ModelError if it is of another run, naming what differs, or if none can be read.
        """
        files = self.files()
        for path in files:
            try:
                content = read_checkpoint(path)
            except ModelError as error:
                print(f"warning: {error}", file=sys.stderr)
                continue
            self._compare(path, content["fingerprint"])
            self._kept = [path]
            return {**content, "path": str(path)}
        if files:
            raise ModelError(
                f"no checkpoint in {self.folder} can be read; leave out --resume to begin again"
            )
        return None

    def _compare(self, path: Path, other: Mapping[str, str]) -> None:
        keys = sorted({*self.fingerprint, *other})
        none = "not there"
        differing = [
            f"{key} is {other.get(key, none)} in it and {self.fingerprint.get(key, none)} now"
            for key in keys
            if other.get(key) != self.fingerprint.get(key)
        ]
        if differing:
            more = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
            raise ModelError(
                f"{path} is of another run: {'; '.join(differing[:3])}{more}. Resume with the "
                "recipe and options it was started with, or leave out --resume to begin again"
            )


def step_of(path: Path) -> int:
    """The steps that the name of a checkpoint says."""
    return int(path.stem.rpartition("-")[2])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU. Raises ModelError if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums
            wrong = archive.testzip()
        if wrong is not None:
            raise ValueError(f"checksum of {wrong}")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, and this version reads {FORMAT}")
        if not isinstance(content["step"], int) or not isinstance(content["fingerprint"], dict):
            raise ValueError("step or fingerprint are not there")
    except Exception as error:  # whatever a damaged pickle makes torch raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"the checkpoint {path} is damaged ({reason})") from error
    return content


def fingerprint_of(sections: Mapping[str, Any]) -> dict[str, str]:
    """Nested mappings as one, with keys such as train.steps, and values as JSON."""
    flat: dict[str, str] = {}
    for key, value in sections.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": v for inner, v in fingerprint_of(value).items()}
        else:
            flat[str(key)] = json.dumps(value, sort_keys=True, default=str)
    return flat
