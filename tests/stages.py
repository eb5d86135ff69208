"""Stages run as processes of their own, on a project so small that a stage takes seconds."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from hashlib import md5
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
STAGES = ("prepare", "finetune", "measure_base", "evaluate", "report")
OUTS: dict[str, tuple[str, ...]] = {
    "prepare": ("data/prepared", "metrics/data.json"),
    "finetune": ("models/checkpoints", "models/finetuned", "metrics/training.json",
                 "metrics/curves/training.csv", "metrics/curves/validation.csv"),
    "measure_base": ("data/measured_base",),
    "evaluate": ("data/predictions", "metrics/metrics.json", "metrics/checkpoints.json",
                 "metrics/significance.json", "metrics/slices.json",
                 "metrics/curves/checkpoints.csv"),
    "report": ("metrics/plots", "metrics/report.md", "metrics/report.en.md"),
}  # fmt: skip
PASSAGES = {"train": 6, "validation": 2, "test": 3}
"""Passages of each genre; there are eight."""
SMALL: dict[str, dict[str, Any]] = {
    "prepare": {
        "sources": [{"path": "data/raw/passages", "format": "passages"}], "name_swaps": 1,
    },
    "finetune": {
        "max_examples": 48, "batch_size": 4, "evaluations": 3, "mixed_precision": "fp32",
        "threads": 1, "reproducible": False, "reading_window": 200, "patience": 9, "replay": 0.5,
    },
    "evaluate": {"pseudo_documents": 2, "resamples": 100, "threads": 1, "reproducible": False},
    "report": {"dpi": 50},
}  # fmt: skip
_FIXED = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
_context = get_context("forkserver")
_context.set_forkserver_preload(
    ["accelerate", "kiwipiepy", "kocoref.evaluation.measuring", "kocoref.reporting.report",
     "kocoref.training.loop", "sklearn.linear_model", "torch", "transformers"]
)  # fmt: skip


def small_project(directory: Path, base: Path) -> Path:
    """A project with few passages and a tiny base; its stages are those of this project."""
    for split, count in PASSAGES.items():
        for path in sorted((ROOT / "data/raw/passages" / split).glob("*.txt")):
            passages = path.read_text(encoding="utf-8").strip().split("\n\n")[:count]
            copy = directory / "data/raw/passages" / split / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text("\n\n".join(passages) + "\n", encoding="utf-8")
    shutil.copy(ROOT / "data/raw/names.tsv", directory / "data/raw/names.tsv")
    shutil.copytree(base, directory / "models/base")
    (directory / "metrics").mkdir()
    shutil.copy(ROOT / "metrics/base.json", directory / "metrics/base.json")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, values in SMALL.items():
        params[section] |= values
    write_params(directory, params)
    return directory


def write_params(directory: Path, params: dict[str, Any]) -> None:
    (directory / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def start(stage: str, project: Path, **environment: str) -> ForkServerProcess:
    """Start a stage in its own process; what it prints goes to ``STAGE.log`` in the project.

    Of several processes each has a log of its own, named after its ``RANK``.
    """
    process = _context.Process(target=_stage, args=(stage, str(project), environment))
    process.start()
    return process


def run(stage: str, project: Path, **environment: str) -> int:
    """Run a stage to its end; its exit status."""
    process = start(stage, project, **environment)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def log_of(stage: str, project: Path) -> str:
    """What the last run of a stage printed."""
    return (project / f"{stage}.log").read_text(encoding="utf-8")


def _stage(stage: str, project: str, environment: dict[str, str]) -> None:
    from kocoref.runtime import MEMORY_VARIABLES

    os.chdir(project)
    os.environ.update(_FIXED | MEMORY_VARIABLES | environment)
    log = os.open(
        f"{stage}{environment.get('RANK', '')}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = [f"{stage}.py"]
    runpy.run_path(str(ROOT / "src" / f"{stage}.py"), run_name="__main__")


def hashes(project: Path, stage: str) -> dict[str, str]:
    """The hash of every file of the outputs of a stage."""
    found = {}
    for out in OUTS[stage]:
        path = project / out
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found[str(file.relative_to(project))] = md5(file.read_bytes()).hexdigest()
    return found


def leftovers(project: Path) -> list[str]:
    """What a run that was cut off left behind."""
    return [str(p.relative_to(project)) for p in project.rglob(".*.partial")] + [
        str(p.relative_to(project)) for p in (project / "models/.unfinished").glob("*")
    ]
