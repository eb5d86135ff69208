"""Near-duplicates: documents that share many character 8-grams, found through small sketches.

Of every document the 8-grams with the smallest hashes are kept (bottom-k sketches, Broder 1997);
two documents are near-duplicates when their sketches share enough. Time is linear in text. Memory
is a few hundred bytes a document: pairs that share a gram are many, so they are counted in a table
of hashes first, and one by one only where that count is high enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from kocoref.text.morphology import readable

GRAM = 8
SKETCH = 64
THRESHOLD = 0.3
"""Shared part of the smaller sketch above which two documents are near-duplicates."""
MAX_HOLDERS = 50
"""Of an 8-gram in more documents than this each is compared with the first one only."""
SHORTEST = 20
"""With fewer 8-grams a text within another may be a phrase of both."""
Sketch = bytes
"""Hashes in rising order, four bytes each."""
_HASH = np.dtype("<u4")
_AT_ONCE = 2**22
"""About so many grams are sorted at once, which bounds what a sort needs."""
_CELL_BITS = 25
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ / φ: the upper bits of a product with it are a hash (Knuth, 6.4)."""

_Pairs = NDArray[np.uint64]
"""Numbers of two documents, the smaller in the upper half."""


def hashes(text: str) -> set[int]:
    """The hashes of the 8-grams of a text as it looks, without white space, each below 2³²."""
    squeezed = "".join(readable(text).text.split())
    grams = {squeezed[i : i + GRAM] for i in range(max(1, len(squeezed) - GRAM + 1))}
    return {crc32(gram.encode("utf-8", "surrogatepass")) for gram in grams}


def sketch(text: str) -> Sketch:
    """The smallest hashes of the 8-grams of a text."""
    return pack(hashes(text))


def pack(found: Iterable[int]) -> Sketch:
    """The sketch of these hashes."""
    return np.array(sorted(set(found))[:SKETCH], _HASH).tobytes()


class Excerpts:
    """Texts of which one may hold a much shorter one, or be in it, where sketches do not see it."""

    def __init__(self, texts: Iterable[str]) -> None:
        of_texts = [np.array(sorted(hashes(text)), _HASH) for text in texts]
        of_texts = [found for found in of_texts if len(found) >= SHORTEST]
        self._sizes = np.array([len(found) for found in of_texts])
        together = np.concatenate([*of_texts, np.empty(0, _HASH)])
        order = np.argsort(together, kind="stable")
        self._hashes = together[order]
        self._holders = np.repeat(np.arange(len(of_texts)), self._sizes.astype(int))[order]

    def shared(self, found: set[int]) -> bool:
        """Whether the text with these hashes holds enough of one of them, or one enough of it."""
        if len(found) < SHORTEST:
            return False
        ours = np.fromiter(found, _HASH, len(found))
        first, end = (np.searchsorted(self._hashes, ours, side) for side in ("left", "right"))
        holders = end - first  # of each hash; they stand one after another
        begin = np.repeat(first - (holders.cumsum() - holders), holders)
        held_by = self._holders[begin + np.arange(len(begin))]
        shared = np.bincount(held_by, minlength=len(self._sizes))
        return bool((shared > THRESHOLD * np.minimum(self._sizes, len(found))).any())


def near_duplicates(sketches: Mapping[str, Sketch]) -> list[tuple[str, str]]:
    """Pairs of ids, each pair and the list sorted, whose texts are near-duplicates.

    Of many copies of one text each is paired with the first, and only the first with others.
    """
    first_with: dict[Sketch, str] = {}
    copies = [(first_with.setdefault(sketches[name], name), name) for name in sorted(sketches)]
    found = [(first, name) for first, name in copies if first != name]
    # Each text once: its copies are in pairs already.
    names = list(first_with.values())
    found += [(names[one], names[other]) for one, other in _alike(list(first_with))]
    return sorted(found)


def _alike(sketches: list[Sketch]) -> Iterator[tuple[int, int]]:
    """The numbers of documents that share enough grams."""
    sizes = np.array([len(of_document) // _HASH.itemsize for of_document in sketches])
    grams = np.frombuffer(b"".join(sketches), _HASH)
    ends = np.cumsum(sizes)

    def enough(pairs: _Pairs) -> NDArray[np.float64]:
        one, other = _numbers(pairs)
        shared: NDArray[np.float64] = np.multiply(THRESHOLD, np.minimum(sizes[one], sizes[other]))
        return shared

    # A cell counts its pairs together: never less than one of them shares.
    cells = np.zeros(2**_CELL_BITS, np.uint16)
    for pairs in _sharing(grams, ends):
        np.add.at(cells, _cell(pairs), 1)
    shared: Counter[int] = Counter()
    for pairs in _sharing(grams, ends):
        shared.update(pairs[cells[_cell(pairs)] > enough(pairs)].tolist())
    pairs = np.fromiter(shared.keys(), np.uint64, len(shared))
    counts = np.fromiter(shared.values(), np.int64, len(shared))
    one, other = _numbers(pairs[counts > enough(pairs)])
    yield from zip(one.tolist(), other.tolist(), strict=True)


def _sharing(grams: NDArray[np.uint32], ends: NDArray[np.int64]) -> Iterator[_Pairs]:
    """Pairs of documents, as often as they share a gram.

    All pairs that do, but of a gram in very many documents only those with the first of them:
    versions of one text are then each paired with the first. ``grams`` are those of all documents
    in turn, ``ends`` where each document's end.
    """
    portions = min(255, len(grams) // _AT_ONCE + 1)
    portion_of = np.empty(len(grams), np.uint8)
    np.remainder(grams, portions, out=portion_of, casting="unsafe")
    for portion in range(portions):
        places = np.flatnonzero(portion_of == portion)
        # Stable: the documents that hold a gram stay in their order.
        places = places[np.argsort(grams[places], kind="stable")]
        _, holders = np.unique(grams[places], return_counts=True)
        places, holders = places[np.repeat(holders > 1, holders)], holders[holders > 1]
        gram = grams[places]
        document = np.searchsorted(ends, places, side="right").astype(np.uint64)
        many = np.repeat(holders > MAX_HOLDERS, holders)
        first = np.repeat(document[holders.cumsum() - holders], holders)
        later = many & (first != document)
        yield first[later] << np.uint64(32) | document[later]
        gram, document = gram[~many], document[~many]
        for apart in range(1, MAX_HOLDERS):
            same = gram[apart:] == gram[:-apart]
            if not same.any():
                break
            yield document[:-apart][same] << np.uint64(32) | document[apart:][same]


def _numbers(pairs: _Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    halves = pairs >> np.uint64(32), pairs & np.uint64(2**32 - 1)
    return halves[0].astype(np.int64), halves[1].astype(np.int64)


def _cell(pairs: _Pairs) -> NDArray[np.int64]:
    return (pairs * _SPREAD >> np.uint64(64 - _CELL_BITS)).astype(np.int64)
