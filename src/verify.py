"""A fresh clone gives the same bytes: clones HEAD, runs everything anew, compares with dvc.lock.

Takes as long as `dvc repro` from nothing, and leaves this directory as it is. Bits may differ on a
processor with another instruction set or with another build of torch; then the metrics must agree
within a tolerance, and the differing files are named. Ends with 0 in both cases, else with 1.
"""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from kocoref.files import read_json
from kocoref.stage import run_stage

ROOT = Path(__file__).resolve().parents[1]
METRICS = ("data.json", "training.json", "metrics.json", "checkpoints.json")
ABSOLUTE, RELATIVE = 0.02, 0.02
"""How far a metric may be from the recorded one where bytes differ: shares, and larger numbers."""
log = logging.getLogger("verify")


def main() -> None:
    """Clone, run, compare; ends the process with 1 if the clone measures something else."""
    with fresh_clone() as clone:
        recorded = hashes(clone)
        before = {name: read_json(clone / "metrics" / name) for name in METRICS}
        subprocess.run(["dvc", "repro", "--force", "--no-run-cache"], cwd=clone, check=True)
        files = differing(recorded, hashes(clone), ROOT, clone)
        moved = {
            f"{name}: {found}"
            for name in METRICS
            for found in apart(before[name], read_json(clone / "metrics" / name))
        }
    report(len(recorded), files, sorted(moved))


@contextmanager
def fresh_clone() -> Iterator[Path]:
    """A clone of what is committed, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="kocoref-") as directory:
        clone = Path(directory) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        yield clone


def report(count: int, files: list[str], moved: list[str]) -> None:
    """Say what was found."""
    if not files:
        log.info("all %d outputs have the bytes of dvc.lock", count)
        return
    log.warning("other bytes than in dvc.lock: %s", ", ".join(files))
    if moved:
        log.error("and other metrics: %s", "; ".join(moved))
        sys.exit(1)
    log.warning(
        "all metrics are within %s of the recorded ones: another instruction set or build of torch"
        " rounds otherwise",
        ABSOLUTE,
    )


def hashes(project: Path) -> dict[str, str]:
    """The recorded hash of every output of the stages that run."""
    pipeline = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lock = yaml.safe_load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {
        out["path"]: out["md5"]
        for stage, entry in lock.items()
        if not pipeline[stage].get("frozen")
        for out in entry["outs"]
    }


def differing(
    recorded: Mapping[str, str], made: Mapping[str, str], project: Path, clone: Path
) -> list[str]:
    """The files whose hashes differ, are missing or are new; of a directory its files if known."""
    found: list[str] = []
    for path in sorted(recorded.keys() | made.keys()):
        one, other = recorded.get(path), made.get(path)
        if one == other:
            continue
        old, new = _listing(project, one), _listing(clone, other)
        inside = [f"{path}/{name}" for name in sorted(old | new) if old.get(name) != new.get(name)]
        found += inside if old and new else [path]
    return found


def _listing(project: Path, digest: str | None) -> dict[str, str]:
    """The files of a directory and their hashes, as far as the cache of a project knows them."""
    path = project / ".dvc/cache/files/md5" / (digest or "--")[:2] / (digest or "--")[2:]
    if not path.name.endswith(".dir") or not path.is_file():
        return {}
    return {entry["relpath"]: entry["md5"] for entry in read_json(path)}


def apart(recorded: Any, made: Any) -> list[str]:
    """The numbers that are farther from the recorded ones than the tolerance, or not in both."""
    old, new = dict(_leaves(recorded)), dict(_leaves(made))
    return [
        f"{name} {old.get(name)} → {new.get(name)}"
        for name in sorted(old | new)
        if not _close(old.get(name), new.get(name))
    ]


def _close(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return one == other


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}".removeprefix("."))
    else:
        yield name, value


if __name__ == "__main__":
    run_stage(main, __doc__)
