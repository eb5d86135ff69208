"""Near-duplicates: what counts as one, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kocoref.corpus.similarity import SKETCH, THRESHOLD, near_duplicates, sketch

TEXT = (
    "홍길동은 조선의 활빈당 우두머리로 알려진 사람이다. "
    "그는 부자의 재물을 빼앗아 가난한 이를 도왔다."
)
OTHER = "김서연 교수는 부산에서 태어나 서울에서 자랐다. 그녀가 쓴 논문은 바다와 기후를 다룬다."


def pairs(**texts: str) -> list[tuple[str, str]]:
    return near_duplicates({name: sketch(text) for name, text in texts.items()})


def test_same_text_is_a_near_duplicate() -> None:
    assert pairs(a=TEXT, b=TEXT) == [("a", "b")]


def test_white_space_makes_no_difference() -> None:
    assert sketch(TEXT) == sketch(TEXT.replace(" ", " \n\u00a0"))


def test_one_changed_word_is_a_near_duplicate() -> None:
    assert pairs(a=TEXT, b=TEXT.replace("조선", "고려")) == [("a", "b")]


def test_other_text_is_not() -> None:
    assert pairs(a=TEXT, b=OTHER) == []


def test_text_within_a_text_twice_as_long_is_a_near_duplicate() -> None:
    assert pairs(a=TEXT, b=TEXT + OTHER) == [("a", "b")]


def test_pairs_are_sorted() -> None:
    assert pairs(c=TEXT, a=TEXT, b=TEXT) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_threshold_is_of_the_smaller_sketch() -> None:
    # 10 of 30 is more than 0.3, 9 of 30 is not; the larger sketch has 64.
    large = frozenset(range(SKETCH))
    for shared, expected in ((10, [("a", "b")]), (9, [])):
        small = frozenset(range(SKETCH - shared, SKETCH - shared + 30))
        assert shared / 30 > THRESHOLD or not expected
        assert near_duplicates({"a": small, "b": large}) == expected


@pytest.mark.parametrize("text", ["", "가", "가나다라마바사", "가나다라마바사아"])
def test_text_of_at_most_eight_characters_is_one_gram(text: str) -> None:
    assert len(sketch(text)) == 1


@pytest.mark.parametrize("copies", [2, 50])
def test_copies_are_all_near_duplicates(copies: int) -> None:
    found = near_duplicates({f"d{i:03}": sketch(TEXT) for i in range(copies)})
    assert len(found) == copies * (copies - 1) // 2


def test_many_copies_are_near_duplicates_too() -> None:
    assert near_duplicates({f"d{i:03}": sketch(TEXT) for i in range(51)})


@given(st.text(max_size=60))
def test_sketch_is_bounded_and_not_empty(text: str) -> None:
    assert 1 <= len(sketch(text)) <= SKETCH


@given(st.dictionaries(st.text("ab", min_size=1), st.text("가나다 ", max_size=40), max_size=6))
def test_pairs_do_not_depend_on_the_order(texts: dict[str, str]) -> None:
    sketches = {name: sketch(text) for name, text in texts.items()}
    assert near_duplicates(sketches) == near_duplicates(dict(reversed(sketches.items())))
