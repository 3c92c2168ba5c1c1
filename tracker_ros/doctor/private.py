"""Leaves out of a report who uses the machine and what it is called."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import pwd
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tracker_ros.doctor.facts import Facts

_PATH = re.compile(r"(?<![\w~.])/[^\s:;,'\")\]]+")
# A user may be called as a folder of the system is: ros, nvidia.
_SYSTEM = ("/opt/", "/usr/", "/proc/", "/sys/", "/etc/", "/lib/", "/dev/", "/var/")


class Names(NamedTuple):
    """What must not stand in a report."""

    homes: tuple[str, ...]
    """The user's home folders: what $HOME says, what the system says, where they really are."""
    user: str
    host: str


def names_here() -> Names:
    """Those of this user and this machine."""
    homes, user = [os.path.expanduser("~")], ""
    with contextlib.suppress(KeyError):  # a container may run as a user that it has no entry for
        entry = pwd.getpwuid(os.getuid())
        homes.append(entry.pw_dir)
        user = entry.pw_name
    homes += [os.path.realpath(home) for home in homes]
    return Names(tuple(homes), user, platform.node())


def without_names(facts: Facts, names: Names) -> Facts:
    """The facts with `~` in place of home folders and of users in paths, and no host."""
    hidden = _hidden(facts, names)
    assert isinstance(hidden, Facts)
    return hidden


def hide(text: str, names: Names) -> str:
    """A text without them."""
    for home in sorted(set(names.homes), key=len, reverse=True):
        if len(home) > 1:  # a user without a home has `/`
            text = re.sub(rf"(?<![\w~.]){re.escape(home)}(?=$|[/\s:;,'\")\]])", "~", text)
    text = re.sub(r"(?<![\w~.])/(?:home|Users)/[^/\s:;,'\")\]]+", "~", text)
    shared = {names.host: "HOST", "" if names.user == "root" else names.user: "~"}
    shared.pop("", None)
    text = _PATH.sub(lambda path: _without(path[0], shared), text)
    if names.host:
        text = re.sub(rf"(?<![\w./-]){re.escape(names.host)}(?![\w-])", "HOST", text)
    return text


def _without(path: str, names: Mapping[str, str]) -> str:
    """A path without the folders of users and machines on a disk: `/media/alice/ssd`."""
    if path.startswith(_SYSTEM):
        return path
    return "/".join(names.get(part, part) for part in path.split("/"))


def _hidden(value: Any, names: Names) -> Any:
    if isinstance(value, str):
        return hide(value, names)
    if isinstance(value, tuple):
        return tuple(_hidden(item, names) for item in value)
    if isinstance(value, Mapping):
        return {key: _hidden(item, names) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(
            value, **{name: _hidden(getattr(value, name), names) for name in fields}
        )
    return value
