"""Trivial baselines: what a claim about coreference has to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kocoref.evaluation.measures import (
    COREF_K,
    SCORERS,
    Outcome,
    count_antecedent,
    count_coref,
)
from kocoref.examples.antecedents import Candidate
from kocoref.examples.items import ItemSet

Scorer = Callable[[Candidate], Any]
"""What a rule looks at, as a tuple or number; the candidate with the largest is preferred."""

ANTECEDENT_RULES: dict[str, Scorer] = {
    "random_candidate": lambda candidate: 0,
    "nearest_noun": lambda candidate: candidate.last,
    "nearest_proper_noun": lambda candidate: (candidate.proper, candidate.last),
    "most_frequent_noun": lambda candidate: (candidate.count, candidate.last),
    "most_frequent_proper_noun": lambda candidate: (
        candidate.proper,
        candidate.count,
        candidate.last,
    ),
    "subject_first": lambda candidate: (candidate.subject, -candidate.first),
}
"""Ties go to the nearest; the random candidate's accuracy is its expected value."""


def antecedent_baseline(items: ItemSet, rule: Scorer) -> Outcome:
    """The strict measures of a rule."""
    outcome = Outcome()
    for item in items.antecedent:
        keys = [rule(candidate) for candidate in item.candidates]
        ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        count_antecedent(outcome, item, [ranks[key] for key in keys], *SCORERS)
    return outcome


def constant_baseline(items: ItemSet, frequent_nouns: Sequence[str]) -> Outcome:
    """The report's coreference measures of always guessing the same five frequent nouns."""
    outcome = Outcome()
    for item in items.coref:
        count_coref(outcome, item, frequent_nouns[:COREF_K])
    return outcome
