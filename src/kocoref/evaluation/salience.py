"""The strong baseline: a small ranker over how salient each candidate is, blind to meaning.

Salience is frequency, recency, place in the text, grammatical role and being a name, the factors
of Lappin & Leass (1994), weighted here by logistic regression on marked training pronouns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from kocoref.evaluation.measures import SCORERS, Outcome, count_antecedent
from kocoref.examples.items import AntecedentItem

PRONOUN_CLASSES: dict[str, frozenset[str]] = {
    "person": frozenset(
        ["그", "그녀", "그이", "그분", "이분", "저분", "걔", "얘", "쟤", "이자", "그자"]
    ),
    "group": frozenset(["그들", "이들", "그녀들", "그분들", "이분들"]),
    "place": frozenset(["그곳", "이곳", "저곳", "거기", "여기", "저기"]),
    "thing": frozenset(["그것", "이것", "저것", "이", "그것들", "이것들"]),
    "self": frozenset(["자신", "자기", "본인", "자신들", "당신"]),
}
MIN_TRAINING_ITEMS = 50


def features(item: AntecedentItem) -> NDArray[np.float64]:
    """One row per candidate: salience, and salience again in the column block of the pronoun."""
    last = _ranks([-candidate.last for candidate in item.candidates])
    first = _ranks([candidate.first for candidate in item.candidates])
    most = max(candidate.count for candidate in item.candidates)
    plain = np.array(
        [
            [
                np.log(candidate.count),
                candidate.count / most,
                1 / (1 + last[i]),
                1 / (1 + first[i]),
                candidate.proper,
                candidate.subject,
                candidate.proper * candidate.subject,
                min(len(candidate.form), 6),
                candidate.form.endswith("들"),
            ]
            for i, candidate in enumerate(item.candidates)
        ],
        dtype=np.float64,
    )
    blocks = [plain * (item.surface in members) for members in PRONOUN_CLASSES.values()]
    return np.concatenate([plain, *blocks], axis=1)


def train_salience(items: Sequence[AntecedentItem]) -> Pipeline | None:
    """Fit the ranker on training items; None where they are too few."""
    if len(items) < MIN_TRAINING_ITEMS:
        return None
    rows = np.concatenate([features(item) for item in items])
    gold = [candidate.gold for item in items for candidate in item.candidates]
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    )
    return model.fit(rows, gold)


def salience_baseline(model: Pipeline, items: Sequence[AntecedentItem]) -> Outcome:
    """The strict measures of the ranker."""
    outcome = Outcome()
    for item in items:
        scores = model.decision_function(features(item))
        count_antecedent(outcome, item, np.round(scores, 9).tolist(), *SCORERS)
    return outcome


def _ranks(keys: Sequence[int]) -> list[int]:
    order = sorted(range(len(keys)), key=lambda i: keys[i])
    ranks = [0] * len(keys)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks
