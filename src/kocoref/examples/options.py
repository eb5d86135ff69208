"""How training examples are made of documents: the report's options, one function a task."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, cycle, islice
from math import ceil
from typing import Literal

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import entities, noun_phrases, pronouns
from kocoref.errors import InputError
from kocoref.examples.antecedents import antecedent_form, marked_pronouns
from kocoref.examples.context import context_nouns, report_sentence_of
from kocoref.examples.example import Example, Task
from kocoref.examples.reading import Reading, readings
from kocoref.examples.window import window

Option = Literal["entity", "entity_unlabelled", "pronoun", "mixed", "curriculum", "none"]
Instance = Example | Reading

BOTH = ("entity", "pronoun")
CURRICULUM = (("entity", 1), ("pronoun", 2), ("mixed", 1))
"""The report's Option 3 in its own proportions: 10,000, 20,000 and 10,000 samples."""


@dataclass(frozen=True)
class ExampleMaker:
    """Makes the examples of documents; ``window`` is in characters, ``radius`` in sentences.

    ``reading_share`` is the share of readings among the examples of marked pronouns, and
    ``reading_window`` how many characters of text a reading holds.
    """

    window: int
    radius: int
    per_document: int
    reading_share: float
    reading_window: int
    seed: int

    def entity(self, document: Document) -> list[Example]:
        """Repeated entities with the later occurrence masked and kept as the target."""
        return self._entity(document, "entity")

    def entity_unlabelled(self, document: Document) -> list[Example]:
        """The same masks with the target lost, as the report's code had it: a control."""
        return self._entity(document, "entity_unlabelled")

    def _entity(self, document: Document, task: Task) -> list[Example]:
        seen: set[str] = set()
        spans: list[Span] = []
        for token in entities(document):
            if token.form in seen:
                spans.append((token.start, token.end))
            seen.add(token.form)
        made = []
        for span in self._sample(document, spans):
            start, left, surface, right = self._cut(document, span)
            if surface in left:
                target = surface if task == "entity" else None
                made.append(Example(document.id, task, start, left, surface, right, target))
        return made

    def pronoun(self, document: Document) -> list[Example]:
        """Pronouns masked: context nouns as a set of answers, the marked antecedent as target.

        An antecedent outside the text that is shown is no target: nothing there says what it
        is called. Where a document has chains only their pronouns are used: of the others nobody
        said what they stand for.
        """
        marked = {pronoun.span: pronoun for pronoun in marked_pronouns(document)}
        phrases = noun_phrases(document) if marked else []
        unmarked = [] if document.chains else pronouns(document)
        spans = sorted(marked) or [(token.start, token.end) for token in unmarked]
        made = []
        for span in self._sample(document, spans):
            sentence = report_sentence_of(document.text, span[0])
            nouns = () if sentence is None else context_nouns(document, sentence, self.radius)
            cut = self._cut(document, span)
            shown = span in marked and marked[span].antecedent[0] >= cut[0]
            target = antecedent_form(document, phrases, marked[span]) if shown else None
            if len(nouns) >= 2 or target:
                made.append(Example(document.id, "pronoun", *cut, target, nouns))
        return made

    def replay(self, document: Document) -> list[Example]:
        """A stretch of plain text, for masked language modelling against forgetting."""
        if not document.text.strip():
            return []
        middle = self._random(document).randrange(len(document.text))
        return [Example(document.id, "replay", *self._cut(document, (middle, middle)))]

    def _cut(self, document: Document, span: Span) -> tuple[int, str, str, str]:
        start, end = window(document, span, self.window)
        text = document.text
        return start, text[start : span[0]], text[slice(*span)], text[span[1] : end]

    def _sample(self, document: Document, spans: Sequence[Span]) -> list[Span]:
        if len(spans) <= self.per_document:
            return list(spans)
        return sorted(self._random(document).sample(spans, self.per_document))

    def _random(self, document: Document) -> random.Random:
        return random.Random(f"{self.seed} {document.id}")


def make_examples(
    option: Option, documents: Sequence[Document], maker: ExampleMaker, limit: int
) -> list[list[Instance]]:
    """The phases of a training run, each a list in random order, ``limit`` examples in all.

    One phase for every option but ``curriculum``, which has three; none for ``none``.

    Raises:
        InputError: the documents hold no example for a task of the option.
    """
    if option == "none":
        return []
    pools: dict[str, list[Instance]] = {}

    def pool(task: str) -> list[Instance]:
        if task not in pools:
            make: Callable[[Document], list[Example]] = getattr(maker, task)
            # In the order of what it is the control of, so that a run sees the same masks.
            order = task.removesuffix("_unlabelled")
            made: list[Instance] = _shuffled(documents, make, f"{maker.seed} {order}")
            if task == "pronoun" and maker.reading_share:
                read = _shuffled(
                    documents, lambda d: readings(d, maker.reading_window), f"{maker.seed} reading"
                )
                made = _interleaved(made, read, maker.reading_share, limit)
            if not made:
                raise InputError(
                    f"finetune.option: the training documents hold no example of task {task!r}"
                    " (entity needs repeated names, pronoun needs pronouns); add text or choose"
                    " another option"
                )
            pools[task] = made
        return pools[task]

    streams: dict[str, Iterator[Instance]] = {}

    def stream(task: str) -> Iterator[Instance]:
        return streams.setdefault(task, cycle(pool(task)))

    if option == "curriculum":
        limit = min(limit, len(pool("entity")) + len(pool("pronoun")))
        total = sum(share for _, share in CURRICULUM)
        return [_phase(task, stream, max(1, limit * share // total)) for task, share in CURRICULUM]
    if option == "mixed":
        return [_phase(option, stream, min(limit, 2 * max(map(len, map(pool, BOTH)))))]
    return [_phase(option, stream, min(limit, len(pool(option))))]


def _shuffled(
    documents: Sequence[Document], make: Callable[[Document], Sequence[Instance]], seed: str
) -> list[Instance]:
    made = [instance for document in documents for instance in make(document)]
    random.Random(seed).shuffle(made)
    return made


def _interleaved(
    masked: Sequence[Instance], read: Sequence[Instance], share: float, limit: int
) -> list[Instance]:
    """``share`` of ``read`` in every stretch, until both are used up; what is short comes again.

    Not more than ``limit``: a small share of many readings would need masked ones without end.
    """
    if not read or not masked:
        return [*masked, *read]
    exact = Fraction(str(share))  # 100 × 0.29 is less than 29
    size = max(ceil(len(read) / exact), ceil(len(masked) / (1 - exact)) if exact < 1 else 0)
    sources = cycle(masked), cycle(read)
    turns = (int((i + 1) * exact) - int(i * exact) for i in range(min(size, limit)))
    return [next(sources[turn]) for turn in turns]


def _phase(task: str, stream: Callable[[str], Iterator[Instance]], size: int) -> list[Instance]:
    """The next ``size`` examples; a pool that is too small is gone through again."""
    if task != "mixed":
        return list(islice(stream(task), size))
    pairs = zip(*map(stream, BOTH), strict=True)
    return list(islice(chain.from_iterable(pairs), size))


def replay_stream(documents: Sequence[Document], maker: ExampleMaker) -> Iterator[Example]:
    """Plain text without end, the documents in random order again and again."""
    made = [example for document in documents for example in maker.replay(document)]
    random.Random(f"{maker.seed} replay").shuffle(made)
    return cycle(made)
