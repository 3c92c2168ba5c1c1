"""Turns what torch.save wrote into safetensors, without torch and without executing any of it.

This runs in a process of its own (`zoo/checkpoints.py` starts it), with the standard library only:

* the pickles in the file are read by `zoo/inert.py`, which answers them with nothing that acts;
* once both files are open, Python itself refuses this process everything else: an audit hook, which
  cannot be taken away, ends whatever opens a file, starts a process, imports, compiles or connects;
* memory, processor time and the size of what is written are limited by the system, and what the
  file claims to hold is compared with its size before it is believed.

Its line on stdout is JSON: `others` (entries that are no tensors) and `strangers` (names that the
pickle asked for), or `error`.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import resource
import struct
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from tracker_ros.zoo.inert import TYPES, Reader, Refused, StandIn, Storage, Tensor

MEMORY, SECONDS = 1 << 30, 120
LARGEST_PICKLE = 64 << 20
SHOWN = 10
"""Keys of a file without weights that are told."""
MAGIC = 0x1950A86A20F9469CFC6C
"""First number of what torch.save wrote before version 1.6."""
HARMLESS = ("pickle.find_class",)
"""What the process may still do once everything is open; Reader decides what becomes of it."""


# --- the two formats of torch.save ---------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """What was read: the object, and where each storage lies (first byte, bytes)."""

    content: Any
    places: Mapping[str, tuple[int, int]]
    strangers: Sequence[str]


def read_zip(file: BinaryIO, size: int) -> Checkpoint:
    """Read the format of torch 1.6 and later."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise Refused("it is a zip archive, but none of torch.save (no data.pkl in it)")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in entries:
            raise Refused("it is a TorchScript program; save its state_dict() instead")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise Refused("it is compressed, which torch.save never does (a zip bomb is)")
        if sum(entry.file_size for entry in entries.values()) > size:
            raise Refused(f"it claims more than the {size} bytes that it has (a zip bomb does)")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
            raise Refused("it was written on a big-endian machine")
        if entries[pickles[0]].file_size > LARGEST_PICKLE:
            raise Refused(f"its description is larger than {LARGEST_PICKLE >> 20} MiB")
        strangers: dict[str, None] = {}
        content = Reader(io.BytesIO(archive.read(pickles[0])), strangers).load()
        places = {
            name.removeprefix(f"{folder}data/"): (_first_byte(file, entry), entry.file_size)
            for name, entry in entries.items()
            if name.startswith(f"{folder}data/")
        }
    return Checkpoint(content, places, list(strangers))


def _first_byte(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where the content of an entry begins: after its own head, which has its own lengths."""
    file.seek(entry.header_offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\3\4":
        raise Refused("it is cut short or damaged")
    name, extra = struct.unpack("<HH", head[26:30])
    return entry.header_offset + 30 + int(name) + int(extra)


def read_legacy(file: BinaryIO, size: int) -> Checkpoint:
    """Read the format before torch 1.6: five pickles, then every storage behind its length."""
    strangers: dict[str, None] = {}
    file.seek(0)
    if Reader(file, strangers).load() != MAGIC or Reader(file, strangers).load() != 1001:
        raise Refused("it is a pickle, but none of torch.save")
    system = Reader(file, strangers).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("it was written on a big-endian machine")
    used: dict[str, Storage] = {}

    class Noting(Reader):
        def persistent_load(self, pid: Any) -> Any:
            storage = super().persistent_load(pid)
            used[storage.key] = storage
            return storage

    content = Noting(file, strangers).load()
    keys = Reader(file, strangers).load()
    if not isinstance(keys, list) or not all(key in used for key in keys):
        raise Refused("it lists storages that it does not use")
    places = {}
    for key in keys:
        head = file.read(8)
        if len(head) < 8:
            raise Refused("it is cut short")
        length = struct.unpack("<q", head)[0] * TYPES[used[key].type][1]
        if not 0 <= length <= size - file.tell():
            raise Refused(f"it is cut short: a storage in it claims {length} bytes")
        places[key] = (file.tell(), length)
        file.seek(length, os.SEEK_CUR)
    return Checkpoint(content, places, list(strangers))


def read(file: BinaryIO, size: int) -> Checkpoint:
    """Read either format. Raises Refused."""
    file.seek(0)
    head = file.read(512)
    if head[257:262] == b"ustar":
        raise Refused("it is of the tar format of torch before 0.1.10; save it with a later torch")
    if head[:2] == b"PK":
        return read_zip(file, size)
    if head.lstrip()[:1] == b"<":
        raise Refused("it is a web page, not the file that the page offers")
    if head[:1] != b"\x80":
        raise Refused("it is neither of the two formats that torch.save writes")
    return read_legacy(file, size)


# --- out of the object, the weights --------------------------------------------------------------


def weights_of(content: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of the object itself, or of its `state_dict` or `net`; and what else is there."""
    if isinstance(content, StandIn):
        raise Refused(f"it holds a pickled object ({content.name}), not a table of weights")
    top = [str(key)[:50] for key in content] if isinstance(content, dict) else []
    for inner in ("state_dict", "net"):
        if isinstance(content, dict) and isinstance(content.get(inner), dict):
            content = content[inner]
            break
    if not isinstance(content, dict):
        raise Refused(f"it holds a {type(content).__name__}, not a table of weights")
    tensors = {key: v for key, v in content.items() if type(key) is str and type(v) is Tensor}
    others = [str(key)[:200] for key in content if key not in tensors]
    if not tensors:
        more = f" and {len(top) - SHOWN} more" if len(top) > SHOWN else ""
        raise Refused(
            "it holds no weights at its top level, under state_dict or under net; its keys are: "
            f"{', '.join(top[:SHOWN]) or 'none'}{more}"
        )
    return tensors, others


def rows(tensor: Tensor, first: int, element: int) -> Iterator[tuple[int, int]]:
    """Where the numbers of a tensor lie in the file, in order: runs of (first byte, bytes)."""

    def walk(axis: int, at: int) -> Iterator[tuple[int, int]]:
        run = 1
        for side, step in zip(tensor.shape[axis:][::-1], tensor.stride[axis:][::-1], strict=True):
            if side != 1 and step != run:
                break
            run *= side
        else:
            yield first + at * element, run * element
            return
        for index in range(tensor.shape[axis]):
            yield from walk(axis + 1, at + index * tensor.stride[axis])

    if 0 not in tensor.shape:
        yield from walk(0, tensor.storage.begin + tensor.offset)


def write(source: BinaryIO, target: BinaryIO, checkpoint: Checkpoint, limit: int) -> list[str]:
    """Write the weights as safetensors; returns the entries that are none."""
    tensors, others = weights_of(checkpoint.content)
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in sorted(tensors.items()):
        kind, element = TYPES[tensor.storage.type]
        place = checkpoint.places.get(tensor.storage.key)
        numbers = tensor.storage.begin + tensor.storage.numbers
        if place is None or numbers * element > place[1]:
            raise Refused(f"{name} claims {numbers * element} bytes that are not there: cut short")
        begin, end = end, end + element * _product(tensor.shape)
        header[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": [begin, end]}
    if end > limit:
        raise Refused(f"it claims {end} bytes of weights in a file of {limit}")
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target.write(struct.pack("<Q", len(text)) + text)
    for name in sorted(tensors):
        tensor = tensors[name]
        for at, length in rows(
            tensor, checkpoint.places[tensor.storage.key][0], TYPES[tensor.storage.type][1]
        ):
            source.seek(at)
            _copy(source, target, length)
    target.flush()
    return others


def _product(shape: Sequence[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    while length:
        block = source.read(min(length, 1 << 20))
        if not block:
            raise Refused("it is cut short")
        target.write(block)
        length -= len(block)


def confine(limit: int) -> None:
    """From here on this process can compute and write to what is open, and nothing else."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, limit), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))

    def refuse(event: str, _arguments: tuple[object, ...]) -> None:
        if event not in HARMLESS:
            raise Refused(f"reading it led to {event}, which is not allowed here")

    sys.addaudithook(refuse)


def convert(source: str, target: str) -> dict[str, Any]:
    """Convert a file; what is to be printed."""
    size = os.path.getsize(source)
    with open(source, "rb") as given, open(target, "xb") as written:
        for text in ("cp437", "latin1", "ascii", "utf-8"):  # loaded now: later, nothing is
            codecs.lookup(text)
        confine(size + (64 << 20))
        checkpoint = read(given, size)
        others = write(given, written, checkpoint, size)
        return {"others": others, "strangers": list(checkpoint.strangers)}


def start(source: str, target: str) -> int:
    """Convert a file, print the answer, return the exit code."""
    try:
        answer = convert(source, target)
    except Refused as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "it claims more memory than a checkpoint needs"}
    except OSError as error:
        answer = {"error": error.strerror or str(error)}
    except (EOFError, zipfile.BadZipFile):
        answer = {"error": "it is cut short or damaged"}
    except Exception as error:  # a damaged pickle fails in any way there is
        words = f"{type(error).__name__}: {error}"[:200]
        answer = {"error": f"it is damaged or no checkpoint ({words})"}
    print(json.dumps(answer))
    return int("error" in answer)
