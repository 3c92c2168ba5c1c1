"""Undoes zstd and lz4, also of data that were cut: what came before the cut is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tracker_ros.errors import DataError

if TYPE_CHECKING:
    from types import ModuleType

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SMALL = 1 << 12


def _zstd() -> ModuleType:
    try:  # here: most bags need neither, and both come with rosbags, which is in no distribution
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise DataError(
            f"the bag is compressed with zstd and {error.name} is missing: "
            "pip install backports.zstd"
        ) from error
    return zstd


def _lz4() -> ModuleType:
    try:
        import lz4.frame  # type: ignore[import-untyped]
    except ImportError as error:
        raise DataError("the bag is compressed with lz4: pip install lz4") from error
    return lz4.frame  # type: ignore[no-any-return]


def compress(data: bytes, level: int = 1) -> bytes:
    """Compress with zstd. Level 1: a raw camera image gains little by higher ones."""
    return bytes(_zstd().compress(data, level))


def decompress(data: bytes | memoryview, compression: str) -> tuple[bytes | memoryview, bool]:
    """Undo "zstd" or "lz4"; "" is none. Gives the data, and whether they are complete.

    Of data that were cut or spoiled, what came before is given. Raises DataError when the
    compression is none of these.
    """
    if not compression:
        return data, True
    try:
        return _whole(data, compression), True
    except _errors(compression):
        return _before_the_error(data, compression), False


def unpack_file(path: Path, target: Path) -> bool:
    """Undo the zstd compression of a file; gives whether it was complete.

    Of a file that was cut, `target` holds what came before. Raises DataError when the target
    cannot be written.
    """
    decompressor = _zstd().ZstdDecompressor()
    try:
        with path.open("rb") as source, target.open("wb") as sink:
            while piece := source.read(_SMALL):
                while piece:
                    if decompressor.eof:
                        decompressor = _zstd().ZstdDecompressor()
                    sink.write(decompressor.decompress(piece))
                    piece = decompressor.unused_data if decompressor.eof else b""
    except _errors("zstd"):
        return False
    except OSError as error:
        raise DataError(
            f"{path} cannot be decompressed to {target}: {error.strerror}; decompress it to "
            "another place (zstd -d), or set TMPDIR to one with room"
        ) from error
    return bool(decompressor.eof)


def _errors(compression: str) -> tuple[type[Exception], ...]:
    return (_zstd().ZstdError if compression == "zstd" else RuntimeError, EOFError)


def _whole(data: bytes | memoryview, compression: str) -> bytes:
    if compression == "zstd":
        return bytes(_zstd().decompress(data))
    if compression == "lz4":
        return bytes(_lz4().decompress(data))
    raise DataError(f"compression '{compression}' is not known; zstd and lz4 are")


def _before_the_error(data: bytes | memoryview, compression: str) -> bytes:
    """In small steps, because of a step with an error in it nothing is given."""
    decompressor = (
        _zstd().ZstdDecompressor() if compression == "zstd" else _lz4().LZ4FrameDecompressor()
    )
    parts: list[bytes] = []
    for at in range(0, len(data), _SMALL):
        try:
            parts.append(decompressor.decompress(bytes(data[at : at + _SMALL])))
        except _errors(compression):
            break
    return b"".join(parts)
