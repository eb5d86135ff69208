"""Particles follow the sound of the noun before them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kocoref.text.particles import agree, has_final


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("서준", True),
        ("지우", False),
        ("서울", True),
        ("「세한도」", False),
        ("『직지』", False),
        ("ㄱ", None),
        ("0", True),
        ("1", True),
        ("2", False),
        ("제33", True),
        ("4", False),
        ("5", False),
        ("6", True),
        ("7", True),
        ("8", True),
        ("9", False),
        ("10", True),
        ("CT", False),
        ("MRI", False),
        ("ASML", True),
        ("KBS", False),
        ("Google", True),
        ("Facebook", True),
        ("iPhone", True),
        ("Samsung", True),
        ("Tesla", False),
        ("😀", None),
        ("金", None),
        ("", None),
        ("」", None),
    ],
)
def test_has_final(word: str, expected: bool | None) -> None:
    assert has_final(word) is expected


@pytest.mark.parametrize(
    ("noun", "following", "expected"),
    [
        # the two-form particles, both ways
        ("지우", "은 웃었다", "는 웃었다"),
        ("서준", "는 웃었다", "은 웃었다"),
        ("지우", "이 왔다", "가 왔다"),
        ("서준", "가 왔다", "이 왔다"),
        ("지우", "을 보았다", "를 보았다"),
        ("서준", "를 보았다", "을 보았다"),
        ("지우", "과 서연", "와 서연"),
        ("서준", "와 서연", "과 서연"),
        ("서준", "와의 약속", "과의 약속"),
        ("지우", "과는 달리", "와는 달리"),
        ("서준", "는커녕", "은커녕"),
        ("지우", "은커녕", "는커녕"),
        # 으로 after a consonant but ㄹ
        ("부산", "로 갔다", "으로 갔다"),
        ("서울", "으로 갔다", "로 갔다"),
        ("제주", "으로 갔다", "로 갔다"),
        ("서준", "로서는", "으로서는"),
        ("지우", "으로부터", "로부터"),
        ("제33", "로", "으로"),
        ("ASML", "으로", "로"),
        # the copula: 이 comes back after a consonant and stays where it is right
        ("부산", "다.", "이다."),
        ("제주", "이다.", "이다."),
        ("제주", "다.", "다."),
        ("서준", "며 배우다", "이며 배우다"),
        ("지우", "이며 배우다", "이며 배우다"),
        ("서준", "고,", "이고,"),
        ("서준", "지만", "이지만"),
        ("서준", "였다", "이었다"),
        ("지우", "이었던", "였던"),
        ("서준", "여서", "이어서"),
        ("지우", "이어야", "여야"),
        ("서준", "예요", "이에요"),
        ("지우", "이에요?", "예요?"),
        # endings that never keep 이 after a vowel
        ("지우", "이라는 이름", "라는 이름"),
        ("서준", "라는 이름", "이라는 이름"),
        ("지우", "이라고", "라고"),
        ("서준", "라도", "이라도"),
        ("지우", "이나 서연", "나 서연"),
        ("서준", "나 서연", "이나 서연"),
        ("지우", "이란", "란"),
        ("서준", "든 누구든", "이든 누구든"),
        ("지우", "이랑", "랑"),
        ("서준", "랑 같이", "이랑 같이"),
        ("지우", "이야말로", "야말로"),
        ("서준", "야말로", "이야말로"),
        ("지우", "이여", "여"),
        ("서준", "여", "이여"),
        ("지우", "이요?", "요?"),
        ("제주", "이지.", "지."),
        ("서준", "죠?", "이죠?"),
        # 야: calling and naming
        ("서준", "야, 같이 가", "아, 같이 가"),
        ("지우", "아, 같이 가", "야, 같이 가"),
        ("서준", "야.", "이야."),
        ("지우", "이야.", "야."),
        # the suffix 이 of a given name
        ("지우", "이는", "는"),
        ("지우", "이가", "가"),
        ("지우", "이를", "를"),
        ("지우", "이와", "와"),
        ("지우", "이한테", "한테"),
        ("지우", "이도", "도"),
        ("지우", "이네", "네"),
        ("지우", "이 너는", " 너는"),
        ("하준", "이는", "이는"),
        ("하준", "이한테", "이한테"),
        # no particle, or one with a single form
        ("지우", " 이 사람", " 이 사람"),
        ("지우", "이사가", "이사가"),
        ("지우", "이야기", "이야기"),
        ("서준", "가족", "가족"),
        ("서준", "로봇", "로봇"),
        ("지우", "은행", "은행"),
        ("서준", "의 집", "의 집"),
        ("서준", "에게", "에게"),
        ("서준", "도", "도"),
        ("서준", "씨는", "씨는"),
        ("서준", "감독은", "감독은"),
        ("서준", "네 집", "네 집"),
        ("지우", "인지", "인지"),
        ("서준", ": 안녕", ": 안녕"),
        ("서준", "", ""),
        ("😀", "는", "는"),
    ],
)
def test_agree(noun: str, following: str, expected: str) -> None:
    assert agree(noun, following) == expected


SYLLABLES = st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣"))
NOUNS = st.text(SYLLABLES, min_size=1, max_size=4)
PAIRS = st.sampled_from(
    [("은", "는"), ("이", "가"), ("을", "를"), ("과", "와"), ("이라는", "라는"), ("이나", "나")]
)
RESTS = st.sampled_from(["", " 왔다", ", ", ".", "” 하고", "\n"])


def _final_index(noun: str) -> int:
    return (ord(noun[-1]) - 0xAC00) % 28


@given(NOUNS, PAIRS, RESTS)
def test_either_form_becomes_the_right_one(noun: str, pair: tuple[str, str], rest: str) -> None:
    right = pair[0 if _final_index(noun) else 1] + rest
    assert [agree(noun, form + rest) for form in pair] == [right, right]


@given(NOUNS, RESTS)
def test_direction_depends_on_rieul(noun: str, rest: str) -> None:
    right = ("로" if _final_index(noun) in {0, 8} else "으로") + rest
    assert [agree(noun, form + rest) for form in ("로", "으로")] == [right, right]


FOLLOWING = st.text("은는이가을를과와으로아야여요라나다고며지네서에었였 .,너", max_size=6)


@given(NOUNS, FOLLOWING)
def test_agreed_text_agrees(noun: str, following: str) -> None:
    once = agree(noun, following)
    assert agree(noun, once) == once


@given(NOUNS, NOUNS, FOLLOWING)
def test_text_behind_the_first_word_never_changes(one: str, other: str, following: str) -> None:
    agreed = agree(other, agree(one, following))
    word = following.split(" ", maxsplit=1)[0]
    assert agreed.endswith(following[len(word) :])


@given(NOUNS, st.text(max_size=8).filter(lambda text: not "가" <= text[:1] <= "힣"))
def test_text_without_a_particle_is_left_alone(noun: str, following: str) -> None:
    assert agree(noun, following) == following
