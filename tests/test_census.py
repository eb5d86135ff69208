"""The counts of the data card: resolved pronouns by hand, and the committed card."""

from __future__ import annotations

from pathlib import Path

import pytest

from kocoref.corpus import census
from kocoref.corpus.census import BEGIN, CARD, END, Resolved, count, resolved_pronouns, with_counts
from kocoref.corpus.passages import parse

ROOT = Path(__file__).parents[1]


def resolved(marked: str) -> list[Resolved]:
    """The resolved pronouns of a passage whose sentences end with a full stop and a space."""
    passage = parse(marked, "test:1", "p")
    text = passage.text
    starts = [0, *(i + 2 for i in range(len(text) - 2) if text[i : i + 2] == ". ")]
    return list(resolved_pronouns(passage, starts))


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        # The nearest person is another one.
        ("[1:PER 김서연]이 [2:PER 민지]를 봤다. [1 그녀]는 웃었다.", [("그녀", "PER", 1, True)]),
        ("[2:PER 민지]가 [1:PER 김서연]을 봤다. [1 그녀]는 웃었다.", [("그녀", "PER", 1, False)]),
        # A place is nearer, but no person.
        ("[1:PER 김서연]이 [2:LOC 부산]에 왔다. [1 그녀]는 웃었다.", [("그녀", "PER", 1, False)]),
        ("[1:LOC 부산]에 가면 [1 그곳]이 좋다.", [("그곳", "LOC", 0, False)]),
        # The antecedent comes only later, or never.
        ("[1:PER 그]가 왔다. [1 김서연]이었다.", []),
        ("[1:PER 그]가 왔다. [2:PER 민지]도 왔다. [1 그]는 갔다.", []),
        # A pronoun is neither an antecedent nor what misleads.
        ("[1:PER 민지]가 왔다. 비가 왔다. [1 그녀]는 갔다. [1 그녀]는 왔다.",
         [("그녀", "PER", 2, False), ("그녀", "PER", 3, False)]),
        ("[1:PER 민지]가 왔다. [2:PER 지우]가 왔다. [1 그녀]는 [2 그]를 봤다.",
         [("그녀", "PER", 2, True), ("그", "PER", 1, False)]),
        # What holds the pronoun does not stand before it.
        ("[1:PER 민지]가 [2:PER [1 그녀]의 언니]를 봤다.", [("그녀", "PER", 0, False)]),
        # Of two that end before it the one that ends later is nearer, wherever it begins.
        ("[2:PER [1:PER 민지]의 언니]가 왔다. [1 그녀]는 갔다.", [("그녀", "PER", 1, True)]),
        # The distance is to the nearest noun of the chain.
        ("[1:PER 민지]가 왔다. [1 학생]이 왔다. 비가 왔다. [1 그녀]는 갔다.",
         [("그녀", "PER", 2, False)]),
    ],
)  # fmt: skip
def test_resolved_pronouns(marked: str, expected: list[tuple[str, str, int, bool]]) -> None:
    assert resolved(marked) == [Resolved(*values) for values in expected]


def test_counts_of_a_small_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "FREQUENT", 1)
    for name, text in {
        "data/raw/passages/train/news.txt": (
            "@ a\n[1:PER 김서연]은 [2:PER 민지]를 만났다. [1 그녀]는 웃었다.\n\n"
            "@ b\n[1:PER 민지]는 학생이다. 비가 왔다. [1 그녀]는 웃었다. [1 그녀]는 갔다.\n"
        ),
        "data/raw/passages/test/news.txt": "@ c\n[1:OBJ 책]을 샀는데 [1 그것]은 좋았다.\n",
        "data/raw/long/train/fiction.txt": "@ d\n[1:LOC 부산]은 컸다. [1 그곳]은 좋았다.\n",
        "data/raw/long/validation/fiction.txt": "@ e\n[1:LOC 서울]은 컸다. [1 그곳]은 좋았다.\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    passages, pronouns, forms, kinds, distances = count(tmp_path).split("\n\n")
    assert passages.splitlines() == [
        "| Passages | train | validation | test |",
        "| --- | --- | --- | --- |",
        "| news (short) | 2 | 0 | 1 |",
        "| fiction (long) | 1 | 1 | 0 |",
    ]
    assert pronouns.splitlines() == [
        "| Pronouns with an antecedent | training | test | long |",
        "| --- | --- | --- | --- |",
        "| all | 3 | 1 | 2 |",
        "| nearest noun of the type is wrong | 33.3% | 0.0% | 0.0% |",
    ]
    assert forms.splitlines()[2:] == ["| 그녀 | 3 | 0 | 0 |", "| other | 0 | 1 | 2 |"]
    assert kinds.splitlines()[2:] == [
        "| PER | 3 | 0 | 0 |",
        "| ORG | 0 | 0 | 0 |",
        "| LOC | 0 | 0 | 2 |",
        "| OBJ | 0 | 1 | 0 |",
        "| EVT | 0 | 0 | 0 |",
    ]
    assert distances.splitlines()[2:] == [
        "| 0 | 0 | 1 | 0 |",
        "| 1 | 1 | 0 | 2 |",
        "| 2 | 1 | 0 | 0 |",
        "| 3 or more | 1 | 0 | 0 |",
    ]


def test_counts_take_the_place_of_the_old_ones() -> None:
    card = f"# Card\n\n{BEGIN}\n\nold\n\n{END}\n\nLicence.\n"
    made = with_counts(card, "| new |")
    assert made == f"# Card\n\n{BEGIN}\n\n| new |\n\n{END}\n\nLicence.\n"
    assert with_counts(made, "| new |") == made


def test_card_has_one_place_for_counts() -> None:
    card = (ROOT / CARD).read_text(encoding="utf-8")
    assert (card.count(BEGIN), card.count(END)) == (1, 1)
    assert card.index(BEGIN) < card.index(END)


@pytest.mark.slow
def test_card_holds_the_counts_of_the_committed_passages() -> None:
    card = (ROOT / CARD).read_text(encoding="utf-8")
    assert with_counts(card, count(ROOT)) == card
