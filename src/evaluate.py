"""Stage evaluate: checkpoints and items → metrics/metrics.json and what goes with it.

Reads the section `evaluate` of params.yaml. Every checkpoint is measured in one pass on the test
items; checkpoint-0 is the base, models/finetuned the checkpoint that the run selected.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kocoref.errors import InputError
from kocoref.files import write_csv, write_json, write_json_lines
from kocoref.runtime import accelerate_precision, fix_arithmetic
from kocoref.settings import EvaluateSettings, load_settings
from kocoref.stage import run_stage

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from kocoref.evaluation.measures import Outcome
    from kocoref.examples.items import ItemSet

ITEMS = Path("data/prepared/items/test")
TRAINING_ITEMS = Path("data/prepared/items/train")
GOLD = Path("data/prepared/gold")
FREQUENT_NOUNS = Path("data/prepared/frequent_nouns.json")
CHECKPOINTS = Path("models/checkpoints")
FINETUNED = Path("models/finetuned")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics")
log = logging.getLogger("evaluate")


def main() -> None:
    """Run the stage."""
    settings = load_settings("evaluate", EvaluateSettings)
    fix_arithmetic(settings.reproducible, settings.threads, settings.mixed_precision)
    measure(settings)


def measure(settings: EvaluateSettings) -> None:
    """Measure by the settings; torch is imported here, after its arithmetic was fixed."""
    from dataclasses import replace

    from accelerate import Accelerator

    from kocoref.evaluation.asking import evaluate
    from kocoref.evaluation.measures import (
        MEASURES,
        QUICK_MEASURES,
        SCORERS,
        SEED_MEASURES,
        STRICT_MEASURES,
    )
    from kocoref.evaluation.prediction import vocabulary_nouns
    from kocoref.evaluation.salience import train_salience
    from kocoref.evaluation.slices import slice_accuracy
    from kocoref.examples.items import read_items
    from kocoref.model.checkpoint import load_checkpoint

    accelerator = Accelerator(mixed_precision=accelerate_precision(settings.mixed_precision))
    items = read_items(ITEMS)
    items = replace(items, plain=items.plain[: settings.pseudo_documents])
    gold = {path.name: read_items(path) for path in sorted(GOLD.glob("*"))}
    directories = sorted(CHECKPOINTS.glob("checkpoint-*"), key=_step)
    if not directories:
        raise InputError(f"{CHECKPOINTS}: no checkpoints; run `dvc repro finetune`")
    best = _identical(directories, FINETUNED)

    nouns: list[str | None] | None = None
    outcomes: dict[str, Outcome] = {}
    in_gold: dict[str, dict[str, Outcome]] = {name: {} for name in gold}
    for directory in directories:
        checkpoint = load_checkpoint(str(directory))
        checkpoint.model.to(accelerator.device)
        nouns = nouns or vocabulary_nouns(checkpoint)
        compared = directory in (directories[0], best)
        wanted = tuple(MEASURES) if compared else QUICK_MEASURES
        with accelerator.autocast():
            outcomes[directory.name] = evaluate(
                checkpoint, items, wanted, settings.batch_tokens, settings.template, nouns,
                directory.name,
            )  # fmt: skip
            for name, part in gold.items() if compared else ():
                in_gold[name][directory.name] = evaluate(
                    checkpoint, part, STRICT_MEASURES, settings.batch_tokens, settings.template,
                    nouns, name,
                )  # fmt: skip

    roles = {"base": directories[0].name, "finetuned": best.name}
    frequent = json.loads(FREQUENT_NOUNS.read_text(encoding="utf-8"))
    seed_outcomes = {role: outcomes[name] for role, name in roles.items()}
    strict_outcomes = dict(seed_outcomes)
    salience = train_salience(read_items(TRAINING_ITEMS).antecedent)
    add_baselines(items, frequent, salience, seed_outcomes, strict_outcomes)
    metrics: dict[str, Any] = {
        "seed": {role: o.measures(SEED_MEASURES) for role, o in seed_outcomes.items()},
        "strict": {role: o.measures(STRICT_MEASURES) for role, o in strict_outcomes.items()},
    }
    compared_on = {"test": strict_outcomes | seed_outcomes}
    for name, part in gold.items():
        found = {role: in_gold[name][step] for role, step in roles.items()}
        add_baselines(part, frequent, salience, {}, found)
        metrics.setdefault("gold", {})[name] = {
            role: outcome.measures(STRICT_MEASURES) for role, outcome in found.items()
        }
        compared_on[name] = found
    write_json(METRICS / "metrics.json", metrics)
    write_json(METRICS / "significance.json", compare(compared_on, settings))
    slices = {
        f"{name}.{role}": {
            scorer: slice_accuracy(outcome[role].predictions, scorer) for scorer in SCORERS
        }
        for name, outcome in compared_on.items()
        for role in roles
    }
    write_json(METRICS / "slices.json", slices)
    by_step = {name: outcome.measures(MEASURES) for name, outcome in outcomes.items()}
    write_json(METRICS / "checkpoints.json", by_step)
    columns = [name for name in QUICK_MEASURES if name in next(iter(by_step.values()))]
    rows = [
        {"step": _step(Path(name))} | {column: values[column] for column in columns}
        for name, values in by_step.items()
    ]
    write_csv(METRICS / "curves" / "checkpoints.csv", ["step", *columns], rows)
    for role, name in roles.items():
        write_json_lines(PREDICTIONS / f"{role}.jsonl", outcomes[name].predictions)
        write_json(PREDICTIONS / f"{role}.counts.json", by_column(outcomes[name]))


def add_baselines(
    items: ItemSet,
    frequent: list[str],
    salience: Pipeline | None,
    seed: dict[str, Outcome],
    strict: dict[str, Outcome],
) -> None:
    """Add the baselines to the outcomes of models, where there are items for them."""
    from kocoref.evaluation.baselines import (
        ANTECEDENT_RULES,
        antecedent_baseline,
        constant_baseline,
    )
    from kocoref.evaluation.salience import salience_baseline

    if items.coref:
        seed["constant_top_5"] = constant_baseline(items, frequent)
    for name, rule in ANTECEDENT_RULES.items() if items.antecedent else ():
        strict[name] = antecedent_baseline(items, rule)
    if salience is not None and items.antecedent:
        strict["salience"] = salience_baseline(salience, items.antecedent)


def compare(outcomes: dict[str, dict[str, Outcome]], settings: EvaluateSettings) -> dict[str, Any]:
    """Finetuned against everything else, by set and measure, on the same resampled documents."""
    from kocoref.evaluation.measures import MEASURES
    from kocoref.evaluation.significance import paired_bootstrap

    result: dict[str, Any] = {}
    for name, found in outcomes.items():
        finetuned = found["finetuned"]
        for role, other in found.items():
            shared = finetuned.measures(MEASURES).keys() & other.measures(MEASURES).keys()
            if role != "finetuned":
                result.setdefault(name, {})[f"finetuned_minus_{role}"] = {
                    measure: paired_bootstrap(
                        finetuned, other, measure, settings.resamples, settings.seed
                    )
                    for measure in MEASURES
                    if measure in shared
                }
    return result


def by_column(outcome: Outcome) -> dict[str, Any]:
    """The documents of an outcome, and its counts by column in their order."""
    documents = sorted(outcome.columns)
    columns = sorted({column for counts in outcome.columns.values() for column in counts})
    counts = {c: [round(outcome.columns[d][c], 9) for d in documents] for c in columns}
    return {"documents": documents, "counts": counts}


def _step(directory: Path) -> int:
    return int(directory.name.removeprefix("checkpoint-"))


def _identical(directories: list[Path], finetuned: Path) -> Path:
    """The checkpoint that models/finetuned is a copy of."""
    weights = (finetuned / "model.safetensors").read_bytes()
    for directory in directories:
        if (directory / "model.safetensors").read_bytes() == weights:
            return directory
    raise InputError(f"{finetuned}: none of {CHECKPOINTS}/checkpoint-*; run `dvc repro finetune`")


if __name__ == "__main__":
    run_stage(main, __doc__)
