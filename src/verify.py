"""A fresh clone gives the same bytes: clones HEAD, runs everything anew, compares with dvc.lock.

Takes as long as `dvc repro` from nothing, and leaves this directory as it is. Bits may differ on a
processor with another instruction set or with another build of torch; then the differing files are
named, a second run must give the bytes of the first, and the metrics must agree with the recorded
ones within a tolerance. Ends with 0 in both cases, else with 1.
"""

from __future__ import annotations

import logging
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from kocoref.commands import run_command
from kocoref.files import read_json
from kocoref.stage import run_stage

ROOT = Path(__file__).resolve().parents[1]
METRICS = ("data", "training", "metrics", "checkpoints")
ABSOLUTE, RELATIVE = 0.05, 0.02
"""How far a metric may be from the recorded one where bytes differ: shares, and larger numbers.

What rounds otherwise trains otherwise, as with another seed: by bf16 in AMX instead of AVX-512
shares of 120 and of 595 items moved by 0.025, others by less."""
log = logging.getLogger("verify")


def main() -> None:
    """Clone, run, compare; ends the process with 1 if the clone measures something else."""
    with fresh_clone() as clone:
        recorded, before = hashes(clone), measured(clone)
        made = reproduced(clone)
        other = differing(recorded, made, ROOT, clone)
        moved = apart(before, measured(clone))
        # Another machine rounds otherwise, but always in the same way.
        changing = differing(made, reproduced(clone), clone, clone) if other else []
    report(len(recorded), other, changing, moved)


@contextmanager
def fresh_clone() -> Iterator[Path]:
    """A clone of what is committed, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="kocoref-") as directory:
        clone = Path(directory) / "clone"
        run_command(f"git clone of {ROOT}", "git", "clone", "--quiet", str(ROOT), str(clone))
        yield clone


def reproduced(project: Path) -> dict[str, str]:
    """The hashes of the outputs after all stages have run anew."""
    run_command("`dvc repro`", "dvc", "repro", "--force", "--no-run-cache", cwd=project)
    return hashes(project)


def measured(project: Path) -> dict[str, Any]:
    """The metrics files by their names."""
    return {name: read_json(project / "metrics" / f"{name}.json") for name in METRICS}


def report(count: int, other: Sequence[str], changing: Sequence[str], moved: Sequence[str]) -> None:
    """Say what was found; ends the process with 1 if the project does not hold what it promises.

    Of ``count`` outputs, ``other`` are the files that differ from the recorded ones, ``changing``
    those that differ from run to run, and ``moved`` the metrics beyond the tolerance.
    """
    if not other:
        log.info("all %d outputs have the bytes of dvc.lock", count)
        return
    log.warning("other bytes than in dvc.lock: %s", ", ".join(other))
    if changing:
        log.error("and from run to run here: %s", ", ".join(changing))
    if moved:
        log.error("and other metrics: %s", "; ".join(moved))
    if changing or moved:
        sys.exit(1)
    log.warning(
        "the same from run to run here, and all metrics are within %s of the recorded ones: another"
        " instruction set or build of torch rounds otherwise",
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
