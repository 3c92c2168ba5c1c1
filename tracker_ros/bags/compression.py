"""Undoes zstd and lz4, also of data that were cut: what came before the cut is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tracker_ros.errors import DataError

if TYPE_CHECKING:
    from types import ModuleType

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SMALL = 1 << 12


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes | memoryview, /) -> bytes: ...


def decompress(data: bytes | memoryview, compression: str) -> tuple[bytes | memoryview, bool]:
    """Undo "zstd" or "lz4"; "" is none. Gives the data, and whether they are complete.

    Of data that were cut or spoiled, what came before is given. Raises DataError when the
    compression is none of these.
    """
    if not compression:
        return data, True
    decompressor, error = _decompressor(compression)
    try:
        return decompressor.decompress(data), decompressor.eof
    except error:
        return _before_the_error(data, compression), False


def unpack_file(path: Path, target: Path) -> bool:
    """Undo the zstd compression of a file; gives whether it was complete.

    Of a file that was cut, `target` holds what came before. Raises DataError when the target
    cannot be written.
    """
    zstandard = _zstandard()
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        with path.open("rb") as source, target.open("wb") as sink:
            while piece := source.read(_SMALL):
                while piece:
                    if decompressor.eof:
                        decompressor = zstandard.ZstdDecompressor().decompressobj()
                    sink.write(decompressor.decompress(piece))
                    piece = decompressor.unused_data
    except zstandard.ZstdError:
        return False
    except OSError as error:
        raise DataError(
            f"{path} cannot be decompressed to {target}: {error.strerror}; decompress it to "
            "another place (zstd -d), or set TMPDIR to one with room"
        ) from error
    return bool(decompressor.eof)


def _zstandard() -> ModuleType:
    try:  # here: most bags need neither; both come with mcap
        import zstandard
    except ImportError as error:
        raise DataError("the bag is compressed with zstd: pip install 'zstandard>=0.19'") from error
    return zstandard


def _decompressor(compression: str) -> tuple[_Decompressor, type[Exception]]:
    """What undoes it, and the error of data that are spoiled."""
    if compression == "zstd":
        zstandard = _zstandard()
        return zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError
    if compression == "lz4":
        try:
            import lz4.frame
        except ImportError as error:
            raise DataError("the bag is compressed with lz4: pip install 'lz4>=4.0'") from error
        return lz4.frame.LZ4FrameDecompressor(), RuntimeError
    raise DataError(f"compression '{compression}' is not known; zstd and lz4 are")


def _before_the_error(data: bytes | memoryview, compression: str) -> bytes:
    """In small steps, because of a step with an error in it nothing is given."""
    decompressor, error = _decompressor(compression)
    parts: list[bytes] = []
    for at in range(0, len(data), _SMALL):
        try:
            parts.append(decompressor.decompress(data[at : at + _SMALL]))
        except error:
            break
    return b"".join(parts)
