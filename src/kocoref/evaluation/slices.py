"""Antecedent accuracy by pronoun, distance, sentence and number of candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

MIN_ITEMS = 5
"""Slices with fewer items are put together as ``other``."""


class Slice(TypedDict):
    """The accuracy of a slice and how many items it has."""

    accuracy: float
    items: int


def slice_accuracy(
    predictions: Sequence[Mapping[str, Any]], scorer: str
) -> dict[str, dict[str, Slice]]:
    """Slice name → value → accuracy, of the rows of a scorer, ``antecedent`` or ``copy``."""
    rows = [row for row in predictions if row["measure"] == scorer]
    return {
        "pronoun": _slices(rows, [row["pronoun"] for row in rows]),
        "distance": _slices(rows, [_distance(row["distance"]) for row in rows]),
        "candidates": _slices(rows, [_size(row["candidates"]) for row in rows]),
    }


def _distance(sentences: int) -> str:
    return {0: "same sentence", 1: "1 sentence"}.get(sentences, "2 or more sentences")


def _size(candidates: int) -> str:
    return "1-9" if candidates < 10 else "10-19" if candidates < 20 else "20 or more"


def _slices(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> dict[str, Slice]:
    hits: dict[str, list[float]] = defaultdict(list)
    for row, key in zip(rows, keys, strict=True):
        hits[key].append(row["hit"])
    merged: dict[str, list[float]] = defaultdict(list)
    for key, values in hits.items():
        merged[key if len(values) >= MIN_ITEMS else "other"] += values
    return {
        key: {"accuracy": sum(merged[key]) / len(merged[key]), "items": len(merged[key])}
        for key in sorted(merged, key=lambda key: (key == "other", -len(merged[key]), key))
    }
