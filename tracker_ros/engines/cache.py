"""Built plans on disk: found again, or the reason why not.

A plan is of one graph, one TensorRT, one GPU and one way of building; its file's name is made of
all of them. Beside it lies a JSON file that says what it is of. Both are written whole or not at
all. A plan is code that TensorRT runs: the folder is the user's alone, and nothing in it is ever
shipped or pickled. Whatever is in it may be deleted at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tracker_ros.engines.plan_lock import locked

FORMAT = 1
"""Of the JSON file. A later one is not read."""

_log = logging.getLogger("tracker_ros.engines")


@dataclass(frozen=True)
class PlanKey:
    """All that a plan depends on. Two keys are of the same plan when all of it is the same."""

    stem: str
    """Of the graph's file: for people, and to find plans that were built for it before."""
    graph: str
    """sha256 of the graph's file."""
    tensorrt: str
    gpu: str
    sm: str
    multiprocessors: int
    precision: str
    """As asked for: `auto` may have become another."""
    profile: str
    """Rows that it runs."""
    options: str
    """Of the builder."""
    samples: str = ""
    """What it was calibrated and checked on, in words."""

    @property
    def name(self) -> str:
        """Of its files, without their ending."""
        digest = hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode()).hexdigest()
        return f"{_plain(self.stem)}-{digest[:16]}"


WHAT = {
    "graph": "another content of the file",
    "tensorrt": "TensorRT {}",
    "gpu": "the GPU {}",
    "sm": "compute capability {}",
    "multiprocessors": "{} multiprocessors",
    "precision": "the precision {}",
    "profile": "rows {}",
    "options": "the options {}",
    "samples": "samples of {}",
}
"""How a field of a key that differs is told. The order is that of their weight."""
OF_ANOTHER_GPU = {"gpu", "sm", "multiprocessors"}


@dataclass(frozen=True)
class Plan:
    """A built engine as TensorRT stores it."""

    content: bytes
    facts: Mapping[str, Any]
    """What was found out while it was built; JSON values."""


@dataclass(frozen=True)
class Miss:
    """Why there is no plan to be had."""

    reason: Literal["absent", "damaged", "foreign", "outdated"]
    words: str
    usual: float | None = None
    """Seconds that the last build for this file took."""


class PlanCache:
    """The plans of a folder.

    Where the folder cannot be written, a warning says so once, and plans are kept in memory until
    the process ends.
    """

    def __init__(
        self, folder: Path | None = None, *, warn: Callable[[str], object] = _log.warning
    ) -> None:
        """folder: None is $XDG_CACHE_HOME/tracker_ros/engines. It is made when it is needed."""
        self.folder = folder if folder is not None else default_folder()
        self._warn = warn

    def load(self, key: PlanKey) -> Plan | Miss:
        """The plan of a key, whole and of this key, or why there is none."""
        kept = _kept.get((self._place, key.name))
        if kept is not None:
            return kept
        if self.folder is None:
            return Miss("absent", "there is no folder to keep engines in")
        path = self.folder / f"{key.name}.plan"
        try:
            note, content = _read_note(path.with_suffix(".json")), path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return self._absent(key, path)
        except OSError as error:
            return Miss("damaged", f"{path} cannot be read: {error.strerror}")
        except ValueError as error:
            return Miss("damaged", f"what {path.stem}.json says of the engine is damaged: {error}")
        differing = _differing(note, key)
        if differing:
            reason: Literal["foreign", "outdated"] = (
                "foreign" if OF_ANOTHER_GPU & differing.keys() else "outdated"
            )
            return Miss(reason, f"{path.name} was built {_told(differing)}", _seconds(note))
        if hashlib.sha256(content).hexdigest() != note["sha256"]:
            words = f"{path.name} is damaged: {len(content)} bytes of {note.get('bytes')}"
            return Miss("damaged", words, _seconds(note))
        return Plan(content, note["facts"])

    def store(self, key: PlanKey, plan: Plan) -> None:
        """Keep a plan: on disk, else in memory."""
        note = {
            "format": FORMAT,
            "key": dataclasses.asdict(key),
            "sha256": hashlib.sha256(plan.content).hexdigest(),
            "bytes": len(plan.content),
            "facts": dict(plan.facts),
        }
        text = json.dumps(note, indent=1).encode()
        # The note last: it is what makes a plan one.
        if not (
            self._write(f"{key.name}.plan", plan.content) and self._write(f"{key.name}.json", text)
        ):
            _kept[self._place, key.name] = plan

    def forget(self, key: PlanKey) -> None:
        """Remove a plan that TensorRT refuses."""
        _kept.pop((self._place, key.name), None)
        if self.folder is not None:
            for ending in ("json", "plan"):
                with suppress(OSError):
                    (self.folder / f"{key.name}.{ending}").unlink()

    def lock(
        self, key: PlanKey, waiting: Callable[[str, float], object]
    ) -> AbstractContextManager[None]:
        """Of the processes that want this plan one is inside, the others wait; see plan_lock."""
        return locked(Path(self._place) / f"{key.name}.lock", waiting)

    def timings(self, key: PlanKey) -> DeviceTimings:
        """What TensorRT has measured on the device of a key."""
        device = f"{key.tensorrt}-{key.gpu}-{key.sm}-{key.multiprocessors}"
        return DeviceTimings(self, f"timing-{_plain(device)}")

    @property
    def _place(self) -> str:
        return str(self.folder) if self.folder is not None else os.devnull

    def _absent(self, key: PlanKey, path: Path) -> Miss:
        """Why there is no such file: perhaps there is one of the same graph that is too old."""
        if path.exists():
            return Miss(
                "damaged", f"nothing says what {path.name} is of: {path.stem}.json is missing"
            )
        others = [(_differing(note, key), note) for note in self._notes_of(key.stem)]
        if not others:
            return Miss("absent", f"no engine of {key.stem} has been built yet")
        differing, note = min(others, key=lambda other: len(other[0]))
        reason: Literal["absent", "outdated"] = (
            "absent" if OF_ANOTHER_GPU & differing.keys() else "outdated"
        )
        return Miss(
            reason,
            f"the engine of {key.stem} there is was built {_told(differing)}",
            _seconds(note),
        )

    def _notes_of(self, stem: str) -> Iterator[dict[str, Any]]:
        assert self.folder is not None
        for path in sorted(self.folder.glob(f"{_plain(stem)}-*.json")):
            with suppress(OSError, ValueError):
                note = _read_note(path)
                if note["key"].get("stem") == stem:
                    yield note

    def _write(self, name: str, content: bytes) -> bool:
        """Write a file whole or not at all; False, and a warning, where that cannot be."""
        if self.folder is None:
            self._warn_once("no folder to keep engines in: $HOME and $XDG_CACHE_HOME are not set")
            return False
        temporary = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file, temporary = tempfile.mkstemp(prefix=".new-", dir=self.folder)
            with os.fdopen(file, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self.folder / name)
        except OSError as error:
            with suppress(OSError):
                os.unlink(temporary)
            self._warn_once(f"engines cannot be kept in {self.folder}: {error.strerror or error}")
            return False
        return True

    def _warn_once(self, words: str) -> None:
        if words not in _warned:
            _warned.add(words)
            self._warn(
                f"{words}. They are kept in memory and built again at the next start; the "
                "parameter engine_cache names another folder"
            )


class DeviceTimings:
    """TensorRT's timing cache of one device and version: a digest, then what TensorRT gave."""

    def __init__(self, cache: PlanCache, name: str) -> None:
        self._cache, self._name = cache, name

    def load(self) -> bytes:
        """What there is; empty where there is none, or it is damaged."""
        if self._cache.folder is None:
            return b""
        try:
            content = (self._cache.folder / self._name).read_bytes()
        except OSError:
            return b""
        digest, rest = content[:32], content[32:]
        return rest if hashlib.sha256(rest).digest() == digest else b""

    def store(self, content: bytes) -> None:
        """Keep it; the last one to write wins, and what another measured is measured again."""
        self._cache._write(self._name, hashlib.sha256(content).digest() + content)


_kept: dict[tuple[str, str], Plan] = {}
_warned: set[str] = set()


def default_folder() -> Path | None:
    """$XDG_CACHE_HOME/tracker_ros/engines, or below the home folder; None where there is none."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        # The specification of these folders ignores a relative one.
        base = Path(named) if named and os.path.isabs(named) else Path.home() / ".cache"
    except RuntimeError:  # a user without a home, as containers have
        return None
    return base / "tracker_ros" / "engines"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)[:80]


def _read_note(path: Path) -> dict[str, Any]:
    """What is said of a plan. Raises ValueError when it is not that."""
    note = json.loads(path.read_bytes())
    fields = {"format": int, "key": dict, "sha256": str, "facts": dict}
    if not isinstance(note, dict) or any(
        not isinstance(note.get(field), kind) for field, kind in fields.items()
    ):
        raise ValueError("not a note of an engine")
    if note["format"] != FORMAT:
        raise ValueError(f"of format {note['format']}, this is {FORMAT}")
    return note


def _differing(note: Mapping[str, Any], key: PlanKey) -> dict[str, tuple[str, str]]:
    """The fields in which a plan is not of a key: what it is of, what is wanted."""
    there, wanted = note["key"], dataclasses.asdict(key)
    return {
        field: (str(there.get(field)), str(wanted[field]))
        for field in WHAT
        if there.get(field) != wanted[field]
    }


def _told(differing: Mapping[str, tuple[str, str]]) -> str:
    parts = []
    for field, (there, wanted) in differing.items():
        if field == "graph":
            parts.append(WHAT[field])
        else:
            parts.append(f"{WHAT[field].format(there)}, not {wanted}")
    return "for " + "; ".join(parts) if parts else "for the same, under another name"


def _seconds(note: Mapping[str, Any]) -> float | None:
    value = note["facts"].get("seconds")
    return float(value) if isinstance(value, (int, float)) and value > 0 else None
