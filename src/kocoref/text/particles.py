"""Agreement of Korean particles with the sound that a noun ends in."""

from __future__ import annotations

import re
from typing import Final

_RIEUL: Final = 8
"""Index of ㄹ among the final consonants of a Hangul syllable; 0 stands for no final."""

_OTHER: Final = 1
"""Any final consonant but ㄹ, where only that much is known."""

_DIGITS: Final = (_OTHER, _RIEUL, 0, _OTHER, 0, 0, _OTHER, _RIEUL, _RIEUL, 0)
"""Finals of 영 일 이 삼 사 오 육 칠 팔 구."""

_LETTERS: Final = {"L": _RIEUL, "M": _OTHER, "N": _OTHER, "R": _RIEUL}
"""Finals of the letters whose Korean names (엘, 엠, 엔, 알) have one."""

_LATIN_WORD: Final = (
    (re.compile(r"(?i)le?$"), _RIEUL),
    (re.compile(r"(?i)(?:[mn]e?|ng|[aeiou](?:[bcpt]|c?k))$"), _OTHER),
)
"""Rough rules for a Latin word read as a word: Google 구글, iPhone 아이폰, Facebook 페이스북."""

_CLOSING: Final = "\"'”’」』》〉)]} "

_HANGUL: Final = re.compile(r"[가-힣]*")

_DIRECTION: Final = re.compile(
    r"으?로((?:서|써|부터)?(?:는커녕|조차|마저|까지|밖에|라도|는|도|만|의|나|요)*)"
)

_PAIRS: Final = tuple(
    (closed, open_, re.compile(closed + tail), re.compile(open_ + tail))
    for closed, open_, tail in (
        ("은", "는", "(?:커녕|요)?"),
        ("이", "가", ""),
        ("을", "를", ""),
        ("과", "와", "(?:는커녕|는|도|의|만|나)?"),
        ("아", "야", ""),
        ("이에요", "예요", ""),
        ("이었", "였", "[가-힣]*"),
        ("이어", "여", "(?:서|서는|야|야만|도|요)"),
    )
)
"""Form after a consonant, form after a vowel, and each of them with what may follow it."""

_BOUND: Final = (
    r"라(?:고|고는|고도|는|는데|며|면|면서|서|도|기|기보다|니|니까|던|네|지|야)?"
    r"|나마?|란|든[지가]?|랑[은도만]?|야말로|여|요|래[요서도]?|네요"
    r"|지요?|죠|군요|구나|거든요?"
)
"""Endings that take 이 after a consonant and lose it after a vowel: 서준이라는, 지우라는."""

_LOOSE: Final = (
    r"다가?|고요?|며|면서?|지만|자|므로|니까?|냐[고는]?|거나|던가?|건"
    r"|기[도에는만]|더라도?|더니|세요|셨[가-힣]+|시[죠지다고며]|시네요|신데|십니[다까]"
)
"""Endings that take 이 after a consonant and may after a vowel: 부산이다, 제주이다, 제주다."""

_SUFFIXED: Final = (
    r"는|는커녕|가|를|와|와[는도의]|로|로[는도]|도|만|만[은도이]|의|한테|한테[는도서만]|네|네[가는도를]"
    r"|에게|에게[는도서만]|께|께서|하고|하고[는도]|부터|까지|까지도|처럼|보다|조차|마저|밖에"
    r"|더러|보고|뿐|야|예요|였[가-힣]*"
)
"""What may follow the suffix 이 of a given name that ends in a consonant: 서준이는, 서준이한테."""

_ADDRESSED: Final = re.compile(r" (?:너(?:는|도|를|만|한테|희)?|넌|네가|니가)(?![가-힣])")

_NEEDS_I: Final = re.compile(f"{_BOUND}|{_LOOSE}")
_SHEDS_I: Final = re.compile(f"이({_BOUND}|{_SUFFIXED})")


def _final(word: str) -> int | None:
    """Index of the last final consonant, 0 for a vowel; None where the reading is unknown."""
    word = word.rstrip(_CLOSING)
    last = word[-1:]
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28
    if last.isascii() and last.isdigit():
        return _DIGITS[int(last)]
    latin = re.search(r"[A-Za-z]+$", word)
    if latin is None:
        return None
    if latin.group().isupper() or len(latin.group()) == 1:
        return _LETTERS.get(last.upper(), 0)
    return next((final for rule, final in _LATIN_WORD if rule.search(latin.group())), 0)


def has_final(word: str) -> bool | None:
    """Whether the last syllable of ``word`` ends in a consonant as Koreans read it.

    Digits are read one by one, capitals by the names of the letters and other Latin words by a
    rough rule; None where the reading is unknown (an emoji, a Chinese character, nothing).
    """
    final = _final(word)
    return None if final is None else final > 0


def agree(noun: str, following: str) -> str:
    """``following``, the text after another noun, with its particle in the form ``noun`` takes.

    Only a particle that fills the whole leading run of Hangul is changed: ``이`` is one in
    "이 왔다" but not in "이사가". After a vowel the suffix 이 of a given name is dropped, while
    the 이 of "이다" stays, because both forms are right. Unchanged where no particle is found
    or the sound of the noun is unknown.
    """
    final = _final(noun)
    found = _HANGUL.match(following)
    run = found.group() if found else ""
    if final is None or not run:
        return following
    rest = following[len(run) :]
    return (_after_consonant(final, run, rest) if final else _after_vowel(run, rest)) + rest


def _after_consonant(final: int, run: str, rest: str) -> str:
    if direction := _DIRECTION.fullmatch(run):
        return ("로" if final == _RIEUL else "으로") + direction[1]
    # "지우야." names her, "지우야, " calls her: 서준이야. / 서준아,
    if run == "야" and rest[:1] in {".", "?"}:
        return "이야"
    for closed, open_, _, pattern in _PAIRS:
        if pattern.fullmatch(run):
            return closed + run[len(open_) :]
    return "이" + run if _NEEDS_I.fullmatch(run) else run


def _after_vowel(run: str, rest: str) -> str:
    if direction := _DIRECTION.fullmatch(run):
        return "로" + direction[1]
    # "서준이 너는" has the suffix, not the subject particle.
    if run == "이" and _ADDRESSED.match(rest):
        return ""
    for closed, open_, pattern, _ in _PAIRS:
        if pattern.fullmatch(run):
            return open_ + run[len(closed) :]
    shed = _SHEDS_I.fullmatch(run)
    return shed[1] if shed else run
