"""What others took of the cores while the benchmark ran.

Ratios do not survive it: a tracker that gains from a second core loses more than one that does
not, when others take that core.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

DISTURBED = 0.3
"""Cores that others use on average from which on the figures are not those of an idle machine."""
_STAT = Path("/proc/stat")
_COUNTED = (0, 1, 2, 5, 6, 7)
"""Columns of /proc/stat in which a core works: user, nice, system, irq, softirq and steal, which is
what the hypervisor gave to other machines. Of the rest, idle and iowait are no work, and that of
guests is in user."""


@dataclass(frozen=True)
class Others:
    """What other processes, and other virtual machines where they are told of, used meanwhile."""

    used: float
    """Cores, on average."""
    cores: int
    """That this process may use; only these were looked at."""

    @property
    def disturb(self) -> bool:
        """Whether the machine was not idle."""
        return self.used >= DISTURBED


class Watch:
    """Looks at the cores that this process may use, from its making on."""

    def __init__(self) -> None:
        self._cores = os.sched_getaffinity(0)
        self._begun, self._own, self._busy = perf_counter(), process_time(), self._look()

    def others(self) -> Others | None:
        """What others used since; None where this system does not tell."""
        busy, own = self._look(), process_time() - self._own
        seconds = perf_counter() - self._begun
        if busy is None or self._busy is None:
            return None
        if busy - self._busy < own / 2:
            return None  # of some sandboxes the file is all zeros
        used = max(busy - self._busy - own, 0.0) / seconds
        return Others(used, len(self._cores))

    def _look(self) -> float | None:
        try:
            return busy_seconds(_STAT.read_text(), self._cores)
        except OSError:
            return None


def busy_seconds(stat: str, cores: Collection[int]) -> float | None:
    """Seconds for which those cores have worked, of a text as /proc/stat; None: not all are in it.

    It counts in ticks, mostly of 10 ms.
    """
    ticks = {}
    for line in stat.splitlines():
        name, *columns = line.split() or [""]
        if name[:3] == "cpu" and name[3:].isdecimal() and len(columns) > max(_COUNTED):
            ticks[int(name[3:])] = sum(int(columns[index]) for index in _COUNTED)
    if not set(cores) <= ticks.keys():
        return None
    return sum(ticks[core] for core in cores) / os.sysconf("SC_CLK_TCK")
