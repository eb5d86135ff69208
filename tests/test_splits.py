"""Splits: fixed ones are kept, near-duplicates stay together, shares are met, leaks are caught."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kocoref.corpus.similarity import Sketch, near_duplicates, pack, sketch
from kocoref.corpus.splits import (
    LARGEST_HELD_OUT,
    SPLITS,
    Split,
    assert_disjoint,
    groups,
    sampled,
    split_documents,
)
from kocoref.errors import InputError


def alone(number: int) -> Sketch:
    """The sketch of a document that is like no other."""
    return pack(range(number * 100, number * 100 + 10))


def test_document_without_duplicates_is_its_own_group() -> None:
    assert groups({"a": alone(1), "b": alone(2)}) == {"a": "a", "b": "b"}


def test_groups_are_closed() -> None:
    # a is like b and b like c, though a is not like c.
    sketches = {
        "c": pack(range(12, 22)),
        "b": pack(range(6, 16)),
        "a": pack(range(10)),
        "d": alone(9),
    }
    assert groups(sketches) == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_group_is_named_by_its_first_id() -> None:
    assert groups({"z": alone(1), "m": alone(1), "b": alone(1)}) == dict.fromkeys("zmb", "b")


def test_fixed_splits_are_kept() -> None:
    sketches = {name: alone(i) for i, name in enumerate("abc")}
    fixed: dict[str, Split] = {"a": "test", "b": "validation", "c": "train"}
    assert split_documents(sketches, fixed, 0.4, 0.4, 1) == fixed


def test_near_duplicate_goes_where_its_fixed_twin_is() -> None:
    sketches = {"a": alone(1), "b": alone(1)}
    assert split_documents(sketches, {"b": "test"}, 0, 0, 1) == {"a": "test", "b": "test"}


def test_near_duplicates_with_different_fixed_splits_are_refused() -> None:
    sketches = {"a": alone(1), "b": alone(1)}
    with pytest.raises(
        InputError,
        match=r"documents a \(train\) and b \(test\) are near-duplicates in different splits",
    ):
        split_documents(sketches, {"b": "test", "a": "train"}, 0, 0, 1)


def test_shares_are_roughly_met() -> None:
    # Standard deviation of a count: at most sqrt(4000 × 0.2 × 0.8) ≈ 25.
    sketches = {str(i): alone(i) for i in range(4000)}
    counts = Counter(split_documents(sketches, {}, 0.1, 0.2, 1).values())
    assert counts["validation"] == pytest.approx(400, abs=90)
    assert counts["test"] == pytest.approx(800, abs=120)


def test_shares_of_zero_leave_everything_for_training() -> None:
    sketches = {str(i): alone(i) for i in range(50)}
    assert set(split_documents(sketches, {}, 0, 0, 1).values()) == {"train"}


def test_other_seed_splits_otherwise() -> None:
    sketches = {str(i): alone(i) for i in range(200)}
    one, again, other = (split_documents(sketches, {}, 0.2, 0.2, seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_document_does_not_move_when_others_come() -> None:
    sketches = {str(i): alone(i) for i in range(100)}
    before = split_documents(sketches, {}, 0.2, 0.2, 1)
    after = split_documents(sketches | {"new": alone(1000)}, {}, 0.2, 0.2, 1)
    assert {name: after[name] for name in before} == before


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 9))
def test_near_duplicates_are_never_in_two_splits(kinds: list[int], seed: int) -> None:
    sketches = {f"d{i}": alone(kind) for i, kind in enumerate(kinds)}
    split_of = split_documents(sketches, {}, 0.3, 0.3, seed)
    in_split = {str(name): [d for d in sketches if split_of[d] == name] for name in SPLITS}
    assert_disjoint(sketches, in_split)
    assert len({(kinds[int(d[1:])], split) for d, split in split_of.items()}) == len(set(kinds))


TEXT = "홍길동은 조선의 활빈당 우두머리로 알려진 사람이다. 그는 부자의 재물을 빼앗았다."


def test_sample_keeps_the_fixed_ones_and_the_order() -> None:
    names = [f"d{i}" for i in range(100)]
    kept = sampled(names, 10, {"d97", "d98", "d99", "other"}, 1)
    assert len(kept) == 10
    assert kept[-3:] == ["d97", "d98", "d99"]
    assert [name for name in names if name in kept] == kept
    assert sampled(names, 100, (), 1) == names
    assert sampled(names, 2, names, 1) != sampled(names, 2, names, 2)


def test_sample_is_of_all_parts() -> None:
    names = [f"{part}{i}" for part in "abc" for i in range(200)]
    parts = [name[0] for name in sampled(names, 60, (), 1)]
    assert all(10 <= parts.count(part) <= 30 for part in "abc")


def test_sample_is_drawn_anew_from_what_was_split() -> None:
    # Singles are in the test split by the hash of their names, pairs by that of their first.
    sketches = {f"single{i}": alone(i) for i in range(2000)}
    sketches |= {f"pair{i}-{k}": alone(5000 + i) for i in range(1000) for k in range(2)}
    splits = split_documents(sketches, {}, 0.0, 0.2, 1)
    test = [name for name in splits if splits[name] == "test"]
    kept = sampled(test, len(test) // 3, (), 1)
    share = sum(name.startswith("pair") for name in test) / len(test)
    assert sum(name.startswith("pair") for name in kept) / len(kept) == pytest.approx(
        share, abs=0.1
    )


def test_many_documents_of_one_template_are_trained_on() -> None:
    template = {f"t{i:02}": alone(7) for i in range(LARGEST_HELD_OUT + 1)}
    for seed in range(20):
        assert set(split_documents(template, {}, 0.4, 0.4, seed).values()) == {"train"}
    less = dict(list(template.items())[:-1])
    assert {split_documents(less, {}, 0.4, 0.4, seed)["t00"] for seed in range(20)} != {"train"}


def test_pairs_are_those_of_all_that_was_split() -> None:
    # Of a gram that 60 have, each is compared with the first only: the first two share too little,
    # and are left out; without them the others would be pairs.
    common = list(range(20))
    sketches = {f"d{i:02}": pack([*common, *own(i)]) for i in range(60)}
    sketches |= {"d00": pack([*common[:10], *own(0)]), "d01": pack([*common[10:], *own(1)])}
    assert near_duplicates(sketches) == []
    splits = split_documents(sketches, {}, 0.3, 0.3, 1)
    left = [name for name in splits if name not in ("d00", "d01")]
    chosen = {split: [name for name in left if splits[name] == split] for split in SPLITS}
    assert all(chosen.values())
    assert_disjoint(sketches, chosen)


def own(number: int) -> range:
    """Grams that no other document has."""
    return range(1000 * (number + 1), 1000 * (number + 1) + 40)


def test_disjoint_splits_pass() -> None:
    sketches = {"a": sketch(TEXT), "b": sketch("김서연 교수는 부산에서 태어나 서울에서 자랐다.")}
    assert_disjoint(sketches, {"train": ["a"], "test": ["b"]})


def test_near_duplicates_in_one_split_pass() -> None:
    assert_disjoint({"a": sketch(TEXT), "b": sketch(TEXT)}, {"train": ["a", "b"], "test": []})


def test_document_in_two_splits_is_caught() -> None:
    with pytest.raises(InputError, match="document a is in train and in test"):
        assert_disjoint({"a": sketch(TEXT)}, {"train": ["a"], "test": ["a"]})


def test_planted_near_duplicate_is_caught() -> None:
    sketches = {"a": sketch(TEXT), "b": sketch(TEXT.replace("조선", "고려"))}
    with pytest.raises(InputError, match=r"a \(train\) and b \(test\) are near-duplicates"):
        assert_disjoint(sketches, {"train": ["a"], "test": ["b"]})
