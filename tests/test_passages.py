"""Marked passages: what the marks mean, every way they can be wrong, and the committed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiwipiepy import Kiwi

from kocoref.corpus.document import Document
from kocoref.corpus.passages import TYPES, Mention, Passage, parse, read_passages
from kocoref.corpus.similarity import near_duplicates, sketch
from kocoref.corpus.splits import SPLITS
from kocoref.corpus.validation import LONG, check, main, problems
from kocoref.errors import InputError

PASSAGES = Path(__file__).parents[1] / "data/raw/passages"
FILES = sorted(PASSAGES.glob("*/*.txt"))
LONG_FILES = sorted((PASSAGES.parent / "long").glob("*/*.txt"))

SOUND = (
    "[1:PER 김서연]은 [2:LOC 부산]에서 태어나 열 살 때까지 바다를 보며 자랐다. "
    "대학에서 기계를 배운 뒤에는 서울의 작은 회사에 들어가 십 년 동안 배의 엔진을 만들었다. "
    "[1 그녀]는 지금도 [2 그곳]을 그리워한다."
)


@pytest.fixture(scope="module")
def kiwi() -> Kiwi:
    return Kiwi(num_workers=1)


def parsed(marked: str) -> Passage:
    return parse(marked, "news.txt:7", "news-001")


# ---- marks


def test_marks_are_not_in_the_text() -> None:
    passage = parsed("[1:PER 김서연]은 [2:LOC 부산]에서 왔다. [1 그녀]는 웃었다.")
    assert passage.text == "김서연은 부산에서 왔다. 그녀는 웃었다."
    assert passage.types == {1: "PER", 2: "LOC"}
    assert passage.mentions == (
        Mention((0, 3), 1), Mention((5, 7), 2), Mention((14, 16), 1),
    )  # fmt: skip


def test_mentions_may_hold_mentions_the_outer_first() -> None:
    passage = parsed("[1:ORG [2:PER 김서연]의 회사]가 컸다.")
    assert [(passage.text[slice(*m.span)], m.chain) for m in passage.mentions] == [
        ("김서연의 회사", 1), ("김서연", 2),
    ]  # fmt: skip


def test_spans_of_a_chain_come_in_the_order_of_the_text() -> None:
    assert parsed("[1:PER 가]와 [2:PER 나]와 [1 그]").spans(1) == ((0, 1), (6, 7))


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_types(kind: str) -> None:
    assert parsed(f"[12:{kind} 가]").types == {12: kind}


def test_document_of_a_passage_has_its_chains_by_number() -> None:
    document = parsed("[2:PER 가]와 [1:PER 나]와 [2 그]").document()
    assert document == Document(
        "news-001", "가와 나와 그", "passages", "project", chains=(((3, 4),), ((0, 1), (6, 7)))
    )


@pytest.mark.parametrize(
    ("marked", "problem"),
    [
        ("[1:PER 가", "'[' of chain 1 is not closed"),
        ("[1:PER [2:PER 가]", "'[' of chain 1 is not closed"),
        ("가] 나", "']' without '['"),
        ("[1:PER ]", "empty mention of chain 1"),
        ("[1:PER [2:PER ]]", "empty mention of chain 2"),
        ("[1:ANIMAL 개]", "unknown type ANIMAL; use one of EVT, LOC, OBJ, ORG, PER"),
        ("[1 그]는", "chain 1 must have its type at its first mention, and only there"),
        ("[1:PER 가] [1:PER 그]", "chain 1 must have its type at its first mention"),
        ("[가 나]는 여기 있다 그리고", "'[' that opens no mention near '[가 나]는 여기 있다'"),
        ("[1:PER가]", "'[' that opens no mention"),
        ("[1:per 가]", "'[' that opens no mention"),
    ],
)
def test_wrong_marks(marked: str, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        parsed(marked)
    assert str(raised.value).startswith(f"news.txt:7: passage news-001: {problem}")


@given(st.lists(st.tuples(st.sampled_from("가나다"), st.booleans()), max_size=12))
def test_text_is_what_is_left_without_marks(pieces: list[tuple[str, bool]]) -> None:
    seen = False
    marked = ""
    for piece, mention in pieces:
        kind = ":PER" if not seen else ""
        marked += f"[1{kind} {piece}] " if mention else f"{piece} "
        seen |= mention
    passage = parsed(marked)
    assert passage.text == "".join(f"{piece} " for piece, _ in pieces)
    assert [m.span[0] for m in passage.mentions] == [
        2 * i for i, (_, mention) in enumerate(pieces) if mention
    ]


# ---- files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "news.txt"


def test_file_of_passages(file: Path) -> None:
    file.write_text("@ a\n[1:PER 가]는\n나\n\n@ b\n다\n", encoding="utf-8")
    assert [(p.id, p.text) for p in read_passages(file)] == [("a", "가는\n나"), ("b", "다")]


def test_empty_file_has_no_passage(file: Path) -> None:
    file.write_text("\n\n", encoding="utf-8")
    assert list(read_passages(file)) == []


def test_text_before_the_first_id_is_an_error(file: Path) -> None:
    file.write_text("가나다\n@ a\n라\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"news.txt:1: text before the first '@ id' line"):
        list(read_passages(file))


def test_error_in_a_file_names_the_line_of_the_passage(file: Path) -> None:
    file.write_text("@ a\n가\n\n@ b\n나]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"news.txt:4: passage b: '\]' without"):
        list(read_passages(file))


# ---- validation


def test_sound_passage_has_no_problems(kiwi: Kiwi) -> None:
    assert problems(parsed(SOUND), kiwi) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("대학에서 기계를 배운 뒤에는 서울의 작은 회사에 들어가 십 년 동안 배의 엔진을 만들었다.",
         "", "53 characters, outside 80 to 400"),
        ("[1 그녀]는", "[1 김서연]은", None),  # the other pronoun is enough
        ("[1 그녀]는 지금도 [2 그곳]을", "[1 김서연]은 지금도 [2 부산]을",
         "no pronoun with an earlier mention that is not a pronoun"),
        ("서울의 작은", "부산의 작은", "'부산' at 50 is not marked"),
        ("자랐다. 대학", "자라 대학", None),  # two sentences are enough
    ],
)  # fmt: skip
def test_problem_is_named(kiwi: Kiwi, old: str, new: str, problem: str | None) -> None:
    assert old in SOUND
    found = problems(parsed(SOUND.replace(old, new)), kiwi)
    assert found == ([] if problem is None else [problem])


def test_too_long_passage(kiwi: Kiwi) -> None:
    found = problems(parsed(SOUND + " 비가 왔다." * 50), kiwi)
    assert any("outside 80 to 400" in problem for problem in found)
    assert any("sentences, outside 2 to 8" in problem for problem in found)


def test_long_passages_have_bounds_of_their_own(kiwi: Kiwi) -> None:
    long = parsed(SOUND + " 비가 왔다." * 60)
    assert problems(parsed(SOUND), kiwi, LONG)
    assert problems(long, kiwi, LONG) == ["63 sentences, outside 4 to 50"]


def test_single_chain_is_a_problem(kiwi: Kiwi) -> None:
    alone = SOUND.replace("[2:LOC 부산]", "부산").replace("[2 그곳]", "그곳")
    assert problems(parsed(alone), kiwi) == [
        "no second chain: mark at least one other noun that could be meant"
    ]


def test_pronoun_that_kiwi_does_not_see_is_a_problem(kiwi: Kiwi) -> None:
    hidden = SOUND.replace("[2 그곳]을 그리워한다", "[1 그]림을 그린다")
    found = problems(parsed(hidden), kiwi)
    start = parsed(hidden).text.index("그림")
    assert found == [f"Kiwi sees no pronoun at [{start}, {start + 1}) '그림을 '"]


def test_check_finds_repeated_ids_and_near_duplicates(tmp_path: Path) -> None:
    for name, identity in (("one", "a"), ("two", "a"), ("three", "b")):
        (tmp_path / f"{name}.txt").write_text(f"@ {identity}\n{SOUND}\n", encoding="utf-8")
    found, counts = check(sorted(tmp_path.glob("*.txt")))
    assert found == ["id a is used 2 times", "a and b are near-duplicates"]
    assert (counts["passages"], counts["그녀"]) == (3, 3)


def test_check_exits_with_1_on_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("@ short\n[1:PER 가]와 [1 그]\n", encoding="utf-8")
    assert main([str(path)]) == 1
    assert f"{path}: short: 4 characters" in capsys.readouterr().out


# ---- the committed passages


def test_every_split_has_files() -> None:
    assert {path.parent.name for path in FILES} == set(SPLITS)


@pytest.mark.slow
def test_committed_passages_are_sound() -> None:
    found, counts = check(FILES)
    assert found == []
    assert counts["passages"] >= 1200


@pytest.mark.slow
def test_committed_long_passages_are_sound() -> None:
    found, counts = check(LONG_FILES, LONG)
    assert found == []
    assert counts["passages"] >= 500


def test_long_passages_are_for_training_and_validation_only() -> None:
    assert {path.parent.name for path in LONG_FILES} == {"train", "validation"}


def test_committed_passages_are_no_near_duplicates_across_splits() -> None:
    split_of, sketches = {}, {}
    for path in [*FILES, *LONG_FILES]:
        for passage in read_passages(path):
            split_of[passage.id] = path.parent.name
            sketches[passage.id] = sketch(passage.text)
    crossing = [
        (one, other) for one, other in near_duplicates(sketches) if split_of[one] != split_of[other]
    ]
    assert crossing == []
