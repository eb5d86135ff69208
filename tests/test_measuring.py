"""Checkpoints measured, the base once in its own stage, and outcomes that survive the disk."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState

import evaluate as evaluate_stage
import measure_base
from kocoref.corpus.document import Document
from kocoref.errors import InputError
from kocoref.evaluation.measures import MEASURES, QUICK_MEASURES, STRICT_MEASURES, Outcome
from kocoref.evaluation.measuring import Measurer
from kocoref.evaluation.outcomes import outcome_of, read_outcome, write_outcome
from kocoref.evaluation.protocols import evaluate
from kocoref.examples.items import (
    ItemMaker,
    ItemSet,
    PlainText,
    make_items,
    read_items,
    write_items,
)
from kocoref.files import write_json
from kocoref.model.checkpoint import MaskedPositionModel, load_checkpoint
from kocoref.settings import EvaluateSettings

SETTINGS: dict[str, Any] = {
    "template": "apposition",
    "batch_tokens": 4096,
    "pseudo_documents": 1,
    "resamples": 100,
    "mixed_precision": "fp32",
    "reproducible": False,
    "threads": 1,
    "seed": 1,
}
BASE = Path("models/checkpoints/checkpoint-0")
BETTER = Path("models/checkpoints/checkpoint-10")
"""Steps of two lengths: by name 10 comes before 5, by number after it."""


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps one precision a process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def settings_with(**keys: Any) -> EvaluateSettings:
    return EvaluateSettings(**(SETTINGS | keys))


# ---- outcomes on disk


def some_outcome() -> Outcome:
    outcome = Outcome()
    outcome.add("나", copy_hits=0.5, copy_items=1)
    outcome.add("가", copy_hits=1, copy_items=2, true=3)
    outcome.predictions += [{"measure": "copy", "pronoun": "그", "hit": 0.5}, {"measure": "coref"}]
    return outcome


def test_outcome_is_written_by_column_with_documents_in_order(tmp_path: Path) -> None:
    write_outcome(tmp_path / "test", some_outcome())
    assert json.loads((tmp_path / "test/counts.json").read_text(encoding="utf-8")) == {
        "documents": ["가", "나"],
        "counts": {"copy_hits": [1, 0.5], "copy_items": [2, 1], "true": [3, 0]},
    }
    lines = (tmp_path / "test/predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == ['{"measure":"copy","pronoun":"그","hit":0.5}', '{"measure":"coref"}']


def test_outcome_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_outcome(tmp_path / "test", some_outcome())
    found = read_outcome(tmp_path / "test")
    assert found.predictions == some_outcome().predictions
    assert found.sums() == some_outcome().sums()
    assert dict(found.columns) == {
        "가": {"copy_hits": 1, "copy_items": 2, "true": 3},
        "나": {"copy_hits": 0.5, "copy_items": 1, "true": 0},
    }
    write_outcome(tmp_path / "again", found)
    for name in ("counts.json", "predictions.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "test" / name).read_bytes()


def test_outcome_of_nothing(tmp_path: Path) -> None:
    write_outcome(tmp_path / "test", Outcome())
    assert read_outcome(tmp_path / "test") == Outcome()


def test_outcome_of_counts_by_column() -> None:
    found = outcome_of(["a", "b"], {"copy_hits": [1, 0.5], "copy_items": [1, 3]})
    # 1.5 of 4; a column that no document has is 0.
    assert found.measures(MEASURES) == {"copy_accuracy": 0.375, "copy_mrr": 0.0}
    assert found.columns["b"]["true"] == 0


@pytest.mark.parametrize("name", ["counts.json", "predictions.jsonl"])
def test_outcome_that_is_missing_or_broken_is_an_input_error(tmp_path: Path, name: str) -> None:
    write_outcome(tmp_path, some_outcome())
    (tmp_path / name).write_text('{"documents": [', encoding="utf-8")
    with pytest.raises(InputError, match=f"{name}.*broken"):
        read_outcome(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"{name}: no such file"):
        read_outcome(tmp_path)


# ---- checkpoints


def items_of(documents: list[Document]) -> ItemSet:
    return make_items(documents, ItemMaker(200, 3, 5, Counter()))


@pytest.fixture
def project(
    tiny: Path, marked: Callable[..., Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Items, a gold set, the base and two checkpoints, the second of them selected."""
    monkeypatch.chdir(tmp_path)
    documents = [
        marked(
            f"[1:PER {name}]은 학생이다. [2:PER 의사]는 {name}을 보았다. [1 그]는 책을 읽었다.",
            name=name,
        )
        for name in ("홍길동", "김서연", "민지")
    ]
    write_items(Path("data/prepared/evaluation/test"), items_of(documents))
    write_items(Path("data/prepared/items/train"), items_of(documents[:1]))
    write_items(Path("data/prepared/evaluation/novel"), items_of(documents[:2]))
    write_json(Path("data/prepared/frequent_nouns.json"), ["학생", "책", "의사", "학교", "회사"])
    shutil.copytree(tiny, BASE)
    for number, directory in enumerate((BASE.with_name("checkpoint-5"), BETTER)):
        changed = load_checkpoint(str(tiny))
        torch.manual_seed(number)
        with torch.no_grad():
            for parameter in changed.model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        changed.save(directory)
    shutil.copytree(BETTER, "models/finetuned")
    sections = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text("utf-8"))
    sections["evaluate"] = SETTINGS
    Path("params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    monkeypatch.setattr(measure_base, "fix_arithmetic", lambda *_: None)
    return tmp_path


def test_whole_measurement_is_of_every_set_and_measure(project: Path) -> None:
    found = Measurer(settings_with()).measure(BASE, whole=True)
    assert list(found) == ["test", "novel"]
    assert set(found["test"].measures(MEASURES)) == set(MEASURES)
    # Exact answers are asked for with one mask too, which is all that LAMBADA@1 needs.
    assert set(found["novel"].measures(MEASURES)) == {*STRICT_MEASURES, "lambada_at_1"}
    items = read_items(Path("data/prepared/evaluation/test"))
    expected = evaluate(load_checkpoint(str(BASE)), items, ["copy_mrr"], 4096, "apposition")
    assert found["test"].measures(["copy_mrr"]) == expected.measures(["copy_mrr"])


def test_measurement_that_is_not_whole_is_of_the_quick_ones_on_the_test(project: Path) -> None:
    found = Measurer(settings_with()).measure(BASE, whole=False)
    assert list(found) == ["test"]
    assert set(found["test"].measures(MEASURES)) == set(QUICK_MEASURES)


def test_checkpoints_are_measured_each_as_if_alone(project: Path) -> None:
    measurer = Measurer(settings_with())
    first = [measurer.measure(d, whole=True)["test"].sums() for d in (BASE, BETTER, BASE)]
    assert first[0] == first[2]
    assert first[0] != first[1]
    assert Measurer(settings_with()).measure(BETTER, whole=True)["test"].sums() == first[1]


def test_number_of_pseudo_documents_is_of_the_test_alone(project: Path) -> None:
    found = Measurer(settings_with(pseudo_documents=1)).measure(BASE, whole=True)
    counted = {
        name: [d for d, counts in outcome.columns.items() if counts["pseudo_characters"]]
        for name, outcome in found.items()
    }
    assert counted == {"test": ["홍길동"], "novel": ["홍길동", "김서연"]}


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, []), (1, ["0"]), (2, ["0", "2"]), (5, list("01234")), (9, list("01234"))],
)
def test_pseudo_documents_are_spread_over_all(
    project: Path, count: int, expected: list[str]
) -> None:
    items = replace(items_of([]), plain=tuple(PlainText(str(n), "가") for n in range(5)))
    write_items(Path("data/prepared/evaluation/test"), items)
    test = Measurer(settings_with(pseudo_documents=count)).sets["test"]
    assert [item.document for item in test.plain] == expected


def test_missing_checkpoint_is_an_input_error(project: Path) -> None:
    with pytest.raises(InputError, match=r"checkpoint-9: no such checkpoint; run `dvc repro fine"):
        Measurer(settings_with()).measure(BASE.with_name("checkpoint-9"), whole=True)


def test_memory_that_runs_out_names_the_setting_to_lower(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MaskedPositionModel, "forward", lambda *_: torch.empty(2**50))
    with pytest.raises(InputError, match=r"lower evaluate\.batch_tokens.*finetune\.max_length"):
        Measurer(settings_with()).measure(BASE, whole=True)


# ---- the stages


def test_stage_measures_the_base_on_every_set(project: Path) -> None:
    stale = Path("data/measured_base/old")
    stale.mkdir(parents=True)
    measure_base.main()
    expected = Measurer(settings_with()).measure(BASE, whole=True)
    assert not stale.exists()
    assert {path.name for path in measure_base.OUT.iterdir()} == {"test", "novel"}
    for name, outcome in expected.items():
        found = read_outcome(measure_base.OUT / name)
        assert found.sums() == outcome.sums()
        assert found.predictions == outcome.predictions


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What is measured from now on: checkpoint and whether whole."""
    seen: list[tuple[str, bool]] = []
    measure = Measurer.measure

    def recorded(self: Measurer, directory: Path, whole: bool) -> dict[str, Outcome]:
        seen.append((directory.name, whole))
        return measure(self, directory, whole)

    monkeypatch.setattr(Measurer, "measure", recorded)
    return seen


def metrics(name: str = "metrics") -> Any:
    return json.loads(Path(f"metrics/{name}.json").read_text(encoding="utf-8"))


def test_evaluation_takes_the_base_from_its_stage(
    project: Path, measured: list[tuple[str, bool]]
) -> None:
    measure_base.main()
    assert measured == [("checkpoint-0", True)]
    evaluate_stage.measure(settings_with())
    assert measured[1:] == [("checkpoint-5", False), ("checkpoint-10", True)]
    base = read_outcome(measure_base.OUT / "test")
    assert metrics()["strict"]["base"] == base.measures(STRICT_MEASURES)
    assert metrics("checkpoints")["checkpoint-0"] == base.measures(MEASURES)
    assert list(metrics("checkpoints")) == ["checkpoint-0", "checkpoint-5", "checkpoint-10"]
    assert metrics()["strict"]["finetuned"] != metrics()["strict"]["base"]
    for name in ("test", "novel"):
        kept, shown = (
            Path(root, name, "counts.json").read_bytes()
            for root in ("data/measured_base", "data/predictions/base")
        )
        assert kept == shown


def test_what_was_measured_of_the_base_decides_the_comparison(project: Path) -> None:
    measure_base.main()
    for name in ("test", "novel"):
        path = measure_base.OUT / name / "counts.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        found["counts"]["copy_hits"] = [0] * len(found["documents"])
        write_json(path, found)
    evaluate_stage.measure(settings_with())
    for strict in (metrics()["strict"], metrics()["gold"]["novel"]):
        assert strict["base"]["copy_accuracy"] == 0
    ours = metrics()["strict"]["finetuned"]["copy_accuracy"]
    against = metrics("significance")["test"]["finetuned_minus_base"]
    assert against["copy_accuracy"]["difference"] == ours


def test_untrained_run_measures_nothing(project: Path, measured: list[tuple[str, bool]]) -> None:
    measure_base.main()
    measured.clear()
    for directory in (BETTER, BASE.with_name("checkpoint-5"), Path("models/finetuned")):
        shutil.rmtree(directory)
    shutil.copytree(BASE, "models/finetuned")
    evaluate_stage.measure(settings_with())
    assert measured == []
    assert metrics()["strict"]["finetuned"] == metrics()["strict"]["base"]


def test_selected_checkpoint_is_told_by_its_copying_head_too(project: Path) -> None:
    for directory in (BETTER, Path("models/finetuned")):  # as with finetune.base_share 1
        shutil.copy(BASE / "model.safetensors", directory)
    checkpoints = [BASE, BASE.with_name("checkpoint-5"), BETTER]
    assert evaluate_stage._identical(checkpoints, Path("models/finetuned")) == BETTER


def test_base_that_was_not_measured_is_an_input_error(project: Path) -> None:
    with pytest.raises(InputError, match=r"data/measured_base/test/counts\.json: no such file"):
        evaluate_stage.measure(settings_with())
