"""Readings by hand: which pronouns share a text, what they may refer to, how salient that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import log, log1p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kocoref.corpus.document import Document
from kocoref.corpus.mentions import noun_phrases
from kocoref.errors import InputError
from kocoref.examples.antecedents import Candidate, candidates, marked_pronouns
from kocoref.examples.example import Example
from kocoref.examples.options import ExampleMaker, _interleaved, make_examples
from kocoref.examples.reading import Anaphor, Reading, focus, readings
from kocoref.examples.salience import FACTORS, FEATURES, PRONOUN_CLASSES, salience_features

Make = Callable[..., Document]

TEXT = (
    "[1:PER 홍길동]은 [2:LOC 부산]에서 왔다. [1 그]는 [2 그곳]을 떠났다. 민지가 왔다. "
    "[1 그]는 갔다."
)


def maker(reading_share: float = 0.5, window: int = 600) -> ExampleMaker:
    return ExampleMaker(window, 3, 5, reading_share, window, seed=1)


def forms(anaphor: Anaphor) -> list[tuple[str, bool]]:
    return [(candidate.form, candidate.gold) for candidate in anaphor.candidates]


# ---- one text, all its pronouns


def test_reading_holds_all_pronouns_of_a_short_text(marked: Make) -> None:
    document = marked(TEXT)
    (reading,) = readings(document, 600)
    assert (reading.document, reading.start, reading.text) == ("d", 0, document.text)
    assert reading.length == len(document.text)
    # 홍길동은 부산에서 왔다. 그는 그곳을 떠났다. 민지가 왔다. 그는 갔다.
    assert [(a.span, a.surface) for a in reading.anaphors] == [
        ((14, 15), "그"), ((17, 19), "그곳"), ((34, 35), "그"),
    ]  # fmt: skip


def test_every_anaphor_has_the_candidates_before_it(marked: Make) -> None:
    (reading,) = readings(marked(TEXT), 600)
    assert [forms(anaphor) for anaphor in reading.anaphors] == [
        [("홍길동", True), ("부산", False)],
        [("홍길동", False), ("부산", True)],
        [("홍길동", True), ("부산", False), ("민지", False)],
    ]


def test_focus_is_from_the_first_anaphor_to_the_last(marked: Make) -> None:
    (reading,) = readings(marked(TEXT), 600)
    assert focus(reading.anaphors) == (14, 35)
    assert focus(reading.anaphors[1:2]) == (17, 19)


def test_document_without_chains_has_no_reading(analysed: Make) -> None:
    assert readings(analysed("홍길동은 학생이다. 그는 공부한다."), 600) == []


def test_second_reading_begins_with_the_first_pronoun_that_is_left(marked: Make) -> None:
    between = "비가 오고 바람이 불었다. " * 3
    document = marked(f"[1:PER 홍길동]은 책을 샀다. [1 그]는 왔다. {between}"
                      "[2:PER 민지]가 왔다. [2 그녀]는 갔다.")  # fmt: skip
    first, second = readings(document, 50)
    assert [a.surface for a in first.anaphors] == ["그"]
    assert [a.surface for a in second.anaphors] == ["그녀"]
    assert (first.start, second.text[-7:]) == (0, "그녀는 갔다.")
    for reading in (first, second):
        assert document.text[reading.start : reading.start + reading.length] == reading.text
        assert reading.length <= 50


def test_candidates_of_a_reading_stand_in_it(marked: Make) -> None:
    between = "바람이 불고 비가 오며 날이 흐렸다. "
    document = marked(f"부산에 갔다. {between * 4}[1:PER 홍길동]은 책을 샀다. [1 그]는 웃었다.")
    (reading,) = readings(document, 50)
    assert reading.start > 0
    (anaphor,) = reading.anaphors
    assert "부산" not in {candidate.form for candidate in anaphor.candidates}
    for candidate in anaphor.candidates:
        for start in candidate.starts:
            assert reading.text[start - reading.start :].startswith(candidate.form)
            assert start + len(candidate.form) <= anaphor.span[0]


def test_pronoun_whose_antecedent_is_out_of_reach_is_left_out(marked: Make) -> None:
    between = "비가 오고 바람이 불었다. " * 5
    document = marked(f"[1:PER 홍길동]이 왔다. {between}[1 그]는 웃었다.")
    assert readings(document, 50) == []
    assert [a.surface for reading in readings(document, 600) for a in reading.anaphors] == ["그"]


def test_pronoun_without_a_noun_before_it_is_left_out(marked: Make) -> None:
    (reading,) = readings(marked("[1:PER 그]는 왔다. [1 홍길동]이다. [1 그]는 갔다."), 600)
    # 그는 왔다. 홍길동이다. 그는 갔다.
    assert [a.span for a in reading.anaphors] == [(14, 15)]


PARTS = (
    "[1 홍길동]이 왔다. ",
    "[1 그]는 책을 읽었다. ",
    "[2 민지]가 [1 그]를 보았다. ",
    "[2 그녀]는 [1 그]를 안다. ",
    "[3 부산]은 크다. ",
    "[1 그]와 [2 그녀]는 [3 그곳]에 갔다. ",
    "비가 왔다. ",
    "바람이 불고 비가 오며 날이 흐렸다. ",
    "그것은 어렵다. ",
)
"""Sentences with marked people, places and pronouns, and some without."""


def complete(sentences: list[str]) -> str:
    """The marked text; every chain begins with its name and has a pronoun."""
    names = "[1:PER 홍길동]과 [2:PER 민지]와 [3:LOC 부산]이다. "
    return names + "".join(sentences) + "[1 그]와 [2 그녀]는 [3 그곳]에 갔다."


@given(sentences=st.lists(st.sampled_from(PARTS), max_size=14), characters=st.integers(50, 160))
@settings(max_examples=60)
def test_every_pronoun_in_reach_is_in_exactly_one_reading(
    marked: Make, sentences: list[str], characters: int
) -> None:
    document = marked(complete(sentences))
    found = readings(document, characters)
    phrases = noun_phrases(document)
    held = Counter(anaphor.span for reading in found for anaphor in reading.anaphors)
    assert set(held.values()) <= {1}
    ends = [reading.anaphors[-1].span for reading in found]
    assert ends == sorted(ends)
    for pronoun in marked_pronouns(document):
        whole = [
            r for r in found if r.start <= pronoun.span[0] and pronoun.span[1] <= r.start + r.length
        ]
        reachable = [
            r
            for r in whole
            if any(c.gold for c in candidates(phrases, r.start, pronoun.span[0], pronoun.heads))
        ]
        if held[pronoun.span]:
            (reading,) = (r for r in found for a in r.anaphors if a.span == pronoun.span)
            assert reading in reachable
        # The first window that holds a pronoun is the one that is asked.
        elif reachable:
            assert reachable[0] is not whole[0]
    for reading in found:
        assert document.text[reading.start : reading.start + reading.length] == reading.text
        for anaphor in reading.anaphors:
            begin, end = (edge - reading.start for edge in anaphor.span)
            assert reading.text[begin:end] == anaphor.surface
            assert any(candidate.gold for candidate in anaphor.candidates)


@given(sentences=st.lists(st.sampled_from(PARTS), max_size=14))
@settings(max_examples=30)
def test_text_that_fits_is_one_reading(marked: Make, sentences: list[str]) -> None:
    document = marked(complete(sentences))
    found = readings(document, 20_000)
    # Every chain begins with its name, so that every marked pronoun is in reach.
    assert [a.span for reading in found for a in reading.anaphors] == [
        pronoun.span for pronoun in marked_pronouns(document)
    ]
    assert len(found) <= 1


# ---- readings among the examples


def masked(number: int) -> Example:
    return Example(f"m{number}", "pronoun", 0, "", "그", "는 왔다.")


def read(number: int) -> Reading:
    return Reading(f"r{number}", 0, "그는 왔다.", ())


def names(instances: list[Example | Reading]) -> str:
    return " ".join(instance.document for instance in instances)


def interleaved(
    masks: int, reads: int, share: float, limit: int = 10_000
) -> list[Example | Reading]:
    made = [masked(i) for i in range(masks)], [read(i) for i in range(reads)]
    return _interleaved(*made, share, limit)


def test_interleaving_by_hand() -> None:
    # The whole part of 0.5, 1, 1.5, … rises at every second place.
    assert names(interleaved(3, 3, 0.5)) == "m0 r0 m1 r1 m2 r2"
    # 0.75, 1.5, 2.25, 3, …: at all places but the first of four.
    assert names(interleaved(1, 3, 0.75)) == "m0 r0 r1 r2"


def test_what_is_short_comes_again() -> None:
    assert names(interleaved(4, 1, 0.5)) == "m0 r0 m1 r0 m2 r0 m3 r0"
    assert names(interleaved(1, 3, 0.5)) == "m0 r0 m0 r1 m0 r2"


def test_no_more_is_interleaved_than_is_asked_for() -> None:
    assert names(interleaved(2, 2, 1e-9, limit=5)) == "m0 m1 m0 m1 m0"


def test_share_of_one_leaves_only_readings() -> None:
    assert names(interleaved(5, 3, 1.0)) == "r0 r1 r2"


def test_without_one_kind_the_other_is_as_it_is() -> None:
    assert names(interleaved(2, 0, 0.5)) == "m0 m1"
    assert names(interleaved(0, 2, 0.5)) == "r0 r1"


@given(masks=st.integers(1, 40), reads=st.integers(1, 40), percent=st.integers(1, 99))
def test_interleaving_uses_everything_in_its_share(masks: int, reads: int, percent: int) -> None:
    share = percent / 100
    made = interleaved(masks, reads, share)
    assert len({instance.document for instance in made}) == masks + reads
    kinds = [isinstance(instance, Reading) for instance in made]
    for place in range(1, len(kinds) + 1):
        assert abs(sum(kinds[:place]) - share * place) <= 1
    # No longer than it must be: one of the two is gone through once, but for rounding.
    assert sum(kinds) <= reads + 1 or len(kinds) - sum(kinds) <= masks + 1


def kinds_of(phase: list[Example | Reading]) -> Counter[str]:
    return Counter("reading" if isinstance(i, Reading) else i.task for i in phase)


@pytest.fixture(scope="module")
def corpus(marked: Make) -> list[Document]:
    """Four documents with a repeated name and two marked pronouns each: one reading, two masks."""
    text = "[1:PER {0}]은 학생이다. [1 {0}]은 왔다. [1 그]는 책을 읽었다. [1 그]는 갔다."
    people = ("홍길동", "정약용", "이순신", "박지성")
    return [marked(text.format(name), name=f"d{i}") for i, name in enumerate(people)]


def test_pronoun_option_has_its_share_of_readings(corpus: list[Document]) -> None:
    (phase,) = make_examples("pronoun", corpus, maker(0.5), 100)
    # Eight masked pronouns, and the four readings twice.
    assert kinds_of(phase) == {"pronoun": 8, "reading": 8}
    assert [isinstance(i, Reading) for i in phase] == [False, True] * 8
    assert Counter(i.document for i in phase if isinstance(i, Reading)) == dict.fromkeys(
        ("d0", "d1", "d2", "d3"), 2
    )


def test_no_share_has_no_readings(corpus: list[Document]) -> None:
    (phase,) = make_examples("pronoun", corpus, maker(0.0), 100)
    assert kinds_of(phase) == {"pronoun": 8}


def test_share_of_one_has_only_readings(corpus: list[Document]) -> None:
    (phase,) = make_examples("pronoun", corpus, maker(1.0), 100)
    assert kinds_of(phase) == {"reading": 4}


def test_text_without_chains_has_no_readings(analysed: Make) -> None:
    documents = [analysed("홍길동은 학생이다. 그는 책을 읽었다.")]
    (phase,) = make_examples("pronoun", documents, maker(0.6), 100)
    assert kinds_of(phase) == {"pronoun": 1}


def test_entity_option_has_no_readings(corpus: list[Document]) -> None:
    (phase,) = make_examples("entity", corpus, maker(0.5), 100)
    assert kinds_of(phase) == {"entity": 4}


def test_mixed_option_has_readings_in_its_half(corpus: list[Document]) -> None:
    (phase,) = make_examples("mixed", corpus, maker(0.5), 12)
    assert kinds_of(phase) == {"entity": 6, "pronoun": 3, "reading": 3}


def test_curriculum_has_readings_in_its_pronoun_phases(corpus: list[Document]) -> None:
    phases = make_examples("curriculum", corpus, maker(0.5), 16)
    assert [kinds_of(phase) for phase in phases] == [
        {"entity": 4}, {"pronoun": 4, "reading": 4}, {"entity": 2, "pronoun": 1, "reading": 1},
    ]  # fmt: skip


def test_limit_counts_readings_too(corpus: list[Document]) -> None:
    (phase,) = make_examples("pronoun", corpus, maker(0.5), 5)
    assert kinds_of(phase) == {"pronoun": 3, "reading": 2}


def test_readings_have_a_window_of_their_own(marked: Make) -> None:
    between = "비가 오고 바람이 불었다. " * 3
    document = marked(
        f"[1:PER 홍길동]은 책을 샀다. [1 그]는 왔다. {between}[1 홍길동]이다. [1 그]다."
    )
    made = ExampleMaker(600, 3, 5, 1.0, 50, seed=1)
    (phase,) = make_examples("pronoun", [document], made, 9)
    assert len(phase) == 2
    assert all(reading.length <= 50 for reading in phase)
    assert all(example.length > 50 for example in made.pronoun(document))


def test_no_pronoun_is_an_error_with_readings_too(analysed: Make) -> None:
    documents = [analysed("홍길동은 학생이다. 홍길동은 공부한다.")]
    with pytest.raises(InputError, match="no example of task 'pronoun'"):
        make_examples("pronoun", documents, maker(1.0), 10)


# ---- salience


def candidate(form: str, *starts: int, proper: bool = False, subject: bool = False) -> Candidate:
    return Candidate(form, starts, proper, subject, gold=False)


STOOD = [
    candidate("민지", 0, 20, 30, proper=True, subject=True),
    candidate("학생들", 5),
    candidate("책", 10, 35, subject=True),
]
"""Candidates of a pronoun at 40."""


def test_salience_by_hand() -> None:
    found = salience_features("그녀", 40, STOOD)
    assert (found.shape, found.dtype) == ((3, FEATURES), np.dtype(np.float32))
    expected = [
        # log count, share of the most, 1 / rank of the last and of the first place, distance,
        # once, name, subject, both, length, plural
        [log(3), 1, 1 / 2, 1, log1p(10) / 5, 0, 1, 1, 1, 2 / 3, 0],
        [0, 1 / 3, 1 / 3, 1 / 2, log1p(35) / 5, 1, 0, 0, 0, 1, 1],
        [log(2), 2 / 3, 1, 1 / 3, log1p(5) / 5, 0, 0, 1, 0, 1 / 3, 0],
    ]
    for row, by_hand in zip(found.tolist(), expected, strict=True):
        assert row[:FACTORS] == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize(
    ("surface", "block"),
    [("그", 0), ("그녀", 0), ("그들", 1), ("그곳", 2), ("거기", 2), ("그것", 3), ("이", 3),
     ("자신", 4), ("나", 5), ("당신", 6)],
)  # fmt: skip
def test_factors_stand_again_in_the_block_of_the_class(surface: str, block: int) -> None:
    found = salience_features(surface, 40, STOOD).reshape(3, 1 + len(PRONOUN_CLASSES), FACTORS)
    for number in range(len(PRONOUN_CLASSES)):
        expected = found[:, 0] if number == block else np.zeros((3, FACTORS))
        assert np.array_equal(found[:, 1 + number], expected)


def test_pronoun_of_no_class_has_the_plain_factors_only() -> None:
    found = salience_features("뷁", 40, STOOD)
    assert found[:, :FACTORS].any()
    assert not found[:, FACTORS:].any()


def test_classes_do_not_overlap() -> None:
    members = [form for forms_of in PRONOUN_CLASSES.values() for form in forms_of]
    assert len(members) == len(set(members))


@given(
    order=st.permutations(range(3)),
    shift=st.integers(0, 1000),
    surface=st.sampled_from(["그", "그곳", "뷁"]),
)
def test_salience_knows_neither_order_nor_place_in_the_document(
    order: list[int], shift: int, surface: str
) -> None:
    moved = [
        candidate(c.form, *(start + shift for start in c.starts), proper=c.proper,
                  subject=c.subject)
        for c in STOOD
    ]  # fmt: skip
    found = salience_features(surface, 40 + shift, [moved[i] for i in order])
    assert np.array_equal(found, salience_features(surface, 40, STOOD)[order])
