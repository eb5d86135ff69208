"""A stretch of text with all its marked pronouns in sight, and what each of them may refer to.

One pass of a model over a reading serves all its pronouns, in training and in evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import noun_phrases
from kocoref.examples.antecedents import Candidate, candidates, marked_pronouns
from kocoref.examples.window import window


@dataclass(frozen=True, slots=True)
class Anaphor:
    """A pronoun in a reading: its span in characters of the document, and its candidates."""

    span: Span
    surface: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """``text`` is the document's from ``start``; the anaphors are in its order."""

    document: str
    start: int
    text: str
    anaphors: tuple[Anaphor, ...]

    @property
    def length(self) -> int:
        """Characters of the text."""
        return len(self.text)


def readings(document: Document, characters: int) -> list[Reading]:
    """Windows that hold every marked pronoun once, those with a right candidate in reach.

    A window is that of the first pronoun that no window before held.
    """
    made: list[Reading] = []
    phrases = noun_phrases(document)
    left = marked_pronouns(document)
    while left:
        start, end = window(document, left[0].span, characters)
        held = [pronoun for pronoun in left if pronoun.span[1] <= end]
        left = [pronoun for pronoun in left if pronoun.span[1] > end]
        anaphors = [
            Anaphor(
                pronoun.span,
                document.text[slice(*pronoun.span)],
                tuple(candidates(phrases, start, pronoun.span[0], pronoun.heads)),
            )
            for pronoun in held
        ]
        kept = tuple(a for a in anaphors if any(candidate.gold for candidate in a.candidates))
        if kept:
            made.append(Reading(document.id, start, document.text[start:end], kept))
    return made


def focus(anaphors: Sequence[Anaphor]) -> Span:
    """From the first of some anaphors to the last, in characters of the document."""
    return anaphors[0].span[0], anaphors[-1].span[1]
