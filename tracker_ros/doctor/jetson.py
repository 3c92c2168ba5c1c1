"""NVIDIA Jetsons: which release runs, and what comes with it."""

from __future__ import annotations

import re
from typing import NamedTuple

from tracker_ros.doctor.facts import numbers


class Release(NamedTuple):
    """A range of Jetson Linux releases."""

    l4t: tuple[int, ...]
    """The first of them."""
    jetpack: str
    tensorrt: str
    """Major and minor version of the TensorRT that JetPack installs."""


# docs/doctor.md says where these come from.
RELEASES = (
    Release((34,), "5.0", "8.4"),
    Release((35, 2), "5.1", "8.5"),
    Release((36, 2), "6.0", "8.6"),
    Release((36, 4), "6.1", "10.3"),
    Release((36, 4, 3), "6.2", "10.3"),
    Release((38,), "7.0", "10.13"),
    Release((38, 4), "7.1", "10.13"),
    Release((39,), "7.2", "10.16"),
)
"""By rising L4T; each holds until the next."""
NEWEST = 39
"""The last major release of L4T that the table knows."""


def l4t_of(text: str) -> str:
    """The release in the text of /etc/nv_tegra_release: `36.4.3`; empty where there is none."""
    found = re.search(r"# R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", text)
    return f"{found[1]}.{found[2]}" if found else ""


def release_of(l4t: str) -> Release | None:
    """What a release of L4T belongs to; None for one that is not in the table."""
    release = numbers(l4t)
    if not release or release[0] > NEWEST:
        return None
    return next((row for row in reversed(RELEASES) if row.l4t <= release), None)
