"""The measures: the report's protocol (``seed``) and the strict one, from counts per document.

Every measure is a function of sums of columns over documents, so that a bootstrap over documents
needs only the columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any

from kocoref.examples.items import AntecedentItem, CorefItem

COREF_K = 5

Sums = Mapping[str, float]


def coref_f1(sums: Sums) -> float:
    """Micro F1 of the top-5 nouns against the context nouns (report, `eval_coref_f1`)."""
    true, false, missed = sums["true"], sums["false"], sums["missed"]
    return _ratio(2 * true, 2 * true + false + missed)


def coref_at_5(sums: Sums) -> float:
    """Share of items with one of the top-5 nouns among the context nouns (report, Coref@5)."""
    return _ratio(sums["coref_hits"], sums["coref_items"])


def lambada_at_1(sums: Sums) -> float:
    """Share of items whose top noun contains the target or is in it (report, LAMBADA@1)."""
    return _ratio(sums["lambada_hits"], sums["lambada_items"])


def report_score(coref_f1: float, coref_at_5: float, lambada_at_1: float) -> float:
    """The report's overall Score: 0.4·Coref F1 + 0.3·Coref@5 + 0.3·LAMBADA@1, as fractions."""
    return 0.4 * coref_f1 + 0.3 * coref_at_5 + 0.3 * lambada_at_1


def score(sums: Sums) -> float:
    """:func:`report_score` of the three seed measures."""
    return report_score(coref_f1(sums), coref_at_5(sums), lambada_at_1(sums))


def antecedent_accuracy(sums: Sums) -> float:
    """Share of pronouns whose preferred candidate is a mention of the gold chain."""
    return _ratio(sums["antecedent_hits"], sums["antecedent_items"])


def antecedent_mrr(sums: Sums) -> float:
    """Mean reciprocal rank of the best gold candidate."""
    return _ratio(sums["antecedent_reciprocal"], sums["antecedent_items"])


def copy_accuracy(sums: Sums) -> float:
    """:func:`antecedent_accuracy` with the scores of the copying head."""
    return _ratio(sums["copy_hits"], sums["copy_items"])


def copy_mrr(sums: Sums) -> float:
    """:func:`antecedent_mrr` with the scores of the copying head."""
    return _ratio(sums["copy_reciprocal"], sums["copy_items"])


def lambada_exact(sums: Sums) -> float:
    """Share of items filled exactly, with up to three subwords."""
    return _ratio(sums["lambada_exact_hits"], sums["lambada_exact_items"])


def pseudo_bpc(sums: Sums) -> float:
    """Pseudo-log-likelihood in bits per character (after Salazar et al. 2020): lower is better."""
    return _ratio(sums["pseudo_bits"], sums["pseudo_characters"])


SEED_MEASURES: dict[str, Callable[[Sums], float]] = {
    "lambada_at_1": lambada_at_1,
    "coref_f1": coref_f1,
    "coref_at_5": coref_at_5,
    "score": score,
}
STRICT_MEASURES: dict[str, Callable[[Sums], float]] = {
    "antecedent_accuracy": antecedent_accuracy,
    "antecedent_mrr": antecedent_mrr,
    "copy_accuracy": copy_accuracy,
    "copy_mrr": copy_mrr,
    "lambada_exact": lambada_exact,
    "pseudo_bpc": pseudo_bpc,
}
MEASURES = SEED_MEASURES | STRICT_MEASURES
COSTLY_MEASURES = ("antecedent_accuracy", "antecedent_mrr", "lambada_exact", "pseudo_bpc")
"""Those that ask a model several times for each item."""
QUICK_MEASURES = tuple(name for name in MEASURES if name not in COSTLY_MEASURES)
SCORERS = ("antecedent", "copy")
"""Whose preferred candidate is compared with the gold chain."""
LOWER_IS_BETTER = frozenset({"pseudo_bpc"})


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


@dataclass
class Outcome:
    """What a model, or a baseline, did on a set of items.

    ``columns`` holds counts per document; ``predictions`` one row per item, for reading.
    """

    columns: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    predictions: list[dict[str, Any]] = field(default_factory=list)

    def add(self, document: str, **counts: float) -> None:
        """Add counts to the columns of a document."""
        for column, count in counts.items():
            self.columns[document][column] += count  # type: ignore[assignment]

    def sums(self) -> Sums:
        """The columns summed over documents."""
        total: Counter[str] = Counter()
        for document in sorted(self.columns):
            total.update(self.columns[document])
        return total

    def measures(self, names: Iterable[str]) -> dict[str, float]:
        """The named measures that have items."""
        sums = self.sums()
        return {name: MEASURES[name](sums) for name in names if has_items(name, sums)}


COUNTED = {
    "lambada_at_1": ("lambada_items",),
    "lambada_exact": ("lambada_exact_items",),
    "coref_f1": ("coref_items",),
    "coref_at_5": ("coref_items",),
    "score": ("coref_items", "lambada_items"),
    "antecedent_accuracy": ("antecedent_items",),
    "antecedent_mrr": ("antecedent_items",),
    "copy_accuracy": ("copy_items",),
    "copy_mrr": ("copy_items",),
    "pseudo_bpc": ("pseudo_characters",),
}
"""The columns that say how much a measure has to count, all of which it needs."""


def has_items(measure: str, sums: Sums) -> bool:
    """Whether a measure has anything to count."""
    return all(sums.get(column) for column in COUNTED[measure])


def count_coref(outcome: Outcome, item: CorefItem, predicted: Sequence[str]) -> None:
    """Count the top nouns of one item of the report's coreference measures."""
    nouns, guessed = set(item.nouns), set(predicted)
    outcome.add(
        item.document,
        true=len(guessed & nouns),
        false=len(guessed - nouns),
        missed=len(nouns - guessed),
        coref_hits=int(bool(guessed & nouns)),
        coref_items=1,
    )


def lenient_match(target: str, predicted: str) -> bool:
    """The report's match: either string contains the other."""
    return target in predicted or predicted in target


def count_antecedent(
    outcome: Outcome, item: AntecedentItem, scores: Sequence[float], *scorers: str
) -> float:
    """Count one pronoun under the measures of some scorers; returns how much of a hit it was.

    A scorer is ``antecedent`` (what a candidate is called) or ``copy`` (where it stands); a rule
    knows no such difference, and counts as both.

    Candidates with equal scores are taken to be in random order, and what counts is the expected
    value, so that a scorer that knows nothing is exactly chance.
    """
    pairs = list(zip(scores, (candidate.gold for candidate in item.candidates), strict=True))
    best = max(scores)
    hit = sum(gold for score, gold in pairs if score == best) / scores.count(best)
    best_gold = max(score for score, gold in pairs if gold)
    reciprocal = _expected_reciprocal_rank(
        above=sum(score > best_gold for score in scores),
        level=sum(score == best_gold for score in scores),
        gold=sum(gold for score, gold in pairs if score == best_gold),
    )
    counts = {"hits": hit, "reciprocal": reciprocal, "items": 1}
    for scorer in scorers:
        outcome.add(item.document, **{f"{scorer}_{name}": count for name, count in counts.items()})
    return hit


def _expected_reciprocal_rank(above: int, level: int, gold: int) -> float:
    """The mean of 1 / rank of the first of ``gold`` among ``level`` in random order."""
    ways = comb(level, gold)
    return sum(
        comb(level - place, gold - 1) / ways / (above + place)
        for place in range(1, level - gold + 2)
    )
