"""The window: around the mask, of whole sentences where they fit, never longer than allowed."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kocoref.corpus.document import Document, Span
from kocoref.examples.window import sentence_of, window


def document(*lengths: int) -> Document:
    """Sentences of the given lengths with a space between them."""
    spans: list[Span] = []
    for length in lengths:
        start = spans[-1][1] + 1 if spans else 0
        spans.append((start, start + length))
    return Document("d", "가" * (spans[-1][1] if spans else 0), "test", "none", tuple(spans))


TEN = document(*[9] * 10)
"""Ten sentences of 9 characters: sentence i is [10 i, 10 i + 9)."""


@pytest.mark.parametrize(
    ("span", "characters", "expected"),
    [
        ((52, 53), 9, (50, 59)),  # its own sentence
        ((52, 53), 28, (40, 59)),  # 21 characters before its end: [40, 53) has 13, [30, 53) 23
        ((52, 53), 29, (40, 69)),  # the sentence after it fits too
        ((52, 53), 59, (10, 69)),  # before: 53 - 10 = 43 ≤ 44.25, then 69 - 10 = 59
        ((2, 3), 29, (0, 29)),  # at the beginning the rest goes to what follows
        ((92, 93), 29, (70, 99)),  # at the end to what comes before
        ((52, 53), 500, (0, 99)),  # everything
        ((48, 53), 19, (40, 59)),  # a span over two sentences has both
        ((50, 50), 9, (50, 59)),  # nothing, where a sentence begins
    ],
)
def test_whole_sentences_around_the_span(span: Span, characters: int, expected: Span) -> None:
    assert window(TEN, span, characters) == expected


def test_long_sentence_keeps_most_of_what_comes_before() -> None:
    # Of 40 characters 30 end with the span: [471, 501), and 10 follow it.
    assert window(document(1000), (500, 501), 40) == (471, 511)


def test_long_sentence_is_cut_at_its_own_beginning() -> None:
    assert window(document(1000), (3, 4), 40) == (0, 40)


def test_long_sentence_is_cut_at_its_own_end() -> None:
    assert window(document(100), (98, 99), 40) == (69, 100)


def test_nothing_before_a_long_sentence_has_its_beginning() -> None:
    # Sentences [0, 9) and [10, 410).
    assert window(document(9, 400), (10, 10), 40) == (10, 50)


def test_span_longer_than_the_window_is_whole() -> None:
    assert window(document(100), (20, 80), 40) == (20, 80)


def test_text_without_sentences_is_one() -> None:
    whole = Document("d", "가" * 30, "test", "none")
    assert window(whole, (5, 6), 40) == (0, 30)
    assert window(whole, (5, 6), 20) == (0, 20)


def test_empty_text_has_an_empty_window() -> None:
    assert window(Document("d", "", "test", "none"), (0, 0), 50) == (0, 0)


def test_span_before_the_first_sentence_is_in() -> None:
    spaced = Document("d", " " * 5 + "가" * 9, "test", "none", ((5, 14),))
    assert window(spaced, (0, 0), 50) == (0, 14)


@st.composite
def places(draw: st.DrawFn) -> tuple[Document, Span, int]:
    lengths = draw(st.lists(st.integers(1, 60), min_size=1, max_size=12))
    made = document(*lengths)
    start = draw(st.integers(0, len(made.text) - 1))
    end = draw(st.integers(start, min(len(made.text), start + 70)))
    return made, (start, end), draw(st.integers(1, 200))


@given(places())
def test_window_contains_the_span(place: tuple[Document, Span, int]) -> None:
    made, span, characters = place
    start, end = window(made, span, characters)
    assert 0 <= start <= span[0] <= span[1] <= end <= len(made.text)


@given(places())
@example((document(9, 30), (14, 15), 39))  # all of it is one character too long
def test_window_is_not_longer_than_allowed(place: tuple[Document, Span, int]) -> None:
    made, span, characters = place
    start, end = window(made, span, characters)
    assert end - start <= max(characters, span[1] - span[0])


@given(places())
def test_window_begins_with_a_whole_sentence(place: tuple[Document, Span, int]) -> None:
    made, span, characters = place
    first, last = sentence_of(made, span[0]), sentence_of(made, max(span[0], span[1] - 1))
    begin, end = made.sentences[first][0], made.sentences[last][1]
    assume(span[0] < made.sentences[first][1] and max(end, span[1]) - begin <= characters)
    start, _ = window(made, span, characters)
    assert start in {sentence[0] for sentence in made.sentences}


@given(places())
def test_text_that_fits_is_whole(place: tuple[Document, Span, int]) -> None:
    made, span, characters = place
    assume(len(made.text) <= characters)
    assert window(made, span, characters) == (0, len(made.text))


def test_own_sentence_that_fits_is_whole() -> None:
    # The span is in the first third of a sentence of 30, which fits in 32; with the one of 9
    # before it and the space it does not.
    assert window(document(9, 30), (14, 15), 32)[1] == 40


@pytest.mark.parametrize(("position", "expected"), [(0, 0), (9, 0), (10, 1), (95, 9), (999, 9)])
def test_sentence_of(position: int, expected: int) -> None:
    assert sentence_of(TEN, position) == expected
