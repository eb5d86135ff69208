"""What a document offers for coreference: its pronouns, its noun phrases, its entities."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from operator import attrgetter

from kocoref.corpus.document import Document, Span
from kocoref.text.morphology import ENTITY_MIN_LENGTH, ENTITY_TAG, NOUN_TAGS, PRONOUN_TAG, Token

FOREIGN_TAG = "SL"
_PART_OF_NOUN = NOUN_TAGS | {FOREIGN_TAG, "XPN", "XSN", "SN", "SH"}
_INSIDE_HEAD = _PART_OF_NOUN | {"NNB", "NR", "NP", "SSO", "SSC", "SW", "SO"}
_CUT_OFF = frozenset({"MM", "MAG", "NR", "IC", "XR"})
"""What never stands in one word before a noun: there the tagger has cut an unknown name (세+준)."""
_PUNCTUATION = frozenset({"SF", "SP", "SS", "SSO", "SSC", "SE", "SO", "SW"})
_CLOSING = frozenset({"VCP", "SF", "SP", "SE"})
"""With particles (J…) and endings (E…), what stands behind a noun in its word."""
_TOPIC_PARTICLES = frozenset({"은", "는"})
REFLEXIVES = frozenset({"자신", "자기", "자신들", "본인"})
"""Pronouns that Kiwi often calls nouns."""
DETERMINERS = ("그", "이", "저")
DEPENDENT_NOUNS = ("것", "곳", "분")
"""What makes a pronoun of a determiner before it."""
_UNTAGGED_PRONOUNS = REFLEXIVES.union(
    DETERMINERS, (d + noun + plural for d in DETERMINERS for noun in DEPENDENT_NOUNS
                   for plural in ("", "들")),
)  # fmt: skip
"""With those that Kiwi at times takes for determiners (그는), or determiner and noun (그곳)."""


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A run of nouns within a word, without its particle: what a pronoun may stand for."""

    span: Span
    form: str
    proper: bool
    subject: bool


def pronouns(document: Document) -> list[Token]:
    """The tokens with Kiwi's tag NP, in order."""
    return [token for token in document.tokens if token.tag == PRONOUN_TAG]


def is_pronoun(document: Document, span: Span) -> bool:
    """Whether a mention is a bare pronoun, with the plural suffix or a contracted particle (내)."""
    if document.text[slice(*span)] in _UNTAGGED_PRONOUNS:
        return True
    inside = _inside(document, span)
    return (
        bool(inside)
        and inside[0].tag == PRONOUN_TAG
        and all(token.tag == "XSN" or token.tag[0] == "J" for token in inside[1:])
    )


def entities(document: Document) -> list[Token]:
    """The tokens with tag NNP of at least two characters that stand in the text as they are."""
    return [
        token
        for token in document.tokens
        if token.tag == ENTITY_TAG
        and len(token.form) >= ENTITY_MIN_LENGTH
        and document.text[token.start : token.end] == token.form
    ]


def noun_phrases(document: Document) -> list[NounPhrase]:
    """Maximal runs of nouns within a word that hold a noun or a foreign word, in order."""
    phrases = []
    for run, following in _runs(document.tokens):
        if not any(t.tag in NOUN_TAGS or (t.tag == FOREIGN_TAG and len(t.form) > 1) for t in run):
            continue
        span = (run[0].start, run[-1].end)
        form = document.text[slice(*span)]
        with_determiner = document.text[max(0, span[0] - 1) : span[1]]
        if form in _UNTAGGED_PRONOUNS or with_determiner in _UNTAGGED_PRONOUNS:
            continue
        phrases.append(
            NounPhrase(
                span=span,
                form=form,
                proper=any(token.tag in (ENTITY_TAG, FOREIGN_TAG) for token in run),
                subject=following is not None
                and following.start == span[1]
                and (following.tag == "JKS" or following.form in _TOPIC_PARTICLES),
            )
        )
    return phrases


def _runs(tokens: tuple[Token, ...]) -> Iterator[tuple[list[Token], Token | None]]:
    run: list[Token] = []
    for number, token in enumerate(tokens):
        continued = token.tag in _PART_OF_NOUN and bool(run) and token.start == run[-1].end
        if run and not continued:
            yield _without_call_suffix(run), token
            run = []
        if token.tag in _PART_OF_NOUN:
            run = run or _first_syllable(tokens, number)
            run.append(token)
    if run:
        yield _without_call_suffix(run), None


def _first_syllable(tokens: tuple[Token, ...], number: int) -> list[Token]:
    """The syllable before a noun in the same word, where it is the beginning of an unknown name."""
    if number == 0:
        return []
    first, noun = tokens[number - 1 : number + 1]
    before = tokens[number - 2] if number > 1 else None
    begins = before is None or before.end < first.start or before.tag in _PUNCTUATION
    cut = first.tag in _CUT_OFF and len(first.form) == 1 and first.form not in DETERMINERS
    return [first] if cut and begins and first.end == noun.start else []


def _without_call_suffix(run: list[Token]) -> list[Token]:
    """세영이 (세영 + the suffix of familiar names) names 세영, which 이가 makes no subject."""
    return run[:-1] if len(run) > 1 and run[-1].tag == "XSN" and run[-1].form == "이" else run


def head(document: Document, mention: Span) -> Span:
    """The last stretch of nouns of a mention: 외야수 of KIA 타이거즈의 외야수.

    Korean noun phrases end in their head; a name and the title after it both belong to it, and so
    does what counts: 학생 두 명.
    """
    start = mention[0]
    inside = _inside(document, mention)
    for token, following in zip_longest(inside, inside[1:]):
        counts = token.tag == "MM" and following is not None and following.tag == "NNB"
        if token.tag not in _INSIDE_HEAD and not counts and token.end < mention[1]:
            start = token.end
    return start, mention[1]


def without_particles(document: Document) -> Document:
    """The document with mentions that end in their noun: 홍길동 for 홍길동에게는 or 홍길동이다.

    Annotation of whole words has the particles in its mentions; everything here expects it
    without.
    """
    chains = (
        tuple(dict.fromkeys(_without_particle(document, mention) for mention in chain))
        for chain in document.chains
    )
    return replace(document, chains=tuple(chains))


def _without_particle(document: Document, mention: Span) -> Span:
    start, end = mention
    if document.text[end : end + 1].isalnum():  # what belongs to the word is outside already
        return mention
    kept = _inside(document, mention)
    while kept and (kept[-1].tag in _CLOSING or kept[-1].tag[0] in "JE"):
        kept.pop()
    noun = bool(kept) and (kept[-1].tag in _INSIDE_HEAD or kept[-1].form in DETERMINERS)
    return (start, kept[-1].end) if noun else mention


def _inside(document: Document, span: Span) -> list[Token]:
    """The tokens that stand wholly in a span; they are ordered by their start."""
    first, last = (bisect_left(document.tokens, edge, key=attrgetter("start")) for edge in span)
    return [token for token in document.tokens[first:last] if token.end <= span[1]]


def naming(phrases: Sequence[NounPhrase], mention_head: Span) -> list[NounPhrase]:
    """The noun phrases, of those of a document in its order, that name the mention of a head.

    They are its proper ones and its last common one: 김서연 and 교수 name 김서연 교수, only 교수
    names 역사 교수, and 학생 names 학생 하나, where what counts is no noun phrase.
    """
    first, last = (
        bisect_right(phrases, edge, key=lambda phrase: phrase.span[1]) for edge in mention_head
    )
    inside = phrases[first:last]
    common = [phrase for phrase in inside if not phrase.proper]
    return [phrase for phrase in inside if phrase.proper or phrase is common[-1]]
