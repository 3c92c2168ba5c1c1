"""What a replay of one bag came to: what a report over many bags, JUnit and an exit code need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tracker_ros.replay.figures import FIGURES, Check, Limit
from tracker_ros.replay.result import ReplayResult, Trouble
from tracker_ros.replay.score import Score


@dataclass(frozen=True)
class Outcome:
    """One bag: its figures, or why it could not be replayed."""

    bag: str
    """Path as it was given."""
    error: str = ""
    """Why it could not be replayed; empty when it was."""
    figures: Mapping[str, float] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    report: str = ""
    """The page of this bag, relative to the folder of the merged report; empty without one."""
    damage: str = ""
    """Where a truncated bag ended, in words."""
    digest: str = ""
    duration: float = 0.0
    """Seconds of recording that were replayed."""
    wall: float = 0.0
    """Seconds that it took."""
    rejected: int = 0
    """Images that could not be used."""
    dropped: int = 0
    """Images that were replaced by newer ones, or waited when time jumped."""
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    """By cause: how many images and detections were of no use, and the first reason."""

    @classmethod
    def of(
        cls, result: ReplayResult, score: Score, checks: Sequence[Check], report: str = ""
    ) -> Outcome:
        """That of a bag that was replayed."""
        return cls(
            result.bag, "", score.figures, checks, report, result.damage, result.digest,
            result.duration, result.wall, result.rejected, result.dropped, dict(result.troubles),
        )  # fmt: skip

    @property
    def passed(self) -> bool:
        """Replayed without a failure of the tracker, and every limit kept."""
        return not (self.error or self.broken) and all(check.passed for check in self.checks)

    @property
    def broken(self) -> bool:
        """Whether the tracker itself failed on the way: by an exception, not by losing a target."""
        return bool(tracker_failure(self.troubles))

    @property
    def missed(self) -> frozenset[str]:
        """The figures that did not keep a limit."""
        return frozenset(check.name for check in self.checks if not check.passed)

    def as_json(self) -> dict[str, Any]:
        """For json.dumps, without the NaN and Infinity that JSON does not have."""
        return {
            "bag": self.bag,
            "error": self.error,
            "passed": self.passed,
            "figures": {name: _to_json(value) for name, value in self.figures.items()},
            "checks": [
                {
                    "figure": check.name,
                    "least" if check.limit.least else "most": check.limit.value,
                    "value": _to_json(check.value),
                    "passed": check.passed,
                }
                for check in self.checks
            ],
            "report": self.report,
            "damage": self.damage,
            "digest": self.digest,
            "duration": self.duration,
            "wall": self.wall,
            "broken": self.broken,
            "rejected": self.rejected,
            "dropped": self.dropped,
            "troubles": {cause: asdict(trouble) for cause, trouble in self.troubles.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Outcome:
        """What `as_json` gave, also before it had troubles.

        Raises KeyError, TypeError or ValueError for anything else.
        """
        checks = []
        for row in document["checks"]:
            least = "least" in row
            limit = Limit(row["figure"], float(row["least" if least else "most"]), least)
            checks.append(Check(limit, _from_json(row["value"]), bool(row["passed"])))
        words = {name: str(document[name]) for name in ("bag", "error", "report", "damage")}
        return cls(
            **words,
            figures={name: _from_json(value) for name, value in document["figures"].items()},
            checks=tuple(checks),
            digest=str(document["digest"]),
            duration=float(document["duration"]),
            wall=float(document["wall"]),
            rejected=int(document.get("rejected", 0)),
            dropped=int(document.get("dropped", 0)),
            troubles={
                str(cause): Trouble(int(row["count"]), str(row["first"]), int(row["stamp"]))
                for cause, row in dict(document.get("troubles", {})).items()
            },
        )


def tracker_failure(troubles: Mapping[str, Trouble]) -> str:
    """How often and how first the tracker itself failed, in a line; empty where it did not."""
    for cause, trouble in troubles.items():
        if cause.startswith("tracker"):
            first = trouble.first.partition("\n")[0]
            times = "once" if trouble.count == 1 else f"{trouble.count} times, first"
            return f"the tracker failed {times}: {first}"
    return ""


def means(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The mean of every figure, over the bags that have it; nan and inf are left out."""
    found = {}
    for name in FIGURES:
        values = [outcome.figures.get(name, math.nan) for outcome in outcomes]
        known = [value for value in values if math.isfinite(value)]
        if known:
            found[name] = sum(known) / len(known)
    return found


def _to_json(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _from_json(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
