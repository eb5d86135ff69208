"""Korean morphology: each text goes through Kiwi once, and the analysis is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kiwipiepy import Kiwi

NOUN_TAGS = frozenset({"NNG", "NNP"})
PRONOUN_TAG = "NP"
ENTITY_TAG = "NNP"
ENTITY_MIN_LENGTH = 2


class Token(NamedTuple):
    """A morpheme: ``start`` and ``end`` (exclusive) are characters of the text."""

    form: str
    tag: str
    start: int
    end: int


Analysis = tuple[tuple[tuple[int, int], ...], tuple[Token, ...]]


class Analyzer:
    """Kiwi, fed by an iterator: texts are analysed in parallel, results come in their order.

    The result does not depend on the number of threads.
    """

    def __init__(self, threads: int = 2) -> None:
        self._kiwi = Kiwi(num_workers=threads)

    def analyze(self, texts: Iterable[str]) -> Iterator[Analysis]:
        """Sentence spans and tokens of each text, all in characters of the text."""
        for result in self._kiwi.tokenize(texts):
            tokens = tuple(
                Token(token.form, str(token.tag), token.start, token.start + token.len)
                for token in result
            )
            sentences: list[tuple[int, int]] = []
            last = None
            for token in result:
                if token.sent_position != last:
                    sentences.append((token.start, token.start + token.len))
                    last = token.sent_position
                start, end = sentences[-1]
                sentences[-1] = (start, max(end, token.start + token.len))
            yield tuple(sentences), tokens


def contains_noun(texts: Iterable[str]) -> list[bool]:
    """Whether Kiwi finds a noun (NNG or NNP) in each text, taken by itself."""
    return [
        any(token.tag in NOUN_TAGS for token in tokens) for _, tokens in Analyzer().analyze(texts)
    ]
