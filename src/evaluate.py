"""Stage evaluate: checkpoints and items → metrics/metrics.json and what goes with it.

Reads the section `evaluate` of params.yaml. Every checkpoint is measured in one pass on the test
items; checkpoint-0 is the base, which `measure_base` has measured, models/finetuned the checkpoint
that the run selected.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kocoref.errors import InputError
from kocoref.files import replacing, write_csv, write_json
from kocoref.runtime import fix_arithmetic
from kocoref.settings import EvaluateSettings, load_settings
from kocoref.stage import run_stage

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from kocoref.evaluation.measures import Outcome
    from kocoref.examples.items import ItemSet

TRAINING_ITEMS = Path("data/prepared/items/train")
MEASURED_BASE = Path("data/measured_base")
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
    from kocoref.evaluation.measures import (
        MEASURES,
        QUICK_MEASURES,
        SCORERS,
        SEED_MEASURES,
        STRICT_MEASURES,
    )
    from kocoref.evaluation.measuring import TEST, Measurer
    from kocoref.evaluation.outcomes import read_outcome, write_outcome
    from kocoref.evaluation.salience import train_salience
    from kocoref.evaluation.slices import slice_accuracy
    from kocoref.examples.items import read_items

    measurer = Measurer(settings)
    directories = sorted(CHECKPOINTS.glob("checkpoint-*"), key=_step)
    if not directories:
        raise InputError(f"{CHECKPOINTS}: no checkpoints; run `dvc repro finetune`")
    best = _identical(directories, FINETUNED)
    base = {name: read_outcome(MEASURED_BASE / name) for name in measurer.sets}
    by_step = {directories[0].name: base} | {
        directory.name: measurer.measure(directory, whole=directory == best)
        for directory in directories[1:]
    }
    of_models = {"base": base, "finetuned": by_step[best.name]}
    frequent = json.loads(FREQUENT_NOUNS.read_text(encoding="utf-8"))
    salience = train_salience(read_items(TRAINING_ITEMS).antecedent)
    metrics: dict[str, Any] = {}
    compared: dict[str, dict[str, Outcome]] = {}
    for name, items in measurer.sets.items():
        strict = {role: outcomes[name] for role, outcomes in of_models.items()}
        seed = dict(strict) if name == TEST else {}
        add_baselines(items, frequent, salience, seed, strict)
        compared[name] = strict | seed
        strict_measures = {role: o.measures(STRICT_MEASURES) for role, o in strict.items()}
        if name == TEST:
            metrics["seed"] = {role: o.measures(SEED_MEASURES) for role, o in seed.items()}
            metrics["strict"] = strict_measures
        else:
            metrics.setdefault("gold", {})[name] = strict_measures
    write_json(METRICS / "metrics.json", metrics)
    write_json(METRICS / "significance.json", compare(compared, settings))
    slices = {
        f"{name}.{role}": {
            scorer: slice_accuracy(outcomes[name].predictions, scorer) for scorer in SCORERS
        }
        for name in measurer.sets
        for role, outcomes in of_models.items()
    }
    write_json(METRICS / "slices.json", slices)
    on_test = {step: outcomes[TEST].measures(MEASURES) for step, outcomes in by_step.items()}
    write_json(METRICS / "checkpoints.json", on_test)
    columns = [name for name in QUICK_MEASURES if name in next(iter(on_test.values()))]
    rows = [
        {"step": _step(Path(name))} | {column: values[column] for column in columns}
        for name, values in on_test.items()
    ]
    write_csv(METRICS / "curves" / "checkpoints.csv", ["step", *columns], rows)
    with replacing(PREDICTIONS) as out:
        for role, outcomes in of_models.items():
            for name, outcome in outcomes.items():
                write_outcome(out / role / name, outcome)


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


def _step(directory: Path) -> int:
    return int(directory.name.removeprefix("checkpoint-"))


def _identical(directories: list[Path], finetuned: Path) -> Path:
    """The checkpoint that models/finetuned is a copy of."""
    found = _weights(finetuned)
    for directory in directories:
        if _weights(directory) == found:
            return directory
    raise InputError(f"{finetuned}: none of {CHECKPOINTS}/checkpoint-*; run `dvc repro finetune`")


def _weights(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*.safetensors")}


if __name__ == "__main__":
    run_stage(main, __doc__)
