"""The comparison of options: experiments.yaml → metrics/experiments.json, docs/experiments.md.

    python src/experiments.py                  run what is missing, then write
    python src/experiments.py --gold FILE      measure the rows, first seed, on human annotation too
    python src/experiments.py --write          write docs/experiments.md and its figures again

FILE is a YAML list of what `prepare.gold` takes.

Results of another params.yaml are not gone on from. Each row and seed is one `dvc exp run --temp`,
kept as a DVC experiment named after it. A run whose code, data and params have not changed is taken
from DVC's run cache, so an interrupted comparison goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kocoref.commands import run_command
from kocoref.errors import InputError
from kocoref.files import read_json, replacing, write_json
from kocoref.reporting.comparison import Comparison
from kocoref.reporting.comparison_plots import draw
from kocoref.reporting.experiments import SHOWN, write_page
from kocoref.settings import (
    PARAMS,
    ExperimentsSettings,
    GoldSettings,
    load_experiments,
    load_gold,
    load_sections,
)
from kocoref.stage import one_line_errors

PLAN = Path("experiments.yaml")
RESULTS = Path("metrics/experiments.json")
PAGE = Path("docs/experiments.md")
FIGURES = Path("docs/experiments")
RESAMPLES = 2000
DPI = 120
SECTIONS = ("prepare", "finetune", "evaluate")
"""What of params.yaml the results of every row depend on."""
GOLD_ALONE = {"prepare.max_test_documents": 1, "evaluate.pseudo_documents": 0}
"""The test passages are measured already: on gold sets they would only take time."""
log = logging.getLogger("experiments")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--write", action="store_true", help="run nothing, only write the page")
    only.add_argument("--gold", metavar="FILE", type=Path, help="gold sets, as in prepare.gold")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    with one_line_errors():
        if options.gold or options.write:
            check_params()
        if options.gold:
            run_gold(load_experiments(PLAN), load_gold(options.gold))
        elif not options.write:
            run(load_experiments(PLAN))
        write(Comparison.read(RESULTS))


def check_params() -> None:
    """Refuse to go on from results of other params than those of params.yaml.

    Raises:
        InputError: says which file to measure again.
    """
    if read_json(RESULTS).get("sections") != load_sections(*SECTIONS):
        raise InputError(
            f"{PARAMS}: not what {RESULTS} was measured with; run `make experiments`, or put"
            f" {', '.join(SECTIONS)} back"
        )


def write(comparison: Comparison) -> None:
    """Write the page and its figures from the measured results alone."""
    with replacing(FIGURES) as directory:
        directory.mkdir()
        draw(comparison, directory, DPI)
    with replacing(PAGE) as partial:
        partial.write_text(write_page(comparison), encoding="utf-8")
    log.info("%s", PAGE)


def run(plan: ExperimentsSettings) -> None:
    """Run every row with each seed in turn, then every template; results are written after each.

    Rows without seeds come first; the first of all measures the base. What was measured before
    stays until it is measured again, if the base and the items are the same: an interrupted
    comparison loses nothing.
    """
    _reproduce()
    results = _known(plan)
    order = {row: number for number, row in enumerate(plan.rows)}
    todo = [
        (row, seed)
        for seed in (None, *plan.seeds)
        for row in plan.rows
        if seed in _seeds(plan, row)
    ]
    with tqdm(total=len(todo) + len(plan.templates), unit="run", desc="experiments") as progress:
        for row, seed in todo:
            name = _name(row, seed)
            minutes = _experiment(name, _params(plan, row, seed))
            _add(results, name, row, seed, _own_params(plan, row), minutes)
            results["runs"].sort(key=lambda run: (order[run["row"]], run["seed"] or 0))
            write_json(RESULTS, results)
            progress.update()
        for template in plan.templates:
            name = f"template-{template.replace('_', '-')}"
            _experiment(name, _asking(template))
            validation = _json(name, "metrics/training.json")["validation"]
            test = _json(name, "metrics/metrics.json")["strict"]["base"]
            results["templates"][template] = {
                "validation_mrr": validation["antecedent_mrr"],
                "antecedent_accuracy": test["antecedent_accuracy"],
                "antecedent_mrr": test["antecedent_mrr"],
            }
            write_json(RESULTS, results)
            progress.update()


def run_gold(plan: ExperimentsSettings, sources: Sequence[GoldSettings]) -> None:
    """Measure every row, with the first of its seeds, on gold sets, and add that to the results.

    The sets are no part of the project; training is taken from DVC's run cache, since what it
    reads does not change with them: only raw text could share with a set and be left out.
    """
    _reproduce()
    results = read_json(RESULTS)
    gold = [
        source.model_dump(exclude_none=True) | {"path": str(Path(source.path).absolute())}
        for source in sources
    ]
    limits = {source.name: source.limit for source in sources}
    found: dict[str, Any] = {}
    others = results.get("gold", {})
    for row in tqdm(plan.rows, unit="row", desc="gold"):
        name = f"gold-{row}"
        params = _params(plan, row, _seeds(plan, row)[0]) | GOLD_ALONE | {"prepare.gold": gold}
        _experiment(name, params)
        metrics = _json(name, "metrics/metrics.json")["gold"]
        significance = _json(name, "metrics/significance.json")
        slices = _json(name, "metrics/slices.json")
        items = _json(name, "metrics/data.json")["items"]
        for label, roles in metrics.items():
            if not items[f"gold_{label}"]["antecedent"]:
                raise InputError(f"gold set {label}: no pronoun with a marked chain; leave it out")
            ours = roles.pop("finetuned")
            about = found.setdefault(
                label,
                {"limit": limits[label], "items": items[f"gold_{label}"], "roles": roles,
                 "rows": {}, "base_slices": slices[f"{label}.base"]},
            )  # fmt: skip
            about["rows"][row] = {
                "measures": ours,
                "differences": significance[label],
                "slices": slices[f"{label}.finetuned"],
            }
        write_json(RESULTS, results | {"gold": others | found})


def _seeds(plan: ExperimentsSettings, row: str) -> Sequence[int | None]:
    """The seeds of a row; None alone for one that does not train."""
    return plan.seeds if plan.rows[row].get("seeds", True) else [None]


def _own_params(plan: ExperimentsSettings, row: str) -> dict[str, Any]:
    """The params that a row says itself."""
    return {key: value for key, value in plan.rows[row].items() if key != "seeds"}


def _params(plan: ExperimentsSettings, row: str, seed: int | None) -> dict[str, Any]:
    """All params of the experiment of a row and seed."""
    seeded = {} if seed is None else {"finetune.seed": seed}
    return plan.common | _own_params(plan, row) | seeded


def _asking(template: str) -> dict[str, Any]:
    return {
        "finetune.option": "none",
        "finetune.template": template,
        "finetune.select_by": "antecedent_mrr",
        "evaluate.template": template,
        "evaluate.pseudo_documents": 0,
    }


def _known(plan: ExperimentsSettings) -> dict[str, Any]:
    """The results to go on from: the earlier ones that the plan still asks for."""
    known = read_json(RESULTS) if RESULTS.is_file() else {}
    sections = load_sections(*SECTIONS)
    same = known.get("common") == plan.common and known.get("sections") == sections
    runs = [
        run
        for run in known.get("runs", ())
        if same
        and run["row"] in plan.rows
        and run["seed"] in _seeds(plan, run["row"])
        and run["params"] == _own_params(plan, run["row"])
    ]
    templates = {
        name: values for name, values in known.get("templates", {}).items()
        if name in plan.templates
    }  # fmt: skip
    if dropped := len(known.get("runs", ())) - len(runs):
        log.warning("%s: %d runs of another plan or params.yaml are dropped", RESULTS, dropped)
    return known | {
        "common": plan.common, "sections": sections, "resamples": RESAMPLES,
        "runs": runs, "templates": templates if same else {},
        "gold": known.get("gold", {}) if same else {},
    }  # fmt: skip


def _name(row: str, seed: int | None) -> str:
    """What the experiment of a row and seed is called."""
    return row if seed is None else f"{row}-{seed}"


def _reproduce() -> None:
    """Put the data and checkpoints that dvc.lock names into DVC's cache.

    DVC looks them up when it takes a later stage from the run cache, and fails in a fresh clone,
    which does not have them.

    Raises:
        InputError: DVC failed; its messages are on standard error.
    """
    run_command("`dvc repro evaluate`", "dvc", "repro", "evaluate")


def _experiment(name: str, params: Mapping[str, Any]) -> float:
    """Run one experiment in place of an earlier one of its name; returns the minutes it took.

    The earlier one is removed instead of overwritten with ``--force``, which would also run every
    stage again that DVC's run cache holds.

    Raises:
        InputError: DVC failed; its messages are on standard error.
    """
    begun = time.monotonic()
    settings = [part for key, value in params.items() for part in ("-S", f"{key}={_set(value)}")]
    subprocess.run(["dvc", "exp", "remove", name], check=False, capture_output=True)
    command = ("dvc", "exp", "run", "--temp", "--name", name, *settings, "evaluate")
    run_command(f"experiment {name}", *command)
    return round((time.monotonic() - begun) / 60, 1)


def _set(value: Any) -> str:
    """A value as `-S` takes it: JSON, but with bare keys."""
    if isinstance(value, list):
        return f"[{', '.join(map(_set, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_set(inner)}' for key, inner in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _add(
    results: dict[str, Any],
    name: str,
    row: str,
    seed: int | None,
    params: Mapping[str, Any],
    minutes: float,
) -> None:
    metrics = _json(name, "metrics/metrics.json")
    training = _json(name, "metrics/training.json")
    measured = {
        role: metrics["seed"].get(role, {}) | metrics["strict"].get(role, {})
        for role in (*metrics["strict"], "constant_top_5")
    }
    if missing := [measure for measure in SHOWN if measure not in measured["base"]]:
        raise InputError(
            f"{', '.join(missing)}: compared in {PAGE}, but nothing in the test split is for it;"
            " add such text, and keep evaluate.pseudo_documents above 0"
        )
    base = _json(name, "data/predictions/base/test/counts.json")
    items = {"documents": base["documents"], "base_counts": base["counts"]}
    if any(results.get(key) != value for key, value in items.items()):
        if results["runs"] or results["gold"]:
            log.warning("the base or the items are others than before: earlier results are dropped")
        results |= items | {"runs": [], "templates": {}, "gold": {}}  # no longer comparable
    results["base"] = measured["base"]
    results["baselines"] = {
        role: values for role, values in measured.items() if role not in ("base", "finetuned")
    }
    earlier = [run for run in results["runs"] if (run["row"], run["seed"]) == (row, seed)]
    if earlier:  # a run from the cache takes no time
        minutes = earlier[0]["minutes"]
        results["runs"].remove(earlier[0])
    results["runs"].append(
        {
            "row": row,
            "seed": seed,
            "params": dict(params),
            "training": {k: training[k] for k in ("examples", "tokens", "steps", "best_step")},
            "measures": measured["finetuned"],
            "minutes": minutes,
            "counts": _json(name, "data/predictions/finetuned/test/counts.json")["counts"],
        }
    )


def _json(experiment: str, path: str) -> Any:
    """A file of an experiment, from git or from DVC's cache."""
    import dvc.api

    return json.loads(dvc.api.read(path, rev=experiment, encoding="utf-8"))


if __name__ == "__main__":
    main()
