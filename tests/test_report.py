"""The report: its numbers are those of the metrics, its verdicts follow from the intervals."""

from __future__ import annotations

import copy
import csv
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import report as stage
from kocoref.errors import InputError
from kocoref.evaluation.measures import report_score
from kocoref.reporting import plots
from kocoref.reporting.prose import TEXT
from kocoref.reporting.published import FINE_TUNED, NAMED_BEST, PUBLISHED
from kocoref.reporting.report import Verdict, build_report, effect, ranks, verdict
from kocoref.reporting.results import Difference, Results
from kocoref.stage import run_stage

BASE = {"lambada_at_1": 0.20, "coref_f1": 0.03, "coref_at_5": 0.50, "score": 0.222}
FINE = {"lambada_at_1": 0.25, "coref_f1": 0.02, "coref_at_5": 0.55, "score": 0.248}
BASE_STRICT = {
    "antecedent_accuracy": 0.30,
    "antecedent_mrr": 0.45,
    "lambada_exact": 0.10,
    "pseudo_bpc": 3.5,
}
FINE_STRICT = {
    "antecedent_accuracy": 0.4567,
    "antecedent_mrr": 0.55,
    "lambada_exact": 0.11,
    "pseudo_bpc": 3.75,
}
RULE = {"antecedent_accuracy": 0.40, "antecedent_mrr": 0.5}
CONSTANT = {"coref_f1": 0.04, "coref_at_5": 0.60}
FIGURES = ("antecedents", "checkpoints", "slices", "training")


COPIED: dict[str, dict[str, dict[str, float]]] = {
    "pronoun": {"그": {"accuracy": 0.625, "items": 24}, "other": {"accuracy": 0.75, "items": 16}},
    "distance": {
        "1 sentence": {"accuracy": 0.65, "items": 30},
        "same sentence": {"accuracy": 0.8, "items": 10},
    },
    "candidates": {"1-9": {"accuracy": 0.6875, "items": 40}},
}
"""Slices by copying."""


def apart(value: float, margin: float = 0.01) -> dict[str, float]:
    return {"difference": value, "low": value - margin, "high": value + margin, "p_value": 0.01}


def minus(one: dict[str, float], other: dict[str, float]) -> dict[str, Any]:
    return {name: apart(one[name] - other[name]) for name in one if name in other}


def make() -> dict[str, Any]:
    """A small whole set of metrics, by file name."""
    strict = {"base": BASE_STRICT, "finetuned": FINE_STRICT, "nearest_noun": RULE}
    items = {
        "coref": 30,
        "lambada": 20,
        "antecedent": 40,
        "antecedent_out_of_window": 3,
        "antecedent_not_a_candidate": 1,
        "antecedent_none": 2,
        "plain": 10,
    }
    counts = {"documents": 1234, "characters": 5678, "sentences": 91, "chains": 17}
    fine = FINE | FINE_STRICT
    part = {
        "pronoun": {"그": {"accuracy": 0.25, "items": 24}, "other": {"accuracy": 0.5, "items": 16}},
        "distance": {
            "1 sentence": {"accuracy": 0.3, "items": 30},
            "same sentence": {"accuracy": 0.4, "items": 10},
        },
        "candidates": {"1-9": {"accuracy": 0.35, "items": 40}},
    }
    made: dict[str, Any] = {
        "metrics.json": {
            "seed": {"base": BASE, "finetuned": FINE, "constant_top_5": CONSTANT},
            "strict": strict,
        },
        "significance.json": {
            "test": {
                "finetuned_minus_base": minus(fine, BASE | BASE_STRICT),
                "finetuned_minus_nearest_noun": minus(fine, RULE),
                "finetuned_minus_constant_top_5": minus(fine, CONSTANT),
            }
        },
        "slices.json": {
            f"test.{model}": {"antecedent": part, "copy": COPIED} for model in ("base", "finetuned")
        },
        "checkpoints.json": {
            "checkpoint-0": BASE | BASE_STRICT | {"copy_accuracy": 0.2},
            "checkpoint-5": {"score": 0.3, "copy_accuracy": 0.35},
            "checkpoint-10": fine | {"copy_accuracy": 0.6},
        },
        "training.json": {
            "option": "pronoun",
            "base": "models/base",
            "select_by": "antecedent_accuracy",
            "available_examples": 4321,
            "examples": 320,
            "tokens": 98765,
            "steps": 10,
            "best_step": 10,
            "validation": fine,
        },
        "data.json": {
            "read": {"used": 7},
            "documents": dict.fromkeys(("train", "validation", "test"), counts),
            "items": {"validation": items, "test": items},
        },
        "base.json": {
            "parameters": 1_000_001,
            "tokens": 2_000_002,
            "whole_noun_share": 0.9,
            "masked_nouns": {"unigram": {"top_1": 0.01}, "trained": {"top_1": 0.31}},
        },
        "curves/training.csv": [
            {"step": 5, "learning_rate": 0.0001, "loss_target": 6.5, "loss_mlm": ""},
            {"step": 10, "learning_rate": 0.0, "loss_target": 5.25, "loss_mlm": ""},
        ],
        "curves/validation.csv": [
            {"step": 0, **BASE, **BASE_STRICT},
            {"step": 5, **BASE, **BASE_STRICT},
            {"step": 10, **FINE, **FINE_STRICT},
        ],
    }
    return copy.deepcopy(made)


def write(directory: Path, metrics: dict[str, Any]) -> None:
    for name, content in metrics.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_text(json.dumps(content), encoding="utf-8")
            continue
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(content[0]) if content else ["step"])
            writer.writeheader()
            writer.writerows(content)


def both(tmp_path: Path, metrics: dict[str, Any]) -> tuple[str, str]:
    """The Korean and the English report of some metrics."""
    write(tmp_path, metrics)
    results = Results.read(tmp_path)
    return build_report(results, "ko", FIGURES), build_report(results, "en", FIGURES)


def line_with(text: str, *parts: str) -> str:
    return next(line for line in text.splitlines() if all(part in line for part in parts))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project directory with metrics, for the stage script."""
    write(tmp_path / "metrics", make())
    (tmp_path / "params.yaml").write_text("report: {dpi: 50}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["report.py"])
    return tmp_path


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.02, "up"),
        (-0.02, -0.001, "down"),
        (-0.01, 0.02, "unclear"),
        (0.0, 0.02, "unclear"),
        (-0.02, 0.0, "unclear"),
        (0.0, 0.0, "unclear"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(
    low: float, high: float, expected: Verdict
) -> None:
    difference = Difference(difference=(low + high) / 2, low=low, high=high)
    assert verdict(difference) == expected
    good = {"up": "better", "down": "worse", "unclear": "unclear"}[expected]
    bad = {"up": "worse", "down": "better", "unclear": "unclear"}[expected]
    assert effect("coref_f1", difference) == good
    assert effect("pseudo_bpc", difference) == bad


def test_ranks_are_shared_by_equal_values() -> None:
    assert ranks({"a": 0.5, "b": 0.9, "c": 0.5, "d": 0.1}) == {"a": 2, "b": 1, "c": 2, "d": 4}


def test_published_scores_are_reproduced_and_checkpoint_396_is_first() -> None:
    assert len(PUBLISHED) == 11
    for row in PUBLISHED:
        computed = report_score(row.coref_f1 / 100, row.coref_at_5 / 100, row.lambada_at_1 / 100)
        assert computed == row.fraction("score")
        assert computed == pytest.approx(row.score, abs=1e-4)
    placed = ranks({row.name: row.fraction("score") for row in PUBLISHED})
    assert placed["checkpoint-396"] == 1
    assert placed[NAMED_BEST] == 3
    assert placed[FINE_TUNED] == 11


def test_published_rows_are_those_of_the_reference() -> None:
    path = Path(__file__).parents[2] / "shared/reference/published_results.json"
    if not path.exists():
        pytest.skip("the reference is not beside this checkout")
    rows = json.loads(path.read_text(encoding="utf-8"))["checkpoints"]
    assert [row._asdict() for row in PUBLISHED] == [
        {name: row[name] for name in PUBLISHED[0]._fields} for row in rows
    ]


def test_summary_has_the_numbers_and_verdicts_of_the_metrics(tmp_path: Path) -> None:
    korean, english = both(tmp_path, make())
    assert line_with(korean, "**선행사 정확도**") == (
        "| **선행사 정확도** | 30.00% | 45.67% | +52.23% | [+14.67, +16.67]%p | ▲ 상승 (개선) |"
    )
    assert line_with(english, "**Coref F1**") == (
        "| **Coref F1** | 3.00% | 2.00% | -33.33% | [-2.00, +0.00] pp | no clear difference |"
    )
    assert line_with(english, "**pseudo-bpc**") == (
        "| **pseudo-bpc** | 3.500 | 3.750 | +7.14% | [+0.240, +0.260] | ▲ up (worse) |"
    )
    assert line_with(english, "**Score**") == (
        "| **Score** | 0.2220 | 0.2480 | +11.71% | [+0.0160, +0.0360] | ▲ up (better) |"
    )


def test_both_languages_have_the_same_tables_and_numbers(tmp_path: Path) -> None:
    korean, english = both(tmp_path, make())
    for text in (korean, english):
        assert "{" not in text.replace('{"홍길동", "학생", "공부"}', "")
    shapes = [
        [line.count("|") for line in text.splitlines() if line.startswith("|")]
        for text in (korean, english)
    ]
    assert shapes[0] == shapes[1]
    numbers = [
        [re.findall(r"\d[\d.,]*", "|".join(line.split("|")[2:]))
         for line in re.split("## (?:읽는 법|How to read)", text)[0].splitlines()
         if line.startswith("|")]
        for text in (korean, english)
    ]  # fmt: skip
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    ("file", "keys", "value", "shown"),
    [
        ("metrics.json", ("strict", "finetuned", "lambada_exact"), 0.12345, "12.35%"),
        ("metrics.json", ("seed", "constant_top_5", "coref_at_5"), 0.61616, "61.62%"),
        ("significance.json", ("test", "finetuned_minus_base", "score", "high"), 0.7654, "+0.7654"),
        ("checkpoints.json", ("checkpoint-5", "score"), 0.34343, "0.3434"),
        (
            "slices.json",
            ("test.finetuned", "antecedent", "pronoun", "그", "accuracy"),
            0.7171,
            "71.71%",
        ),
        ("slices.json", ("test.finetuned", "copy", "pronoun", "그", "accuracy"), 0.7272, "72.72%"),
        ("checkpoints.json", ("checkpoint-5", "copy_accuracy"), 0.3636, "36.36%"),
        ("training.json", ("available_examples",), 7654321, "7,654,321"),
        ("training.json", ("tokens",), 8765432, "8,765,432"),
        ("data.json", ("items", "test", "antecedent_out_of_window"), 8888, "8,888"),
        ("data.json", ("documents", "train", "chains"), 9999, "9,999"),
        ("base.json", ("masked_nouns", "trained", "top_1"), 0.51515, "51.52%"),
        ("curves/training.csv", (1, "loss_target"), 4.321, "4.321"),
        ("curves/validation.csv", (1, "antecedent_accuracy"), 0.6161, "61.61%"),
    ],
)
def test_a_changed_metric_changes_the_report(
    tmp_path: Path, file: str, keys: tuple[Any, ...], value: float, shown: str
) -> None:
    before = both(tmp_path, make())
    metrics = make()
    place = metrics[file]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    after = both(tmp_path, metrics)
    for old, new in zip(before, after, strict=True):
        assert shown not in old
        assert shown in new


def test_baselines_stand_beside_the_models_with_their_interpretation(tmp_path: Path) -> None:
    korean, english = both(tmp_path, make())
    assert "| nearest noun | 40.00% | 0.5000 | +5.67 pp | [+4.67, +6.67] pp | better |" in english
    assert "Clearly better than the best trivial baseline (nearest noun, 40.00%" in english
    assert "가장 강한 단순 기준선(가장 가까운 명사, 40.00%)보다 뚜렷이 낫다" in korean
    assert (
        "| constant guess of frequent nouns | 4.00% | -2.00 pp | [-3.00, -1.00] pp | worse |"
    ) in english
    assert "보다 뚜렷이 못하다 (차이 -2.00%p, 95% 구간 [-3.00, -1.00]%p)" in korean


def test_ranking_by_score_and_by_accuracy(tmp_path: Path) -> None:
    _, english = both(tmp_path, make())
    assert line_with(english, "First by Score").endswith("`checkpoint-5`")
    name = TEXT["copy_accuracy"][1]
    assert line_with(english, f"First by {name}").endswith("`checkpoint-10`")
    assert line_with(english, "| `checkpoint-5` |", "0.3000").endswith("| 1 | 35.00% | 2 |")
    assert line_with(english, "| 1 | `checkpoint-396`").endswith("| `checkpoint-5` | 0.3000 |")
    assert "first by Score: `checkpoint-396` (0.3290), by Coref F1: `checkpoint-396`" in english


def test_slices_have_a_column_for_copying(tmp_path: Path) -> None:
    korean, english = both(tmp_path, make())
    assert "| Pronoun | Items | base | finetuned | finetuned, copying |" in english
    assert "finetuned, 복사 |" in korean
    assert line_with(english, "| 그 | 24 |") == "| 그 | 24 | 25.00% | 25.00% | 62.50% |"
    assert line_with(english, "| 1–9 | 40 |") == "| 1–9 | 40 | 35.00% | 35.00% | 68.75% |"


def test_slices_without_copying_have_no_column_for_it(tmp_path: Path) -> None:
    metrics = make()
    for kinds in metrics["slices.json"].values():
        kinds["copy"] = {"pronoun": {}, "distance": {}, "candidates": {}}
    _, english = both(tmp_path, metrics)
    assert "finetuned, copying" not in english
    assert line_with(english, "| 그 | 24 |") == "| 그 | 24 | 25.00% | 25.00% |"


def test_slice_that_copying_lacks_is_a_gap(tmp_path: Path) -> None:
    metrics = make()
    del metrics["slices.json"]["test.finetuned"]["copy"]["pronoun"]["other"]
    _, english = both(tmp_path, metrics)
    assert line_with(english, "| 16 | 50.00% |").startswith("| ")
    assert "%" not in line_with(english, "| 16 | 50.00% |").split("|")[5]


def test_slices_of_a_scorer(tmp_path: Path) -> None:
    write(tmp_path, make())
    results = Results.read(tmp_path)
    found = results.slices_of("test", "copy")
    assert found["finetuned"]["candidates"] == {"1-9": (0.6875, 40)}
    assert results.slices_of("test", "antecedent")["base"]["candidates"] == {"1-9": (0.35, 40)}
    assert results.slices_of("novel", "copy") == {}


def test_advice_follows_from_the_selecting_measure(tmp_path: Path) -> None:
    metrics = make()
    korean, english = both(tmp_path, metrics)
    assert "Use this checkpoint." in english
    assert "⚠️ 뚜렷이 나빠진 측정값: pseudo-bpc (+0.250" in korean
    assert "finetune.replay" in english
    against = metrics["significance.json"]["test"]
    against["finetuned_minus_base"]["antecedent_accuracy"] = apart(-0.1)
    against["finetuned_minus_nearest_noun"]["antecedent_accuracy"] = apart(0.0)
    korean, english = both(tmp_path, metrics)
    assert "got clearly worse. Use the base." in english
    assert (
        "⚠️ 시험 집합: 선행사 정확도가 단순 규칙(가장 가까운 명사)을 뚜렷이 넘지 못했다." in korean
    )
    assert "**결론**: ❌" in korean


def test_option_none_has_no_training(tmp_path: Path) -> None:
    metrics = make()
    same = BASE | BASE_STRICT
    metrics["metrics.json"]["seed"]["finetuned"] = BASE
    metrics["metrics.json"]["strict"]["finetuned"] = BASE_STRICT
    metrics["significance.json"]["test"]["finetuned_minus_base"] = {
        name: apart(0.0, 0.0) for name in same
    }
    metrics["checkpoints.json"] = {"checkpoint-0": same}
    metrics["training.json"] |= {"option": "none", "steps": 0, "best_step": 0, "examples": 0}
    metrics["curves/training.csv"] = []
    metrics["curves/validation.csv"] = [{"step": 0, **same}]
    korean, english = both(tmp_path, metrics)
    assert "선택된 체크포인트가 base 자신이므로" in korean
    assert "There was no training step" in english
    assert "- Nothing was fine-tuned, so there is nothing to choose." in english


def test_base_that_no_checkpoint_beat_is_to_be_used(tmp_path: Path) -> None:
    metrics = make()
    metrics["training.json"] |= {"best_step": 0}
    _, english = both(tmp_path, metrics)
    assert "No checkpoint beat the base on the validation set. Use the base as it is." in english


def test_last_checkpoint_is_not_said_to_be_chosen(tmp_path: Path) -> None:
    metrics = make()
    metrics["training.json"] |= {"select_by": "last"}
    korean, english = both(tmp_path, metrics)
    assert "(the last checkpoint)" in english
    assert "(the last one, not chosen on the validation set)" in english
    assert "by being" not in english
    assert "(마지막 체크포인트; 검증 집합으로 고르지 않았다)" in korean


def without_antecedents(metrics: dict[str, Any]) -> dict[str, Any]:
    """What evaluate writes where the test documents have no marked chains."""
    names = ("antecedent_accuracy", "antecedent_mrr", "copy_accuracy")
    strict = metrics["metrics.json"]["strict"]
    del strict["nearest_noun"], metrics["significance.json"]["test"]["finetuned_minus_nearest_noun"]
    rows = [
        *strict.values(),
        *metrics["checkpoints.json"].values(),
        *metrics["curves/validation.csv"],
        metrics["significance.json"]["test"]["finetuned_minus_base"],
    ]
    for row in rows:
        for name in names:
            row.pop(name, None)
    nothing: dict[str, Any] = {"pronoun": {}, "distance": {}, "candidates": {}}
    both_scorers = {"antecedent": nothing, "copy": nothing}
    metrics["slices.json"] = {"test.base": both_scorers, "test.finetuned": both_scorers}
    metrics["training.json"]["select_by"] = "score"
    return metrics


def with_gold(metrics: dict[str, Any]) -> dict[str, Any]:
    fine = {"antecedent_accuracy": 0.2121, "antecedent_mrr": 0.4}
    rule = {"antecedent_accuracy": 0.3838, "antecedent_mrr": 0.5}
    metrics["metrics.json"]["gold"] = {
        "novel": {"base": fine, "finetuned": fine, "most_frequent_proper_noun": rule}
    }
    metrics["significance.json"]["novel"] = {
        "finetuned_minus_base": minus(fine, fine),
        "finetuned_minus_most_frequent_proper_noun": minus(fine, rule),
    }
    for model in ("base", "finetuned"):
        metrics["slices.json"][f"novel.{model}"] = make()["slices.json"]["test.base"]
    metrics["data.json"]["items"]["gold_novel"] = metrics["data.json"]["items"]["test"]
    return metrics


def test_without_antecedent_items(tmp_path: Path) -> None:
    korean, english = both(tmp_path, without_antecedents(make()))
    details = english.partition("## How to read")[0]
    assert "Antecedent accuracy by slice" not in details
    assert "4. LAMBADA exact" in details
    assert "**결론**: ✅ Score" in korean


def test_gold_sets_are_shown_where_there_are_any(tmp_path: Path) -> None:
    assert "Gold sets" not in both(tmp_path, make())[1]
    korean, english = both(tmp_path, with_gold(make()))
    assert "### 골드 `novel`" in korean
    assert "| most frequent proper noun | 38.38% | 0.5000 | -17.17 pp |" in english
    assert "⚠️ 골드 `novel` 집합: 선행사 정확도가 단순 규칙(가장 자주 나온 고유명사)을" in korean


def test_every_text_has_the_same_values_in_both_languages() -> None:
    for key, (korean, english) in TEXT.items():
        fields = [sorted(re.findall(r"(?<!{){(\w+)}(?!})", text)) for text in (korean, english)]
        assert fields[0] == fields[1], key


def test_no_particle_follows_a_value_that_it_depends_on() -> None:
    depends = re.compile(r"(?<!{){\w+}`?(?:은|는|이|가|을|를|과|와|으로|로|이다|다)(?![가-힣])")
    assert [key for key, (korean, _) in TEXT.items() if depends.search(korean)] == []


def png_size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert b"Software" not in content
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_the_stage_writes_the_same_bytes_twice(project: Path) -> None:
    made = ["report.md", "report.en.md", *(f"plots/{name}.png" for name in FIGURES)]
    stage.main()
    first = {name: (project / "metrics" / name).read_bytes() for name in made}
    stage.main()
    assert {name: (project / "metrics" / name).read_bytes() for name in made} == first
    assert sorted(path.name for path in (project / "metrics/plots").iterdir()) == [
        f"{name}.png" for name in FIGURES
    ]
    for name in FIGURES:
        assert f"(plots/{name}.png)" in first["report.md"].decode()
        assert min(png_size(project / f"metrics/plots/{name}.png")) > 100


def test_figures_that_cannot_be_drawn_are_left_out(project: Path) -> None:
    stage.main()
    metrics = without_antecedents(make())
    metrics["curves/training.csv"] = []
    write(project / "metrics", metrics)
    stage.main()
    assert sorted(path.name for path in (project / "metrics/plots").iterdir()) == [
        "checkpoints.png",
        "training.png",
    ]
    assert "slices.png" not in (project / "metrics/report.md").read_text(encoding="utf-8")


def test_gold_sets_are_drawn_too(project: Path) -> None:
    stage.main()
    plots = project / "metrics/plots"
    narrow = [png_size(plots / name)[0] for name in ("antecedents.png", "slices.png")]
    write(project / "metrics", with_gold(make()))
    stage.main()
    wide = [png_size(plots / name)[0] for name in ("antecedents.png", "slices.png")]
    assert all(new > old for old, new in zip(narrow, wide, strict=True))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("metrics.json", None, "no such file"),
        ("curves/training.csv", None, "no such file"),
        ("slices.json", '{"test.base": ', "broken"),
        ("curves/validation.csv", "step,score\n0,much\n", "broken"),
        ("curves/validation.csv", "", "no column step"),
        ("metrics.json", '{"seed": {"base": {}}, "strict": {}}', "finetuned is missing"),
        ("training.json", '{"option": "mixed"}', "Field required"),
        ("data.json", "[]", "dictionary"),
        ("significance.json", '{"test": {}}', "different runs"),
    ],
)
def test_a_missing_or_broken_file_ends_with_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], file: str, content: str | None, said: str
) -> None:
    path = project / "metrics" / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit) as ended:
        run_stage(stage.main, stage.__doc__)
    message = capsys.readouterr().err
    assert ended.value.code == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert Path(file).name in message
    assert said in message
    assert "dvc repro" in message
    assert not list((project / "metrics").glob("report*"))
    assert not (project / "metrics/plots").exists()


def test_results_of_different_runs_are_refused(tmp_path: Path) -> None:
    metrics = make()
    del metrics["significance.json"]["test"]["finetuned_minus_base"]["coref_f1"]
    write(tmp_path, metrics)
    with pytest.raises(InputError, match="coref_f1"):
        build_report(Results.read(tmp_path), "ko", ())


def test_every_loss_is_drawn_in_a_colour_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    panels: list[plots.Panel] = []
    monkeypatch.setattr(plots, "_write", lambda path, drawn, *_, **__: panels.extend(drawn))
    rows = [
        {"step": step, "learning_rate": 0.1} | dict.fromkeys(plots.LOSSES, 5.0 - step)
        for step in (1.0, 2.0)
    ]
    plots.plot_training(Path("unused"), rows, [], "coref_f1", 0, 100)
    axes = Figure().subplots()
    panels[0](axes)
    assert [line.get_label() for line in axes.get_lines()] == list(plots.LOSSES.values())
    assert len({line.get_color() for line in axes.get_lines()}) == len(plots.LOSSES)
