"""The strong baseline: a small ranker over how salient each candidate is, blind to meaning.

The factors are those of :mod:`kocoref.examples.salience`, weighted by logistic regression on
marked training pronouns.
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
from kocoref.examples.salience import salience_features

MIN_TRAINING_ITEMS = 50


def train_salience(items: Sequence[AntecedentItem]) -> Pipeline | None:
    """Fit the ranker on training items; None where they are too few or all candidates right."""
    gold = [candidate.gold for item in items for candidate in item.candidates]
    if len(items) < MIN_TRAINING_ITEMS or all(gold):
        return None
    rows = np.concatenate([_features(item) for item in items])
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    )
    return model.fit(rows, gold)


def salience_baseline(model: Pipeline, items: Sequence[AntecedentItem]) -> Outcome:
    """The strict measures of the ranker."""
    outcome = Outcome()
    for item in items:
        scores = model.decision_function(_features(item))
        count_antecedent(outcome, item, np.round(scores, 9).tolist(), *SCORERS)
    return outcome


def _features(item: AntecedentItem) -> NDArray[np.float32]:
    return salience_features(item.surface, item.start + len(item.left), item.candidates)
