"""Fine-tuning on two processes: the result of one, written by one, resumed after a kill."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.utils import is_bf16_available
from safetensors.torch import load_file
from stages import (
    PASSAGES,
    ROOT,
    hashes,
    leftovers,
    log_of,
    run,
    small_project,
    start,
    write_params,
)
from torch import Tensor

from benchmarks.scaling import free_port
from kocoref.corpus.passages import read_passages

SECONDS = 300
KEYS: dict[str, Any] = {
    "option": "mixed", "max_examples": 24, "evaluations": 2, "select_by": "last",
    "learning_rate": 0.0005, "batch_tokens": 60, "copy_salience": False,
}  # fmt: skip
"""Six steps in batches of a row or two.

A factor of salience that few candidates have may have a gradient of rounding only, of which AdamW
makes a step: salience is left out.
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(make_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    paths = sorted((ROOT / "data/raw/passages/train").glob("*.txt"))
    known = [
        passage.text for path in paths for passage in islice(read_passages(path), PASSAGES["train"])
    ]
    project = small_project(tmp_path_factory.mktemp("small"), make_tiny(more=known))
    assert run("prepare", project) == 0, log_of("prepare", project)
    return project


def copied(prepared: Path, to: Path, **keys: Any) -> Path:
    """A copy of the project with other settings of finetune."""
    shutil.copytree(prepared, to)
    params = yaml.safe_load((to / "params.yaml").read_text(encoding="utf-8"))
    params["finetune"] |= KEYS | keys
    write_params(to, params)
    return to


def alone(project: Path) -> Path:
    """The project after finetune on one process."""
    assert run("finetune", project) == 0, log_of("finetune", project)
    return project


def begin(*projects: Path) -> list[ForkServerProcess]:
    """Start finetune on as many processes as there are directories, as a launcher does."""
    common = {
        "WORLD_SIZE": str(len(projects)), "LOCAL_WORLD_SIZE": str(len(projects)),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    return [
        start("finetune", project, RANK=str(rank), LOCAL_RANK=str(rank), **common)
        for rank, project in enumerate(projects)
    ]


def together(*projects: Path) -> Path:
    """The first project after finetune on several processes."""
    processes = begin(*projects)
    for process in processes:
        process.join(SECONDS)
    logs = [log_of(f"finetune{rank}", project) for rank, project in enumerate(projects)]
    assert [process.exitcode for process in processes] == [0] * len(projects), logs
    return projects[0]


def curve(project: Path, name: str = "training") -> list[dict[str, float]]:
    with (project / f"metrics/curves/{name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: float(value) for key, value in row.items() if value} for row in rows]


def weights(project: Path) -> dict[str, Tensor]:
    directory = project / "models/finetuned"
    return load_file(directory / "model.safetensors") | load_file(directory / "copying.safetensors")


def summary(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "metrics/training.json").read_bytes())
    return found


def farthest(one: Path, other: Path) -> float:
    """The largest difference of a weight between two models."""
    there = weights(other)
    return max(
        float((value - there[name]).abs().max())
        for name, value in weights(one).items()
        # A key's bias shifts all attention scores alike: its gradient is rounding, no more.
        if not name.endswith("key.bias")
    )


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({}, id="several batches each"),
        pytest.param({"batch_tokens": 20000}, id="one batch, one process has none"),
        pytest.param({"option": "entity", "anchor_weight": 0.0}, id="no loss of copying"),
    ],
)
@pytest.mark.holds(
    "finetune on two processes, also where there is a batch for one of them only",
    "losses and weights of one process but for 1e-5; one process writes",
)
def test_two_processes_are_as_one(prepared: Path, tmp_path: Path, keys: dict[str, Any]) -> None:
    one = alone(copied(prepared, tmp_path / "one", **keys))
    idle = copied(prepared, tmp_path / "idle", **keys)
    before = {path for path in idle.rglob("*") if path.is_file()}
    two = together(copied(prepared, tmp_path / "two", **keys), idle)
    of_pronouns = {"nouns", "rank", "copy"} if "option" not in keys else set()
    assert {f"loss_{kind}" for kind in {"mlm", "target"} | of_pronouns} == {
        key for row in curve(one) for key in row if key.startswith("loss_")
    }
    for row, expected in zip(curve(two), curve(one), strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    measured, expected = summary(two), summary(one)
    assert measured.pop("validation") == pytest.approx(expected.pop("validation"), abs=1e-3)
    assert measured == expected
    assert farthest(two, one) < 1e-5
    assert {path for path in idle.rglob("*") if path.is_file()} == before | {idle / "finetune1.log"}


@pytest.mark.skipif(not is_bf16_available(), reason="no bf16 on this machine")
def test_two_processes_in_bf16_are_nearly_as_one(prepared: Path, tmp_path: Path) -> None:
    one, two = (
        copied(prepared, tmp_path / name, mixed_precision="bf16") for name in ("one", "two")
    )
    for row, expected in zip(curve(together(two, two)), curve(alone(one)), strict=True):
        assert row == pytest.approx(expected, abs=0.02)
    assert farthest(two, one) < 0.01


@pytest.mark.holds(
    "kill -9 of both of two processes in finetune",
    "the next run on two processes goes on to the same bytes",
)
def test_two_killed_processes_go_on(prepared: Path, tmp_path: Path) -> None:
    whole, project = (
        copied(prepared, tmp_path / name, max_examples=96, evaluations=3)
        for name in ("whole", "killed")
    )
    together(whole, whole)
    processes = begin(project, project)
    deadline = time.monotonic() + SECONDS
    while not list((project / "models/.unfinished").glob("*/checkpoint-8")):
        assert time.monotonic() < deadline, log_of("finetune0", project)
        time.sleep(0.01)
    for process in processes:
        process.kill()
        process.join()
    together(project, project)
    assert "resuming after step" in log_of("finetune0", project)
    assert hashes(project, "finetune") == hashes(whole, "finetune")
    assert leftovers(project) == []


def test_launched_processes_keep_their_number_as_they_start_again(
    prepared: Path, tmp_path: Path
) -> None:
    """Arithmetic is fixed by a start anew, which must not lose what the launcher said."""
    project = copied(prepared, tmp_path / "two", reproducible=True, max_steps=2, evaluations=1)
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1"}
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2",
        f"--master-port={free_port()}", str(ROOT / "src/finetune.py"),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    assert summary(project)["steps"] == 2
    # One process speaks: each of the two measurements has one line.
    assert done.stderr.count("finetune: step ") == 2
