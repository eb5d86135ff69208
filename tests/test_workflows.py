"""Continuous checks are sound: they parse, ask for little, and run what the Makefile has."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def workflow(name: str) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text("utf-8"))
    return loaded


def steps(loaded: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in loaded["jobs"].values() for step in job["steps"]]


def commands(name: str) -> str:
    return "\n".join(step.get("run", "") for step in steps(workflow(name)))


def test_there_are_three() -> None:
    assert [path.name for path in WORKFLOWS] == ["checks.yml", "pull-request.yml", "weekly.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
class TestEach:
    def test_has_a_trigger_and_may_only_read(self, path: Path) -> None:
        loaded = workflow(path.name)
        assert loaded[True]  # YAML takes the key `on` for true
        assert loaded["permissions"] == {"contents": "read"}

    def test_jobs_end_and_use_fixed_versions(self, path: Path) -> None:
        for job in workflow(path.name)["jobs"].values():
            assert job["timeout-minutes"] <= 180
            for step in job["steps"]:
                assert len({"uses", "run"} & step.keys()) == 1
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))

    def test_runs_targets_that_exist(self, path: Path) -> None:
        asked = set(re.findall(r"\bmake (\w+)", commands(path.name)))
        assert asked
        assert asked <= TARGETS

    def test_puts_nothing_of_the_outside_into_a_shell(self, path: Path) -> None:
        assert "${{" not in commands(path.name)

    def test_python_is_that_of_the_project(self, path: Path) -> None:
        wanted = re.search(r'requires-python = ">=(.+)"', (ROOT / "pyproject.toml").read_text())
        used = {s["with"]["python-version"] for s in steps(workflow(path.name))
                if s.get("uses", "").startswith("actions/setup-python")}  # fmt: skip
        assert wanted
        assert used == {wanted.group(1)}


def test_checks_are_lint_types_duplicates_and_tests_with_branches() -> None:
    assert {"make check", "make test", "make coverage"} <= set(commands("checks.yml").split("\n"))
    assert "fail_under" in (ROOT / "pyproject.toml").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for tool in (
        "ruff check",
        "ruff format --check",
        "mypy src",
        "test_duplicates",
        "--cov-branch",
    ):
        assert tool in makefile


def test_pull_request_shows_what_it_changes() -> None:
    loaded = workflow("pull-request.yml")
    (job,) = loaded["jobs"].values()
    assert job["env"]["BASE"] == "origin/${{ github.base_ref }}"
    assert "dvc metrics diff --md main-here" in commands("pull-request.yml")
    assert '>> "$GITHUB_STEP_SUMMARY"' in commands("pull-request.yml")
    checkout = next(s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"]["fetch-depth"] == 0  # main must be there to differ from


def test_week_rebuilds_from_nothing() -> None:
    assert {"make verify", "make thorough", "make audit"} <= set(commands("weekly.yml").split("\n"))
    assert workflow("weekly.yml")[True]["schedule"]


@pytest.mark.holds("the workflows through actionlint", "nothing is found")
def test_actionlint_finds_nothing() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "actionlint"
    done = subprocess.run([linter, *WORKFLOWS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
