"""Masks in token ids: found again, kept when the text is cropped, apart from those of the text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kocoref.examples.templates import TEMPLATES
from kocoref.model.checkpoint import load_checkpoint
from kocoref.model.encoding import Encoded, Encoder, budget_batches

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


# ---- where characters of the text are


def plainly(*offsets: tuple[int, int], inserts: tuple[tuple[int, int], ...] = ()) -> Encoded:
    """An encoded text of which only the offsets matter; its first piece is at 1."""
    return Encoded([], [], False, 1, list(offsets), inserts)


WORDS = ((0, 3), (3, 4), (5, 7), (8, 9), (9, 11))
"""Pieces of "홍길동은 학생 그녀들" or the like: 홍길동, 은, 학생, 그, 녀들."""


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 3, (1,)),
        (0, 4, (1, 2)),
        (1, 2, (1,)),  # part of a piece
        (2, 6, (1, 2, 3)),
        (8, 11, (4, 5)),
        (4, 5, ()),  # a space
        (7, 8, ()),
        (11, 20, ()),  # behind the end
    ],
)
def test_pieces_hold_characters(start: int, end: int, expected: tuple[int, ...]) -> None:
    assert plainly(*WORDS).pieces(start, end) == expected


def test_pieces_of_a_cropped_text_are_those_that_were_kept() -> None:
    cropped = plainly(*WORDS[2:4])
    assert [cropped.pieces(*span) for span in WORDS] == [(), (), (1,), (2,), ()]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 3, (1,)),  # before what was put in
        (3, 4, (4,)),  # directly behind it
        (0, 4, (1, 2, 3, 4)),  # around it
        (2, 3, (1,)),  # the character that it follows
        (5, 7, (5,)),
        (8, 9, (7,)),
    ],
)
def test_pieces_behind_what_was_put_in(start: int, end: int, expected: tuple[int, ...]) -> None:
    # 홍길동()은 학생() 그: two pieces of one character each after 3, one of two after 7.
    offsets = ((0, 3), (3, 4), (4, 5), (5, 6), (7, 9), (9, 11), (12, 13))
    assert plainly(*offsets, inserts=((3, 2), (7, 2))).pieces(start, end) == expected


def shown(encoder: Encoder, encoded: Encoded, positions: Sequence[int]) -> str:
    """The text of some pieces, as the tokenizer spells them."""
    return "".join(pieces(encoder, [encoded.ids[i] for i in positions])).replace("##", "")


# ---- masks beside a pronoun


def test_masks_stand_in_brackets_behind_their_place(encoder: Encoder) -> None:
    text = "민지는 책. 그는 그것."
    encoded, positions = encoder.beside(text, (7, 12), [(8, 1), (12, 2)])
    assert pieces(encoder, encoded.ids) == [
        "[CLS]", *encoder.tokenizer.tokenize("민지는 책 . 그"), "(", "[MASK]", ")", "는",
        *encoder.tokenizer.tokenize("그것"), "(", "[MASK]", "[MASK]", ")", ".", "[SEP]",
    ]  # fmt: skip
    assert [len(found) for found in positions] == [1, 2]
    for found in positions:
        assert {encoded.ids[i] for i in found} == {encoder.mask_id}
    assert [i for found in positions for i in found] == [
        i for i, piece in enumerate(encoded.ids) if piece == encoder.mask_id
    ]
    assert (encoded.cropped, encoded.inserts) == (False, ((8, 8), (12, 14)))


def test_characters_are_found_among_the_masks(encoder: Encoder) -> None:
    text = "민지는 책. 그는 그것."
    encoded, _ = encoder.beside(text, (7, 12), [(8, 1), (12, 2)])
    for part in ("민지", "책", "그것"):
        start = text.index(part)
        assert shown(encoder, encoded, encoded.pieces(start, start + len(part))) == part
    assert shown(encoder, encoded, encoded.pieces(7, 8)) == "그"
    assert shown(encoder, encoded, encoded.pieces(8, 9)) == "는"
    assert shown(encoder, encoded, encoded.pieces(12, 13)) == "."


def test_one_pronoun_is_encoded_as_the_template_apposition_asks(encoder: Encoder) -> None:
    left, right = "민지는 책을 ", "는 그것을 보았다."
    for masks in (1, 2, 3):
        encoded, (positions,) = encoder.beside(
            left + "그" + right, (len(left), len(left) + 1), [(len(left) + 1, masks)]
        )
        asked = encoder.masked(*TEMPLATES["apposition"].around(left, "그", right), masks)
        assert (encoded.ids, list(positions)) == (asked.ids, asked.places)


def test_masks_that_the_text_itself_holds_are_not_asked(encoder: Encoder) -> None:
    text = "[MASK] 그([MASK])는 ([MASK]) 책[MASK]"
    place = text.index("그") + 1
    encoded, (positions,) = encoder.beside(text, (place - 1, place), [(place, 2)])
    found = pieces(encoder, encoded.ids)
    assert found.count("[MASK]") == 6
    assert found[positions[0] - 2 : positions[-1] + 3] == [
        "그", "(", "[MASK]", "[MASK]", ")", "(",
    ]  # fmt: skip


def test_masks_far_from_the_middle_are_cropped_away(encoder: Encoder) -> None:
    text = "그는 " + "책 " * 40 + "그는 " + "물 " * 40
    last = text.rindex("그")
    encoded, positions = encoder.beside(text, (last, last + 1), [(1, 1), (last + 1, 2)])
    assert encoded.cropped
    assert len(encoded.ids) == LENGTH
    assert [len(found) for found in positions] == [0, 2]
    assert [encoded.ids[i] for i in positions[1]] == [encoder.mask_id] * 2
    assert shown(encoder, encoded, encoded.pieces(last, last + 1)) == "그"
    assert encoded.pieces(0, 1) == ()


def test_masks_cut_apart_by_the_crop_are_not_asked(encoder: Encoder) -> None:
    # Twenty masks around the edge: some are kept, but not all.
    text = "그는 " + "책 " * 20 + "그"
    last = text.rindex("그")
    encoded, positions = encoder.beside(text, (last, last + 1), [(1, 20)])
    assert encoder.mask_id in encoded.ids
    assert positions == [()]


@st.composite
def asked_texts(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]], list[int]]:
    """A text, its pronouns (by span), and how many masks each of them gets."""
    filler = st.lists(
        st.sampled_from(["책을 ", "물 ", "[MASK]", "([MASK]) ", "(", ") ", "민지는 ", "\n", "😀"]),
        max_size=12,
    ).map("".join)
    count = draw(st.integers(1, 4))
    text, spans = draw(filler), []
    for _ in range(count):
        pronoun = draw(st.sampled_from(["그", "그녀", "그곳", "그것"]))
        # A space before and a particle after it, so that it is a word of its own.
        text += " "
        spans.append((len(text), len(text) + len(pronoun)))
        text += pronoun + " " + draw(filler)
    return text, spans, draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))


@given(asked=asked_texts())
@settings(max_examples=200)
def test_masks_are_beside_their_pronouns_whatever_the_text(
    encoder: Encoder, asked: tuple[str, list[tuple[int, int]], list[int]]
) -> None:
    text, spans, masks = asked
    places = [(end, n) for (_, end), n in zip(spans, masks, strict=True)]
    encoded, positions = encoder.beside(text, (spans[0][0], spans[-1][1]), places)
    assert len(encoded.ids) <= LENGTH
    found = pieces(encoder, encoded.ids)
    for (start, end), count, at in zip(spans, masks, positions, strict=True):
        seen = encoded.pieces(start, end)
        if seen and not encoded.cropped:
            assert shown(encoder, encoded, seen) == text[start:end]
            assert len(at) == count
        if at:
            assert [found[i] for i in at] == ["[MASK]"] * count
            assert list(at) == list(range(at[0], at[0] + count))
            if seen:
                # The pronoun, a bracket, the masks.
                assert at[0] == seen[-1] + 2
                assert found[at[0] - 1] == "("
            if at[-1] + 1 < len(found) - 1:
                assert found[at[-1] + 1] == ")"


@given(asked=asked_texts())
@settings(max_examples=100)
def test_masks_put_in_move_no_piece_of_the_text(
    encoder: Encoder, asked: tuple[str, list[tuple[int, int]], list[int]]
) -> None:
    text, spans, masks = asked
    places = [(end, n) for (_, end), n in zip(spans, masks, strict=True)]
    wide = Encoder(encoder.tokenizer, 512)
    encoded, _ = wide.beside(text, (spans[0][0], spans[-1][1]), places)
    plain = wide.visible(text, "", "")
    for start in range(len(text)):
        before, after = plain.pieces(start, start + 1), encoded.pieces(start, start + 1)
        assert [plain.ids[i] for i in before] == [encoded.ids[i] for i in after]
