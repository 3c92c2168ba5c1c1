"""Checkpoints of people who mean harm, in the two formats of torch.save. Without torch."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}


class Call:
    """Is pickled as the call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = (function, arguments)

    def __call__(self) -> None:
        """Never: a pickle asks whether what it calls can be."""

    def __reduce__(self) -> Any:
        return self._call


def traps(victim: Path) -> dict[str, Any]:
    """Objects that make the file `victim` when they are unpickled."""
    program = f"open({str(victim)!r}, 'w')"
    nested: Any = Call(getattr, Call(__import__, "os"), "system")
    return {
        "os.system": Call(os.system, f"touch {victim}"),
        "open": Call(builtins.open, str(victim), "w"),
        "eval": Call(eval, program),
        "exec": Call(exec, program),
        "a call in a call": Call(eval, Call(str, program)),
        "eval of a system call": Call(eval, f"__import__('posix').system('touch {victim}')"),
        "getattr": Call(nested, f"touch {victim}"),
        "in a table": {"state_dict": {"weight": Call(os.system, f"touch {victim}")}},
        "a key": {Call(os.system, f"touch {victim}"): 1},
    }


def as_zip(data: bytes, path: Path, **more: bytes) -> Path:
    """A file of torch 1.6 and later with this pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        for name, content in more.items():
            archive.writestr(f"archive/data/{name.removeprefix('_')}", content)
    return path


def as_legacy(data: bytes, path: Path, keys: tuple[str, ...] = (), rest: bytes = b"") -> Path:
    """A file of before torch 1.6 with this pickle."""
    file = io.BytesIO()
    for value in (MAGIC, PROTOCOL, SYSTEM):
        pickle.dump(value, file, protocol=2)
    file.write(data)
    pickle.dump(list(keys), file, protocol=2)
    path.write_bytes(file.getvalue() + rest)
    return path


def one_tensor(
    name: str = "weight", numbers: int = 4, shape: tuple[int, ...] = (4,), more: str = ""
) -> bytes:
    """The pickle of a table with one tensor of floats in storage '0', as torch writes it."""

    def whole(number: int) -> str:
        return f"L{number}L\n"

    sides = "".join(map(whole, shape))
    strides = "".join(whole(1) for _ in shape)
    return (
        f"(dV{name}\nctorch._utils\n_rebuild_tensor_v2\n"
        f"((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n{whole(numbers)}tQ"
        f"I0\n({sides}t({strides}tI00\nccollections\nOrderedDict\n)RtRs{more}."
    ).encode()
