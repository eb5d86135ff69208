"""Pronouns of any text resolved by a model: the importable form of ``resolve.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from typing import Literal

import torch

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import (
    DEPENDENT_NOUNS,
    DETERMINERS,
    REFLEXIVES,
    noun_phrases,
)
from kocoref.evaluation.prediction import Query, ask
from kocoref.evaluation.protocols import candidate_queries, copy_queries
from kocoref.examples.antecedents import candidates
from kocoref.examples.items import AntecedentItem
from kocoref.examples.templates import TEMPLATES
from kocoref.examples.window import window
from kocoref.model.checkpoint import Checkpoint, load_checkpoint
from kocoref.model.copying import UNSEEN
from kocoref.model.encoding import Encoder
from kocoref.text.morphology import (
    NOUN_TAGS,
    PRONOUN_TAG,
    Analysis,
    Readable,
    Token,
    readable,
    shared_analyzer,
)

SPEECH = frozenset(
    {"나", "저", "우리", "저희", "울", "여", "소인", "소첩"}
    | {"너", "니", "너희", "당신", "그대", "자네", "여러분"}
)
"""Pronouns of the first and second person as Kiwi names them (내 is 나, 제 is 저).

They are whoever speaks and listens, whom a text need not name: resolved only on request.
"""
SKIPPED = frozenset(
    {"누구", "누", "뉘", "무엇", "무어", "뭐", "뭣", "머", "어디", "언제", "얼마"}
    | {"아무", "아무개", "모", "거시기"}
    | {"이쪽", "그쪽", "저쪽", "이편", "저편"}
)
"""Pronouns that are never resolved.

Interrogative and indefinite ones refer to nothing yet; directions seldom to a noun.
"""
_PLURALS = frozenset({"들", "네"})
_IN_COMPOUNDS = NOUN_TAGS | {"XSN", "XSV", "XSA"}
_BEHIND_PRONOUNS = frozenset({"또한", "역시", "스스로", "혼자"})
"""Adverbs behind a pronoun without a particle (그 또한), which Kiwi takes for a determiner."""
BATCH_TOKENS = 8192
"""Padded tokens that go through the model at once."""
TEMPLATE = "apposition"
"""How the scorer ``mlm`` asks, as it was trained."""

Scorer = Literal["copy", "mlm"]


@dataclass(frozen=True, slots=True)
class Antecedent:
    """What a pronoun may refer to: a noun phrase, where it last stood, and its probability."""

    form: str
    span: Span
    probability: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """A pronoun and all noun phrases before it within the window, the likeliest first."""

    form: str
    span: Span
    candidates: tuple[Antecedent, ...]


class Resolver:
    """A model that finds the antecedents of pronouns; loaded once, asked many times.

    ``model`` is a directory or a Hugging Face id, ``window`` the characters of text that the model
    sees around a pronoun. ``scorer`` is ``copy`` (the copying head: where candidates stand) or
    ``mlm`` (masked language modelling: what they are called); without it, ``copy`` if the model's
    copying head was trained. ``speech`` also resolves the first and second person.

    Raises:
        InputError: the model cannot be loaded.
    """

    def __init__(
        self,
        model: str,
        window: int = 600,
        scorer: Scorer | None = None,
        speech: bool = False,
    ) -> None:
        self._checkpoint = load_checkpoint(model)
        self._checkpoint.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder = Encoder(self._checkpoint.tokenizer, self._checkpoint.max_length)
        self._window = window
        self._skipped = SKIPPED if speech else SKIPPED | SPEECH
        self.scorer: Scorer = scorer or ("copy" if _copies(self._checkpoint) else "mlm")

    def resolve(self, texts: Sequence[str]) -> list[list[Resolution]]:
        """The resolved pronouns of each text in order, all asked in one batched pass.

        Spans are in characters of the texts as given, end exclusive; the probabilities of all
        candidates of a pronoun sum to one. A pronoun without a noun before it, in what the model
        takes at once, has no candidates.
        """
        read = [readable(text) for text in texts]
        analyses = shared_analyzer().analyze(found.text for found in read)
        found = [
            list(self._items(number, as_read.text, analysis))
            for number, (as_read, analysis) in enumerate(zip(read, analyses, strict=True))
        ]
        scores = iter(self._scores([i for items in found for i in items if i.candidates]))
        return [
            [
                _resolution(text, as_read, item, next(scores) if item.candidates else [])
                for item in items
            ]
            for text, as_read, items in zip(texts, read, found, strict=True)
        ]

    def _items(self, number: int, text: str, analysis: Analysis) -> Iterator[AntecedentItem]:
        sentences, tokens = analysis
        document = Document(str(number), text, "", "", sentences, tokens)
        spans = list(resolvable_pronouns(document, self._skipped))
        inside = {place for span in spans for place in range(*span)}
        phrases = [phrase for phrase in noun_phrases(document) if phrase.span[0] not in inside]
        for span in spans:
            start, end = window(document, span, self._window)
            yield AntecedentItem(
                document=document.id,
                start=start,
                left=text[start : span[0]],
                surface=text[slice(*span)],
                right=text[span[1] : end],
                distance=0,
                candidates=tuple(candidates(phrases, start, span[0])),
            )

    def _scores(self, items: Sequence[AntecedentItem]) -> list[list[float]]:
        """The scores of the candidates of each item, all asked in one pass."""
        scores: list[list[float]] = [[] for _ in items]
        if self.scorer == "copy":
            asked = list(copy_queries(self._encoder, items))
            answers = ask(self._checkpoint, [query for query, _ in asked], BATCH_TOKENS, "resolve")
            for (_, numbers), answer in zip(asked, answers, strict=True):
                for number, found in zip(numbers, answer.copy_scores, strict=True):
                    scores[number] = found
            return scores
        queries: list[Query] = []
        places: list[list[tuple[int, int]]] = []
        for item in items:
            made, where = candidate_queries(self._encoder, item, TEMPLATES[TEMPLATE])
            places.append([(len(queries) + query, place) for query, place in where])
            queries += made
        answers = ask(self._checkpoint, queries, BATCH_TOKENS, "resolve")
        return [[answers[query].scores[place] for query, place in where] for where in places]


def _copies(checkpoint: Checkpoint) -> bool:
    """Whether the copying head is another than the one it begins as."""
    weight = checkpoint.model.copying.query.weight
    return not torch.equal(weight, torch.eye(len(weight), device=weight.device))


def _resolution(
    text: str, as_read: Readable, item: AntecedentItem, scores: Sequence[float]
) -> Resolution:
    def in_text(start: int, length: int) -> tuple[str, Span]:
        span = as_read.original(start, start + length)
        return text[slice(*span)], span

    highest = max(scores, default=UNSEEN)
    seen = [
        (exp(score - highest), candidate)
        for score, candidate in zip(scores, item.candidates, strict=True)
        if score > UNSEEN / 2  # its salience is added to it
    ]
    total = sum(weight for weight, _ in seen)
    return Resolution(
        *in_text(item.start + len(item.left), len(item.surface)),
        tuple(
            Antecedent(*in_text(candidate.last, len(candidate.form)), weight / total)
            for weight, candidate in sorted(seen, key=lambda pair: -pair[0])
        ),
    )


def resolvable_pronouns(
    document: Document, skipped: frozenset[str] = SKIPPED | SPEECH
) -> Iterator[Span]:
    """The pronouns, demonstratives and reflexives that stand by themselves.

    A plural suffix belongs to them. Those ``skipped`` are left out.
    """
    tokens = document.tokens
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        length = _pronoun_at(before, tokens[i : i + 2], skipped)
        if not length:
            continue
        end = i + length
        while _glued(tokens, end) and tokens[end].tag == "XSN" and tokens[end].form in _PLURALS:
            end += 1
        in_compound = _glued(tokens, end) and tokens[end].tag in _IN_COMPOUNDS
        span = token.start, tokens[end - 1].end
        # 그들끼리 is a pronoun with its suffix, 자기소개 and 그간 are other words.
        if in_compound and tokens[end].form != "끼리":
            continue
        if length > 1 or token.form not in skipped or document.text[slice(*span)] == "저들":
            yield span


def _glued(tokens: Sequence[Token], i: int) -> bool:
    """Whether a token follows the one before it without a space."""
    return i < len(tokens) and tokens[i].start == tokens[i - 1].end


def _pronoun_at(before: Token | None, tokens: Sequence[Token], skipped: frozenset[str]) -> int:
    """Of how many tokens the pronoun is that begins the tokens: none, one or two."""
    token = tokens[0]
    if token.form in REFLEXIVES and token.tag in NOUN_TAGS | {PRONOUN_TAG}:
        # 나 자신 is the first person; a noun directly before makes a compound.
        of_skipped = before is not None and before.tag == PRONOUN_TAG and before.form in skipped
        compound = before is not None and before.tag in NOUN_TAGS and before.end == token.start
        return int(not of_skipped and not compound)
    if token.tag == PRONOUN_TAG:
        return 1
    if token.tag != "MM" or token.form not in DETERMINERS or len(tokens) < 2:
        return 0
    if _glued(tokens, 1):
        # Kiwi at times takes 그 of 그는 for a determiner, and 그곳 for a determiner and a noun.
        if tokens[1].form in DEPENDENT_NOUNS:
            return 2
        return int(tokens[1].tag[0] == "J")
    return int(tokens[1].tag == "MAG" and tokens[1].form in _BEHIND_PRONOUNS)
