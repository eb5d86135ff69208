"""Paired bootstrap over documents (Efron & Tibshirani 1993): is a difference more than chance?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from kocoref.evaluation.measures import (
    COUNTED,
    LOWER_IS_BETTER,
    MEASURES,
    Outcome,
    has_items,
)

FEWEST_DOCUMENTS = 6
"""With fewer even a sign test cannot reach 5 %: 2 · (1/2)⁵ = 0.06."""


class Difference(TypedDict):
    """A difference with its 95 % interval and two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    one: Outcome, other: Outcome, measure: str, resamples: int, seed: int
) -> Difference:
    """The measure of ``one`` minus that of ``other``, on the same resampled documents.

    The p-value is twice the smaller share of resampled differences on one side of zero, those
    equal to zero counted on both, with one added so that it is never 0.
    """
    documents = sorted(set(one.columns) | set(other.columns))
    whole = MEASURES[measure](one.sums()) - MEASURES[measure](other.sums())
    values = [
        bootstrap_values(outcome, documents, measure, resamples, seed) for outcome in (one, other)
    ]
    return interval(whole, values[0] - values[1], documents_with_items([one, other], measure))


def better(measure: str, low: float, high: float) -> bool | None:
    """Whether a difference with this interval is for the better; None where that holds zero."""
    if low <= 0 <= high:
        return None
    return (low > 0) != (measure in LOWER_IS_BETTER)


def documents_with_items(outcomes: Iterable[Outcome], measure: str) -> int:
    """How many documents a measure of some outcomes counts something of."""
    return len(
        {
            document
            for outcome in outcomes
            for document, counts in outcome.columns.items()
            if any(counts[column] for column in COUNTED[measure])
        }
    )


def interval(difference: float, resampled: NDArray[np.float64], documents: int) -> Difference:
    """A difference with the interval and p-value of its resampled values.

    Resamples in which no document has an item (NaN) are left out. Of fewer ``documents`` than
    :data:`FEWEST_DOCUMENTS` nothing can be said: their interval always holds 0, with p = 1.
    """
    if documents < FEWEST_DOCUMENTS:
        low, high = min(difference, 0.0), max(difference, 0.0)
        return {"difference": difference, "low": low, "high": high, "p_value": 1.0}
    resampled = resampled[~np.isnan(resampled)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    tail = min((resampled <= 0).sum(), (resampled >= 0).sum())
    return {
        "difference": difference,
        "low": float(low),
        "high": float(high),
        "p_value": min(1.0, 2 * (int(tail) + 1) / (len(resampled) + 1)),
    }


def bootstrap_values(
    outcome: Outcome, documents: Sequence[str], measure: str, resamples: int, seed: int
) -> NDArray[np.float64]:
    """The measure on each resample of the documents, shape (resamples,); NaN without an item.

    The resamples are a function of the seed and the number of documents, so that those of two
    outcomes are pairs.
    """
    names = sorted({column for counts in outcome.columns.values() for column in counts})
    table = np.array(
        [[outcome.columns[d][name] if d in outcome.columns else 0 for name in names]
         for d in documents],
        dtype=np.float64,
    )  # fmt: skip
    sums = _resamples(len(documents), resamples, seed) @ table
    rows: list[Mapping[str, float]] = [dict(zip(names, row, strict=True)) for row in sums.tolist()]
    return np.array(
        [MEASURES[measure](sums) if has_items(measure, sums) else np.nan
         for sums in map(_Zeros, rows)]
    )  # fmt: skip


@lru_cache(maxsize=4)
def _resamples(documents: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each document is in each resample, (resamples, documents)."""
    random = np.random.default_rng(seed)
    return random.multinomial(documents, np.full(documents, 1 / documents), size=resamples)


class _Zeros(dict[str, float]):
    def __missing__(self, key: str) -> float:
        return 0.0
