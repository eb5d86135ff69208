"""What prepare made, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kocoref.corpus.document import Document
from kocoref.examples.items import ItemSet


def describe_documents(documents: Sequence[Document]) -> dict[str, Any]:
    """Counts of documents, characters and chains, documents by source."""
    sources = Counter(document.source for document in documents)
    return {
        "documents": len(documents),
        "characters": sum(len(document.text) for document in documents),
        "sentences": sum(len(document.sentences) for document in documents),
        "chains": sum(len(document.chains) for document in documents),
        "by_source": dict(sorted(sources.items())),
    }


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
        "plain": len(items.plain),
        "mean_candidates": sum(candidates) / len(candidates) if candidates else 0.0,
        "distance_in_sentences": {
            ("3 or more" if d == 3 else str(d)): n for d, n in sorted(distances.items())
        },
        "pronouns": dict(sorted(pronouns.items(), key=lambda pair: (-pair[1], pair[0]))),
    }
