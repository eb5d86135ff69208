"""Evaluation items: masks fixed once, the same for every model that is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import is_pronoun, noun_phrases, pronouns
from kocoref.examples.antecedents import Candidate, candidates, marked_pronouns
from kocoref.examples.context import context_nouns, report_sentence_of, report_sentences
from kocoref.examples.window import sentence_of, window
from kocoref.files import read_json_lines, write_json_lines
from kocoref.text.morphology import NOUN_TAGS, Token

MIN_NOUN_LENGTH = 2


@dataclass(frozen=True, slots=True)
class MaskedItem:
    """``left + surface + right`` is the document's text from ``start``; ``surface`` is masked."""

    document: str
    start: int
    left: str
    surface: str
    right: str


@dataclass(frozen=True, slots=True)
class CorefItem(MaskedItem):
    """The report's item: a pronoun masked in its own sentence, nouns of the sentences around."""

    nouns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LambadaItem(MaskedItem):
    """The last noun of a passage that occurred before; ``surface`` is the answer."""


@dataclass(frozen=True, slots=True)
class AntecedentItem(MaskedItem):
    """A marked pronoun in its window with its candidates; distance in sentences."""

    distance: int
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class PlainText:
    """A stretch of a document for the pseudo-log-likelihood."""

    document: str
    text: str


@dataclass(frozen=True, slots=True)
class ItemSet:
    """All evaluation items of some documents."""

    coref: tuple[CorefItem, ...]
    lambada: tuple[LambadaItem, ...]
    antecedent: tuple[AntecedentItem, ...]
    plain: tuple[PlainText, ...]


@dataclass(frozen=True)
class ItemMaker:
    """Makes items; ``window`` in characters, ``radius`` in sentences, limits per document."""

    window: int
    radius: int
    per_document: int
    counts: Counter[str]

    def coref(self, document: Document) -> list[CorefItem]:
        """The report's `process_coref_text`: pronouns whose context has two nouns or more."""
        items: list[CorefItem] = []
        sentences = report_sentences(document.text)

        def sentence_of_pronoun(pronoun: Token) -> int | None:
            return report_sentence_of(document.text, pronoun.start)

        for sentence, found in groupby(pronouns(document), sentence_of_pronoun):
            nouns = () if sentence is None else context_nouns(document, sentence, self.radius)
            if sentence is not None and len(nouns) >= 2:
                around = sentences[sentence]
                spans = [(pronoun.start, min(pronoun.end, around[1])) for pronoun in found]
                left = self.per_document - len(items)
                items += (CorefItem(*_mask(document, s, around), nouns) for s in spans[:left])
        return items

    def lambada(self, document: Document) -> list[LambadaItem]:
        """The last noun of the document that it used before, in the window around it."""
        seen: set[str] = set()
        last: Span | None = None
        for token in document.tokens:
            noun = document.text[token.start : token.end]
            if token.tag not in NOUN_TAGS or len(noun) < MIN_NOUN_LENGTH or noun != token.form:
                continue
            if noun in seen:
                last = (token.start, token.end)
            seen.add(noun)
        if last is None:
            return []
        around = window(document, last, self.window)
        item = LambadaItem(*_mask(document, last, around))
        return [item] if item.surface in item.left else []

    def antecedent(self, document: Document) -> list[AntecedentItem]:
        """The marked pronouns; those whose antecedent is out of reach are counted, not kept."""
        items = []
        phrases = noun_phrases(document)
        marked = marked_pronouns(document)
        bare = {m for chain in document.chains for m in chain if is_pronoun(document, m)}
        self.counts["no_antecedent"] += len(bare) - len(marked)
        for pronoun in marked:
            around = window(document, pronoun.span, self.window)
            found = tuple(candidates(phrases, around[0], pronoun.span[0], pronoun.heads))
            if not any(candidate.gold for candidate in found):
                outside = pronoun.antecedent[0] < around[0]
                self.counts["out_of_window" if outside else "not_a_candidate"] += 1
                continue
            distance = sentence_of(document, pronoun.span[0]) - sentence_of(
                document, pronoun.antecedent[0]
            )
            self.counts["antecedent"] += 1
            items.append(AntecedentItem(*_mask(document, pronoun.span, around), distance, found))
        return items

    def plain(self, document: Document) -> list[PlainText]:
        """The beginning of the document, as much as a window holds."""
        text = document.text[slice(*window(document, (0, 0), self.window))]
        return [PlainText(document.id, text)] if text.strip() else []


def _mask(document: Document, span: Span, around: Span) -> tuple[str, int, str, str, str]:
    text = document.text
    start, end = around
    return document.id, start, text[start : span[0]], text[slice(*span)], text[span[1] : end]


def make_items(documents: Iterable[Document], maker: ItemMaker) -> ItemSet:
    """The items of some documents, in their order."""
    coref: list[CorefItem] = []
    lambada: list[LambadaItem] = []
    antecedent: list[AntecedentItem] = []
    plain: list[PlainText] = []
    for document in documents:
        coref += maker.coref(document)
        lambada += maker.lambada(document)
        antecedent += maker.antecedent(document)
        plain += maker.plain(document)
    return ItemSet(tuple(coref), tuple(lambada), tuple(antecedent), tuple(plain))


def write_items(directory: Path, items: ItemSet) -> None:
    """Write one JSON Lines file a kind of item."""
    for kind in fields(ItemSet):
        rows = (asdict(item) for item in getattr(items, kind.name))
        write_json_lines(directory / f"{kind.name}.jsonl", rows)


AnyItem = TypeVar("AnyItem", CorefItem, LambadaItem, AntecedentItem, PlainText)


def read_items(directory: Path) -> ItemSet:
    """The inverse of :func:`write_items`."""
    return ItemSet(
        coref=_read(directory / "coref.jsonl", CorefItem),
        lambada=_read(directory / "lambada.jsonl", LambadaItem),
        antecedent=_read(directory / "antecedent.jsonl", AntecedentItem),
        plain=_read(directory / "plain.jsonl", PlainText),
    )


def _read(path: Path, kind: type[AnyItem]) -> tuple[AnyItem, ...]:
    return tuple(kind(**_restore(row)) for row in read_json_lines(path))


def _restore(row: dict[str, Any]) -> dict[str, Any]:
    if "nouns" in row:
        row["nouns"] = tuple(row["nouns"])
    if "candidates" in row:
        row["candidates"] = tuple(
            Candidate(**candidate | {"starts": tuple(candidate["starts"])})
            for candidate in row["candidates"]
        )
    return row
