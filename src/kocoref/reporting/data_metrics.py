"""What prepare made, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kocoref.corpus.document import Document
from kocoref.examples.items import ItemSet


class DocumentCounts:
    """Counts of documents, characters and chains, documents by source; documents may be many."""

    def __init__(self) -> None:
        self._totals = Counter(documents=0, characters=0, sentences=0, chains=0)
        self._sources: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        """Count a document."""
        self._totals.update(
            documents=1,
            characters=len(document.text),
            sentences=len(document.sentences),
            chains=len(document.chains),
        )
        self._sources[document.source] += 1

    def to_json(self) -> dict[str, Any]:
        """The counts as a JSON object."""
        return {**self._totals, "by_source": dict(sorted(self._sources.items()))}


def describe_items(items: ItemSet, reach: Counter[str]) -> dict[str, Any]:
    """Counts of items, pronouns out of reach, distances and pronouns."""
    pronouns = Counter(item.surface for item in items.antecedent)
    distances = Counter(min(item.distance, 3) for item in items.antecedent)
    candidates = [len(item.candidates) for item in items.antecedent]
    return {
        "coref": len(items.coref),
        "lambada": len(items.lambada),
        "antecedent": len(items.antecedent),
        "antecedent_out_of_window": reach["out_of_window"],
        "antecedent_not_a_candidate": reach["not_a_candidate"],
        "antecedent_none": reach["no_antecedent"],
        "plain": len(items.plain),
        "mean_candidates": sum(candidates) / len(candidates) if candidates else 0.0,
        "distance_in_sentences": {
            ("3 or more" if d == 3 else str(d)): n for d, n in sorted(distances.items())
        },
        "pronouns": dict(sorted(pronouns.items(), key=lambda pair: (-pair[1], pair[0]))),
    }
