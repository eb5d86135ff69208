"""Run the benchmarks from the project's directory: `python -m benchmarks`, with src on the path.

Writes benchmarks/results.json, where each kind of processor keeps its last results, the figures in
benchmarks/plots, and the tables in benchmarks/README.md and README.md; with --repro only
benchmarks/repro.json and its table, with --million only benchmarks/million.json, its table and the
figures.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import evaluate, finetune, machine, prepare, repro, resolve, scaling, table
from benchmarks.sizes import DEFAULT, MILLION, QUICK, SHORTER, Sizes
from kocoref.files import read_json, write_json
from kocoref.runtime import arithmetic_variables, processor_has_bf16
from kocoref.stage import one_line_errors
from verify import fresh_clone

HERE = Path("benchmarks")
RESULTS, MILLIONS = HERE / "results.json", HERE / "million.json"
PACKAGES = ("torch", "transformers", "kiwipiepy")
log = logging.getLogger("bench")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="tiny and once, to see that all runs; writes nothing"
    )
    size.add_argument(
        "--million", action="store_true", help="only: prepare on 1,000 to a million short documents"
    )
    size.add_argument(
        "--repro", action="store_true", help="only: `dvc repro` from nothing in a clone, by stage"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    with one_line_errors():
        if options.repro:
            write_repro(run_repro())
        elif options.million:
            write_million(run_million())
        elif options.quick:
            print(table.everything(run(QUICK)))
        else:
            write(run(DEFAULT))


def run(sizes: Sizes) -> dict[str, Any]:
    """The results of all benchmarks."""
    for name in arithmetic_variables(True, 1, "fp32"):
        os.environ.pop(name, None)  # each way has its own, and the alternatives have none
    os.environ["TQDM_DISABLE"] = "1"
    results: dict[str, Any] = {"machine": describe_machine(), "ratios": [], "shares": []}
    for compare in (prepare.compare, finetune.compare, evaluate.compare, resolve.compare):
        for row in compare(sizes):
            log.info("%s: %s", row["what"], row["ratio"])
            results["ratios"].append(row)
    for row in machine.measure(sizes):
        log.info("%s: %s", row["what"], row["share"])
        results["shares"].append(row)
    results["curves"] = scaling.measure(sizes)
    return results


def run_repro() -> dict[str, Any]:
    """The results of a whole run of what is committed."""
    described = describe_machine()
    with fresh_clone() as clone:
        return {"machine": described, "seconds": repro.seconds_by_stage(clone)}


def run_million() -> dict[str, Any]:
    """How `prepare` grows to a million documents."""
    described = describe_machine()
    os.environ["TQDM_DISABLE"] = "1"
    return {"machine": described, "curves": scaling.by_documents(MILLION, SHORTER)}


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    }
    return {
        "processor": ", ".join(sorted(models)) or platform.machine(),
        "bf16": processor_has_bf16(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": finetune.settings_for("fp32").threads,
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def write(results: dict[str, Any]) -> None:
    """The results, figures and tables in their places; those of other processors after them."""
    kept = latest_first(results, read_json(RESULTS) if RESULTS.is_file() else [])
    write_json(RESULTS, kept)
    plot()
    tables = "\nOn another processor:\n\n".join(map(table.everything, kept))
    table.put(HERE / "README.md", "bench", tables)
    table.put(Path("README.md"), "bench", table.ratios(results))


def latest_first(results: dict[str, Any], earlier: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results and the earlier ones of other processors."""
    processor = results["machine"]["processor"]
    return [results, *(one for one in earlier if one["machine"]["processor"] != processor)]


def write_million(results: dict[str, Any]) -> None:
    """The results, figures and their table in their places."""
    write_json(MILLIONS, results)
    plot()
    table.put(HERE / "README.md", "million", table.million(results))


def plot() -> None:
    """All curves that were measured last."""
    found = [
        *(read_json(RESULTS)[:1] if RESULTS.is_file() else []),
        *([read_json(MILLIONS)] if MILLIONS.is_file() else []),
    ]
    scaling.plot([curve for one in found for curve in one["curves"]], HERE / "plots")


def write_repro(results: dict[str, Any]) -> None:
    """The results and their table in their places."""
    write_json(HERE / "repro.json", results)
    table.put(HERE / "README.md", "repro", table.stages(results))


if __name__ == "__main__":
    main()
