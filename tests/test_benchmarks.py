"""The benchmarks: their arithmetic, their tables, and that both ways give the same answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from benchmarks import evaluate, finetune, repro, resolve, scaling, table
from benchmarks.__main__ import latest_first
from benchmarks.machine import Shape
from benchmarks.prepare import analysis, peak_mib, pool
from benchmarks.texts import concatenated, lengths, scrambled
from benchmarks.timing import Spread, Timed, Way, Work, alternate, ratio_row, times_as_fast
from kocoref.corpus.document import Document
from kocoref.errors import InputError
from kocoref.examples.items import ItemMaker, make_items
from kocoref.settings import EvaluateSettings, load_settings

OURS = [Timed(2.0, "a"), Timed(4.0, "a"), Timed(1.0, "a")]
THEIRS = [Timed(8.0, "a"), Timed(6.0, "a"), Timed(5.0, "a")]
RESULTS = {
    "machine": {
        "processor": "P", "bf16": True, "cores": 2, "threads": 2, "load": 0.25,
        "python": "3.11", "versions": {"torch": "2", "kiwipiepy": "1"},
    },
    "ratios": [ratio_row("prepare", "a pool", 4, OURS, THEIRS)],
    "shares": [
        {"what": "finetune, fp32", "goal": 0.6,
         "share": {"median": 0.654, "low": 0.5, "high": 0.7}},
        {"what": "evaluate, fp32", "goal": None,
         "share": {"median": 0.4, "low": 0.4, "high": 0.4}},
    ],
    "curves": [scaling.curve("finetune", "tokens", "seconds", {10: 1.0, 100: 1000.0})],
}  # fmt: skip


def test_ratios_are_of_neighbours() -> None:
    # 8 / 2, 6 / 4 and 5 / 1: not 19 / 7
    assert times_as_fast(OURS, THEIRS) == Spread(median=4.0, low=1.5, high=5.0)


def test_row_keeps_what_was_measured() -> None:
    row = ratio_row("prepare", "a pool", 4, OURS, THEIRS)
    assert row["ratio"] == {"median": 4.0, "low": 1.5, "high": 5.0}
    assert row["seconds"] == {"ours": [2.0, 4.0, 1.0], "theirs": [8.0, 6.0, 5.0]}


def count_calls(name: str) -> Work:
    calls = []

    def work() -> tuple[str, int]:
        calls.append(name)
        return name, len(calls)

    return work


def test_ways_are_timed_after_a_warm_up() -> None:
    timed = alternate([Way(count_calls, (name,)) for name in "ab"], repetitions=2)
    assert [[one.answer for one in found] for found in timed] == [
        [("a", 2), ("a", 3)],
        [("b", 2), ("b", 3)],
    ]


def break_off() -> Work:
    raise SystemExit


def test_broken_way_is_named() -> None:
    with pytest.raises(RuntimeError, match="broke off"):
        alternate([Way(break_off)], repetitions=1)


def read_variable() -> Work:
    import os

    return lambda: os.environ.get("OF_THIS_WAY")


def test_each_way_has_its_own_variables() -> None:
    ways = [Way(read_variable, (), {"OF_THIS_WAY": "x"}), Way(read_variable)]
    assert [found[0].answer for found in alternate(ways, repetitions=1)] == ["x", None]


def test_exponent_of_a_power_law() -> None:
    found = scaling.curve("", "", "", {n: 5.0 * n**2 for n in (1, 3, 10)} | {20: 500.0})
    assert found["last_exponent"] == pytest.approx(0)
    assert 1 < found["exponent"] < 2
    square = scaling.curve("", "", "", {n: 5.0 * n**2 for n in (1, 3, 10)})
    assert square["exponent"] == pytest.approx(2)
    assert square["last_exponent"] == pytest.approx(2)


def test_operations_of_a_small_model() -> None:
    # a layer: 2 tokens × 2 × (4·3² + 2·3·5) = 264, attention 4·3·2² = 48; a head: 2·(3² + 3·7) = 60
    assert Shape(3, 5, 1, 7).forward([2], 0) == 264 + 48
    assert Shape(3, 5, 2, 7).forward([2, 2], 3) == 2 * (2 * 264 + 2 * 48) + 3 * 60


def test_table_of_ratios() -> None:
    assert table.ratios(RESULTS) == (
        "| what | against | times as fast | spread | goal |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| prepare | a pool | 4.0 | 1.5 – 5.0 | 4.0 |\n"
        "\n"
        "| of a large matrix product | share | spread | goal |\n"
        "| --- | --- | --- | --- |\n"
        "| finetune, fp32 | 65 % | 50 % – 70 % | 60 % |\n"
        "| evaluate, fp32 | 40 % | 40 % – 40 % |  |\n"
        "\n"
        "P (bf16), 2 cores, 2 threads, load before the run 0.2; Python 3.11, torch 2,"
        " kiwipiepy 1.\n"
    )


def test_table_of_growth() -> None:
    last = table.everything(RESULTS).splitlines()[-1]
    assert last == "| finetune, by tokens | seconds | 3.00 | 3.00 | 10: 1, 100: 1,000 |"


def test_table_of_a_million() -> None:
    results = {"machine": RESULTS["machine"], "curves": RESULTS["curves"]}
    first, *_, last = table.million(results).splitlines()
    assert first == "| what | cost | exponent | of the last step | by size |"
    assert last.startswith("P (bf16), 2 cores")


def test_table_goes_between_the_markers_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    other = "<!-- other:begin -->\nkept\n<!-- other:end -->"
    begin, end = table.markers("bench")
    page.write_text(f"{other}\n{begin}\nold\n{end}\nb\n", encoding="utf-8")
    for text in (r"| \1 |" + "\n", "| 2 |\n"):
        table.put(page, "bench", text)
        expected = f"{other}\n{begin}\n{text}{end}\nb\n"
        assert page.read_text(encoding="utf-8") == expected


def test_each_processor_keeps_its_last_results() -> None:
    def of(processor: str, load: float) -> dict[str, Any]:
        return {"machine": {"processor": processor, "load": load}}

    earlier = [of("P", 1.0), of("Q", 2.0)]
    assert latest_first(of("Q", 3.0), earlier) == [of("Q", 3.0), of("P", 1.0)]
    assert latest_first(of("R", 3.0), earlier) == [of("R", 3.0), *earlier]


def test_page_without_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n", encoding="utf-8")
    with pytest.raises(InputError, match="needs one line"):
        table.put(page, "bench", "")


@pytest.mark.parametrize(
    ("path", "name"),
    [("README.md", "bench")]
    + [("benchmarks/README.md", name) for name in ("bench", "repro", "million")],
)
def test_pages_have_markers(path: str, name: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_bytes(Path(path).read_bytes())
    table.put(page, name, "")


def test_time_goes_to_the_stage_that_was_named_last(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["'x' didn't change", "Running stage 'a':", "> work", "Running stage 'b':", "> work"]
    clock = iter([0.0, 1.0, 1.0, 4.0, 4.0, 9.0])
    monkeypatch.setattr(repro, "perf_counter", lambda: next(clock))
    assert repro.split_by_stage(lines) == {repro.BEFORE: 1.0, "a": 3.0, "b": 5.0}


def test_stages_are_timed_and_a_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "dvc"
    command.write_text("#!/bin/sh\necho \"Running stage 'a':\"\nsleep 1\nexit $END\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("END", "0")
    found = repro.seconds_by_stage(tmp_path)
    assert list(found) == [repro.BEFORE, "a"]
    assert found["a"] > 0.3  # its line may be read late
    monkeypatch.setenv("END", "3")
    with pytest.raises(subprocess.CalledProcessError):
        repro.seconds_by_stage(tmp_path)


def test_table_of_stages() -> None:
    results = {"machine": RESULTS["machine"], "seconds": {"prepare": 30.0, "finetune": 90.0}}
    assert table.stages(results) == (
        "| stage | minutes | share |\n"
        "| --- | --- | --- |\n"
        "| prepare | 0.5 | 25 % |\n"
        "| finetune | 1.5 | 75 % |\n"
        "| whole | 2.0 | 100 % |\n"
        "\n"
        "Goal: 8 minutes. P (bf16), 2 cores, 2 threads, load before the run 0.2; Python 3.11,"
        " torch 2, kiwipiepy 1.\n"
    )


def test_figures_are_written(tmp_path: Path) -> None:
    scaling.plot(RESULTS["curves"], tmp_path / "plots")  # type: ignore[arg-type]
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["tokens.png"]


@pytest.mark.parametrize(("able", "expected"), [(True, ("fp32", "bf16")), (False, ("fp32",))])
def test_bf16_is_timed_where_the_processor_has_it(
    able: bool, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "processor_has_bf16", lambda: able)
    assert finetune.precisions() == expected


def test_lengths_are_those_of_the_report() -> None:
    assert mean(lengths(1000)) == pytest.approx(400, abs=5)
    assert max(lengths(1000)) == 2048
    assert [len(text) for text in concatenated(50)] == lengths(50)


def test_memory_is_that_of_the_command_alone(tmp_path: Path) -> None:
    ours = b"x" * (200 * 2**20)
    small, large = (
        peak_mib([sys.executable, "-c", f"x = b'x' * ({mib} * 2**20)"], tmp_path) for mib in (1, 99)
    )
    assert 95 < large - small < 105
    assert small < len(ours) / 2**20
    with pytest.raises(subprocess.CalledProcessError):
        peak_mib(["false"], tmp_path)


def test_scrambled_texts_are_no_near_duplicates() -> None:
    from kocoref.corpus.similarity import near_duplicates, sketch

    assert not near_duplicates({str(i): sketch(text) for i, text in enumerate(scrambled(200))})


def test_scrambled_texts_are_as_short_as_wanted() -> None:
    assert mean(map(len, scrambled(1000))) == pytest.approx(400, rel=0.05)
    assert mean(map(len, scrambled(1000, shorter=10))) == pytest.approx(40, rel=0.1)


def test_both_ways_of_analysis_find_the_same() -> None:
    texts = concatenated(3)
    assert analysis(texts)() == pool(texts)()


@pytest.fixture
def no_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arithmetic as it is: fixing it would start the tests anew."""
    for module in (evaluate, resolve):
        monkeypatch.setattr(module, "fix_arithmetic", lambda *_: None)


@pytest.mark.usefixtures("no_new_process")
def test_both_ways_of_evaluation_measure_the_same(
    tiny: Path, marked: Callable[..., Document]
) -> None:
    documents = [
        marked(
            "[1:PER 김서연] 교수는 [2:LOC 부산]에서 태어났다. [1 그녀]는 [2 그곳]을 떠났다.", "a"
        ),
        marked(
            "지우는 도서관에서 책을 읽었다. 그는 학교에서 공부한다. 학생들은 도서관으로 갔다.", "b"
        ),
    ]
    items = make_items(documents, ItemMaker(600, 3, 12, Counter()))
    assert items.coref
    assert items.lambada
    settings = load_settings("evaluate", EvaluateSettings)
    ours = evaluate.one_pass(str(tiny), items, settings, known=False)()
    assert ours.keys() == set(evaluate.WANTED)
    assert ours == evaluate.one_pass(str(tiny), items, settings, known=True)()
    assert ours == evaluate.pass_by_pass(str(tiny), items)()


@pytest.mark.usefixtures("no_new_process")
def test_both_ways_of_resolving_give_the_same(tiny: Path) -> None:
    texts = [
        "김서연 교수는 부산에서 태어났다. 그녀는 그곳을 떠난 적이 없다.",
        "민지가 지우에게 책을 주었다. 지우는 도서관에서 그것을 읽었다.",
    ]
    ours = resolve.together(str(tiny), texts)()
    assert [form for form, _, _ in ours] == ["그녀", "그곳", "그것"]
    assert resolve.same(ours, resolve.one_by_one(str(tiny), texts)())


def test_other_answers_are_not_the_same() -> None:
    assert resolve.same([("그", (3, 4), {"지우": 0.5})], [("그", (3, 4), {"지우": 0.50001})])
    assert not resolve.same([("그", (3, 4), {"지우": 0.5})], [("그", (3, 4), {"지우": 0.6})])
    assert not resolve.same([("그", (3, 4), {"지우": 0.5})], [("그", (3, 4), {"민지": 0.5})])
    assert not resolve.same([("그", (3, 4), {"지우": 0.5})], [])
