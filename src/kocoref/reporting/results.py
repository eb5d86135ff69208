"""The metrics files as one checked object: all that the report and its figures are made of."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from kocoref.errors import InputError
from kocoref.evaluation.measures import LOWER_IS_BETTER, SEED_MEASURES, STRICT_MEASURES

SEED: Final = tuple(SEED_MEASURES)
STRICT: Final = tuple(STRICT_MEASURES)
MODELS: Final = ("base", "finetuned")
TRAINED_RULES: Final = ("salience",)
"""Baselines that learned from the training passages: not trivial."""
SLICES: Final = ("pronoun", "distance", "candidates")
SLICE_ORDER: Final = (
    "same sentence", "1 sentence", "2 or more sentences", "1-9", "10-19", "20 or more",
)  # fmt: skip


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)


Row = dict[str, float]
CurveRow = dict[str, float | None]


def _with_models(roles: dict[str, Row]) -> dict[str, Row]:
    if missing := [role for role in MODELS if role not in roles]:
        raise ValueError(f"{missing[0]} is missing")
    return roles


Roles = Annotated[dict[str, Row], AfterValidator(_with_models)]


class Metrics(_File):
    """metrics.json: protocol → role → measure, and the gold sets."""

    seed: Roles
    strict: Roles
    gold: dict[str, Roles] = {}


class Difference(_File):
    """A difference and its interval."""

    difference: float
    low: float
    high: float


class Slice(_File):
    """A slice's accuracy and number of items."""

    accuracy: float
    items: int


class Training(_File):
    """training.json."""

    option: str
    base: str
    select_by: str
    available_examples: int
    examples: int
    tokens: int
    steps: int
    best_step: int
    validation: Row


class SplitCounts(_File):
    """What data.json says of a split."""

    documents: int
    characters: int
    sentences: int
    chains: int


class ItemCounts(_File):
    """What data.json says of a set of items."""

    antecedent: int
    antecedent_out_of_window: int
    antecedent_not_a_candidate: int
    antecedent_none: int
    coref: int
    lambada: int


class Data(_File):
    """data.json."""

    documents: dict[str, SplitCounts]
    items: dict[str, ItemCounts]


class Base(_File):
    """base.json: how the base of this project was made."""

    parameters: int
    tokens: int
    masked_nouns: dict[str, Row]


class Results(_File):
    """Everything the report and its figures are made of."""

    metrics: Metrics
    significance: dict[str, dict[str, dict[str, Difference]]]
    slices: dict[str, dict[str, dict[str, dict[str, Slice]]]]
    checkpoints: dict[str, Row]
    training: Training
    data: Data
    base: Base
    training_curve: list[CurveRow]
    validation_curve: list[CurveRow]

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the metrics files.

        Raises:
            InputError: a file is missing or broken; the message names it and says to run
                `dvc repro`.
        """
        found: dict[str, Any] = {}
        names = ("metrics", "significance", "slices", "checkpoints", "training", "data", "base")
        for name in names:
            found[name] = _read(directory / f"{name}.json")
        for name in ("training", "validation"):
            found[f"{name}_curve"] = _read(directory / "curves" / f"{name}.csv")
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            problem = error.errors()[0]
            name, *place = map(str, problem["loc"])
            path = directory / (f"curves/{name[:-6]}.csv" if "_curve" in name else f"{name}.json")
            raise InputError(
                f"{path}: {'.'.join(place)}: {problem['msg']}; delete it and run `dvc repro`"
            ) from None

    def sets(self) -> dict[str, dict[str, Row]]:
        """Set → role → measures of both protocols: the test set, then the gold sets."""
        seed, strict = self.metrics.seed, self.metrics.strict
        roles = [*strict, *(role for role in seed if role not in strict)]
        test = {role: seed.get(role, {}) | strict.get(role, {}) for role in roles}
        return {"test": test, **self.metrics.gold}

    def difference(self, name: str, role: str, measure: str) -> Difference:
        """Finetuned minus ``role`` on a set.

        Raises:
            InputError: significance.json does not go with metrics.json.
        """
        try:
            return self.significance[name][f"finetuned_minus_{role}"][measure]
        except KeyError:
            raise InputError(
                f"significance.json has no {name}/finetuned_minus_{role}/{measure} of"
                " metrics.json: the files are of different runs; run `dvc repro --force evaluate`"
            ) from None

    def compared(self, name: str, order: Iterable[str] = (*SEED, *STRICT)) -> list[str]:
        """The measures, in the given order, that base and finetuned have on a set."""
        roles = self.sets()[name]
        return [m for m in order if all(m in roles[model] for model in MODELS)]

    def best_rule(self, name: str, measure: str) -> str | None:
        """The trivial baseline with the best value of a measure, if there is any."""
        sign = -1 if measure in LOWER_IS_BETTER else 1
        values = {
            role: sign * row[measure]
            for role, row in self.sets()[name].items()
            if role not in (*MODELS, *TRAINED_RULES) and measure in row
        }
        return max(values, key=lambda role: values[role]) if values else None

    def slices_of(
        self, name: str, scorer: str
    ) -> dict[str, dict[str, dict[str, tuple[float, int]]]]:
        """Model → slice → value → accuracy and items, in the order to show; empty if none."""
        models = {model: self.slices.get(f"{name}.{model}", {}).get(scorer, {}) for model in MODELS}
        if not all(any(kinds.values()) for kinds in models.values()):
            return {}
        return {
            model: {
                kind: {
                    value: (part.accuracy, part.items)
                    for value, part in sorted(
                        kinds.get(kind, {}).items(), key=lambda pair: _slice_place(pair[0])
                    )
                }
                for kind in SLICES
            }
            for model, kinds in models.items()
        }

    def steps(self) -> dict[int, Row]:
        """Step → the checkpoint's measures."""
        found = {int(name.rpartition("-")[2]): row for name, row in self.checkpoints.items()}
        return dict(sorted(found.items()))


def _slice_place(value: str) -> int:
    return SLICE_ORDER.index(value) if value in SLICE_ORDER else len(SLICE_ORDER)


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return json.loads(text)
        reader = csv.DictReader(text.splitlines())
        if "step" not in (reader.fieldnames or ()):
            raise ValueError("no column step")
        return [
            {name: float(value) if value else None for name, value in row.items()} for row in reader
        ]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: broken ({error}); delete it and run `dvc repro`") from None
