"""For tests of nodes whose engines are built on cue: engines_on_cue.py, started by `start_cued`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sot_harness import Sot

from tracker_ros.sot import DEFAULT_MODELS

OWN = DEFAULT_MODELS["siamrpnpp"]
"""The model of a node that `start_cued` starts, unless another one is asked for."""
OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"


def cue(cues: Path, name: str, words: str = "") -> None:
    """Give a cue; it is there whole, or not at all."""
    (cues / f".{name}").write_text(words)
    (cues / f".{name}").rename(cues / name)


def backend(sot: Sot) -> str:
    """What the last status names."""
    return str(sot.statuses[-1].backend) if sot.statuses else ""


def wait_for_backend(sot: Sot, name: str) -> None:
    """Wait until a status names it."""
    sot.ros.wait_until(lambda: backend(sot) == name, what=f"the backend {name}")


def values_of(entry: Any) -> dict[str, str]:
    """Those of an entry of diagnostics."""
    return {pair.key: pair.value for pair in entry.values}
