"""Near-duplicates: what counts as one, and what does not."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kocoref.corpus import similarity
from kocoref.corpus.similarity import (
    MAX_HOLDERS,
    SKETCH,
    THRESHOLD,
    Excerpts,
    hashes,
    near_duplicates,
    pack,
    sketch,
)

HASH_BYTES = 4
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


def test_decomposed_and_invisible_characters_make_no_difference() -> None:
    assert sketch(TEXT) == sketch(unicodedata.normalize("NFD", TEXT))
    assert sketch(TEXT) == sketch("\u200b".join(TEXT))


def test_one_changed_word_is_a_near_duplicate() -> None:
    assert pairs(a=TEXT, b=TEXT.replace("조선", "고려")) == [("a", "b")]


def test_other_text_is_not() -> None:
    assert pairs(a=TEXT, b=OTHER) == []


def test_text_within_a_text_twice_as_long_is_a_near_duplicate() -> None:
    assert pairs(a=TEXT, b=TEXT + OTHER) == [("a", "b")]


def test_pairs_are_sorted() -> None:
    assert pairs(d=TEXT + OTHER, c=TEXT, a=TEXT, b=TEXT) == [("a", "b"), ("a", "c"), ("a", "d")]


def test_threshold_is_of_the_smaller_sketch() -> None:
    # 10 of 30 is more than 0.3, 9 of 30 is not; the larger sketch has 64.
    large = pack(range(SKETCH))
    for shared, expected in ((10, [("a", "b")]), (9, [])):
        small = pack(range(SKETCH - shared, SKETCH - shared + 30))
        assert shared / 30 > THRESHOLD or not expected
        assert near_duplicates({"a": small, "b": large}) == expected


@pytest.mark.parametrize("text", ["", "가", "가나다라마바사", "가나다라마바사아"])
def test_text_of_at_most_eight_characters_is_one_gram(text: str) -> None:
    assert len(sketch(text)) == HASH_BYTES


@pytest.mark.parametrize("copies", [2, MAX_HOLDERS + 1])
def test_copies_are_near_duplicates_of_the_first(copies: int) -> None:
    found = near_duplicates({f"d{i:03}": sketch(TEXT) for i in range(copies)})
    assert found == [("d000", f"d{i:03}") for i in range(1, copies)]


def test_text_like_many_copies_of_one_is_found() -> None:
    copies = {f"d{i:03}": sketch(TEXT) for i in range(MAX_HOLDERS + 1)}
    found = near_duplicates(copies | {"e": sketch(TEXT.replace("조선", "고려"))})
    assert ("d000", "e") in found


@pytest.mark.holds("60 versions of one text", "each is a near-duplicate of the first")
@pytest.mark.parametrize("versions", [MAX_HOLDERS - 10, MAX_HOLDERS + 10])
def test_versions_of_one_text_are_like_the_first(versions: int) -> None:
    texts = {f"d{i:03}": TEXT.replace("조선", f"{i * 7919}국") + OTHER for i in range(versions)}
    found = pairs(**texts)
    assert [other for one, other in found if one == "d000"] == list(texts)[1:]


@given(st.text(max_size=60))
def test_sketch_is_bounded_and_not_empty(text: str) -> None:
    assert HASH_BYTES <= len(sketch(text)) <= SKETCH * HASH_BYTES


@given(st.dictionaries(st.text("ab", min_size=1), st.text("가나다 ", max_size=40), max_size=6))
def test_pairs_do_not_depend_on_the_order(texts: dict[str, str]) -> None:
    sketches = {name: sketch(text) for name, text in texts.items()}
    assert near_duplicates(sketches) == near_duplicates(dict(reversed(sketches.items())))


def counted_one_by_one(sketches: dict[str, bytes]) -> list[tuple[str, str]]:
    """Near-duplicates by their definition: of a gram that many have only the first says much."""
    sets = {name: set(np.frombuffer(sketches[name], "<u4").tolist()) for name in sketches}
    holders = Counter(gram for grams in sets.values() for gram in grams)
    first = {gram: min(n for n in sets if gram in sets[n]) for gram in holders}
    return [
        (one, other)
        for one, other in combinations(sorted(sets), 2)
        if sum(holders[g] <= MAX_HOLDERS or first[g] == one for g in sets[one] & sets[other])
        > THRESHOLD * min(len(sets[one]), len(sets[other]))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_the_definition(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_AT_ONCE", 1000)  # in several portions
    # 150 documents of 10 kinds, so that some grams have more than 50 holders, and chance ones.
    draw = np.random.default_rng(seed)
    kinds = [draw.integers(0, 2**32, 80).tolist() for _ in range(10)]
    common = draw.integers(0, 2**32, 30).tolist()
    sketches = {
        f"d{i}": pack(
            draw.choice(kinds[i % 10], draw.integers(1, 50)).tolist()
            + draw.choice(common, draw.integers(1, 20)).tolist()
            + draw.integers(0, 2**32, 5).tolist()
        )
        for i in range(150)
    }
    expected = counted_one_by_one(sketches)
    assert 100 < len(expected) < 5000
    assert near_duplicates(sketches) == expected


def test_no_document_has_no_pairs() -> None:
    assert near_duplicates({}) == []


# ---- excerpts within longer texts


def test_text_within_a_far_longer_one_is_found() -> None:
    excerpts = Excerpts([OTHER, TEXT])
    around = "".join(f"{n}번째 이야기." for n in range(3000))
    assert near_duplicates({"a": sketch(TEXT), "b": sketch(around + TEXT)}) == []
    assert excerpts.shared(hashes(around + TEXT + around))
    assert not excerpts.shared(hashes(around))


def test_text_that_is_within_a_far_longer_one_is_found() -> None:
    around = "".join(f"{n}번째 이야기." for n in range(3000))
    excerpts = Excerpts([around + TEXT])
    assert excerpts.shared(hashes(TEXT))
    assert not excerpts.shared(hashes(OTHER))


def test_share_of_an_excerpt_is_of_its_own_grams() -> None:
    # TEXT without spaces has n characters and n - 7 grams: of a beginning of k characters k - 7.
    squeezed = "".join(TEXT.split())
    grams = len(squeezed) - 7
    enough = int(THRESHOLD * grams) + 1
    excerpts = Excerpts([TEXT])
    around = "".join(f"{n}번째 이야기." for n in range(300))
    assert excerpts.shared(hashes(squeezed[: enough + 7] + around))
    assert not excerpts.shared(hashes(squeezed[: enough + 6] + "|" + around))


def test_phrase_is_no_excerpt() -> None:
    phrase = "그는 그렇게 말했다고 전해진다."
    assert not Excerpts([phrase]).shared(hashes(phrase))
    assert not Excerpts([phrase + TEXT]).shared(hashes(phrase))


def test_no_excerpts_are_in_nothing() -> None:
    assert not Excerpts([]).shared(hashes(TEXT))
