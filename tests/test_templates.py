"""The templates by hand: where the masks go, and what is put around them."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kocoref import settings
from kocoref.examples.templates import TEMPLATES, Template

LEFT, RIGHT = "홍길동은 학생이다. ", "는 공부한다. 비가 왔다."


def test_settings_name_all_templates() -> None:
    assert get_args(settings.Template) == tuple(TEMPLATES)


@pytest.mark.parametrize(
    ("name", "before", "behind"),
    [
        ("replace", LEFT, RIGHT),
        ("apposition", f"{LEFT}그(", f"){RIGHT}"),
        ("name_first", LEFT, f"(그){RIGHT}"),
        ("namely", f"{LEFT}그, 곧 ", RIGHT),
        ("here_is", f"{LEFT}그는 공부한다. 여기서 그는 ", "이다. 비가 왔다."),
        ("refers_to", f"{LEFT}그는 공부한다. 이때 그는 ", "을 가리킨다. 비가 왔다."),
        ("who", f"{LEFT}그는 공부한다. 그는 누구인가? ", ". 비가 왔다."),
    ],
)
def test_every_template(name: str, before: str, behind: str) -> None:
    assert TEMPLATES[name].around(LEFT, "그", RIGHT) == (before, behind)


@pytest.mark.parametrize(
    ("pronoun", "topic"),
    [("그", "는"), ("그녀", "는"), ("그곳", "은"), ("그것", "은"), ("그들", "은"), ("자신", "은")],
)
def test_topic_particle_agrees(pronoun: str, topic: str) -> None:
    before, _ = TEMPLATES["here_is"].around("", pronoun, "에 갔다.")
    assert before == f"{pronoun}에 갔다. 여기서 {pronoun}{topic} "


@pytest.mark.parametrize(
    ("right", "sentence"),
    [
        ("는 왔다. 비.", "는 왔다."),
        ("는 왔나?! 비.", "는 왔나?!"),
        ("는 왔다… 비.", "는 왔다…"),
        ("는 왔다.” 비.", "는 왔다.”"),
        ("는 왔다.)」 비.", "는 왔다.)」"),
        ("는 3.5점이다. 비.", "는 3.5점이다."),  # no sentence ends within a number
        ("는 왔다.", "는 왔다."),
        ("는 왔다", "는 왔다"),
        ("", ""),
        ("는 왔다.\n비.", "는 왔다."),
        ("는 왔다\n비.", "는 왔다"),  # a heading ends with its line
        ("는 왔다\n", "는 왔다"),
    ],
)
def test_sentence_of_the_template_follows_that_of_the_pronoun(right: str, sentence: str) -> None:
    template = Template("{pronoun}", "<{mask}>")
    rest = right.removeprefix(sentence)
    assert template.around("비. ", "그", right) == (f"비. 그{sentence}<", f">{rest}")


WITH_BRACES = st.text(alphabet='가그는. \n{}maskpronuti[MASK]…"”', max_size=30)


@pytest.mark.parametrize("name", TEMPLATES)
@given(left=WITH_BRACES, right=WITH_BRACES)
def test_text_itself_is_whole_whatever_it_holds(name: str, left: str, right: str) -> None:
    before, behind = TEMPLATES[name].around(left, "그", right)
    assert before.startswith(left)
    assert len(behind) <= len(right) + len("을 가리킨다.")
    # Without what the template puts in, what follows the pronoun is there in its order.
    inserted = {"replace": "", "apposition": "그()", "name_first": "(그)", "namely": "그, 곧 ",
                "here_is": "그 여기서 그는 이다.", "refers_to": "그 이때 그는 을 가리킨다.",
                "who": "그 그는 누구인가? ."}[name]  # fmt: skip
    assert len(before + behind) == len(left + right) + len(inserted)
    whole = iter(before + behind)
    assert all(character in whole for character in left + right)
