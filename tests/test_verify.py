"""What `make verify` compares, and that stages give the same bytes wherever they run."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from stages import ROOT, STAGES, hashes, small_project, write_params

import verify
from kocoref.errors import InputError


def locked(directory: Path, **outs: str) -> Path:
    """A project whose lock has these outputs of a stage, and one of a frozen stage."""
    directory.mkdir(exist_ok=True)
    stages: dict[str, Any] = {"made": {}, "old": {"frozen": True}}
    (directory / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    entries = [{"path": path, "md5": digest} for path, digest in outs.items()]
    lock = {"made": {"outs": entries}, "old": {"outs": [{"path": "base", "md5": "f"}]}}
    (directory / "dvc.lock").write_text(yaml.safe_dump({"stages": lock}))
    return directory


def cached(project: Path, digest: str, **files: str) -> None:
    """Put the listing of a directory into a project's cache."""
    path = project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True)
    listing = [{"relpath": name, "md5": value} for name, value in files.items()]
    path.write_text(json.dumps(listing), encoding="utf-8")


def test_hashes_are_those_of_stages_that_run(tmp_path: Path) -> None:
    assert verify.hashes(locked(tmp_path, a="1", b="2")) == {"a": "1", "b": "2"}


def test_committed_lock_is_read() -> None:
    found = verify.hashes(ROOT)
    assert {"data/prepared", "models/finetuned", "metrics/metrics.json"} <= found.keys()
    assert "models/base" not in found


def test_equal_outputs_do_not_differ(tmp_path: Path) -> None:
    assert verify.differing({"a": "1"}, {"a": "1"}, tmp_path, tmp_path) == []


def test_changed_missing_and_new_outputs_are_named(tmp_path: Path) -> None:
    recorded, made = {"a": "1", "b": "1", "c": "1"}, {"a": "2", "c": "1", "d": "1"}
    assert verify.differing(recorded, made, tmp_path, tmp_path) == ["a", "b", "d"]


def test_files_of_a_directory_are_named_where_they_are_known(tmp_path: Path) -> None:
    project, clone = tmp_path / "project", tmp_path / "clone"
    cached(clone, "cd.dir", x="1", y="3", z="4")
    assert verify.differing({"d": "ab.dir"}, {"d": "cd.dir"}, project, clone) == ["d"]
    cached(project, "ab.dir", x="1", y="2", w="5")
    found = verify.differing({"d": "ab.dir"}, {"d": "cd.dir"}, project, clone)
    assert found == ["d/w", "d/y", "d/z"]


@pytest.mark.parametrize(
    ("recorded", "made", "expected"),
    [
        ({"a": {"b": 0.5}}, {"a": {"b": 0.5}}, []),
        ({"a": {"b": 0.5}}, {"a": {"b": 0.549}}, []),
        ({"a": {"b": 0.5}}, {"a": {"b": 0.56}}, ["a.b 0.5 → 0.56"]),
        ({"tokens": 1000}, {"tokens": 1019}, []),
        ({"tokens": 1000}, {"tokens": 1030}, ["tokens 1000 → 1030"]),
        ({"option": "none"}, {"option": "mixed"}, ["option none → mixed"]),
        ({"a": 0.1}, {}, ["a 0.1 → None"]),
        ({}, {"a": 0.0}, ["a None → 0.0"]),
    ],
)
def test_metrics_apart(recorded: object, made: object, expected: list[str]) -> None:
    assert verify.apart(recorded, made) == expected


def test_same_bytes_are_a_success(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    verify.report(3, [], [], [])
    assert caplog.messages == ["all 3 outputs have the bytes of dvc.lock"]


def test_other_bytes_with_the_same_metrics_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    verify.report(3, ["models/finetuned/model.safetensors"], [], [])
    assert "models/finetuned/model.safetensors" in caplog.messages[0]
    assert "instruction set" in caplog.messages[1]


def test_other_metrics_are_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        verify.report(3, ["a"], [], ["metrics.x 0.1 → 0.9"])
    assert ended.value.code == 1
    assert "x 0.1 → 0.9" in caplog.text


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        pytest.param(["1"], 0, id="the same bytes"),
        pytest.param(["2", "2"], 0, id="other bytes, the same in two runs"),
        pytest.param(["2", "3"], 1, id="other bytes in every run"),
        pytest.param(["2", "1"], 1, id="the recorded bytes in one run of two"),
    ],
)
@pytest.mark.holds(
    "make verify on other bytes with the same metrics",
    "the files are named, bytes that change from run to run fail, this directory is left alone",
)
def test_clone_is_run_anew_and_this_directory_left_alone(
    runs: list[str],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    project = locked(tmp_path / "project", a="1")
    (project / "metrics").mkdir()
    for name in verify.METRICS:
        (project / "metrics" / f"{name}.json").write_text('{"x": 0.5}', encoding="utf-8")
    asked: list[list[str]] = []

    def clone_or_make(
        command: Sequence[str], check: bool, cwd: Path | None
    ) -> subprocess.CompletedProcess[str]:
        asked.append([*command[:2]])
        if command[0] == "git":
            shutil.copytree(command[-2], command[-1])
        else:
            assert cwd
            locked(cwd, a=runs[len(asked) - 2])
            (cwd / "metrics/metrics.json").write_text('{"x": 0.51}', encoding="utf-8")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(verify, "ROOT", project)
    monkeypatch.setattr(subprocess, "run", clone_or_make)
    with pytest.raises(SystemExit) if code else nullcontext() as ended:
        verify.main()
    assert ended is None or ended.value.code == code
    assert asked == [["git", "clone"], *[["dvc", "repro"]] * len(runs)]
    assert ("other bytes than in dvc.lock: a" in caplog.text) == (runs != ["1"])
    assert ("from run to run here: a" in caplog.text) == (code == 1)
    assert verify.hashes(project) == {"a": "1"}


def test_clone_that_fails_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "ROOT", tmp_path)  # no repository
    with pytest.raises(InputError, match=r"^git clone .* failed \(exit status 128\); see above$"):
        verify.main()


@pytest.mark.slow
@pytest.mark.holds(
    "every stage on one core or all, offline or not, another hash seed, locale, time zone, place",
    "the same bytes",
)
def test_stages_give_the_same_bytes_wherever_they_run(tiny: Path, tmp_path: Path) -> None:
    here = small_project(tmp_path / "here", tiny)
    params = yaml.safe_load((here / "params.yaml").read_text(encoding="utf-8"))
    for section in ("finetune", "evaluate"):
        params[section] |= {"reproducible": True, "threads": 2}
    write_params(here, params)
    there = Path(shutil.copytree(here, tmp_path / "띄어 쓴 곳"))
    odd = {
        "PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Seoul", "PYTHONUTF8": "0",
        "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    cores = sorted(os.sched_getaffinity(0))
    for stage in STAGES:
        run_stage(stage, here, cores, {"PYTHONHASHSEED": "0"})
        run_stage(stage, there, cores[:1], odd)
        assert hashes(here, stage) == hashes(there, stage) != {}


def run_stage(
    stage: str, project: Path, cores: Sequence[int], environment: Mapping[str, str]
) -> None:
    """Run a stage as its user does, on these cores."""
    done = subprocess.run(
        [sys.executable, str(ROOT / f"src/{stage}.py")],
        cwd=project,
        env=os.environ | environment,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
