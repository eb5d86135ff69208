"""Twins of passages carry other names, and nothing else changes but particles."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kocoref.corpus.names import FullName, NameLexicon, swap_names
from kocoref.corpus.passages import Passage, parse
from kocoref.errors import InputError
from kocoref.text.particles import agree


def lexicon(**kinds: str) -> NameLexicon:
    forms: dict[str, set[str]] = {}
    for kind, names in kinds.items():
        for name in names.split():
            forms.setdefault(name, set()).add(kind)
    return NameLexicon({form: frozenset(found) for form, found in forms.items()})


def swapped(marked: str, names: NameLexicon, seed: int = 0) -> Passage | None:
    return swap_names(parse(marked, "test:1", "p"), names, Random(seed))


def surfaces(passage: Passage) -> list[str]:
    return [passage.text[slice(*mention.span)] for mention in passage.mentions]


# One choice for each name, so that the result is known.
TO_VOWEL = lexicon(family="김 박", given_male="서준 지우", given_female="다은 유나")
TO_CONSONANT = lexicon(family="김 박", given_male="지우 서준", city="제주 부산")


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("[1:PER 서준]은 [2:PER 아이]를 보았다.", "지우는 아이를 보았다."),
        ("[1:PER 김서준]이 왔다. [1 서준]이는 웃었다.", "박지우가 왔다. 지우는 웃었다."),
        ("[1:PER 서준]이, [1 서준]이를, [1 서준]이한테", "지우가, 지우를, 지우한테"),
        ("[1:PER 서준]이 [1 너]는 가.", "지우 너는 가."),
        ("[1:PER 서준이]는 갔다. [1 서준]아!", "지우는 갔다. 지우야!"),
        ("[1:PER 다은]: 응. [1 다은]이랑 갔어.", "유나: 응. 유나랑 갔어."),
        ("[1:PER 김다은]이라는 [2:PER 사람]", "박유나라는 사람"),
        ("[1:PER 서준] 씨와 [2:PER 다은]과", "지우 씨와 유나와"),
        ("[1:PER [2:PER 서준]의 형]이 [2 서준]을 불렀다.", "지우의 형이 지우를 불렀다."),
        ("[1:PER [2:PER 서준]이 만난 사람]은", "지우가 만난 사람은"),
    ],
)
def test_swap_to_a_name_that_ends_in_a_vowel(marked: str, expected: str) -> None:
    twin = swapped(marked, TO_VOWEL)
    assert twin is not None
    assert twin.text == expected


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("[1:PER 지우]가 [1 지우]야, 하고", "서준이 서준아, 하고"),
        (
            "[1:PER 박지우]였다. [1 지우]는 [2:LOC 제주]로 갔다.",
            "김서준이었다. 서준은 부산으로 갔다.",
        ),
        ("[1:LOC 제주]다. [1 제주]의 바다", "부산이다. 부산의 바다"),
        ("[1:LOC 제주]이며 [2:OBJ 섬]", "부산이며 섬"),
    ],
)
def test_swap_to_a_name_that_ends_in_a_consonant(marked: str, expected: str) -> None:
    twin = swapped(marked, TO_CONSONANT)
    assert twin is not None
    assert twin.text == expected


def test_spans_chains_and_types_are_kept() -> None:
    marked = "[1:PER [2:PER 서준]이의 누나]는 [2 그]를 [3:LOC 역]에서 기다렸다."
    twin = swapped(marked, TO_VOWEL)
    assert twin is not None
    assert twin.id == "p~swap"
    assert twin.text == "지우의 누나는 그를 역에서 기다렸다."
    assert surfaces(twin) == ["지우의 누나", "지우", "그", "역"]
    assert [mention.chain for mention in twin.mentions] == [1, 2, 2, 3]
    assert twin.types == {1: "PER", 2: "PER", 3: "LOC"}


@pytest.mark.parametrize(
    "marked",
    [
        "[1:PER 형사]가 [2:LOC 강]을 건넜다.",
        "[1:PER 서준]은 서준네 집에 갔다.",
        "[1:PER 김서준]은 서준이라고도 불린다.",
        "[1:PER 서준]과 [2:PER 서준]은 이름이 같다.",
        "[1:PER [2:PER 서준]]은 둘로 표시되었다.",
        "[1:PER 서[2:OBJ 준]]은 표시가 겹친다.",
        "[1:PER 김서준]은 [1 김 부장]이다.",
        "[1:PER 김서준]은 [1 김씨]이다.",
        "[1:PER 서준]은 [1 다은]이다.",
        "[1:OBJ 서준]은 개의 이름이다.",
        "[1:PER 서준]은 지우개를 샀다.",
        "[1:PER 다은]과 [2:PER 유나]",
    ],
)
def test_no_twin(marked: str) -> None:
    assert swapped(marked, TO_VOWEL) is None


def test_companies_keep_their_trade() -> None:
    names = lexicon(company="한솔출판사 나루출판사 다온전자")
    twin = swapped("[1:ORG 한솔출판사]가 [2:ORG 다온전자]를 샀다.", names)
    assert twin is not None
    assert twin.text == "나루출판사가 다온전자를 샀다."


def test_a_city_is_no_company() -> None:
    names = lexicon(city="부산 제주", company="한솔전자 나루전자")
    assert swapped("[1:ORG 부산]과 [2:LOC 한솔전자]", names) is None


def test_text_that_is_no_particle_of_the_old_name_stays() -> None:
    names = lexicon(city="가평 제주")
    twin = swapped("[1:LOC 가평]군은 [1 가평]은", names)
    assert twin is not None
    assert twin.text == "제주군은 제주는"


def test_a_family_stays_a_family() -> None:
    names = lexicon(family="김 박 이", given_female="다은 유나 수아 나래")
    twin = swapped("[1:PER 김다은]과 [2:PER 김유나]는 [3:PER 박수아]의 친구다.", names)
    # Only one name is left for three people.
    assert twin is not None
    assert sum("나래" in surface for surface in surfaces(twin)) == 1
    names = lexicon(family="김 박 이 최", given_female="다은 유나 수아 가나 나래 라희")
    for seed in range(20):
        twin = swapped("[1:PER 김다은]과 [2:PER 김유나], [3:PER 박수아]", names, seed)
        assert twin is not None
        one, two, three = surfaces(twin)
        assert one[0] == two[0] != three[0]
        assert {one[0], three[0]} == {"이", "최"}
        assert {one[1:], two[1:], three[1:]} == {"가나", "나래", "라희"}


def test_a_family_with_a_name_that_must_stay_keeps_its_own() -> None:
    names = lexicon(family="김 박", given_female="다은 유나 수아")
    twin = swapped("[1:PER 김다은]은 다은과 [2:PER 김유나]를 보았다.", names)
    assert twin is not None
    assert surfaces(twin) == ["김다은", "김수아"]


def test_a_name_of_both_sexes_stays_one() -> None:
    names = lexicon(given_male="지안 서준 하람", given_female="지안 다은 하람")
    for seed in range(10):
        twin = swapped("[1:PER 지안]은 [2:OBJ 책]을 읽는다.", names, seed)
        assert twin is not None
        assert surfaces(twin)[0] == "하람"


def test_foreign_names_stay_foreign() -> None:
    names = lexicon(foreign_female="카렌 소피아", given_female="다은")
    twin = swapped("[1:PER 카렌]은 [2:OBJ 책]을", names)
    assert twin is not None
    assert twin.text == "소피아는 책을"


def test_same_seed_same_twin() -> None:
    names = lexicon(given_male=" ".join(f"{one}{two}" for one in "서지하민" for two in "준우율호"))
    marked = "[1:PER 서준]은 [2:PER 지우]를 보았다."
    twins = [swapped(marked, names, seed) for seed in (1, 1, 2, 3, 4)]
    assert twins[0] == twins[1]
    assert len({twin.text for twin in twins if twin}) > 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("김서준", FullName("김", "서준")),
        ("남궁서준", FullName("남궁", "서준")),
        ("남궁현", FullName("남궁", "현")),
        ("황보라", FullName("황", "보라")),
        ("도현", FullName("", "도현")),
        ("현", FullName("", "현")),
        ("김현", None),
        ("김", None),
        ("서준이", None),
        ("", None),
    ],
)
def test_parse(text: str, expected: FullName | None) -> None:
    names = lexicon(family="김 남 남궁 황 황보 도", given_male="서준 현 도현", given_female="보라")
    assert names.parse(text) == expected


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", ":1: the first line"),
        ("김\tfamily\n", ":1: the first line"),
        ("form\tkind\n김 family\n", ":2: '김 family' is not"),
        ("form\tkind\n김\tfamily\n\n", ":3: '' is not"),
        ("form\tkind\n김\tfamily\tx\n", ":2: "),
        ("form\tkind\n\tfamily\n", ":2: "),
        ("form\tkind\n 김\tfamily\n", ":2: "),
        ("form\tkind\n김\tsurname\n", ":2: unknown kind 'surname'"),
        ("form\tkind\n김\tfamily\n김\tfamily\n", ":3: 김 is listed twice as family"),
    ],
)
def test_read_names_the_bad_row(tmp_path: Path, table: str, problem: str) -> None:
    path = tmp_path / "names.tsv"
    path.write_text(table, encoding="utf-8")
    with pytest.raises(InputError) as failure:
        NameLexicon.read(path)
    assert str(failure.value).startswith(f"{path}{problem}")


def test_names_in_another_encoding_are_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_bytes("form\tkind\n김\tfamily\n".encode("cp949"))
    with pytest.raises(InputError, match=r"names\.tsv:2: not UTF-8 at byte 1"):
        NameLexicon.read(path)


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    table = "form\tkind\n김\tfamily\n지안\tgiven_female\n지안\tgiven_male\n"
    path.write_text(table, encoding="utf-8")
    names = NameLexicon.read(path)
    assert names.kinds("지안") == {"given_female", "given_male"}
    assert names.kinds("박") == frozenset()
    assert names.forms({"given_male"}) == ["지안"]


LEXICON = lexicon(
    family="김 이 박 최 정 강 남궁 선우 황보 한 은 하",
    given_male="서준 지호 도현 하준 민재 태오 준서 은호 강민 시우 도율 현 한결 지안 라온 연우",
    given_female="서연 지아 하은 다은 유나 수빈 나래 보라 예린 채원 지안 라온 연우",
    foreign_male="다니엘 루카",
    foreign_female="카렌 소피아 엠마",
    city="부산 제주 서울 강릉 목포 대구 춘천 제주시",
    company="한솔전자 나루전자 다온전자 은하상사 한빛상사",
)
PEOPLE = st.one_of(
    st.tuples(
        st.sampled_from(LEXICON.forms({"family"})),
        st.sampled_from(LEXICON.forms({"given_male"}) + LEXICON.forms({"given_female"})),
    ),
    st.tuples(
        st.just(""),
        st.sampled_from(LEXICON.forms({"foreign_male"}) + LEXICON.forms({"given_female"})),
    ),
)
PARTICLES = st.sampled_from(
    [
        "은",
        "이",
        "을",
        "과",
        "으로",
        "이다.",
        "이라고",
        "의",
        "에게",
        " 씨는",
        "이나",
        ":",
        "도",
        "과의",
    ]
)
FILLERS = st.sampled_from([" ", " 오래 ", ", 그러나 ", ". 이튿날 ", "\n", " 지우개와 ", " “"])


@st.composite
def passages(draw: st.DrawFn) -> Passage:
    """Passages of up to four chains whose mentions carry particles that agree."""
    forms: list[list[str]] = []
    kinds: list[str] = []
    for family, given_name in draw(st.lists(PEOPLE, min_size=1, max_size=3)):
        forms.append([family + given_name, given_name, "그", f"{given_name}의 집"])
        kinds.append("PER")
    place = draw(st.sampled_from([("LOC", "city"), ("ORG", "company"), ("OBJ", "city")]))
    forms.append([draw(st.sampled_from(LEXICON.forms({place[1]}))), "그곳"])
    kinds.append(place[0])
    pieces: list[str] = []
    seen: set[int] = set()
    for _ in range(draw(st.integers(2, 10))):
        chain = draw(st.integers(0, len(forms) - 1))
        form = draw(st.sampled_from(forms[chain]))
        mark = f"{chain}" if chain in seen else f"{chain}:{kinds[chain]}"
        seen.add(chain)
        pieces += [f"[{mark} {form}]", agree(form, draw(PARTICLES)), draw(FILLERS)]
    return parse("".join(pieces), "test:1", "p")


def gaps(passage: Passage) -> list[str]:
    """The text behind each mention, up to the next one (these passages are not nested)."""
    ends = [mention.span[1] for mention in passage.mentions]
    starts = [mention.span[0] for mention in passage.mentions[1:]]
    return [passage.text[end:start] for end, start in zip(ends, [*starts, None], strict=True)]


@given(passages(), st.integers(0, 99))
def test_nothing_changes_but_names_and_their_particles(passage: Passage, seed: int) -> None:
    twin = swap_names(passage, LEXICON, Random(seed))
    if twin is None:
        return
    assert twin.text != passage.text
    assert twin.types == passage.types
    assert [mention.chain for mention in twin.mentions] == [
        mention.chain for mention in passage.mentions
    ]
    renamed: dict[tuple[int, str], str] = {}
    for mention, old, new, gap, new_gap in zip(
        passage.mentions, surfaces(passage), surfaces(twin), gaps(passage), gaps(twin), strict=True
    ):
        assert renamed.setdefault((mention.chain, old), new) == new
        assert new_gap == (gap if new == old else agree(new, gap))
        if new != old:
            assert new not in passage.text
            assert len(LEXICON.kinds(old)) == 0 or LEXICON.kinds(old) <= LEXICON.kinds(new)
    new_names = {new for (_, old), new in renamed.items() if new != old}
    chains = {
        new: {chain for (chain, _), other in renamed.items() if other == new} for new in new_names
    }
    assert all(len(found) == 1 for found in chains.values())


@given(passages(), st.integers(0, 99))
def test_new_names_stand_only_in_mentions(passage: Passage, seed: int) -> None:
    twin = swap_names(passage, LEXICON, Random(seed))
    if twin is None:
        return
    new = set(surfaces(twin)) - set(surfaces(passage))
    unmarked = twin.text
    for start, end in sorted((mention.span for mention in twin.mentions), reverse=True):
        unmarked = unmarked[:start] + "|" * (end - start) + unmarked[end:]
    assert not any(name in unmarked for name in new)


@given(passages(), st.integers(0, 99))
def test_a_twin_can_be_swapped_again(passage: Passage, seed: int) -> None:
    twin = swap_names(passage, LEXICON, Random(seed))
    again = swap_names(twin, LEXICON, Random(seed + 1)) if twin else None
    if twin is None or again is None:
        return
    assert [mention.chain for mention in again.mentions] == [
        mention.chain for mention in passage.mentions
    ]
    spans = [mention.span for mention in again.mentions]
    assert spans == sorted(spans, key=lambda span: (span[0], -span[1]))
    assert all(0 <= start < end <= len(again.text) for start, end in spans)
    assert [
        old == other
        for old, other in zip(surfaces(passage), surfaces(again), strict=True)
        if old in {"그", "그곳"}
    ].count(False) == 0
    again.document()
