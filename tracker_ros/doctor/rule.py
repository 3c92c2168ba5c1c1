"""A rule over facts, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tracker_ros.doctor.facts import Facts

GITHUB = "https://github.com/"
Level = Literal["error", "warning", "ok"]
LEVELS: tuple[Level, ...] = ("error", "warning", "ok")
"""error: tracker_ros, or a part of it, does not run. warning: it runs, slower than it could, or
something is likely to go wrong, or other programs of the same Python break. ok: worth knowing."""


class Finding(NamedTuple):
    """What a rule found."""

    level: Level
    rule: str
    """Its stable name, to search and to count by."""
    what: str
    """One line: what is wrong, with the values seen."""
    fix: str
    """One line: what to do."""
    sources: tuple[str, ...] = ()
    """Where others met it."""


@dataclass(frozen=True)
class Rule:
    """One thing that is known to go wrong."""

    name: str
    level: Level
    wrong: Callable[[Facts], str]
    """Says in one line, with the values, what is wrong; an empty text where it is not."""
    fix: str | Callable[[Facts], str]
    """One line, or what makes one of the facts."""
    sources: tuple[str, ...] = ()

    def judge(self, facts: Facts) -> Finding | None:
        """What is wrong, or None."""
        what = self.wrong(facts)
        if not what:
            return None
        fix = self.fix if isinstance(self.fix, str) else self.fix(facts)
        return Finding(self.level, self.name, what, fix, self.sources)


def judge(facts: Facts, rules: Iterable[Rule]) -> list[Finding]:
    """What the rules find, the worst first."""
    found = [finding for rule in rules if (finding := rule.judge(facts)) is not None]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))
