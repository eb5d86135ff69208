"""The report's sentences and context nouns (its evaluation code, `process_coref_text`)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import lru_cache
from operator import attrgetter, itemgetter

from kocoref.corpus.document import Document, Span
from kocoref.text.morphology import NOUN_TAGS

_START = attrgetter("start")
_BREAK = re.compile(r"(?<=[.!?…])\s+")


@lru_cache(maxsize=8)
def report_sentences(text: str) -> tuple[Span, ...]:
    """Sentences as the report cuts them: after . ! ? or … and white space."""
    edges = [0, *(edge for match in _BREAK.finditer(text) for edge in match.span()), len(text)]
    spans = zip(edges[::2], edges[1::2], strict=True)
    return tuple((start, end) for start, end in spans if text[start:end].strip())


def context_nouns(document: Document, sentence: int, radius: int) -> tuple[str, ...]:
    """The forms tagged NNG or NNP in a sentence and ``radius`` ones on either side, sorted."""
    sentences = report_sentences(document.text)
    start = sentences[max(0, sentence - radius)][0]
    end = sentences[min(len(sentences) - 1, sentence + radius)][1]
    first, last = (bisect_left(document.tokens, edge, key=_START) for edge in (start, end))
    forms = {
        token.form
        for token in document.tokens[first:last]
        if token.tag in NOUN_TAGS and token.end <= end
    }
    return tuple(sorted(forms))


def report_sentence_of(text: str, position: int) -> int | None:
    """The number of the report's sentence that holds a character, if any does."""
    sentences = report_sentences(text)
    number = bisect_right(sentences, position, key=itemgetter(0)) - 1
    return number if number >= 0 and position < sentences[number][1] else None
