"""Outcomes on disk: counts by column and document, and the predictions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from kocoref.evaluation.measures import Outcome
from kocoref.files import read_json, read_json_lines, write_json, write_json_lines


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
