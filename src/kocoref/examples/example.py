"""A training instance: a text with one masked place, and what belongs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["entity", "entity_unlabelled", "pronoun", "replay"]


@dataclass(frozen=True, slots=True)
class Example:
    """``left + surface + right`` is the document's text from ``start``; ``surface`` is masked.

    ``target`` is the exact answer, with as many masks as it has subwords: the repeated entity, or
    the antecedent of the pronoun. ``nouns`` is a set of answers any of which counts, with one
    mask. An example without either (``entity_unlabelled``, ``replay``) is learned from by
    ordinary masked language modelling; with ``replay`` nothing is masked beforehand.
    """

    document: str
    task: Task
    start: int
    left: str
    surface: str
    right: str
    target: str | None = None
    nouns: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Characters of the whole stretch."""
        return len(self.left) + len(self.surface) + len(self.right)
