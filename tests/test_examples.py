"""Training examples and evaluation items: every option by hand, and the mask in its place."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import entities, pronouns
from kocoref.errors import InputError
from kocoref.examples.antecedents import marked_pronouns
from kocoref.examples.context import context_nouns, report_sentence_of, report_sentences
from kocoref.examples.example import Example
from kocoref.examples.items import (
    ItemMaker,
    ItemSet,
    MaskedItem,
    make_items,
    read_items,
    write_items,
)
from kocoref.examples.options import ExampleMaker, Option, make_examples, replay_stream
from kocoref.text.morphology import NOUN_TAGS, Analyzer

Make = Callable[..., Document]

CORPORA = sorted((Path(__file__).parents[1] / "../shared/corpora").glob("*.jsonl"))
SAMPLE = 150


def maker(
    window: int = 600,
    radius: int = 3,
    per_document: int = 5,
    seed: int = 1,
    reading_share: float = 0.0,
    reading_window: int = 800,
) -> ExampleMaker:
    return ExampleMaker(window, radius, per_document, reading_share, reading_window, seed)


def item_maker(window: int = 600, radius: int = 3, per_document: int = 12) -> ItemMaker:
    return ItemMaker(window, radius, per_document, Counter())


# ---- the report's sentences and nouns


def test_report_sentences_break_after_marks_and_space() -> None:
    text = "그는 갔다. 왜? 3.5점…  끝!아니"
    assert [text[slice(*span)] for span in report_sentences(text)] == [
        "그는 갔다.", "왜?", "3.5점…", "끝!아니",
    ]  # fmt: skip


def test_report_sentences_of_blank_text_are_none() -> None:
    assert report_sentences(" \n ") == ()


def test_report_sentences_leave_out_a_blank_end() -> None:
    assert report_sentences("그는 갔다. ") == ((0, 6),)


@pytest.mark.parametrize(("position", "expected"), [(0, 0), (5, 0), (6, None), (7, 1), (99, None)])
def test_report_sentence_of(position: int, expected: int | None) -> None:
    assert report_sentence_of("그는 갔다. 왜?", position) == expected


@pytest.mark.parametrize(
    ("sentence", "radius", "expected"),
    [
        (2, 0, ("공부",)),
        (2, 1, ("공부", "학생", "홍길동")),
        (2, 9, ("공부", "책", "학생", "홍길동")),
        (0, 0, ("책",)),
        (0, 1, ("책", "학생", "홍길동")),
        (1, 0, ("학생", "홍길동")),
    ],
)
def test_context_nouns_come_from_the_sentences_around(
    analysed: Make, sentence: int, radius: int, expected: tuple[str, ...]
) -> None:
    document = analysed("책을 읽었다. 홍길동은 학생이다. 그는 공부한다.")
    assert context_nouns(document, sentence, radius) == expected


# ---- the options, one document each


def test_entity_masks_the_later_mention(analysed: Make) -> None:
    document = analysed("홍길동은 학생이다. 홍길동은 공부한다.")
    assert maker().entity(document) == [
        Example("d", "entity", 0, "홍길동은 학생이다. ", "홍길동", "은 공부한다.", "홍길동")
    ]


def test_entity_unlabelled_loses_the_target(analysed: Make) -> None:
    document = analysed("홍길동은 학생이다. 홍길동은 공부한다.")
    assert maker().entity_unlabelled(document) == [
        replace(example, task="entity_unlabelled", target=None)
        for example in maker().entity(document)
    ]


def test_entity_that_is_not_repeated_makes_nothing(analysed: Make) -> None:
    assert maker().entity(analysed("홍길동은 학생이다. 그는 공부한다.")) == []


def test_entity_needs_its_first_mention_in_the_window(analysed: Make) -> None:
    far = "홍길동은 학생이다. " + "날이 흐리고 바람이 불었다. " * 10 + "홍길동은 공부한다."
    assert [len(maker(window=size).entity(analysed(far))) for size in (50, 600)] == [0, 1]


def test_pronoun_of_raw_text_has_the_nouns_around_and_no_target(analysed: Make) -> None:
    document = analysed("홍길동은 학생이다. 그는 공부한다.")
    nouns = ("공부", "학생", "홍길동")
    assert maker().pronoun(document) == [
        Example("d", "pronoun", 0, "홍길동은 학생이다. ", "그", "는 공부한다.", None, nouns)
    ]


def test_marked_pronoun_has_its_antecedent_as_target(marked: Make) -> None:
    document = marked("[1:PER 홍길동]은 학생이다. [1 그]는 공부한다.")
    assert [example.target for example in maker().pronoun(document)] == ["홍길동"]


def test_pronouns_without_mark_are_left_out_where_others_are_marked(marked: Make) -> None:
    document = marked("[1:PER 홍길동]은 학생이다. [1 그]는 공부한다. 그것은 어렵다.")
    assert [example.surface for example in maker().pronoun(document)] == ["그"]


def test_unmarked_pronouns_are_left_out_where_no_marked_one_has_an_antecedent(marked: Make) -> None:
    document = marked("[1:PER 그]는 왔다. [1 홍길동]은 책과 학생을 보았다.")
    assert maker().pronoun(document) == []


def test_pronoun_with_one_noun_around_makes_nothing(analysed: Make) -> None:
    assert maker().pronoun(analysed("그는 학생이다.")) == []


def test_marked_pronoun_with_one_noun_around_is_kept(marked: Make) -> None:
    document = marked("[1:PER 홍길동]이 왔다. [1 그]는 웃었다.")
    (example,) = maker().pronoun(document)
    assert (example.target, example.nouns) == ("홍길동", ("홍길동",))


def test_antecedent_outside_the_window_is_no_target(marked: Make) -> None:
    far = "[1:PER 홍길동]은 학생이다. " + "날이 흐리고 바람이 불었다. " * 10 + "[1 그]는 공부한다."
    (near,), (shown,) = (maker(window=size).pronoun(marked(far)) for size in (50, 600))
    assert "홍길동" not in near.left
    assert (near.target, shown.target) == (None, "홍길동")


def test_replay_masks_nothing(analysed: Make) -> None:
    text = "홍길동은 학생이다. 그는 공부한다."
    (example,) = maker().replay(analysed(text))
    assert (example.left + example.right, example.surface, example.target) == (text, "", None)


def test_replay_of_blank_text_is_nothing(analysed: Make) -> None:
    assert maker().replay(analysed(" \n ")) == []


def test_at_most_so_many_examples_of_a_document(analysed: Make) -> None:
    document = analysed("홍길동이 왔다. " * 6)
    assert [len(maker(per_document=n).entity(document)) for n in (1, 3, 9)] == [1, 3, 5]


def test_sample_of_a_document_comes_in_the_order_of_the_text(analysed: Make) -> None:
    found = maker(per_document=3).entity(analysed("홍길동이 왔다. " * 6))
    assert [len(example.left) for example in found] == sorted(len(e.left) for e in found)


# ---- the options, a corpus


@pytest.fixture(scope="module")
def corpus(analysed: Make) -> list[Document]:
    """Eight documents with one entity and one pronoun example each."""
    names = ("홍길동", "이순신", "박지성", "정약용", "장영실", "김유신", "강감찬", "안중근")
    text = "{0}은 학생이다. {0}은 공부한다. 그는 책을 읽는다."
    return [analysed(text.format(name), name=f"d{i}") for i, name in enumerate(names)]


def test_each_document_of_the_corpus_makes_both(corpus: list[Document]) -> None:
    made = [(len(maker().entity(d)), len(maker().pronoun(d))) for d in corpus]
    assert made == [(1, 1)] * 8


def test_none_has_no_phase(corpus: list[Document]) -> None:
    assert make_examples("none", corpus, maker(), 100) == []


@pytest.mark.parametrize("option", ["entity", "entity_unlabelled", "pronoun"])
def test_plain_option_has_all_examples_of_its_task(option: Option, corpus: list[Document]) -> None:
    (phase,) = make_examples(option, corpus, maker(), 100)
    assert Counter((e.document, e.task) for e in phase) == Counter((d.id, option) for d in corpus)


def test_control_has_the_masks_of_entity_in_their_order(corpus: list[Document]) -> None:
    (phase,) = make_examples("entity", corpus, maker(), 5)
    (control,) = make_examples("entity_unlabelled", corpus, maker(), 5)
    assert control == [replace(e, task="entity_unlabelled", target=None) for e in phase]


def test_mixed_is_half_and_half_in_turn(corpus: list[Document]) -> None:
    (phase,) = make_examples("mixed", corpus, maker(), 10)
    assert [example.task for example in phase] == ["entity", "pronoun"] * 5


def test_mixed_repeats_the_smaller_half(corpus: list[Document], analysed: Make) -> None:
    more = [analysed("사람과 책이 있다. 그는 그것을 안다.", name="more")]
    (phase,) = make_examples("mixed", corpus + more, maker(), 100)
    # 8 entity and 8 + 2 pronoun examples: 10 of each, 2 of the entity ones twice.
    assert Counter(example.task for example in phase) == {"entity": 10, "pronoun": 10}


def test_curriculum_has_the_proportions_of_the_report(corpus: list[Document]) -> None:
    phases = make_examples("curriculum", corpus, maker(), 8)
    assert [Counter(example.task for example in phase) for phase in phases] == [
        {"entity": 2}, {"pronoun": 4}, {"entity": 1, "pronoun": 1},
    ]  # fmt: skip


def test_curriculum_goes_on_in_its_last_phase_with_what_is_new(corpus: list[Document]) -> None:
    phases = make_examples("curriculum", corpus, maker(), 8)
    assert len({(e.document, e.task) for phase in phases for e in phase}) == 8


def test_curriculum_keeps_its_proportions_with_few_entities(
    corpus: list[Document], analysed: Make
) -> None:
    raw = [analysed(f"사람{i}과 책이 있다. 그는 안다.", name=f"r{i}") for i in range(12)]
    phases = make_examples("curriculum", [*corpus[:1], *raw], maker(), 100)
    assert len(phases[0]) * 2 == pytest.approx(len(phases[1]), abs=1)


@pytest.mark.parametrize("option", ["entity", "pronoun", "mixed", "curriculum"])
@pytest.mark.parametrize("limit", [5, 8, 12])
def test_limit_holds_for_all_phases_together(
    option: Option, limit: int, corpus: list[Document]
) -> None:
    assert 0 < sum(map(len, make_examples(option, corpus, maker(), limit))) <= limit


@pytest.mark.parametrize("option", ["entity", "mixed", "curriculum"])
def test_same_seed_makes_the_same(option: Option, corpus: list[Document]) -> None:
    assert make_examples(option, corpus, maker(), 9) == make_examples(option, corpus, maker(), 9)


def test_other_seed_makes_another_order(corpus: list[Document]) -> None:
    one, other = (make_examples("entity", corpus, maker(seed=s), 100)[0] for s in (1, 2))
    assert one != other
    assert {e.document for e in one} == {e.document for e in other}


def test_replay_stream_goes_round(corpus: list[Document]) -> None:
    stream = replay_stream(corpus, maker())
    first, second = ([next(stream) for _ in corpus] for _ in range(2))
    assert {e.document for e in first} == {d.id for d in corpus}
    assert first == second


@pytest.mark.parametrize(
    ("option", "task"),
    [
        ("entity", "entity"),
        ("entity_unlabelled", "entity_unlabelled"),
        ("mixed", "entity"),
        ("curriculum", "entity"),
    ],
)
def test_no_repeated_entity_is_an_error(option: Option, task: str, analysed: Make) -> None:
    documents = [analysed("홍길동은 학생이다. 그는 공부한다.")]
    with pytest.raises(InputError, match=f"finetune.option: .* no example of task '{task}'"):
        make_examples(option, documents, maker(), 10)


@pytest.mark.parametrize("option", ["pronoun", "mixed", "curriculum"])
def test_no_pronoun_is_an_error(option: Option, analysed: Make) -> None:
    documents = [analysed("홍길동은 학생이다. 홍길동은 공부한다.")]
    with pytest.raises(InputError, match="no example of task 'pronoun'"):
        make_examples(option, documents, maker(), 10)


# ---- evaluation items


def test_coref_item_shows_the_pronouns_own_sentence(analysed: Make) -> None:
    (item,) = item_maker().coref(analysed("홍길동은 학생이다. 그는 공부한다. 끝."))
    assert (item.start, item.left, item.surface, item.right) == (11, "", "그", "는 공부한다.")
    assert item.nouns == ("공부", "끝", "학생", "홍길동")


def test_coref_needs_two_nouns(analysed: Make) -> None:
    assert item_maker().coref(analysed("그는 학생이다.")) == []


def test_at_most_so_many_coref_items_of_a_document(analysed: Make) -> None:
    document = analysed("사람이 책을 읽고 그는 웃었다. " * 4)
    assert len(item_maker(per_document=3).coref(document)) == 3


def test_lambada_masks_the_last_noun_that_came_before(analysed: Make) -> None:
    (item,) = item_maker().lambada(analysed("학생이 책을 샀다. 학생은 책을 읽고 시험을 보았다."))
    assert (item.surface, item.left[-4:]) == ("학생", "샀다. ")


def test_lambada_leaves_nouns_of_one_syllable_out(analysed: Make) -> None:
    assert item_maker().lambada(analysed("책을 샀다. 책을 읽었다.")) == []


def test_lambada_without_a_repeated_noun_is_nothing(analysed: Make) -> None:
    assert item_maker().lambada(analysed("학생이 시험을 보았다.")) == []


def test_lambada_needs_the_first_mention_in_the_window(analysed: Make) -> None:
    far = "학생이 왔다. " + "날이 흐리고 바람이 불며 비가 왔다 갔다. ".replace("날", "") * 8
    document = analysed(far + "학생은 갔다.")
    assert item_maker(window=50).lambada(document) == []


def test_antecedent_item_has_distance_and_candidates(marked: Make) -> None:
    document = marked("[1:PER 홍길동]은 [2:PER 김서연]을 만났다. 비가 왔다. [1 그]는 웃었다.")
    (item,) = item_maker().antecedent(document)
    assert (item.surface, item.distance) == ("그", 2)
    assert [(c.form, c.gold) for c in item.candidates] == [
        ("홍길동", True), ("김서연", False), ("비", False),
    ]  # fmt: skip


def test_antecedent_out_of_the_window_is_counted(marked: Make) -> None:
    between = "바람이 불고 비가 오며 날이 흐렸다. " * 5
    made = item_maker(window=50)
    assert made.antecedent(marked(f"[1:PER 홍길동]이 왔다. {between}[1 그]는 웃었다.")) == []
    assert made.counts == Counter(out_of_window=1)


def test_pronoun_without_an_antecedent_is_counted(marked: Make) -> None:
    made = item_maker()
    document = marked("[1:PER 그]는 왔다. [1 홍길동]은 웃었다. [1 그]는 갔다.")
    assert [item.surface for item in made.antecedent(document)] == ["그"]
    assert made.counts == Counter(no_antecedent=1, antecedent=1)


def test_pronoun_of_two_chains_is_counted_once(marked: Make) -> None:
    made = item_maker()
    document = marked("[1:PER 홍길동]이 [2:PER 이순신]을 만났다. [1 그들]은 웃었다.")
    (hong, they), (lee,) = document.chains
    assert made.antecedent(replace(document, chains=((hong, they), (lee, they)))) == []
    assert made.counts == Counter(no_antecedent=1)


def test_plain_is_the_beginning(analysed: Make) -> None:
    document = analysed("홍길동은 학생이다. " * 20)
    (plain,) = item_maker(window=50).plain(document)
    # Sentences of 10 characters and a space: 4 × 10 + 3 = 43 fit in 50, 5 × 10 + 4 = 54 do not.
    assert plain.text == document.text[:43]


def test_items_are_read_as_they_were_written(marked: Make, tmp_path: Path) -> None:
    document = marked("[1:PER 홍길동]은 학생이다. [1 홍길동]이 왔다. [1 그]는 공부한다.")
    made = make_items([document], item_maker())
    assert all(len(found) == 1 for found in (made.coref, made.lambada, made.antecedent, made.plain))
    write_items(tmp_path, made)
    assert read_items(tmp_path) == made


def test_missing_items_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"coref\.jsonl: no such file; run `dvc repro`"):
        read_items(tmp_path)


# ---- the mask test: what is hidden is what should be hidden, where it stands


def occurrences(text: str, part: str) -> Iterable[int]:
    position = text.find(part)
    while position >= 0:
        yield position
        position = text.find(part, position + 1)


def example_spans(example: Example, text: str) -> set[Span]:
    """The spans that the mask of an example may have; empty where it is no part of the text."""
    starts = occurrences(text, example.left + example.surface + example.right)
    begins = {start + len(example.left) for start in starts}
    return {(begin, begin + len(example.surface)) for begin in begins}


def spans_of(tokens: Iterable[tuple[str, str, int, int]]) -> set[Span]:
    return {(start, end) for _, _, start, end in tokens}


def check_examples(document: Document, made: ExampleMaker) -> int:
    """Check all examples of a document; how many there were."""
    named = spans_of(entities(document))
    spoken = {p.span for p in marked_pronouns(document)} or spans_of(pronouns(document))
    found = made.entity(document) + made.entity_unlabelled(document)
    for example in found:
        assert example_spans(example, document.text) & named, example
        assert example.surface in example.left
        assert example.target == (example.surface if example.task == "entity" else None)
    for example in (pronominal := made.pronoun(document)):
        assert example_spans(example, document.text) & spoken, example
        assert example.target or len(example.nouns) >= 2
    for example in (plain := made.replay(document)):
        assert example.left + example.right in document.text
        assert example.surface == ""
    return len(found) + len(pronominal) + len(plain)


def check_place(item: MaskedItem, document: Document, allowed: set[Span]) -> None:
    whole = item.left + item.surface + item.right
    assert document.text[item.start : item.start + len(whole)] == whole, item
    begin = item.start + len(item.left)
    assert item.surface
    assert (begin, begin + len(item.surface)) in allowed, item


def check_items(document: Document, made: ItemSet) -> int:
    """Check all items of a document; how many there were."""
    nouns = spans_of(token for token in document.tokens if token.tag in NOUN_TAGS)
    for coref in made.coref:
        check_place(coref, document, spans_of(pronouns(document)))
        assert len(coref.nouns) >= 2
    for lambada in made.lambada:
        check_place(lambada, document, nouns)
        assert lambada.surface in lambada.left
    for antecedent in made.antecedent:
        check_place(antecedent, document, {p.span for p in marked_pronouns(document)})
        for found in antecedent.candidates:
            assert document.text.startswith(found.form, found.first)
            assert document.text.startswith(found.form, found.last)
            assert antecedent.start <= found.first <= found.last
            assert found.last + len(found.form) <= antecedent.start + len(antecedent.left)
        assert any(found.gold for found in antecedent.candidates)
    for plain in made.plain:
        assert plain.text in document.text
    return sum(len(getattr(made, kind)) for kind in ("coref", "lambada", "antecedent", "plain"))


ODD = st.lists(
    st.one_of(
        st.sampled_from(
            ["홍길동은 ", "홍길동이 ", "그는 ", "그녀가", "그건 ", "이를 ", "학생 ", "학생들이 ",
             "왔다. ", "책을 읽었다.", "\n", "\n\n ", "\t", "😀", "👩\u200d👩\u200d👧 ", "[MASK]",
             "[MASK] ", "ᄒᆞᆫ글 ", "말ᄊᆞ미 ", "그\u0300", "ㅋㅋ", "金氏 ", "A씨는 ", "...", "…",
             "？", "\u200b", "\u00a0", "\ufeff", "가\u1100"]
        ),
        st.text(max_size=6),
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(text=ODD, window=st.integers(50, 120), radius=st.integers(0, 3))
@settings(max_examples=150)
def test_masks_fit_in_odd_text(analysed: Make, text: str, window: int, radius: int) -> None:
    document = analysed(text)
    check_examples(document, maker(window, radius))
    made = make_items([document], item_maker(window, radius))
    assert check_items(document, made) >= bool(document.text.strip())


@pytest.mark.parametrize("window", [60, 600])
def test_masks_fit_in_the_committed_passages(
    passage_documents: list[Document], window: int
) -> None:
    made = sum(check_examples(document, maker(window)) for document in passage_documents)
    for document in passage_documents:
        made += check_items(document, make_items([document], item_maker(window)))
    # A replay example, a plain text and an example or item for a pronoun each, at the least.
    assert made >= 3 * len(passage_documents)


@pytest.mark.skipif(not CORPORA, reason="../shared/corpora is not on this machine")
def test_masks_fit_in_open_text(analyzer: Analyzer) -> None:
    lines = chain.from_iterable(path.open(encoding="utf-8") for path in CORPORA)
    sample = random.Random(1).sample(list(lines), SAMPLE)
    texts = [json.loads(line)["text"] for line in sample]
    made = 0
    for number, analysis in enumerate(analyzer.analyze(texts)):
        document = Document(f"d{number}", texts[number], "test", "none", *analysis)
        made += check_examples(document, maker())
        made += check_items(document, make_items([document], item_maker()))
    assert made >= 2 * SAMPLE
