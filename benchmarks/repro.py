"""Where the time of a whole run goes: `dvc repro` from nothing, in a fresh clone, by stage."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

GOAL_MINUTES = 8
BEFORE = "dvc, before the first stage"
_STAGE = re.compile(r"Running stage '(\w+)'")


def seconds_by_stage(project: Path) -> dict[str, float]:
    """The seconds of each stage, in the order that they run in; the clone has none of the outputs.

    Raises:
        CalledProcessError: a stage failed.
    """
    command = ["dvc", "repro", "--force", "--no-run-cache"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}  # lines come when they are printed
    with subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        found = split_by_stage(process.stdout)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return found


def split_by_stage(lines: Iterable[str]) -> dict[str, float]:
    """How long it took from the line that begins a stage to that of the next, or to the end."""
    found: dict[str, float] = {}
    stage, begun = BEFORE, perf_counter()
    for line in lines:
        if match := _STAGE.match(line):
            found[stage] = perf_counter() - begun
            stage, begun = match[1], perf_counter()
    found[stage] = perf_counter() - begun
    return found
