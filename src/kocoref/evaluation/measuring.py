"""Checkpoints measured on the prepared items, and outcomes on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from accelerate import Accelerator

from kocoref.errors import InputError
from kocoref.evaluation.asking import evaluate
from kocoref.evaluation.measures import MEASURES, QUICK_MEASURES, STRICT_MEASURES, Outcome
from kocoref.evaluation.prediction import vocabulary_nouns
from kocoref.examples.items import ItemSet, PlainText, read_items
from kocoref.files import read_json, read_json_lines, write_json, write_json_lines
from kocoref.model.checkpoint import Checkpoint, load_checkpoint
from kocoref.runtime import accelerate_precision, memory_errors
from kocoref.settings import EvaluateSettings

ITEMS = Path("data/prepared/items/test")
GOLD = Path("data/prepared/gold")
TEST = "test"
"""The name of the test items among the sets; the others are gold sets."""


class Measurer:
    """Measures checkpoints by the settings; what does not depend on them is made once."""

    def __init__(self, settings: EvaluateSettings) -> None:
        self._settings = settings
        self._accelerator = Accelerator(
            mixed_precision=accelerate_precision(settings.mixed_precision)
        )
        self._nouns: list[str | None] = []

    @cached_property
    def sets(self) -> dict[str, ItemSet]:
        """The test items and the gold sets by name."""
        items = read_items(ITEMS)
        items = replace(items, plain=_spread(items.plain, self._settings.pseudo_documents))
        return {TEST: items} | {path.name: read_items(path) for path in sorted(GOLD.glob("*"))}

    @memory_errors("evaluate.batch_tokens", "finetune.max_length or prepare.window")
    def measure(self, directory: Path, whole: bool) -> dict[str, Outcome]:
        """What a checkpoint does, by set; unless ``whole`` only the quick measures of the test."""
        if not directory.is_dir():
            raise InputError(f"{directory}: no such checkpoint; run `dvc repro finetune`")
        checkpoint = load_checkpoint(str(directory))
        checkpoint.model.to(self._accelerator.device)
        self._nouns = self._nouns or vocabulary_nouns(checkpoint)
        names = self.sets if whole else [TEST]
        return {name: self._on(name, checkpoint, directory.name, whole) for name in names}

    def _on(self, name: str, checkpoint: Checkpoint, label: str, whole: bool) -> Outcome:
        if name == TEST:
            wanted = tuple(MEASURES) if whole else QUICK_MEASURES
        else:
            wanted, label = tuple(STRICT_MEASURES), f"{label} on {name}"
        settings = self._settings
        with self._accelerator.autocast():
            return evaluate(
                checkpoint, self.sets[name], wanted, settings.batch_tokens, settings.template,
                self._nouns, label,
            )  # fmt: skip


def _spread(items: Sequence[PlainText], count: int) -> tuple[PlainText, ...]:
    """At most so many items, evenly apart: neighbours in the order of ids are of one genre."""
    count = min(count, len(items))
    return tuple(items[number * len(items) // count] for number in range(count))


def write_outcome(directory: Path, outcome: Outcome) -> None:
    """Write the counts by column, documents in order, and the predictions."""
    documents = sorted(outcome.columns)
    columns = sorted({column for counts in outcome.columns.values() for column in counts})
    counts = {c: [outcome.columns[d][c] for d in documents] for c in columns}
    write_json_lines(directory / "predictions.jsonl", outcome.predictions)
    write_json(directory / "counts.json", {"documents": documents, "counts": counts})


def read_outcome(directory: Path) -> Outcome:
    """The inverse of :func:`write_outcome`."""
    found = read_json(directory / "counts.json")
    outcome = outcome_of(found["documents"], found["counts"])
    outcome.predictions.extend(read_json_lines(directory / "predictions.jsonl"))
    return outcome


def outcome_of(documents: list[str], counts: dict[str, list[float]]) -> Outcome:
    """An outcome from its counts by column."""
    outcome = Outcome()
    for index, document in enumerate(documents):
        found: dict[str, float] = {column: values[index] for column, values in counts.items()}
        outcome.columns[document] = Counter(found)  # type: ignore[arg-type]
    return outcome
