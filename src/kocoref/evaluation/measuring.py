"""Checkpoints measured on the prepared items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from accelerate import Accelerator

from kocoref.errors import InputError
from kocoref.evaluation.measures import MEASURES, QUICK_MEASURES, STRICT_MEASURES, Outcome
from kocoref.evaluation.prediction import vocabulary_nouns
from kocoref.evaluation.protocols import evaluate
from kocoref.examples.items import ItemSet, PlainText, read_items
from kocoref.model.checkpoint import Checkpoint, load_checkpoint
from kocoref.runtime import accelerate_precision, memory_errors
from kocoref.settings import EvaluateSettings

SETS = Path("data/prepared/evaluation")
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
        test = read_items(SETS / TEST)
        test = replace(test, plain=_spread(test.plain, self._settings.pseudo_documents))
        gold = [path for path in sorted(SETS.iterdir()) if path.name != TEST]
        return {TEST: test} | {path.name: read_items(path) for path in gold}

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
