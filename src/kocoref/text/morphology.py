"""Korean morphology: each text goes through Kiwi once, and the analysis is kept."""

from __future__ import annotations

import os
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from kiwipiepy import Kiwi

NOUN_TAGS = frozenset({"NNG", "NNP"})
PRONOUN_TAG = "NP"
ENTITY_TAG = "NNP"
ENTITY_MIN_LENGTH = 2
_LONGEST = 50_000
"""Characters that go through Kiwi at once: its time grows with the square of their number."""
_BREAKS = (re.compile(r".*[.!?…]\s", re.DOTALL), re.compile(r".*\s", re.DOTALL))
_IGNORABLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_UNIT = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|.", re.DOTALL)
_INVISIBLE = re.compile(f"[{_IGNORABLE}]")
_UNREADABLE = re.compile(f"[\u1100-\u1112][\u1161-\u1175]|[{_IGNORABLE}]")


class Token(NamedTuple):
    """A morpheme: ``start`` and ``end`` (exclusive) are characters of the text."""

    form: str
    tag: str
    start: int
    end: int


Analysis = tuple[tuple[tuple[int, int], ...], tuple[Token, ...]]


class Readable(NamedTuple):
    """A text as Kiwi can read it, and where each of its characters stands in the text as it was.

    ``places`` is None where the two are equal.
    """

    text: str
    places: Sequence[tuple[int, int]] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """A span of ``text`` in characters of the text as it was."""
        if self.places is None:
            return start, end
        if start == end:
            first = self.places[start][0] if start < len(self.places) else self.places[-1][1]
            return first, first
        return self.places[start][0], self.places[end - 1][1]

    def composed(self, start: int, end: int) -> tuple[int, int]:
        """A span of the text as it was, in characters of ``text``: all that it has a part of.

        Where that is nothing, the start is not before the end.
        """
        if self.places is None:
            return start, end
        first = bisect_right(self.places, start, key=itemgetter(1))
        return first, bisect_left(self.places, end, key=itemgetter(0))


def readable(text: str) -> Readable:
    """The text with decomposed Hangul (NFD) in syllables and without invisible characters.

    Kiwi knows only whole syllables, and miscounts characters after some that have no width.
    """
    if not _UNREADABLE.search(text):
        return Readable(text)
    units = [match.span() for match in _UNIT.finditer(text)]
    visible = [span for span in units if not _INVISIBLE.match(text, span[0])]
    return Readable("".join(_composed(text[slice(*span)]) for span in visible), visible)


def _composed(unit: str) -> str:
    return unicodedata.normalize("NFC", unit) if len(unit) > 1 else unit


class Analyzer:
    """Kiwi, fed by an iterator: texts are analysed in parallel, results come in their order.

    The result does not depend on the number of ``threads``: as many as there are cores for this
    process, unless given.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._kiwi = Kiwi(num_workers=threads or len(os.sched_getaffinity(0)))

    def analyze(self, texts: Iterable[str]) -> Iterator[Analysis]:
        """Sentence spans and tokens of each text, all in characters of the text."""
        waiting: deque[tuple[Readable, list[int]]] = deque()

        def pieces() -> Iterator[str]:
            for text in texts:
                found = readable(text)
                edges = _edges(found.text)
                waiting.append((found, edges))
                for start, end in pairwise(edges):
                    yield found.text[start:end]

        results = iter(self._kiwi.tokenize(pieces()))
        for first in results:
            found, edges = waiting.popleft()
            yield _analysis(found, edges, [first, *islice(results, len(edges) - 2)])


def _edges(text: str) -> list[int]:
    """Where the pieces of a text begin and end: after sentences, else after spaces."""
    edges = [0]
    while len(text) - edges[-1] > _LONGEST:
        piece = text[edges[-1] : edges[-1] + _LONGEST]
        found = (match.end() for pattern in _BREAKS if (match := pattern.match(piece)))
        edges.append(edges[-1] + next(found, len(piece)))
    return [*edges, len(text)]


def _analysis(found: Readable, edges: Sequence[int], parts: Sequence[Any]) -> Analysis:
    """The analyses of the pieces of a text as one, in characters of the text as it was."""
    tokens: list[Token] = []
    sentences: list[tuple[int, int]] = []
    for edge, part in zip(edges, parts, strict=False):
        last = None
        for token in part:
            start = edge + token.start
            end = start + token.len
            if found.places is not None:
                start, end = found.original(start, end)
            tokens.append(Token(token.form, token.tag, start, end))
            if token.sent_position != last:
                sentences.append((start, end))
                last = token.sent_position
            elif end > sentences[-1][1]:
                sentences[-1] = sentences[-1][0], end
    return tuple(sentences), tuple(tokens)


@cache
def shared_analyzer() -> Analyzer:
    """The one of this process: Kiwi's model takes a second or two to load."""
    return Analyzer()


def contains_noun(texts: Sequence[str]) -> list[bool]:
    """Whether Kiwi finds a noun (NNG or NNP) in each text, taken by itself."""
    distinct = list(dict.fromkeys(texts))
    analyses = shared_analyzer().analyze(distinct)
    with_noun = {
        text
        for text, (_, tokens) in zip(distinct, analyses, strict=True)
        if any(token.tag in NOUN_TAGS for token in tokens)
    }
    return [text in with_noun for text in texts]
