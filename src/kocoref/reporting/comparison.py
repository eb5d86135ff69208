"""Runs of many rows and seeds as one checked object, and the statistics of their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from kocoref.errors import InputError
from kocoref.evaluation.measures import MEASURES, Outcome
from kocoref.evaluation.outcomes import outcome_of
from kocoref.evaluation.significance import (
    Difference,
    bootstrap_values,
    documents_with_items,
    interval,
)
from kocoref.files import read_json

Counts = dict[str, list[float]]
"""Column → counts by document, in the order of :attr:`Comparison.documents`."""
SlicesByScorer = dict[str, dict[str, dict[str, dict[str, float]]]]
"""Scorer → what is sliced by → value → accuracy and items."""
RESAMPLING_SEED = 1


class Run(BaseModel):
    """One row with one seed: its params, what training took and what the model then did."""

    model_config = ConfigDict(frozen=True)

    row: str
    seed: int | None
    params: dict[str, Any]
    training: dict[str, Any]
    measures: dict[str, float]
    minutes: float
    counts: Counts


class GoldRow(BaseModel):
    """What a row did on a gold set: its measures, differences from each role, and slices.

    ``differences`` holds a :class:`Difference` by role and measure.
    """

    model_config = ConfigDict(frozen=True)

    measures: dict[str, float]
    differences: dict[str, dict[str, Any]]
    slices: SlicesByScorer


class GoldSet(BaseModel):
    """What base, baselines and rows did on a gold set, or on its first ``limit`` documents."""

    model_config = ConfigDict(frozen=True)

    limit: int | None
    items: dict[str, Any]
    roles: dict[str, dict[str, float]]
    base_slices: SlicesByScorer
    rows: dict[str, GoldRow]


class Comparison(BaseModel):
    """metrics/experiments.json: the base, the baselines and every run on the same test items."""

    model_config = ConfigDict(frozen=True)

    common: dict[str, Any]
    resamples: int
    documents: list[str]
    base: dict[str, float]
    base_counts: Counts
    baselines: dict[str, dict[str, float]]
    runs: list[Run]
    templates: dict[str, dict[str, float]]
    gold: dict[str, GoldSet] = {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            InputError: it is missing or broken.
        """
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise InputError(f"{path}: {place}: {problem['msg']}; run `make experiments`") from None

    def rows(self) -> dict[str, list[Run]]:
        """The runs of each row, in the order of the file."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.row, []).append(run)
        return found

    def mean(self, row: str, measure: str) -> float:
        """The mean of a measure over the seeds of a row."""
        return float(np.mean([run.measures[measure] for run in self.rows()[row]]))

    def spread(self, row: str, measure: str) -> float:
        """The standard deviation of a measure over the seeds of a row (ddof 1), 0 for one seed."""
        values = [run.measures[measure] for run in self.rows()[row]]
        return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0

    def against_base(self, row: str, measure: str) -> Difference:
        """The mean over seeds of a row minus the base, on the same resampled documents."""
        base = outcome_of(self.documents, self.base_counts)
        return self._difference(self.rows()[row], [base], measure)

    def against_row(self, row: str, other: str, measure: str) -> Difference:
        """The mean of one row minus that of another, on the same resampled documents and seeds."""
        return self._difference(
            self.rows()[row],
            [outcome_of(self.documents, run.counts) for run in self.rows()[other]],
            measure,
        )

    def _difference(
        self, runs: Sequence[Run], others: Sequence[Outcome], measure: str
    ) -> Difference:
        """Both documents and seeds are resampled, the same for both sides."""
        ours = [outcome_of(self.documents, run.counts) for run in runs]

        def values(outcomes: Sequence[Outcome]) -> Any:
            found = np.array([
                bootstrap_values(o, self.documents, measure, self.resamples, RESAMPLING_SEED)
                for o in outcomes
            ])  # fmt: skip
            drawn = np.random.default_rng(RESAMPLING_SEED).integers(len(found), size=found.shape)
            return np.take_along_axis(found, drawn, axis=0).mean(axis=0)

        def whole(outcomes: Sequence[Outcome]) -> float:
            return float(np.mean([MEASURES[measure](o.sums()) for o in outcomes]))

        # Means of equal counts may differ in their last bit, which is no difference.
        resampled = (values(ours) - values(others)).round(12)
        documents = documents_with_items([*ours, *others], measure)
        return interval(whole(ours) - whole(others), resampled, documents)
