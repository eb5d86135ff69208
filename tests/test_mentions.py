"""Pronouns, noun phrases and entities of a document; marked pronouns and their candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from kocoref.corpus.document import Document, Span
from kocoref.corpus.mentions import (
    NounPhrase,
    entities,
    head,
    is_pronoun,
    naming,
    noun_phrases,
    pronouns,
    without_particles,
)
from kocoref.corpus.validation import PRONOUNS
from kocoref.examples.antecedents import (
    Candidate,
    MarkedPronoun,
    antecedent_form,
    candidates,
    marked_pronouns,
)
from kocoref.text.morphology import Token

Make = Callable[..., Document]


def find(document: Document, part: str) -> Span:
    start = document.text.index(part)
    return start, start + len(part)


# ---- noun phrases


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("홍길동은 학생이다.", ["홍길동", "학생"]),
        ("초등학생들이 도서관 앞에서 놀았다.", ["초등학생들", "도서관", "앞"]),
        ("KIA 타이거즈의 외야수가 왔다.", ["KIA", "타이거즈", "외야수"]),
        ("CT 검사를 받았다.", ["CT", "검사"]),
        ("그는 그것을 보았다.", []),  # pronouns are none
        ("3월 1일에 왔다.", []),  # nor numbers with their units
        ("한지석은 첫차를 탔다.", ["한지석", "첫차"]),  # 한 and 첫 are tagged as determiners
        ("새 항구에 두 사람이 왔다.", ["항구", "사람"]),  # these are
        ("15일쯤 그사람이 왔다.", ["사람"]),
    ],
)
def test_noun_phrases_are_runs_within_a_word(
    analysed: Make, text: str, expected: list[str]
) -> None:
    assert [phrase.form for phrase in noun_phrases(analysed(text))] == expected


def phrases(text: str, *tags: tuple[str, str]) -> list[str]:
    """The noun phrases of a text whose tokens are given: what Kiwi makes of it is its own."""
    tokens, end = [], 0
    for form, tag in tags:
        start = text.index(form, end)
        end = start + len(form)
        tokens.append(Token(form, tag, start, end))
    document = Document("d", text, "", "", ((0, len(text)),), tuple(tokens), ())
    return [phrase.form for phrase in noun_phrases(document)]


@pytest.mark.parametrize("tag", ["MM", "MAG", "NR", "IC", "XR"])
@pytest.mark.parametrize(("before", "mark"), [("", "SS"), ("“", "SSO"), ("…", "SE")])
def test_syllable_cut_off_a_name_belongs_to_it(tag: str, before: str, mark: str) -> None:
    marks = [(before, mark)] if before else []
    assert phrases(f"{before}세준은", *marks, ("세", tag), ("준", "NNG"), ("은", "JX")) == ["세준"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("아주학생", [("아주", "MAG"), ("학생", "NNG")]),  # two syllables are a word
        ("그학생", [("그", "MM"), ("학생", "NNG")]),
        ("저학생", [("저", "MM"), ("학생", "NNG")]),
        ("새 학생", [("새", "MM"), ("학생", "NNG")]),  # a word of its own
        ("온새학생", [("온", "VV"), ("새", "MM"), ("학생", "NNG")]),  # not the first
        ("는학생", [("는", "JX"), ("학생", "NNG")]),
    ],
)
def test_other_words_before_a_noun_do_not(text: str, tags: list[tuple[str, str]]) -> None:
    assert phrases(text, *tags) == ["학생"]


def test_noun_phrase_knows_its_place_and_kind(analysed: Make) -> None:
    assert noun_phrases(analysed("홍길동은 책을 읽었다.")) == [
        NounPhrase((0, 3), "홍길동", proper=True, subject=True),
        NounPhrase((5, 6), "책", proper=False, subject=False),
    ]


@pytest.mark.parametrize(
    ("text", "subject"),
    [("학생이 왔다.", True), ("학생은 왔다.", True), ("학생을 보았다.", False), ("학생", False)],
)
def test_subject_is_followed_by_its_particle(analysed: Make, text: str, subject: bool) -> None:
    assert [phrase.subject for phrase in noun_phrases(analysed(text))] == [subject]


def test_single_latin_letter_is_no_noun_phrase(analysed: Make) -> None:
    assert noun_phrases(analysed("A 그리고 B")) == []


def test_noun_phrases_stand_in_the_text(passage_documents: list[Document]) -> None:
    found = [(d, phrase) for d in passage_documents for phrase in noun_phrases(d)]
    assert len(found) > 5 * len(passage_documents)
    assert all(d.text[slice(*phrase.span)] == phrase.form for d, phrase in found)


def test_noun_phrases_do_not_overlap(passage_documents: list[Document]) -> None:
    for document in passage_documents:
        spans = [phrase.span for phrase in noun_phrases(document)]
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


# ---- pronouns and entities


def test_pronouns_are_tagged_so_by_kiwi(analysed: Make) -> None:
    found = pronouns(analysed("그는 그곳에서 그녀를 만났다. 그 사람은 갔다."))
    assert [token.form for token in found] == ["그", "그곳", "그녀"]


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("그는 왔다.", "그", True),
        ("그들은 왔다.", "그들", True),
        ("그녀들의 집이다.", "그녀들", True),
        ("그것을 보았다.", "그것", True),
        ("아이가 자신을 믿었다.", "자신", True),  # a noun for Kiwi
        ("그 사람은 왔다.", "그 사람", False),
        ("그의 친구는 왔다.", "그의 친구", False),
        ("홍길동은 왔다.", "홍길동", False),
    ],
)
def test_is_pronoun(analysed: Make, text: str, mention: str, expected: bool) -> None:
    document = analysed(text)
    assert is_pronoun(document, find(document, mention)) is expected


def test_pronouns_of_the_passages_are_seen(passage_documents: list[Document]) -> None:
    marks = [
        (document, mention)
        for document in passage_documents
        for chain in document.chains
        for mention in chain
        if document.text[slice(*mention)] in PRONOUNS - {"둘"}
    ]
    missed = [d.text[slice(*mention)] for d, mention in marks if not is_pronoun(d, mention)]
    assert len(marks) > len(passage_documents)
    assert missed == []


def test_a_pronoun_in_two_tokens_is_no_noun_phrase(passage_documents: list[Document]) -> None:
    # Kiwi at times takes 그곳 for a determiner and a noun, depending on what is around.
    found = [
        document.text[phrase.span[0] - 1 : phrase.span[1]]
        for document in passage_documents
        for phrase in noun_phrases(document)
        if phrase.form == "곳" and phrase.span[0] > 0
    ]
    assert not {"그곳", "이곳", "저곳"} & set(found)


def test_entities_are_proper_nouns_of_two_syllables(analysed: Make) -> None:
    found = entities(analysed("홍길동은 부산에서 학생을 가르쳤다."))
    assert [token.form for token in found] == ["홍길동", "부산"]


def test_entities_stand_in_the_text(passage_documents: list[Document]) -> None:
    found = [(d, token) for d in passage_documents for token in entities(d)]
    assert found
    assert all(d.text[token.start : token.end] == token.form for d, token in found)
    assert min(len(token.form) for _, token in found) == 2


# ---- heads


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("KIA 타이거즈의 외야수가 왔다.", "KIA 타이거즈의 외야수", " 외야수"),
        ("김서연 교수는 왔다.", "김서연 교수", "김서연 교수"),
        ("부산에서 온 학생이 있다.", "부산에서 온 학생", " 학생"),
        ("홍길동은 왔다.", "홍길동", "홍길동"),
    ],
)
def test_head_is_the_last_stretch_of_nouns(
    analysed: Make, text: str, mention: str, expected: str
) -> None:
    document = analysed(text)
    assert document.text[slice(*head(document, find(document, mention)))] == expected


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("김서연 교수는 왔다.", "김서연 교수", ["김서연", "교수"]),  # a name and its title
        ("역사 교수가 왔다.", "역사 교수", ["교수"]),  # what kind of one is another thing
        ("KIA 타이거즈의 외야수가 왔다.", "KIA 타이거즈의 외야수", ["외야수"]),
        ("젊은 교수 김서연이 왔다.", "젊은 교수 김서연", ["교수", "김서연"]),
        ("학생 하나가 왔다.", "학생 하나", ["학생"]),  # a number is no noun phrase
        ("김서연 씨가 왔다.", "김서연 씨", ["김서연"]),
        ("역사 교수 열두 명이 왔다.", "역사 교수 열두 명", ["교수"]),
        ("학생들이 교수를 보았다.", "학생들", ["학생들"]),
        ("학생이 교수를 보았다.", "교수", ["교수"]),
        ("역사학자는 왔다.", "역사", []),  # a mention inside a word, which the phrase outgrows
    ],
)
def test_phrases_that_name_a_mention(
    analysed: Make, text: str, mention: str, expected: list[str]
) -> None:
    document = analysed(text)
    mention_head = head(document, find(document, mention))
    found = [phrase.form for phrase in naming(noun_phrases(document), mention_head)]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("홍길동에게는 책이 있다.", "홍길동에게는", "홍길동"),  # two particles
        ("홍길동은 왔다.", "홍길동은", "홍길동"),
        ("그는 학생이다.", "학생이다.", "학생"),  # a copula, an ending, a full stop
        ("아이가 자신을 믿었다.", "자신을", "자신"),
        ("KIA 타이거즈의 외야수가 왔다.", "KIA 타이거즈의 외야수가", "KIA 타이거즈의 외야수"),
        ("홍길동은 왔다.", "홍길동", "홍길동"),  # without its particle already
        ("그는 내 책을 읽었다.", "내", "내"),  # 나 and 의 in one syllable
        ("모두 빨리 갔다.", "갔다.", "갔다."),  # no noun in it
    ],
)
def test_mentions_of_whole_words_end_in_their_noun(
    analysed: Make, text: str, mention: str, expected: str
) -> None:
    document = analysed(text)
    marked = analysed(text, [[find(document, mention)]])
    (((start, end),),) = without_particles(marked).chains
    assert marked.text[start:end] == expected


def test_mentions_that_differ_in_their_particle_alone_are_one(analysed: Make) -> None:
    document = analysed("홍길동은 왔다.", [[(0, 3), (0, 4)]])
    assert without_particles(document).chains == (((0, 3),),)


# ---- marked pronouns and candidates

PEOPLE = (
    "[1:PER 이순신] 장군은 [2:LOC 부산]에서 [3:PER 홍길동]을 만났다. [1 이순신] 장군은 책을 냈다. "
    "[3 그]는 [1 그분]을 따라 [2 그곳]을 떠났다."
)
COMPANY = (
    "[1:ORG KIA 타이거즈의 [2:PER 외야수]]가 왔다. [2 그]는 [2 자신]을 믿었고 [1 이들]은 이겼다."
)


def candidates_of(document: Document, pronoun: MarkedPronoun, start: int = 0) -> list[Candidate]:
    return candidates(noun_phrases(document), start, pronoun.span[0], pronoun.heads)


def test_marked_pronouns_come_in_the_order_of_the_text(marked: Make) -> None:
    document = marked(PEOPLE)
    found = marked_pronouns(document)
    assert [document.text[slice(*p.span)] for p in found] == ["그", "그분", "그곳"]


def test_antecedent_is_the_nearest_mention_with_a_noun(marked: Make) -> None:
    document = marked(PEOPLE)
    antecedents = {document.text[slice(*p.span)]: p.antecedent for p in marked_pronouns(document)}
    # 이순신 comes twice: the second is nearer to 그분.
    second = document.text.index("이순신", 1)
    assert antecedents["그분"] == (second, second + 3)


def test_pronoun_after_a_pronoun_has_the_noun_as_antecedent(marked: Make) -> None:
    document = marked(COMPANY)
    noun = find(document, "외야수")
    assert [p.antecedent for p in marked_pronouns(document)][:2] == [noun, noun]


def test_pronoun_of_two_chains_has_no_antecedent(marked: Make) -> None:
    document = marked("[1:PER 홍길동]이 [2:PER 이순신]을 만났다. [1 그]는 [2 그]를 불렀다.")
    (hong, first), (lee, second) = document.chains
    both = replace(document, chains=((hong, first, second), (lee, second)))
    assert [p.span for p in marked_pronouns(both)] == [first]


def test_pronoun_before_its_noun_has_no_antecedent(marked: Make) -> None:
    assert marked_pronouns(marked("[1:PER 그]는 왔다. [1 홍길동]은 웃었다.")) == []


def test_document_without_chains_has_no_marked_pronoun(analysed: Make) -> None:
    assert marked_pronouns(analysed("홍길동은 왔다. 그는 웃었다.")) == []


def test_candidates_are_gathered_by_form(marked: Make) -> None:
    document = marked(PEOPLE)
    herself = marked_pronouns(document)[1]
    found = {candidate.form: candidate for candidate in candidates_of(document, herself)}
    assert list(found) == ["이순신", "장군", "부산", "홍길동", "책"]
    first = found["이순신"]
    assert (first.first, first.last, first.count) == (0, document.text.index("이순신", 1), 2)


def test_candidates_of_the_chain_are_gold(marked: Make) -> None:
    document = marked(PEOPLE)
    gold = {
        document.text[slice(*p.span)]: [c.form for c in candidates_of(document, p) if c.gold]
        for p in marked_pronouns(document)
    }
    assert gold == {"그": ["홍길동"], "그분": ["이순신"], "그곳": ["부산"]}


def test_candidates_end_before_the_pronoun(marked: Make) -> None:
    document = marked("[1:PER 홍길동]은 왔다. [1 그]는 책을 읽었다.")
    (pronoun,) = marked_pronouns(document)
    assert [c.form for c in candidates_of(document, pronoun)] == ["홍길동"]


def test_candidates_begin_with_the_window(marked: Make) -> None:
    document = marked(PEOPLE)
    second = document.text.index("이순신", 1)
    pronoun = marked_pronouns(document)[1]
    found = candidates_of(document, pronoun, second)
    assert [(c.form, c.count) for c in found] == [("이순신", 1), ("장군", 1), ("책", 1)]


def test_head_of_a_nested_mention_is_gold_for_the_outer_chain(marked: Make) -> None:
    document = marked(COMPANY)
    found = [candidates_of(document, pronoun) for pronoun in marked_pronouns(document)]
    # 외야수 is the head of KIA 타이거즈의 외야수, so it names both chains.
    assert [[c.form for c in some if c.gold] for some in found] == [["외야수"]] * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1:PER 김서연 교수]가 왔다. [1 그녀]는 웃었다.", "김서연"),  # the name, not the title
        ("[1:PER KIA 타이거즈의 외야수]가 왔다. [1 그]는 웃었다.", "외야수"),
        ("[1:PER 초등학생들]이 왔다. [1 그들]은 웃었다.", "초등학생들"),
        ("[1:PER 둘]이 왔다. [1 그들]은 웃었다.", "둘"),  # no noun: its own text
    ],
)
def test_antecedent_form(marked: Make, text: str, expected: str) -> None:
    document = marked(text)
    (pronoun,) = marked_pronouns(document)
    assert antecedent_form(document, noun_phrases(document), pronoun) == expected


def test_antecedent_form_is_no_part_of_a_word() -> None:
    tokens = (
        Token("권태", "NNG", 0, 2), Token("식", "NNB", 2, 3), Token("은", "JX", 3, 4),
        Token("오", "VV", 5, 6), Token("그", "NP", 9, 10), Token("는", "JX", 10, 11),
    )  # fmt: skip
    chain = ((0, 3), (9, 10))
    text = "권태식은 왔다. 그는 웃었다."
    document = Document("d", text, "", "", ((0, 8), (9, 16)), tokens, (chain,))
    (pronoun,) = marked_pronouns(document)
    assert antecedent_form(document, noun_phrases(document), pronoun) == "권태식"
