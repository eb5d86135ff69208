"""dvc.yaml says what the code does: dependencies, params and outputs, proved from the code."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from kocoref.settings import (
    EvaluateSettings,
    FinetuneSettings,
    PrepareSettings,
    PretrainSettings,
    ReportSettings,
    Section,
    load_settings,
)

ROOT = Path(__file__).parent.parent
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SETTINGS: dict[str, type[Section]] = {
    "pretrain": PretrainSettings,
    "prepare": PrepareSettings,
    "finetune": FinetuneSettings,
    "measure_base": EvaluateSettings,
    "evaluate": EvaluateSettings,
    "report": ReportSettings,
}


def imported(path: Path) -> set[str]:
    """The project's modules that a file imports, anywhere in it and in any way of writing it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {
        name
        for name in names
        if name.startswith("kocoref.")
        and (ROOT / "src" / name.replace(".", "/")).with_suffix(".py").is_file()
    }


@pytest.mark.parametrize(
    "line",
    [
        "from kocoref.text.particles import attach",
        "from kocoref.text import particles",
        "import kocoref.text.particles",
        "def late():\n    from kocoref.text import morphology, particles",
    ],
)
def test_every_way_of_importing_is_seen(line: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(f"import json\nfrom pathlib import Path\n{line}\n", "utf-8")
    assert "kocoref.text.particles" in imported(tmp_path / "script.py")
    assert imported(tmp_path / "script.py") <= {"kocoref.text.particles", "kocoref.text.morphology"}


def all_imported(script: Path) -> set[str]:
    """Files of all modules that a stage script imports, directly or not."""
    files: set[str] = set()
    todo = imported(script)
    while todo:
        path = ROOT / "src" / (todo.pop().replace(".", "/") + ".py")
        name = str(path.relative_to(ROOT))
        if name not in files:
            files.add(name)
            todo |= imported(path)
    return files


@pytest.mark.parametrize("stage", SETTINGS)
@pytest.mark.holds(
    "dvc.yaml against the imports of every stage",
    "each stage declares exactly the modules it imports",
)
def test_code_dependencies_are_the_imports(stage: str) -> None:
    script = f"src/{stage}.py"
    declared = {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")}
    assert declared == {script} | all_imported(ROOT / script)
    assert STAGES[stage]["cmd"] == f"python {script}"


@pytest.mark.parametrize("stage", ["prepare", "finetune", "measure_base", "evaluate"])
def test_costly_stages_can_be_in_the_run_cache(stage: str) -> None:
    """DVC leaves out stages with outs that are not in its cache, but for metrics and plots."""
    assert all(isinstance(out, str) for out in STAGES[stage]["outs"])


@pytest.mark.parametrize("stage", sorted(SETTINGS.keys() - {"measure_base"}))
@pytest.mark.holds(
    "dvc.yaml against params.yaml",
    "each stage declares exactly the keys of its section",
)
def test_params_are_the_keys_of_its_own_section(stage: str) -> None:
    keys = {f"{stage}.{name}" for name in SETTINGS[stage].model_fields}
    assert set(STAGES[stage]["params"]) == keys
    section = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))[stage]
    assert {f"{stage}.{name}" for name in section} == keys
    load_settings(stage, SETTINGS[stage], ROOT / "params.yaml")


def test_base_is_measured_by_the_params_of_evaluate_but_its_statistics() -> None:
    keys = {f"evaluate.{name}" for name in EvaluateSettings.model_fields}
    declared = set(STAGES["measure_base"]["params"])
    assert keys - declared == {"evaluate.resamples", "evaluate.seed"}
    assert declared < keys


@pytest.mark.parametrize("stage", sorted(SETTINGS.keys() - {"measure_base"}))
def test_every_setting_is_read_somewhere(stage: str) -> None:
    files = {f"src/{stage}.py"} | all_imported(ROOT / f"src/{stage}.py")
    attributes = {
        node.attr
        for name in files
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert set(SETTINGS[stage].model_fields) <= attributes


def test_every_output_of_a_stage_is_a_path_that_its_code_names() -> None:
    for stage, declared in STAGES.items():
        names = {
            node.value
            for node in ast.walk(ast.parse((ROOT / f"src/{stage}.py").read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        kinds = ("outs", "metrics", "plots")
        entries = [entry for kind in kinds for entry in declared.get(kind, [])]
        for entry in entries:
            path = entry if isinstance(entry, str) else next(iter(entry))
            assert path in names or Path(path).name in names or Path(path).stem in names, path


def test_only_pretraining_is_frozen_and_says_why() -> None:
    assert [stage for stage in STAGES if STAGES[stage].get("frozen")] == ["pretrain"]
    assert "Frozen" in STAGES["pretrain"]["desc"]
