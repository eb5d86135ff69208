"""Pronouns with a marked antecedent, and the noun phrases that compete for them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import NounPhrase, head, is_pronoun, naming


@dataclass(frozen=True, slots=True)
class Candidate:
    """All occurrences of one noun phrase before a pronoun, within the window.

    ``starts`` are where they begin, in characters of the document; ``gold`` says that one of them
    at least is a mention of the pronoun's chain.
    """

    form: str
    starts: tuple[int, ...]
    proper: bool
    subject: bool
    gold: bool

    @property
    def first(self) -> int:
        """Where the first occurrence begins."""
        return self.starts[0]

    @property
    def last(self) -> int:
        """Where the last occurrence begins."""
        return self.starts[-1]

    @property
    def count(self) -> int:
        """The number of occurrences."""
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class MarkedPronoun:
    """A pronoun of a chain and its antecedent, the nearest earlier mention with a noun.

    ``heads`` are the heads of all mentions of the chain that have a noun.
    """

    span: Span
    heads: tuple[Span, ...]
    antecedent: Span


def marked_pronouns(document: Document) -> list[MarkedPronoun]:
    """The pronouns of the document's chains that have an antecedent, in the order of the text.

    One that is marked in two chains has no one antecedent.
    """
    found = []
    chains_of = Counter(mention for chain in document.chains for mention in chain)
    for chain in document.chains:
        nominal = [mention for mention in chain if not is_pronoun(document, mention)]
        heads = tuple(head(document, mention) for mention in nominal)
        for mention in chain:
            earlier = [other for other in nominal if other[1] <= mention[0]]
            if earlier and chains_of[mention] == 1 and is_pronoun(document, mention):
                found.append(MarkedPronoun(mention, heads, max(earlier)))
    return sorted(found, key=lambda pronoun: pronoun.span)


def candidates(
    phrases: Sequence[NounPhrase], start: int, pronoun: int, heads: Sequence[Span] = ()
) -> list[Candidate]:
    """The noun phrases between ``start`` and a pronoun by form, in order of first occurrence.

    ``phrases`` are those of the document, in its order; ``pronoun`` is where the pronoun begins.
    Those that name one of ``heads`` are right.
    """
    by_form: dict[str, list[NounPhrase]] = {}
    first, last = (
        bisect_left(phrases, edge, key=lambda phrase: phrase.span[0]) for edge in (start, pronoun)
    )
    for phrase in phrases[first:last]:
        if phrase.span[1] <= pronoun:
            by_form.setdefault(phrase.form, []).append(phrase)
    near = [(a, b) for a, b in heads if start < b and a < pronoun]
    gold = {phrase.span for mention_head in near for phrase in naming(phrases, mention_head)}
    return [
        Candidate(
            form=form,
            starts=tuple(phrase.span[0] for phrase in same),
            proper=any(phrase.proper for phrase in same),
            subject=any(phrase.subject for phrase in same),
            gold=any(phrase.span in gold for phrase in same),
        )
        for form, same in by_form.items()
    ]


def antecedent_form(
    document: Document, phrases: Sequence[NounPhrase], pronoun: MarkedPronoun
) -> str:
    """What the antecedent is called: the first noun phrase of its head, else its own text.

    A phrase that the tagger cut off inside a word does not count.
    """
    antecedent = pronoun.antecedent
    for phrase in naming(phrases, head(document, antecedent)):
        start, end = phrase.span
        cut_off = end < antecedent[1] and document.text[end].isalnum()
        if start >= antecedent[0] and not cut_off:
            return phrase.form
    return document.text[slice(*antecedent)]
