"""The bytes of a pickle: unpacked within bounds, and read with a position."""

import bz2
import lzma
import zlib
from collections.abc import Callable

from foretell.errors import UnreadableFile, UnsupportedModel

MAX_BYTES = 64 * 2**20  # a scaler of ten thousand columns takes one


def _zlib(data: bytes, limit: int) -> bytes:
    return zlib.decompressobj(wbits=47).decompress(data, limit)  # 47: also with gzip's header


def _bz2(data: bytes, limit: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, limit)


def _lzma(data: bytes, limit: int) -> bytes:
    return lzma.LZMADecompressor(memlimit=4 * MAX_BYTES).decompress(data, limit)


# joblib's compressors by the bytes that a file of theirs starts with (joblib/compressor.py).
_COMPRESSED: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"\x78": _zlib,
    b"\x1f\x8b": _zlib,
    b"BZ": _bz2,
    b"\x5d\x00": _lzma,
    b"\xfd7zXZ": _lzma,
}
_LZ4 = b"\x04\x22\x4d\x18"


def unpacked(data: bytes, name: str) -> bytes:
    """The pickle itself, whether joblib compressed it or not.

    Raises:
        UnreadableFile: damaged, or more than 64 MiB.
        UnsupportedModel: a compressor that this installation does not have.
    """
    if data.startswith(_LZ4):
        raise UnsupportedModel(
            f"{name}: is compressed with lz4", cure="save it again with joblib.dump(..., compress=3)"
        )
    for magic, unpack in _COMPRESSED.items():
        if data.startswith(magic):
            data = _within_bounds(unpack, data, name)
            break
    if len(data) > MAX_BYTES:
        raise UnreadableFile(f"{name}: holds more than {MAX_BYTES >> 20} MiB, too much for a scaler")
    return data


def _within_bounds(unpack: Callable[[bytes, int], bytes], data: bytes, name: str) -> bytes:
    try:
        return unpack(data, MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise UnreadableFile(f"{name}: is damaged, it cannot be decompressed: {error}") from None
