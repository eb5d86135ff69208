"""How much text around a mask a model is shown: whole sentences, the same for every model."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter

from kocoref.corpus.document import Document, Span

_START = itemgetter(0)
BEFORE_SHARE = 0.75
"""Antecedents come before; the rest of the window is for what follows."""


def window(document: Document, span: Span, characters: int) -> Span:
    """The span of text around ``span``: its sentence and as many whole neighbours as fit.

    A sentence longer than ``characters`` is cut, keeping most of what comes before ``span``.
    """
    sentences = document.sentences or ((0, len(document.text)),)
    first = max(0, bisect_right(sentences, span[0], key=_START) - 1)
    begun = bisect_left(sentences, span[1], key=_START)
    last = max(first, begun - 1)
    start, end = min(sentences[first][0], span[0]), max(sentences[last][1], span[1])
    if end - start > characters:
        start = max(start, span[1] - round(characters * BEFORE_SHARE))
        start = min(start, span[0])
        return start, min(end, max(start + characters, span[1]))
    while (
        first > 0
        and span[1] - sentences[first - 1][0] <= characters * BEFORE_SHARE
        and end - sentences[first - 1][0] <= characters
    ):
        first -= 1
        start = sentences[first][0]
    while last + 1 < len(sentences) and sentences[last + 1][1] - start <= characters:
        last += 1
        end = sentences[last][1]
    while first > 0 and end - sentences[first - 1][0] <= characters:
        first -= 1
        start = sentences[first][0]
    return start, end


def sentence_of(document: Document, position: int) -> int:
    """The number of the sentence that a character stands in."""
    return max(0, bisect_right(document.sentences, position, key=_START) - 1)
