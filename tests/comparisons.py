"""Comparisons made by hand, for the tests of their statistics and of their page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kocoref.reporting.comparison import Comparison
from kocoref.settings import load_sections

PARAMS = Path(__file__).parents[1] / "params.yaml"
DOCUMENTS = ["a", "b", "c", "d", "e", "f"]
RESAMPLES = 199
HIT_MEASURES = {
    "coref_at_5": "coref",
    "lambada_at_1": "lambada",
    "antecedent_accuracy": "antecedent",
    "copy_accuracy": "copy",
    "lambada_exact": "lambada_exact",
}
LEVEL = {
    "coref_f1": 0.1,
    "coref_at_5": 0.5,
    "lambada_at_1": 0.2,
    "antecedent_accuracy": 0.3,
    "copy_accuracy": 0.25,
    "lambada_exact": 0.05,
    "pseudo_bpc": 3.5,
}
"""What the base does; all rows do the same but for what is said."""


def counts_of(measures: dict[str, float]) -> dict[str, list[float]]:
    """Counts that give these measures in each document alike: no interval has a width."""
    found: dict[str, list[float]] = {}
    for measure, prefix in HIT_MEASURES.items():
        found[f"{prefix}_hits"] = [100 * measures[measure]] * len(DOCUMENTS)
        found[f"{prefix}_items"] = [100] * len(DOCUMENTS)
    true = 100 * measures["coref_f1"]  # F1 is 2 · true / (2 · true + 200 - 2 · true)
    of_f1 = {"true": [true], "false": [100 - true], "missed": [100 - true]}
    found |= {name: values * len(DOCUMENTS) for name, values in of_f1.items()}
    found["pseudo_bits"] = [10 * measures["pseudo_bpc"]] * len(DOCUMENTS)
    found["pseudo_characters"] = [10] * len(DOCUMENTS)
    return found


def run_of(row: str, seed: int | None, minutes: float = 5.0, **changed: float) -> dict[str, Any]:
    """A run that does as the base but for some measures."""
    measures = LEVEL | changed
    return {
        "row": row,
        "seed": seed,
        "params": {"finetune.option": row},
        "training": {"examples": 640, "tokens": 50_000, "steps": 20, "best_step": 20},
        "measures": measures,
        "minutes": minutes,
        "counts": counts_of(measures),
    }


def comparison_of(*runs: dict[str, Any]) -> dict[str, Any]:
    """A file of these runs."""
    return {
        "common": {"finetune.max_examples": 640},
        "sections": load_sections("prepare", "finetune", "evaluate", path=PARAMS),
        "resamples": RESAMPLES,
        "documents": DOCUMENTS,
        "base": LEVEL,
        "base_counts": counts_of(LEVEL),
        "baselines": {
            "nearest_noun": {"antecedent_accuracy": 0.35, "copy_accuracy": 0.35},
            "first_noun": {"antecedent_accuracy": 0.33, "copy_accuracy": 0.36},
            "salience": {"antecedent_accuracy": 0.62, "copy_accuracy": 0.63},
            "constant_top_5": {"coref_f1": 0.12, "coref_at_5": 0.58},
        },
        "runs": list(runs),
        "templates": {
            "replace": {
                "validation_mrr": 0.41, "antecedent_accuracy": 0.31, "antecedent_mrr": 0.42,
            },
            "who": {"validation_mrr": 0.43, "antecedent_accuracy": 0.29, "antecedent_mrr": 0.44},
        },
    }  # fmt: skip


def whole() -> dict[str, Any]:
    """Every row that an answer needs, with two seeds where it trains."""
    return comparison_of(
        run_of("none", None, 1.5),
        run_of("entity", 1, 4.0, coref_f1=0.08, copy_accuracy=0.2, pseudo_bpc=3.7),
        run_of("entity", 2, 6.0, coref_f1=0.06, copy_accuracy=0.2, pseudo_bpc=3.9),
        run_of("entity_unlabelled", 1, coref_f1=0.09, lambada_at_1=0.15),
        run_of("entity_anchor", 1, pseudo_bpc=3.6),
        run_of("pronoun_plain", 1, coref_at_5=0.7, antecedent_accuracy=0.21),
        run_of("pronoun_target", 1, antecedent_accuracy=0.38),
        run_of("pronoun", 1, antecedent_accuracy=0.44, copy_accuracy=0.6),
        run_of("pronoun", 2, antecedent_accuracy=0.48, copy_accuracy=0.66),
    )


def found(value: dict[str, Any]) -> Comparison:
    """The comparison of a file."""
    return Comparison.model_validate(value)
