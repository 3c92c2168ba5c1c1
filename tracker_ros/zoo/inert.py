"""Reads pickles with everything inert: what a pickle asks for is never a thing that could act.

A pickle is a program: whoever loads it the usual way runs what its author put there. Here every
name that it asks for is answered by a `StandIn`, which can be called, filled and indexed and does
nothing, but for the few names that make up a tensor: these are functions of this file, and a tensor
is no more than a place in the checkpoint. Only the standard library is used.
"""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO, NamedTuple

TYPES = {
    "FloatStorage": ("F32", 4), "DoubleStorage": ("F64", 8), "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1), "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}  # fmt: skip
"""Torch's storages -> the type's name in safetensors, and bytes of an element."""


MOST_STRANGERS = 50
"""Names that are told."""


class Refused(Exception):
    """The file is not what is read here; the text says why."""


class Table(dict[Any, Any]):
    """Stands for OrderedDict: a dict whose attributes may be set."""


class StandIn:
    """Stands for every class, function and object that is not known: takes all, does nothing."""

    name = "?"

    def __new__(cls, *_args: object, **_kwargs: object) -> StandIn:
        """Make one of anything."""
        return object.__new__(cls)

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        pass

    def __call__(self, *_args: object, **_kwargs: object) -> StandIn:
        """Do nothing."""
        return StandIn()

    def __setstate__(self, _state: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def append(self, _item: object) -> None:
        """Take an item of a list, and drop it."""

    def extend(self, _items: object) -> None:
        """Take items of a list, and drop them."""

    def add(self, _item: object) -> None:
        """Take an item of a set, and drop it."""


class Storage(NamedTuple):
    """A row of numbers in the checkpoint. A tuple, because a pickle can change no tuple."""

    key: str
    type: str
    """A key of TYPES."""
    numbers: int
    begin: int = 0
    """First element, where it is a view of a larger one."""


class Tensor(NamedTuple):
    """A view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_more: object) -> Tensor:
    """Torch's _rebuild_tensor and _rebuild_tensor_v2."""
    if not isinstance(storage, Storage):
        raise Refused("a tensor in it has no storage")
    sides = (offset, *shape, *stride)
    if len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in sides):
        raise Refused(f"a tensor in it claims the shape {shape} with strides {stride}")
    count = 1
    for side in shape:
        count *= side
    last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
    if count and (last >= storage.numbers or count > storage.numbers):
        raise Refused(f"a tensor in it claims {count} numbers of a storage of {storage.numbers}")
    return Tensor(storage, offset, tuple(shape), tuple(stride))


def rebuild_parameter(data: Any, *_more: object) -> Any:
    """Torch's _rebuild_parameter: a parameter is its tensor."""
    return data


class Reader(pickle.Unpickler):
    """A pickle reader that knows tensors and executes nothing."""

    def __init__(self, file: BinaryIO, strangers: dict[str, None]) -> None:
        super().__init__(file, encoding="latin1")
        self._strangers = strangers

    def find_class(self, module: str, name: str) -> Any:
        """Answer a name of the pickle: never with anything of a module."""
        if (module, name) == ("collections", "OrderedDict"):
            return Table
        if module == "torch._utils":
            if name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
                return rebuild_tensor
            if name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
                return rebuild_parameter
        if module in ("torch", "torch.cuda", "torch.storage") and name in TYPES:
            return type(name, (StandIn,), {"name": name})
        full = f"{module}.{name}"[:100]
        if full != "torch.Size" and len(self._strangers) < MOST_STRANGERS:
            self._strangers[full] = None
        return type("StandIn", (StandIn,), {"name": full})

    def persistent_load(self, pid: Any) -> Any:
        """Answer a reference to a storage: ('storage', type, key, device, count, view)."""
        kind = getattr(pid[1], "name", None) if isinstance(pid, tuple) and len(pid) > 4 else None
        if kind not in TYPES or pid[0] != "storage" or type(pid[4]) is not int or pid[4] < 0:
            raise Refused("it refers to what is no storage of numbers")
        view = pid[5] if len(pid) > 5 else None
        if view is None:
            return Storage(str(pid[2]), str(kind), pid[4])
        if not (
            isinstance(view, tuple) and len(view) == 3 and type(view[1]) is int and view[1] >= 0
        ):
            raise Refused("it refers to a view of a storage that is none")
        return Storage(str(pid[2]), str(kind), pid[4], view[1])
