"""Near-duplicates: documents that share many character 8-grams, found through small sketches.

Of every document the 8-grams with the smallest hashes are kept (bottom-k sketches, Broder 1997);
two documents are near-duplicates when their sketches share enough. Cost is linear in text.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from zlib import crc32

GRAM = 8
SKETCH = 64
THRESHOLD = 0.3
"""Shared part of the smaller sketch above which two documents are near-duplicates."""
MAX_HOLDERS = 50
"""An 8-gram in more documents than this is a stock phrase and says nothing."""


def sketch(text: str) -> frozenset[int]:
    """The smallest hashes of the 8-grams of a text without its white space."""
    squeezed = "".join(text.split())
    grams = {squeezed[i : i + GRAM] for i in range(max(1, len(squeezed) - GRAM + 1))}
    hashes = {crc32(gram.encode("utf-8", "surrogatepass")) for gram in grams}
    return frozenset(heapq.nsmallest(SKETCH, hashes))


def near_duplicates(sketches: Mapping[str, frozenset[int]]) -> list[tuple[str, str]]:
    """Pairs of ids, each pair and the list sorted, whose texts are near-duplicates.

    Of many copies of one text each is paired with the first, and not all with all.
    """
    holders: dict[int, list[str]] = defaultdict(list)
    for name in sorted(sketches):
        for gram in sketches[name]:
            holders[gram].append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for names in holders.values():
        if len(names) <= MAX_HOLDERS:
            for i, one in enumerate(names):
                for other in names[i + 1 :]:
                    shared[one, other] += 1
    found = {
        (one, other)
        for (one, other), count in shared.items()
        if count > THRESHOLD * min(len(sketches[one]), len(sketches[other]))
    }
    first_with: dict[frozenset[int], str] = {}
    for name in sorted(sketches):
        first = first_with.setdefault(sketches[name], name)
        if first != name:
            found.add((first, name))
    return sorted(found)
