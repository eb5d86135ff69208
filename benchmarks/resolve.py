"""Resolving pronouns: all of a text in one pass against a forward pass for each candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks import BASE
from benchmarks.sizes import Sizes
from benchmarks.texts import passages
from benchmarks.timing import Way, Work, alternate, ratio_row
from kocoref.runtime import arithmetic_variables, fix_arithmetic

THREADS = 2
SAME_PROBABILITY = 1e-4
Found = list[tuple[str, tuple[int, int], dict[str, float]]]
"""Form and span of each pronoun, and the probability of each candidate."""


def compare(sizes: Sizes) -> list[dict[str, Any]]:
    """The row of results.json."""
    texts = passages("test")
    texts = texts[:: len(texts) // sizes.resolved_texts][: sizes.resolved_texts]
    variables = arithmetic_variables(True, THREADS, "fp32")
    ours, theirs = alternate(
        [Way(way, (BASE, texts), variables) for way in (together, one_by_one)], sizes.repetitions
    )
    if not same(ours[0].answer, theirs[0].answer):
        raise AssertionError(f"resolve: {ours[0].answer} and {theirs[0].answer}")
    return [ratio_row("resolve", "a forward pass for each candidate", 8, ours, theirs)]


def same(ours: Found, theirs: Found) -> bool:
    """Whether the same pronouns have the same candidates with the same probabilities."""
    return len(ours) == len(theirs) and all(
        one[:2] == other[:2]
        and one[2].keys() == other[2].keys()
        and all(abs(one[2][form] - other[2][form]) < SAME_PROBABILITY for form in one[2])
        for one, other in zip(ours, theirs, strict=True)
    )


def together(model: str, texts: Sequence[str]) -> Work:
    """The resolver as it is, with the copying head."""
    fix_arithmetic(True, THREADS, "fp32")

    from kocoref.resolver import Resolver

    return _resolving(Resolver(model, scorer="copy"), texts)


def one_by_one(model: str, texts: Sequence[str]) -> Work:
    """The same answers, each candidate of each pronoun in a forward pass of its own."""
    fix_arithmetic(True, THREADS, "fp32")

    from kocoref.evaluation.prediction import ask
    from kocoref.evaluation.protocols import copy_queries
    from kocoref.examples.items import AntecedentItem
    from kocoref.resolver import BATCH_TOKENS, Resolver

    class OneByOne(Resolver):
        def _scores(self, items: Sequence[AntecedentItem]) -> list[list[float]]:
            return [self._candidates(item) for item in items]

        def _candidates(self, item: AntecedentItem) -> list[float]:
            ((query, _),) = copy_queries(self._encoder, [item])
            (reference,) = query.references
            scores = []
            for i in range(len(item.candidates)):
                single = replace(
                    reference,
                    candidates=reference.candidates[i : i + 1],
                    gold=reference.gold[i : i + 1],
                    salience=reference.salience[i : i + 1],
                )
                alone = replace(query, references=(single,))
                (answer,) = ask(self._checkpoint, [alone], BATCH_TOKENS, "resolve")
                scores += answer.copy_scores[0]
            return scores

    return _resolving(OneByOne(model, scorer="copy"), texts)


def _resolving(resolver: Any, texts: Sequence[str]) -> Work:
    def work() -> Found:
        return [
            (pronoun.form, pronoun.span, {c.form: c.probability for c in pronoun.candidates})
            for found in resolver.resolve(texts)
            for pronoun in found
        ]

    return work
