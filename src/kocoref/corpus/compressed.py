"""Compressed files to the last byte: all streams of a file, and none of them damaged.

Python's own readers of .bz2 and .xz take what follows a stream, if it begins no other, for
something to leave alone: of files that were joined or written in parallel a damaged part would be
lost without a word.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 2**16


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Streams(RawIOBase):
    """The streams of a file one after another; zeros between and after them are padding."""

    def __init__(self, file: BinaryIO, begin: Callable[[], _Decompressor]) -> None:
        self._file = file
        self._begin = begin
        self._stream = begin()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while True:
            found = b""
            if self._stream.eof:
                rest = self._next_stream()
                if not rest:
                    return 0
                self._stream = self._begin()
                found = self._stream.decompress(rest, len(view))
            elif not self._stream.needs_input:
                found = self._stream.decompress(b"", len(view))
            elif chunk := self._file.read(_CHUNK):
                found = self._stream.decompress(chunk, len(view))
            else:
                raise EOFError("the end of a compressed stream is missing")
            if found:
                view[: len(found)] = found
                return len(found)

    def _next_stream(self) -> bytes:
        rest = self._stream.unused_data.lstrip(b"\0")
        while not rest and (chunk := self._file.read(_CHUNK)):
            rest = chunk.lstrip(b"\0")
        return rest

    def close(self) -> None:
        self._file.close()
        super().close()


COMPRESSED: dict[str, Callable[[Path], BufferedIOBase]] = {
    ".gz": gzip.GzipFile,
    ".xz": lambda path: BufferedReader(_Streams(path.open("rb"), lzma.LZMADecompressor)),
    ".bz2": lambda path: BufferedReader(_Streams(path.open("rb"), bz2.BZ2Decompressor)),
}
"""How a file with this ending is opened."""
