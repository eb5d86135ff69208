"""Masks in token ids: found again, kept when the text is cropped, apart from those of the text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kocoref.model.checkpoint import load_checkpoint
from kocoref.model.encoding import Encoder, budget_batches

LENGTH = 32


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    """At most 32 ids, so that cropping is common."""
    return Encoder(load_checkpoint(str(tiny)).tokenizer, LENGTH)


def pieces(encoder: Encoder, ids: list[int]) -> list[str]:
    return list(encoder.tokenizer.convert_ids_to_tokens(ids))


def test_mask_stands_between_left_and_right(encoder: Encoder) -> None:
    encoded = encoder.masked("홍길동은 ", "은 책", 1)
    before = ["[CLS]", *encoder.tokenizer.tokenize("홍길동은")]
    assert pieces(encoder, encoded.ids) == [*before, "[MASK]", "은", "책", "[SEP]"]
    assert encoded.places == [len(before)]


def test_as_many_masks_as_asked_for_in_a_row(encoder: Encoder) -> None:
    encoded = encoder.masked("책 ", "은 책", 3)
    assert encoded.places == [2, 3, 4]
    assert pieces(encoder, encoded.ids)[2:5] == ["[MASK]"] * 3


@pytest.mark.parametrize(
    ("left", "right", "place"),
    [
        ("[MASK] ", "은 책", 2),
        ("[MASK]", "은 책", 2),
        ("책 ", "[MASK] 책", 2),
        ("[MASK][MASK]", "[MASK]", 3),
        ("[MA", "SK]", None),
    ],
)
def test_mask_token_of_the_text_is_no_mask(
    encoder: Encoder, left: str, right: str, place: int | None
) -> None:
    encoded = encoder.masked(left, right, 1)
    assert len(encoded.places) == 1
    assert encoded.ids[encoded.places[0]] == encoder.mask_id
    assert place is None or encoded.places == [place]


def test_short_text_is_not_cropped(encoder: Encoder) -> None:
    assert encoder.masked("책 ", "은 책", 1).cropped is False


def test_crop_is_even_around_the_mask(encoder: Encoder) -> None:
    encoded = encoder.masked("책 " * 50, " 물" * 50, 1)
    # 32 ids less [CLS] and [SEP]: 30 of 101 pieces, 15 before the mask, 14 after it.
    assert pieces(encoder, encoded.ids) == [
        "[CLS]", *["책"] * 15, "[MASK]", *["물"] * 14, "[SEP]",
    ]  # fmt: skip
    assert (encoded.places, encoded.cropped) == ([16], True)


def test_crop_at_the_end_keeps_what_is_before(encoder: Encoder) -> None:
    encoded = encoder.masked("책 " * 50, "", 2)
    assert pieces(encoder, encoded.ids) == ["[CLS]", *["책"] * 28, "[MASK]", "[MASK]", "[SEP]"]


def test_crop_at_the_beginning_keeps_what_is_after(encoder: Encoder) -> None:
    encoded = encoder.masked("", " 물" * 50, 1)
    assert encoded.places == [1]
    assert len(encoded.ids) == LENGTH


@given(
    left=st.text(alphabet="책물 그는[MASK]\n😀", max_size=80),
    right=st.text(alphabet="책물 그는[MASK]\n😀", max_size=80),
    masks=st.integers(1, 5),
)
@settings(deadline=None)
def test_masks_are_found_whatever_the_text(
    encoder: Encoder, left: str, right: str, masks: int
) -> None:
    encoded = encoder.masked(left, right, masks)
    assert len(encoded.ids) <= LENGTH
    assert [encoded.ids[place] for place in encoded.places] == [encoder.mask_id] * masks
    assert encoded.places == list(range(encoded.places[0], encoded.places[0] + masks))
    assert pieces(encoder, encoded.ids)[:: len(encoded.ids) - 1] == ["[CLS]", "[SEP]"]


@pytest.mark.parametrize("text", ["홍길동은 학생이다.", "지우는 도서관에서 그것을 읽었다."])
def test_decoding_gives_back_the_text(encoder: Encoder, text: str) -> None:
    decoded = encoder.tokenizer.decode(encoder.plain(text)[0], skip_special_tokens=True)
    # Only the space before a mark of punctuation is not in the ids.
    assert str(decoded).replace(" .", ".") == text


def test_subwords_are_those_of_the_word_alone(encoder: Encoder) -> None:
    assert pieces(encoder, list(encoder.subwords("학생들"))) == ["학생", "##들"]


def test_plain_gives_the_places_of_the_text(encoder: Encoder) -> None:
    ids, places, characters = encoder.plain("책 물")
    assert characters == 3
    assert pieces(encoder, ids) == ["[CLS]", "책", "물", "[SEP]"]
    assert places == [1, 2]


def test_plain_crops_the_end(encoder: Encoder) -> None:
    ids, places, characters = encoder.plain("책 " + "물 " * 50)
    assert characters == 2 * len(places) - 1
    assert (len(ids), len(places), pieces(encoder, ids)[1]) == (LENGTH, LENGTH - 2, "책")


# ---- batches of similar length


def test_budget_batches_by_hand() -> None:
    # Longest first: 9; then 5 and 5 (2 × 5 = 10); then 2 and 1 (2 × 2 = 4).
    assert budget_batches([5, 1, 9, 5, 2], 10) == [[2], [0, 3], [4, 1]]


def test_input_over_the_budget_goes_alone() -> None:
    assert budget_batches([50, 3], 10) == [[0], [1]]


@given(st.lists(st.integers(1, 60), max_size=30), st.integers(1, 200))
def test_budget_batches_hold_everything_once(lengths: list[int], budget: int) -> None:
    batches = budget_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


def test_text_in_sight_is_encoded_as_it_is(encoder: Encoder) -> None:
    left, right = "홍길동은 ", "는 책을 읽었다."
    encoded = encoder.visible(left, "그", right)
    assert encoded.ids == encoder.plain(left + "그" + right)[0]
    assert [pieces(encoder, encoded.ids)[place] for place in encoded.places] == ["그"]


def test_cropped_text_in_sight_keeps_its_middle(encoder: Encoder) -> None:
    encoded = encoder.visible("책을 읽고 " * 30, "그", "는 공부한다. " * 30)
    assert encoded.cropped
    assert len(encoded.ids) == LENGTH
    assert pieces(encoder, encoded.ids)[encoded.places[0]].startswith("그")
