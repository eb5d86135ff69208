"""The comparison of options: its plan, the command that runs it, and the page of its results."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from comparisons import DOCUMENTS, LEVEL, PARAMS, comparison_of, counts_of, found, run_of, whole

import experiments as command
from finetune import check
from kocoref.errors import InputError
from kocoref.evaluation.significance import better
from kocoref.files import read_json, write_json
from kocoref.reporting.comparison import Comparison
from kocoref.reporting.comparison_plots import _accuracy_figure, _at_5_figure
from kocoref.reporting.experiments import SHOWN, write_page
from kocoref.settings import (
    EvaluateSettings,
    ExperimentsSettings,
    FinetuneSettings,
    GoldSettings,
    Section,
    load_experiments,
    load_gold,
    load_settings,
)

ROOT = Path(__file__).parents[1]
PLAN = load_experiments(ROOT / "experiments.yaml")
KINDS: dict[str, type[Section]] = {"finetune": FinetuneSettings, "evaluate": EvaluateSettings}


# ---- the committed plan


def settings_of(params: dict[str, Any], path: Path) -> list[Section]:
    """The settings of params.yaml with some params set, as DVC would; unknown ones are kept."""
    sections = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for key, value in params.items():
        section, name = key.split(".")
        assert name in sections[section], key
        sections[section][name] = value
    path.write_text(yaml.safe_dump(sections, allow_unicode=True), encoding="utf-8")
    return [load_settings(section, kind, path) for section, kind in KINDS.items()]


@pytest.mark.parametrize("row", PLAN.rows)
@pytest.mark.parametrize("seed", PLAN.seeds)
def test_params_of_every_row_are_allowed(row: str, seed: int, tmp_path: Path) -> None:
    params = {key: value for key, value in PLAN.rows[row].items() if key != "seeds"}
    made = PLAN.common | params | {"finetune.seed": seed}
    settings, _ = settings_of(made, tmp_path / "params.yaml")
    assert isinstance(settings, FinetuneSettings)
    check(settings)
    for key, value in made.items():
        if key.startswith("finetune."):
            assert getattr(settings, key.removeprefix("finetune.")) == value


@pytest.mark.parametrize("template", PLAN.templates)
def test_params_of_every_template_are_allowed(template: str, tmp_path: Path) -> None:
    params = command._asking(template)
    settings, evaluation = settings_of(params, tmp_path / "params.yaml")
    assert isinstance(settings, FinetuneSettings)
    assert isinstance(evaluation, EvaluateSettings)
    check(settings)
    assert (settings.option, settings.template, evaluation.template) == ("none", template, template)


def test_names_of_experiments_are_unique() -> None:
    names = [
        row if seed is None else f"{row}-{seed}"
        for row, params in PLAN.rows.items()
        for seed in (PLAN.seeds if params.get("seeds", True) else [None])
    ] + [f"template-{template}" for template in PLAN.templates]
    assert len(set(names)) == len(names)


def test_only_the_row_that_does_not_train_has_no_seeds() -> None:
    untrained = {row for row, p in PLAN.rows.items() if p.get("finetune.option") == "none"}
    assert (
        {row for row, p in PLAN.rows.items() if not p.get("seeds", True)} == untrained == {"none"}
    )


# ---- a wrong plan


def plan_with(tmp_path: Path, **keys: Any) -> Path:
    plan: dict[str, Any] = {
        "seeds": [1], "common": {"finetune.epochs": 1}, "rows": {"none": {}}, "templates": ["who"],
    } | keys  # fmt: skip
    path = tmp_path / "experiments.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in plan.items() if v is not None}), "utf-8")
    return path


def test_plan_is_read(tmp_path: Path) -> None:
    rows = {"none": {"seeds": False}, "entity": {"finetune.replay": 0.5}}
    loaded = load_experiments(plan_with(tmp_path, rows=rows))
    assert (loaded.seeds, loaded.rows, loaded.templates) == ([1], rows, ["who"])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sedes": [1]}, r"sedes: Extra inputs are not permitted \(got \[1\]\)"),
        ({"seeds": None}, "seeds: Field required"),
        ({"seeds": []}, "seeds: List should have at least 1 item"),
        ({"seeds": ["1"]}, r"seeds\.0: Input should be a valid integer"),
        ({"seeds": 3}, "seeds: Input should be a valid list"),
        ({"rows": {}}, "rows: Dictionary should have at least 1 item"),
        ({"rows": {"none": None}}, r"rows\.none: Input should be a valid dictionary"),
        ({"rows": {"none": {"finetune.seed": [1]}}}, r"rows\.none\.finetune\.seed\.\w+: "),
        ({"templates": ["beside"]}, r"templates\.0: Input should be 'replace'"),
    ],
)
def test_wrong_plan_is_named(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    path = plan_with(tmp_path, **keys)
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}: {message}") as raised:
        load_experiments(path)
    assert "\n" not in str(raised.value)


def test_missing_plan(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"experiments\.yaml: No such file or directory"):
        load_experiments(tmp_path / "experiments.yaml")


# ---- the command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with params alone, current directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PARAMS, "params.yaml")
    return tmp_path


Calls = Callable[[], list[list[str]]]


@pytest.fixture
def dvc(project: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A dvc that writes down its arguments.

    FAILS says the status of `exp run`, UNPREPARED that of `repro`. It knows no
    earlier experiment, so that `exp remove` fails.
    """
    program = project / "bin/dvc"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'{{ printf "%s\\n" "$@"; echo; }} >> "{project}/calls"\n'
        'if [ "$1" = repro ]; then exit "${UNPREPARED:-0}"; fi\n'
        'if [ "$2" = remove ]; then echo "no such experiment" >&2; exit 255; fi\n'
        'exit "${FAILS:-0}"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def calls() -> list[list[str]]:
        text = (project / "calls").read_text(encoding="utf-8")
        return [block.split("\n") for block in text.removesuffix("\n\n").split("\n\n")]

    return calls


def test_experiment_takes_the_place_of_an_earlier_one(dvc: Calls) -> None:
    params = {"finetune.option": "entity", "finetune.anchor_weight": 30, "finetune.replay": 0.5}
    minutes = command._experiment("e-1", params | {"finetune.copy_salience": False})
    assert 0 <= minutes < 5
    assert dvc() == [
        ["exp", "remove", "e-1"],
        ["exp", "run", "--temp", "--name", "e-1",
         "-S", 'finetune.option="entity"', "-S", "finetune.anchor_weight=30",
         "-S", "finetune.replay=0.5", "-S", "finetune.copy_salience=false", "evaluate"],
    ]  # fmt: skip


def test_absent_experiment_says_nothing(dvc: Calls, capfd: pytest.CaptureFixture[str]) -> None:
    command._experiment("e-1", {})
    assert capfd.readouterr().err == ""


def test_experiment_that_fails_is_an_input_error(
    dvc: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "3")
    with pytest.raises(InputError, match=r"^experiment e-1 failed \(exit status 3\); see above$"):
        command._experiment("e-1", {})


def test_committed_pipeline_is_run_before_the_first_experiment(
    dvc: Calls, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command.run(SMALL)
    monkeypatch.setattr(command, "_json", lambda *_: {"gold": {}, "items": {}})
    command.run_gold(SMALL, [])
    repros = [number for number, call in enumerate(dvc()) if call[0] == "repro"]
    assert [dvc()[number] for number in repros] == [["repro", "evaluate"]] * 2
    assert [dvc()[number + 1][:2] for number in repros] == [["exp", "remove"]] * 2
    monkeypatch.setenv("UNPREPARED", "4")
    with pytest.raises(InputError, match=r"^`dvc repro evaluate` failed \(exit status 4\)"):
        command.run(SMALL)


def test_failure_ends_the_command_with_one_line(
    dvc: Calls, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_with(project)
    monkeypatch.setenv("FAILS", "1")
    monkeypatch.setattr(sys, "argv", ["experiments.py"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert errors == ["error: experiment none-1 failed (exit status 1); see above"]
    assert not command.RESULTS.exists()
    assert not command.PAGE.exists()


TRAINING = {"examples": 640, "tokens": 5, "steps": 2, "best_step": 2}
RULES = {"nearest_noun": {"antecedent_accuracy": 0.35, "copy_accuracy": 0.35}}
CONSTANT = {"coref_f1": 0.12, "coref_at_5": 0.58}


@pytest.fixture
def measured(dvc: Calls, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What experiments measured: as the base, but for a copying accuracy of 0.5 if not ``none``."""
    asked: list[str] = []

    def read(name: str, path: str) -> Any:
        asked.append(name)
        fine = LEVEL | ({} if name == "none" else {"copy_accuracy": 0.5})
        seed_names = ("coref_f1", "coref_at_5", "lambada_at_1")
        both = {"base": LEVEL, "finetuned": fine}
        seed, strict = (
            {role: {k: v for k, v in m.items() if (k in seed_names) == of_seed}
             for role, m in both.items()}
            for of_seed in (True, False)
        )  # fmt: skip
        strict["base"] = strict["base"] | {"antecedent_mrr": 0.44}
        return {
            "metrics/metrics.json": {
                "seed": seed | {"constant_top_5": CONSTANT}, "strict": strict | RULES,
            },
            "metrics/training.json": TRAINING
            | {"validation": {"antecedent_mrr": len(name) / 100}, "option": "x"},
            "data/predictions/base/test/counts.json": {
                "documents": DOCUMENTS, "counts": counts_of(LEVEL),
            },
            "data/predictions/finetuned/test/counts.json": {
                "documents": DOCUMENTS, "counts": counts_of(fine),
            },
        }[path]  # fmt: skip

    monkeypatch.setattr(command, "_json", read)
    return asked


SMALL = ExperimentsSettings(
    seeds=[1, 2],
    common={"finetune.max_examples": 640},
    rows={"none": {"seeds": False, "finetune.option": "none"}, "entity": {"finetune.replay": 1}},
    templates=["replace", "here_is"],
)


def test_comparison_runs_every_row_seed_and_template(dvc: Calls, measured: list[str]) -> None:
    command.run(SMALL)
    runs = [call for call in dvc() if call[1] == "run"]
    assert [call[4] for call in runs] == [
        "none", "entity-1", "entity-2", "template-replace", "template-here-is",
    ]  # fmt: skip
    assert [part for part in runs[0] if "=" in part] == [
        "finetune.max_examples=640", 'finetune.option="none"',
    ]  # fmt: skip
    assert [part for part in runs[2] if "=" in part] == [
        "finetune.max_examples=640", "finetune.replay=1", "finetune.seed=2",
    ]  # fmt: skip
    assert 'evaluate.template="here_is"' in runs[4]
    assert "finetune.max_examples=640" not in runs[4]


def test_results_are_what_was_measured(dvc: Calls, measured: list[str]) -> None:
    command.run(SMALL)
    results = Comparison.read(command.RESULTS)
    assert results.common == SMALL.common
    assert results.documents == DOCUMENTS
    assert results.base == LEVEL | {"antecedent_mrr": 0.44}
    assert results.base_counts == counts_of(LEVEL)
    assert results.baselines == RULES | {"constant_top_5": CONSTANT}
    assert [(run.row, run.seed) for run in results.runs] == [
        ("none", None), ("entity", 1), ("entity", 2),
    ]  # fmt: skip
    assert [run.params for run in results.runs[:2]] == [
        {"finetune.option": "none"}, {"finetune.replay": 1},
    ]  # fmt: skip
    assert results.runs[1].measures == LEVEL | {"copy_accuracy": 0.5}
    assert results.runs[1].counts == counts_of(LEVEL | {"copy_accuracy": 0.5})
    assert results.runs[1].training == TRAINING
    assert results.templates["here_is"] == {
        "validation_mrr": 0.16, "antecedent_accuracy": 0.3, "antecedent_mrr": 0.44,
    }  # fmt: skip


def test_results_are_written_after_each_run(
    dvc: Calls, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, params: dict[str, Any]) -> float:
        if name == "entity-2":
            raise InputError("stopped")
        return 1.0

    monkeypatch.setattr(command, "_experiment", broken)
    with pytest.raises(InputError, match="stopped"):
        command.run(SMALL)
    results = Comparison.read(command.RESULTS)
    assert [(run.row, run.seed) for run in results.runs] == [("none", None), ("entity", 1)]
    assert results.templates == {}


@pytest.fixture
def earlier(dvc: Calls, measured: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The results of a whole comparison with a gold set; the next one stops at entity-2."""
    monkeypatch.setattr(command, "_experiment", lambda *_: 12.3)
    command.run(SMALL)
    results: dict[str, Any] = read_json(command.RESULTS) | {"gold": {"novels": gold_of(none=0.2)}}
    write_json(command.RESULTS, results)

    def stopping(name: str, params: dict[str, Any]) -> float:
        if name == "entity-2":
            raise InputError("stopped")
        return 0.2  # from the cache

    monkeypatch.setattr(command, "_experiment", stopping)
    return results


def test_interrupted_comparison_keeps_what_was_measured_before(earlier: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="stopped"):
        command.run(SMALL)
    assert read_json(command.RESULTS) == earlier  # runs, minutes, templates, gold


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("common", {"finetune.max_examples": 641}, []),
        ("rows", {"none": SMALL.rows["none"], "entity": {}}, [("none", None)]),
        ("rows", {"entity": {"finetune.replay": 1}}, [("entity", 1), ("entity", 2)]),
        ("seeds", [1], [("none", None), ("entity", 1)]),
    ],
)
def test_runs_that_the_plan_no_longer_asks_for_are_dropped(
    earlier: dict[str, Any], key: str, value: Any, kept: list[tuple[str, int | None]]
) -> None:
    known = command._known(SMALL.model_copy(update={key: value}))
    assert [(run["row"], run["seed"]) for run in known["runs"]] == kept


@pytest.mark.parametrize("section", command.SECTIONS)
def test_results_of_other_params_are_not_gone_on_from(
    earlier: dict[str, Any], section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    params[section]["seed"] += 1
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    known = command._known(SMALL)
    assert (known["runs"], known["templates"], known["gold"]) == ([], {}, {})
    monkeypatch.setattr(sys, "argv", ["experiments.py", "--write"])
    with pytest.raises(SystemExit):
        command.main()
    with pytest.raises(InputError, match=r"params\.yaml: not what metrics/experiments\.json was"):
        command.check_params()


def test_measure_without_items_is_told_after_the_first_run(
    dvc: Calls, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = command._json

    def without(name: str, path: str) -> Any:
        value = deepcopy(read(name, path))
        if path == "metrics/metrics.json":
            del value["strict"]["base"]["pseudo_bpc"]
        return value

    monkeypatch.setattr(command, "_json", without)
    with pytest.raises(InputError, match=r"^pseudo_bpc: compared in docs/experiments\.md, but"):
        command.run(SMALL)
    assert len([call for call in dvc() if call[1] == "run"]) == 1


def test_other_items_leave_nothing_that_was_measured_before(earlier: dict[str, Any]) -> None:
    write_json(command.RESULTS, earlier | {"documents": [*DOCUMENTS[:-1], "other"]})
    with pytest.raises(InputError, match="stopped"):
        command.run(SMALL)
    results = read_json(command.RESULTS)
    assert [(run["row"], run["seed"]) for run in results["runs"]] == [("none", None), ("entity", 1)]
    assert (results["templates"], results["gold"]) == ({}, {})


@pytest.mark.slow
def test_experiment_is_taken_from_the_run_cache(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real DVC: the same run again does not run, another one does."""
    import dvc.api

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    (project / "repository").mkdir()
    monkeypatch.chdir(project / "repository")
    ran = project / "ran"
    Path("in.txt").write_text("in\n", encoding="utf-8")
    Path("params.yaml").write_text("finetune:\n  seed: 1\n", encoding="utf-8")
    stage = {
        "cmd": f"echo ran >> {ran}; cat in.txt params.yaml > out.txt",
        "deps": ["in.txt"], "params": ["finetune.seed"], "outs": ["out.txt"],
    }  # fmt: skip
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"evaluate": stage}}), "utf-8")
    for line in ("git init -q", "dvc init -q", "git add -A", "git commit -q -m first"):
        subprocess.run(line.split(), check=True)
    for seed, times in ((2, 1), (2, 1), (3, 2), (2, 2)):
        command._experiment("name", {"finetune.seed": seed})
        assert len(ran.read_text("utf-8").splitlines()) == times
        assert f"seed: {seed}" in dvc.api.read("out.txt", rev="name")


# ---- the page


def page(value: dict[str, Any]) -> str:
    return write_page(found(value))


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n\n")[1].split("\n\n## ")[0]


def line_with(text: str, start: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return line


def test_rows_have_means_spreads_and_marks() -> None:
    rows = section(page(whole()), "Every row")
    assert line_with(rows, "| base |") == (
        "| base | 10.0 % | 50.0 % | 20.0 % | 30.0 % | 25.0 % | 5.0 % | 3.500 |"
    )
    # 8 % and 6 %; 3.7 and 3.9: deviations of sqrt(2) and sqrt(0.02).
    assert line_with(rows, "| `entity` |") == (
        "| `entity` | 7.0 % ± 1.4 ▼ | 50.0 % ± 0.0 | 20.0 % ± 0.0 | 30.0 % ± 0.0 "
        "| 20.0 % ± 0.0 ▼ | 5.0 % ± 0.0 | 3.800 ± 0.141 ▼ |"
    )
    assert line_with(rows, "| `pronoun_plain` |") == (
        "| `pronoun_plain` | 10.0 % | 70.0 % ▲ | 20.0 % | 21.0 % ▼ | 25.0 % | 5.0 % | 3.500 |"
    )


def test_differences_have_intervals_p_and_verdicts() -> None:
    text = section(page(whole()), "Differences from the base")
    blocks = dict(zip(text.split("\n\n")[::2], text.split("\n\n")[1::2], strict=True))
    assert next(iter(blocks)) == "**Coref F1** (base 10.0 %)"
    assert list(blocks)[-1] == "**pseudo-bpc** (base 3.500)"
    assert len(blocks) == len(SHOWN)
    # 199 resamples, none on the other side: 2 · 1 / 200.
    assert line_with(blocks["**Coref F1** (base 10.0 %)"], "| `entity` |") == (
        "| `entity` | -3.00 points [-4.00, -2.00] | ≤ 0.010 | worse |"
    )
    assert line_with(blocks["**Coref F1** (base 10.0 %)"], "| `none` |") == (
        "| `none` | +0.00 points [+0.00, +0.00] | 1.000 | no clear difference |"
    )
    assert line_with(blocks["**pseudo-bpc** (base 3.500)"], "| `entity` |") == (
        "| `entity` | +0.300 [+0.200, +0.400] | ≤ 0.010 | worse |"
    )
    assert line_with(blocks["**Antecedent accuracy** (base 30.0 %)"], "| `pronoun` |") == (
        "| `pronoun` | +16.00 points [+14.00, +18.00] | ≤ 0.010 | better |"
    )


def test_baselines_templates_costs_and_params() -> None:
    text = page(whole())
    assert section(text, "Baselines").splitlines()[2:] == [
        "| nearest noun | — | — | 35.0 % | 35.0 % |",
        "| first noun | — | — | 33.0 % | 36.0 % |",
        "| salience | — | — | 62.0 % | 63.0 % |",
        "| constant top 5 | 12.0 % | 58.0 % | — | — |",
    ]
    zero_shot = section(text, "Zero-shot prompting")
    assert "Best on the validation split: `who`, with an antecedent accuracy of 29.0 %" in zero_shot
    assert line_with(zero_shot, "| `who` ⭐ |") == "| `who` ⭐ | 0.4300 | 29.0 % |"
    assert line_with(zero_shot, "| `replace` |") == "| `replace` | 0.4100 | 31.0 % |"
    cost = section(text, "Cost")
    assert line_with(cost, "| `entity` |") == "| `entity` | 2 | 640 | 50,000 | 5.0 |"
    assert line_with(cost, "| `none` |") == "| `none` | 1 | 640 | 50,000 | 1.5 |"
    params = section(text, "What the rows are")
    assert line_with(params, "| `entity` |") == "| `entity` | `finetune.option: entity` |"
    assert "on the same 6 test passages" in text
    assert "All rows have `finetune.max_examples: 640` and otherwise" in text


def test_templates_that_were_not_asked_are_said_to_be_missing() -> None:
    text = page(whole() | {"templates": {}})
    assert section(text, "Zero-shot prompting") == "Not run yet."


DECIMAL = re.compile(r"\d\.\d")


def test_every_number_of_the_page_is_of_the_file() -> None:
    """Where all that was measured is another, no line with a decimal fraction is the same."""
    other = whole()
    factor = 0.9

    def scaled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: scaled(inner) for key, inner in value.items()}
        return factor * value

    for key in ("base", "baselines", "templates"):
        other[key] = scaled(other[key])
    other["base_counts"] = counts_of(other["base"])
    for run in other["runs"]:
        run["measures"] = scaled(run["measures"])
        run["counts"] = counts_of(run["measures"])
        run["minutes"] *= factor
    lines = [
        {line for line in page(value).splitlines() if DECIMAL.search(line)}
        for value in (whole(), other)
    ]
    kept = {line for line in lines[0] & lines[1] if "+0.00 points [+0.00, +0.00]" not in line}
    kept = {line for line in kept if "+0.000 [+0.000, +0.000]" not in line}
    assert kept == set()
    assert len(lines[0]) > 50


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [
        (("base", "lambada_exact"), 0.0777, "7.8 %"),
        (("baselines", "salience", "copy_accuracy"), 0.7171, "71.7 %"),
        (("baselines", "constant_top_5", "coref_at_5"), 0.6161, "61.6 %"),
        (("templates", "replace", "validation_mrr"), 0.4567, "0.4567"),
        (("templates", "who", "antecedent_accuracy"), 0.5151, "51.5 %"),
        (("runs", 7, "measures", "lambada_at_1"), 0.9, "55.0 %"),  # with 0.2 of the other seed
        (("runs", 7, "training", "tokens"), 950_000, "500,000"),
        (("runs", 7, "training", "examples"), 1_280, "960"),
        (("runs", 7, "minutes"), 24.6, "14.8"),
        (("runs", 7, "params"), {"finetune.epochs": 77}, "`finetune.epochs: 77`"),
        (("common", "finetune.max_examples"), 641, "`finetune.max_examples: 641`"),
    ],
)
def test_changed_value_changes_the_page(place: tuple[Any, ...], value: object, shown: str) -> None:
    changed = deepcopy(whole())
    at: Any = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    assert shown not in page(whole())
    assert shown in page(changed)


# ---- the answers


def answers(value: dict[str, Any]) -> list[str]:
    return section(page(value), "Answers").split("\n\n")


def answer(value: dict[str, Any], question: str) -> str:
    (found_answer,) = [text for text in answers(value) if text.startswith(f"**{question}")]
    return found_answer


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"coref_f1": 0.08, "coref_at_5": 0.4, "antecedent_accuracy": 0.2},
            "By Coref F1 yes; by Coref@5 yes; by Antecedent accuracy yes.",
        ),
        (
            {"coref_f1": 0.08, "antecedent_accuracy": 0.4},
            "By Coref F1 yes; by Coref@5 not clearly; by Antecedent accuracy no, it got better.",
        ),
        # Measures that names do not teach, or that are not of pronouns.
        (
            {"copy_accuracy": 0.1, "pseudo_bpc": 9.9, "lambada_exact": 0.0},
            "By Coref F1 not clearly; by Coref@5 not clearly; by Antecedent accuracy not clearly.",
        ),
    ],
)
def test_whether_entities_hurt_follows_from_the_intervals(
    changed: dict[str, float], said: str
) -> None:
    text = answer(comparison_of(run_of("entity", 1, **changed)), "Did training")
    assert text.startswith(f"**Did training on repeated entities hurt pronouns here too?** {said}")
    assert "human annotation" not in text


def test_whether_entities_hurt_is_told_of_gold_too() -> None:
    value = whole() | {"gold": {"novels": gold_of(entity=0.6)}}
    text = answer(value, "Did training")
    assert text.endswith(
        "Its antecedent accuracy on human annotation: novels "
        "+40.00 points [+35.00, +45.00], better."
    )


def test_answers_name_their_differences() -> None:
    assert "Coref F1 10.0 % → 7.0 % (-3.00 points [-4.00, -2.00], p ≤ 0.010, worse)" in answer(
        whole(), "Did training"
    )
    lost = answer(whole(), "Was it the lost targets?")
    # 20 % against 15 %, 7 % against 9 %.
    assert "LAMBADA@1 +5.00 points [+5.00, +5.00], p ≤ 0.010, better" in lost
    assert "Coref F1 -2.00 points [-3.00, -1.00], p ≤ 0.010, worse" in lost
    assert "Antecedent accuracy +8.00 points" in answer(whole(), "Was it the task mismatch?")
    for question in ("Was it the lost targets?", "Was it the task mismatch?", "Was it forgetting?"):
        assert "(apart in `finetune.option`): " in answer(whole(), question)
    forgot = answer(whole(), "Was it forgetting?")
    assert "pseudo-bpc -0.200 [-0.300, -0.100], p ≤ 0.010, better" in forgot
    assert "against the base: pseudo-bpc 3.500 → 3.800 (+0.300 [+0.200, +0.400]" in forgot


def test_parts_of_the_pronoun_row_are_told_by_the_rows_without_them() -> None:
    made = [
        run_of("pronoun", 1, antecedent_accuracy=0.4, copy_accuracy=0.4),
        run_of("pronoun_without_ranking", 1, antecedent_accuracy=0.3, copy_accuracy=0.45),
        run_of("pronoun_without_pulls", 1, antecedent_accuracy=0.4, pseudo_bpc=3.6),
    ]
    text = answer(comparison_of(*made), "What is each part")
    assert "ranking: Antecedent accuracy +10.00 points [+10.00, +10.00], p ≤ 0.010, better" in text
    assert "Copying accuracy -5.00 points [-5.00, -5.00], p ≤ 0.010, worse" in text
    _, pulls = text.split("; pulls: ")
    assert pulls.startswith("Antecedent accuracy +0.00 points")
    assert "pseudo-bpc -0.100 [-0.100, -0.100], p ≤ 0.010, better." in pulls
    for missing in (made[:1], made[1:]):
        assert not any(
            a.startswith("**What is each part") for a in answers(comparison_of(*missing))
        )


def test_what_helps_is_the_best_row_beside_the_baselines() -> None:
    text = answer(whole(), "What helps?")
    assert (
        "By antecedent accuracy the best of the rows of equal size is `pronoun`: "
        "Antecedent accuracy 30.0 % → 46.0 %" in text
    )
    trained = "the salience ranker, which is trained too,"
    assert f"the best trivial baseline (nearest noun) has 35.0 %; {trained} 62.0 %." in text
    assert (
        "By copying accuracy the best of the rows of equal size is `pronoun`: "
        "Copying accuracy 25.0 % → 63.0 %" in text
    )
    assert f"the best trivial baseline (first noun) has 36.0 %; {trained} 63.0 %." in text
    changed = whole()
    changed["runs"].append(run_of("mixed", 1, antecedent_accuracy=0.9))
    del changed["baselines"]["salience"]
    other = answer(changed, "What helps?")
    assert "By antecedent accuracy the best of the rows of equal size is `mixed`" in other
    assert "By copying accuracy the best of the rows of equal size is `pronoun`" in other
    assert "salience" not in other


def test_row_that_is_trained_on_more_is_told_apart() -> None:
    changed = whole()
    longer = run_of("long", 1, antecedent_accuracy=0.9, coref_at_5=0.9)
    longer["params"] = {"finetune.max_examples": 6400}
    longer["training"] |= {"examples": 6400}
    changed["runs"].append(longer)
    text = answer(changed, "What helps?")
    assert "the best of the rows of equal size is `pronoun`: Antecedent accuracy 30.0 %" in text
    assert "; `long`, trained on 6,400 examples: Antecedent accuracy 30.0 % → 90.0 %" in text
    question = "Does a higher Coref@5"
    assert answer(changed, question) == answer(whole(), question)


def test_correlation_of_coref_at_5_with_accuracy() -> None:
    rows = [("a", 0.1, 0.4), ("b", 0.2, 0.3), ("c", 0.3, 0.2), ("d", 0.4, 0.1)]
    made = [run_of(n, 1, coref_at_5=x, antecedent_accuracy=y) for n, x, y in rows]
    question = "Does a higher Coref@5"
    assert "antecedent accuracy is -1.00;" in answer(comparison_of(*made), question)
    # Ranks 1 2 3 and 1 3 2: 1 - 6 · (0 + 1 + 1) / (3 · 8).
    rows = [("a", 0.1, 0.1), ("b", 0.2, 0.3), ("c", 0.3, 0.2)]
    made = [run_of(n, 1, coref_at_5=x, antecedent_accuracy=y) for n, x, y in rows]
    text = answer(comparison_of(*made), question)
    assert "antecedent accuracy is +0.50;" in text
    assert (
        "a constant top 5 guess, which reads nothing, has a Coref@5 of 58.0 %, the base 50.0 %"
        in text
    )
    assert "is undefined;" in answer(comparison_of(run_of("a", 1)), question)
    plain = answer(whole(), question)
    assert (
        "Plain Option 1, trained on the set of all context nouns: Coref@5 50.0 % → 70.0 %" in plain
    )
    assert "better); Antecedent accuracy 30.0 % → 21.0 % (-9.00 points" in plain


@pytest.mark.parametrize(
    ("rows", "gone"),
    [
        ({"entity"}, {"Did training", "Was it the lost", "Was it the task", "Was it forgetting"}),
        ({"entity_unlabelled"}, {"Was it the lost"}),
        ({"pronoun_target"}, {"Was it the task"}),
        ({"entity_anchor"}, {"Was it forgetting"}),
        ({"pronoun_plain"}, {"Plain Option 1"}),
        ({"pronoun", "none"}, set()),
    ],
)
def test_rows_that_are_missing_leave_their_answer_out(rows: set[str], gone: set[str]) -> None:
    every = {
        "Did training", "Was it the lost", "Was it the task", "Was it forgetting", "What helps",
        "Does a higher", "Plain Option 1",
    }  # fmt: skip
    value = whole()
    value["runs"] = [run for run in value["runs"] if run["row"] not in rows]
    for asked in every:
        assert (asked in section(page(value), "Answers")) == (asked not in gone), asked
        assert asked in section(page(whole()), "Answers")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1, 0.2, True), (-0.2, -0.1, False), (-0.1, 0.1, None), (0.0, 0.2, None), (-0.2, 0.0, None)],
)
def test_better_needs_an_interval_without_zero(
    low: float, high: float, expected: bool | None
) -> None:
    assert better("copy_accuracy", low, high) is expected
    turned = None if expected is None else not expected
    assert better("pseudo_bpc", low, high) is turned


# ---- written


def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr(sys, "argv", ["experiments.py", "--write"])
    command.main()
    files = [command.PAGE, *sorted(command.FIGURES.iterdir())]
    return {str(path): path.read_bytes() for path in files}


def test_same_file_gives_the_same_bytes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(command.RESULTS, whole())
    (project / "docs/experiments").mkdir(parents=True)
    (project / "docs/experiments/old.png").touch()
    first = written(monkeypatch)
    assert written(monkeypatch) == first
    assert list(first) == [
        "docs/experiments.md", "docs/experiments/accuracy.png", "docs/experiments/at_5.png",
    ]  # fmt: skip
    text = first["docs/experiments.md"].decode()
    assert text == page(whole())
    for name in ("accuracy.png", "at_5.png"):
        content = first[f"docs/experiments/{name}"]
        assert content.startswith(b"\x89PNG")
        assert len(content) > 5000
        assert f"](experiments/{name})" in text
    changed = whole()
    changed["runs"][-1]["measures"]["antecedent_accuracy"] = 0.9
    write_json(command.RESULTS, changed)
    after = written(monkeypatch)
    assert all(after[name] != first[name] for name in first)


def test_figure_of_accuracies_has_rows_as_points_and_the_others_as_lines() -> None:
    panels = _accuracy_figure(found(whole())).axes
    names = list(found(whole()).rows())
    for axes, base, trivial, salience, pronoun in zip(
        panels, (30, 25), (35, 36), (62, 63), (46, 63), strict=True
    ):
        lines = {line.get_label(): line.get_xdata() for line in axes.lines}
        for label, value in {
            "base": base, "best trivial baseline": trivial, "salience ranker": salience,
        }.items():  # fmt: skip
            assert lines[label] == pytest.approx([value, value])
        points = dict(zip(names, (bar[0].get_xdata() for bar in axes.containers), strict=True))
        assert points["none"] == pytest.approx([base])
        assert points["pronoun"] == pytest.approx([pronoun])


def test_figure_of_coref_at_5_has_the_base_and_what_was_trained() -> None:
    (axes,) = _at_5_figure(found(whole())).axes
    points = {line.get_label(): line for line in axes.lines}
    names = {"base", *found(whole()).rows()} - {"none"}
    assert points.keys() == names | {"constant top 5 guess"}
    assert len({(points[n].get_marker(), points[n].get_color()) for n in names}) == len(names)
    for name, (x, y) in {"base": (50, 30), "pronoun_plain": (70, 21)}.items():
        assert [*points[name].get_xdata(), *points[name].get_ydata()] == pytest.approx([x, y])


def test_missing_results_end_with_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["experiments.py", "--write"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: metrics/experiments.json: no such file\n"


@pytest.mark.slow
def test_committed_page_is_made_of_the_committed_results() -> None:
    results, committed = ROOT / command.RESULTS, ROOT / command.PAGE
    if not results.exists():
        pytest.skip("metrics/experiments.json is not there yet: run `make experiments`")
    assert write_page(Comparison.read(results)).encode() == committed.read_bytes()


# ---- human annotation


def slices_of(accuracy: float) -> dict[str, Any]:
    found = {
        "pronoun": {"그": {"accuracy": accuracy, "items": 30}},
        "distance": {"same sentence": {"accuracy": accuracy / 2, "items": 20}},
    }
    return {"antecedent": found, "copy": found}


def interval_of(middle: float) -> dict[str, float]:
    return {"difference": middle, "low": middle - 0.05, "high": middle + 0.05, "p_value": 0.01}


def gold_of(**copying: float) -> dict[str, Any]:
    """A gold set on which rows copy so well, the base 0.2 and the nearest noun 0.1."""

    def both(value: float) -> dict[str, float]:
        return {"antecedent_accuracy": 0.4, "copy_accuracy": value}

    return {
        "limit": 9,
        "items": {"antecedent": 50, "mean_candidates": 12.34, "antecedent_out_of_window": 3,
                  "antecedent_not_a_candidate": 2, "antecedent_none": 4},
        "roles": {"base": both(0.2), "nearest_noun": both(0.1)},
        "base_slices": slices_of(0.2),
        "rows": {
            row: {
                "measures": both(value),
                "differences": {
                    f"finetuned_minus_{role}": {
                        measure: interval_of(value - less) for measure in both(0)
                    }
                    for role, less in (("base", 0.2), ("nearest_noun", 0.1))
                },
                "slices": slices_of(value),
            }
            for row, value in copying.items()
        },
    }  # fmt: skip


def test_page_without_gold_says_so() -> None:
    assert section(page(whole()), "On human annotation") == "Not measured yet."


def test_page_shows_gold_sets_with_baselines_and_slices() -> None:
    value = whole() | {"gold": {"novels": gold_of(none=0.2, pronoun=0.6)}}
    text = section(page(value), "On human annotation")
    assert "**novels** (its first 9 documents): 50 pronouns with a candidate" in text
    assert "in the window, 12.3 candidates each" in text
    assert "out of the window: 3, not a noun phrase of its own: 2, no noun of the chain" in text
    assert "before the pronoun: 4." in text
    assert line_with(text, "| nearest noun |") == "| nearest noun | 40.0 % | 10.0 % |"
    assert line_with(text, "| `pronoun` |").endswith("| 60.0 % (+40.00 points [+35.00, +45.00]) |")
    assert "`pronoun`, the best row by copying on these very items, minus base and" in text
    assert "Copying accuracy: base +40.00 points" in text
    assert "nearest noun +50.00 points [+45.00, +55.00]." in text
    assert line_with(text, "| pronoun | 그 |") == (
        "| pronoun | 그 | 30 | 20.0 % → 60.0 % | 20.0 % → 60.0 % |"
    )
    assert line_with(text, "| distance |") == (
        "| distance | same sentence | 20 | 10.0 % → 30.0 % | 10.0 % → 30.0 % |"
    )


def test_page_says_nothing_of_a_limit_where_there_is_none() -> None:
    value = whole() | {"gold": {"novels": gold_of(none=0.2) | {"limit": None}}}
    assert "**novels**: 50 pronouns" in section(page(value), "On human annotation")


def test_gold_sets_are_measured_with_the_first_seed_and_added(
    dvc: Calls, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = gold_of(none=0.2)
    row = wanted["rows"]["none"]

    def read(name: str, path: str) -> Any:
        assert name in ("gold-none", "gold-entity")
        return {
            "metrics/metrics.json": {
                "gold": {"novels": wanted["roles"] | {"finetuned": row["measures"]}}
            },
            "metrics/significance.json": {"test": {}, "novels": row["differences"]},
            "metrics/slices.json": {
                "novels.base": wanted["base_slices"], "novels.finetuned": row["slices"],
            },
            "metrics/data.json": {"items": {"gold_novels": wanted["items"]}},
        }[path]  # fmt: skip

    monkeypatch.setattr(command, "_json", read)
    before = comparison_of(run_of("entity", 1))
    write_json(command.RESULTS, before)
    items = wanted["items"]
    wanted["items"] = items | {"antecedent": 0}
    with pytest.raises(InputError, match="gold set novels: no pronoun with a marked chain"):
        command.run_gold(SMALL, [GoldSettings(name="novels", path="n.jsonl", format="spans")])
    assert read_json(command.RESULTS) == before
    wanted["items"] = items
    (project / "calls").unlink()
    command.run_gold(SMALL, [GoldSettings(name="novels", path="n.jsonl", format="spans", limit=9)])
    result = read_json(command.RESULTS)
    assert {key: value for key, value in result.items() if key != "gold"} == before
    assert result["gold"] == {"novels": wanted | {"rows": {"none": row, "entity": row}}}
    runs = [call for call in dvc() if call[1] == "run"]
    asked = (
        f'prepare.gold=[{{name: "novels", path: "{project}/n.jsonl", format: "spans", limit: 9}}]'
    )
    assert all(asked in run for run in runs)
    assert [("finetune.seed=1" in run) for run in runs] == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("novels", "not a list of gold sources"),
        ("[]", "not a list of gold sources"),
        ("[{name: novels, path: n, format: xml}]", r"0\.format: Input should be 'spans'"),
        ("[{name: 'a b', path: n, format: spans}]", r"0\.name: String should match pattern"),
        ("[{name: test, path: n, format: spans}]", "name 'test' is taken"),
    ],
)
def test_wrong_gold_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gold.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"gold\.yaml: {message}"):
        load_gold(path)
