"""Pronouns with a marked antecedent, and the noun phrases that compete for them."""

from __future__ import annotations

from dataclasses import dataclass

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import NounPhrase, head, is_pronoun, names, noun_phrases


@dataclass(frozen=True, slots=True)
class Candidate:
    """All occurrences of one noun phrase before a pronoun, within the window.

    ``first`` and ``last`` are the starts of its first and last occurrence, in characters of the
    document; ``gold`` says that one occurrence at least is a mention of the pronoun's chain.
    """

    form: str
    first: int
    last: int
    count: int
    proper: bool
    subject: bool
    gold: bool


@dataclass(frozen=True, slots=True)
class MarkedPronoun:
    """A pronoun of a chain and its antecedent, the nearest earlier mention with a noun."""

    span: Span
    chain: tuple[Span, ...]
    antecedent: Span


def marked_pronouns(document: Document) -> list[MarkedPronoun]:
    """The pronouns of the document's chains that have an antecedent, in the order of the text."""
    found = []
    for chain in document.chains:
        nominal = [mention for mention in chain if not is_pronoun(document, mention)]
        for mention in chain:
            earlier = [other for other in nominal if other[1] <= mention[0]]
            if earlier and is_pronoun(document, mention):
                found.append(MarkedPronoun(mention, tuple(nominal), max(earlier)))
    return sorted(found, key=lambda pronoun: pronoun.span)


def candidates(document: Document, pronoun: MarkedPronoun, start: int) -> list[Candidate]:
    """The noun phrases between ``start`` and the pronoun by form, in order of first occurrence."""
    heads = [head(document, mention) for mention in pronoun.chain]
    by_form: dict[str, list[NounPhrase]] = {}
    for phrase in noun_phrases(document):
        if start <= phrase.span[0] and phrase.span[1] <= pronoun.span[0]:
            by_form.setdefault(phrase.form, []).append(phrase)
    return [
        Candidate(
            form=form,
            first=phrases[0].span[0],
            last=phrases[-1].span[0],
            count=len(phrases),
            proper=any(phrase.proper for phrase in phrases),
            subject=any(phrase.subject for phrase in phrases),
            gold=any(names(phrase.span, mention) for phrase in phrases for mention in heads),
        )
        for form, phrases in by_form.items()
    ]


def antecedent_form(document: Document, pronoun: MarkedPronoun) -> str:
    """What the antecedent is called: the first noun phrase of its head, else its own text.

    A phrase that the tagger cut off inside a word does not count.
    """
    antecedent = pronoun.antecedent
    mention_head = head(document, antecedent)
    for phrase in noun_phrases(document):
        start, end = phrase.span
        cut_off = end < antecedent[1] and document.text[end].isalnum()
        if names(phrase.span, mention_head) and start >= antecedent[0] and not cut_off:
            return phrase.form
    return document.text[slice(*antecedent)]
