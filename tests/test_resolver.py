"""The resolver: which pronouns, which candidates, where they stand; and its command line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from kocoref.corpus.document import Document
from kocoref.errors import InputError
from kocoref.model.checkpoint import COPYING, load_checkpoint
from kocoref.resolver import Resolution, Resolver, resolvable_pronouns
from resolve import FINETUNED, main, parse, read_texts, resolve

ROOT = Path(__file__).parents[1]
TEXT = "홍길동은 학생이다. 그는 공부한다."
STORY = (
    "김서연 교수는 부산에서 태어났다. 그녀는 그곳을 떠난 적이 없다. 민지가 지우에게 책을 주었다. "
    "지우는 도서관에서 그것을 읽었다. 김서연 교수는 자신의 책을 냈다."
)


@pytest.fixture(scope="module")
def resolver(tiny: Path) -> Resolver:
    return Resolver(str(tiny), scorer="copy")


@pytest.fixture(scope="module")
def by_name(tiny: Path) -> Resolver:
    return Resolver(str(tiny), scorer="mlm")


def check(text: str, found: list[Resolution]) -> None:
    """What holds of every answer."""
    assert [p.span for p in found] == sorted({p.span for p in found})
    for pronoun in found:
        assert text[slice(*pronoun.span)] == pronoun.form
        probabilities = [candidate.probability for candidate in pronoun.candidates]
        assert probabilities == sorted(probabilities, reverse=True)
        assert not probabilities or sum(probabilities) == pytest.approx(1)
        assert len({c.form for c in pronoun.candidates}) == len(pronoun.candidates)
        for candidate in pronoun.candidates:
            assert text[slice(*candidate.span)] == candidate.form
            assert candidate.span[1] <= pronoun.span[0]


# ---- which pronouns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("그는 왔다. 그녀도 그것을 보았다.", ["그", "그녀", "그것"]),
        ("그들은 이것들을 이곳에 두었다.", ["그들", "이것들", "이곳"]),
        ("이는 사실이다. 이들은 안다.", ["이", "이들"]),
        ("걔는 거기에 갔다.", ["걔", "거기"]),
        ("민수가 떠났다. 그 또한 울었다. 그 역시 왔다.", ["그", "그"]),
        ("그 참 좋은 책을 샀다.", []),
        ("그게 좋다. 그건 나쁘다.", ["그게", "그건"]),  # with the particle that is grown into it
        ("아이가 자신을 믿었다. 자기 방에서 본인의 책을 본다.", ["자신", "자기", "본인"]),
        ("그들은 자신들의 집으로 갔다.", ["그들", "자신들"]),
        ("홍길동은 자기네 집에 그들끼리 갔다.", ["자기네", "그들"]),
        ("저들은 저것을 보았다.", ["저들", "저것"]),
        ("네, 그분이 먼저 전화했다. 은퇴한 뒤 그곳의 문을 닫았다.", ["그분", "그곳"]),  # not NP
        ("그 사람은 그 책을 이 집에서 읽었다.", []),
        ("나는 너를 안다. 저는 제 책을, 내 책을, 네 책을 읽었다.", []),
        ("우리는 저희 집에서 당신과 여러분을 기다렸다.", []),
        ("누구도 무엇이 어디에 언제 있었는지 모른다. 아무도 몰랐다.", []),
        ("나 자신을 믿는다. 우리 자신도 그렇다.", []),
        ("학생은 자기소개를 했다. 그간 자신감이 늘었다. 본인확인을 했다.", []),
        ("학생이 왔다.", []),
    ],
)
def test_resolvable_pronouns(
    analysed: Callable[..., Document], text: str, expected: list[str]
) -> None:
    assert [text[slice(*span)] for span in resolvable_pronouns(analysed(text))] == expected


def test_nearly_all_marked_pronouns_of_the_passages_are_found(
    passage_documents: list[Document],
) -> None:
    frequent = {"그", "그녀", "그들", "그것", "이것", "그곳", "이곳", "그분", "자신", "자기"}
    marked = found = 0
    for document in passage_documents:
        spans = set(resolvable_pronouns(document))
        for span in (span for chain in document.chains for span in chain):
            if document.text[slice(*span)] in frequent:
                marked += 1
                found += span in spans
    assert found / marked > 0.99


# ---- candidates, places, probabilities


def test_hand_case(resolver: Resolver) -> None:
    ((found,),) = resolver.resolve([TEXT])
    assert (found.form, found.span) == ("그", (11, 12))
    assert {(c.form, c.span) for c in found.candidates} == {("홍길동", (0, 3)), ("학생", (5, 7))}
    check(TEXT, [found])


@pytest.mark.parametrize("scorer", ["resolver", "by_name"])
def test_story(scorer: str, request: pytest.FixtureRequest) -> None:
    (found,) = request.getfixturevalue(scorer).resolve([STORY])
    assert [p.form for p in found] == ["그녀", "그곳", "그것", "자신"]
    check(STORY, found)
    last = {c.form: c.span[0] for c in found[-1].candidates}
    assert last["김서연"] == STORY.rindex("김서연")  # of two occurrences
    assert last["부산"] == STORY.index("부산")
    assert "책" in last
    assert STORY.rindex("책") > last["책"]


@pytest.fixture
def copying(tiny: Path, tmp_path: Path) -> Path:
    """A checkpoint whose copying head is another than the one it begins as: nothing but zeros."""
    load_checkpoint(str(tiny)).save(tmp_path / "model")
    weights = load_file(tmp_path / "model" / COPYING)
    save_file(
        {name: torch.zeros_like(weight) for name, weight in weights.items()},
        tmp_path / "model" / COPYING,
    )
    return tmp_path / "model"


def test_copying_head_decides(copying: Path) -> None:
    """A head that sees no difference gives each occurrence the same share."""
    resolver = Resolver(str(copying))
    assert resolver.scorer == "copy"
    ((found,),) = resolver.resolve(["민지가 왔다. 지우가 민지를 보았다. 그는 갔다."])
    assert [(c.form, round(c.probability, 4)) for c in found.candidates] == [
        ("민지", 0.6667),
        ("지우", 0.3333),
    ]


def test_untrained_copying_head_is_not_asked_by_default(tiny: Path, tmp_path: Path) -> None:
    assert Resolver(str(tiny)).scorer == "mlm"
    load_checkpoint(str(tiny)).save(tmp_path / "saved")
    assert Resolver(str(tmp_path / "saved")).scorer == "mlm"


def test_scorers_differ(resolver: Resolver, by_name: Resolver) -> None:
    assert resolver.resolve([TEXT]) != by_name.resolve([TEXT])


def test_first_and_second_person_only_on_request(tiny: Path) -> None:
    text = "홍길동은 학생이다. 나는 너를 안다. 누구는 그를 안다."
    for speech, expected in ((False, ["그"]), (True, ["나", "너", "그"])):
        (found,) = Resolver(str(tiny), speech=speech).resolve([text])
        assert [pronoun.form for pronoun in found] == expected


def test_pronoun_without_a_noun_before_it_has_no_candidates(resolver: Resolver) -> None:
    ((found,),) = resolver.resolve(["그는 학생이다."])
    assert found == Resolution("그", (0, 1), ())


def test_pronoun_is_no_candidate(resolver: Resolver) -> None:
    """Not even where Kiwi sees a determiner and the noun 곳."""
    text = "홍길동이 왔다. 은퇴한 뒤 그곳의 문을 닫았다. 그는 웃었다."
    (found,) = resolver.resolve([text])
    assert [p.form for p in found] == ["그곳", "그"]
    assert {c.form for c in found[1].candidates} == {"홍길동", "은퇴", "뒤", "문"}


def test_candidates_are_those_of_the_window(tiny: Path) -> None:
    text = STORY + " 그는 왔다."
    near = Resolver(str(tiny), window=50).resolve([text])[0][-1]
    far = Resolver(str(tiny), window=600).resolve([text])[0][-1]
    assert {c.form for c in near.candidates} < {c.form for c in far.candidates}


def test_what_the_model_does_not_see_is_no_candidate(copying: Path) -> None:
    text = "홍길동이 왔다. " + "아주 멀고도 멀었다. " * 300 + "그는 갔다."
    ((found,),) = Resolver(str(copying), window=20000).resolve([text])
    assert found.candidates == ()
    ((found,),) = Resolver(str(copying), window=20000).resolve([f"{text[:-6]}민지가 본 그는 갔다."])
    assert [(c.form, c.probability) for c in found.candidates] == [("민지", 1.0)]


def test_salience_does_not_make_up_for_not_being_seen(copying: Path) -> None:
    weights = load_file(copying / COPYING)
    weights["salience.weight"] += 1.0
    save_file(weights, copying / COPYING)
    text = "홍길동이 왔다. " + "아주 멀고도 멀었다. " * 300 + "그는 갔다."
    ((found,),) = Resolver(str(copying), window=20000).resolve([text])
    assert found.candidates == ()


def test_batched_equals_one_by_one(resolver: Resolver, by_name: Resolver) -> None:
    texts = [TEXT, STORY, "", "학생이 왔다.", "그는 왔다.", TEXT * 3]
    for one in (resolver, by_name):
        together, apart = one.resolve(texts), [one.resolve([text])[0] for text in texts]
        for a, b in zip(together, apart, strict=True):
            assert [(p.form, p.span) for p in a] == [(p.form, p.span) for p in b]
            assert [c.probability for p in a for c in p.candidates] == pytest.approx(
                [c.probability for p in b for c in p.candidates], abs=1e-5
            )
        assert one.resolve(texts) == together


# ---- odd text


@pytest.mark.parametrize(
    "text",
    [
        "😀👍🏽 홍길동은 학생이다. 🙂 그는 공부한다.",
        TEXT.replace(" ", ""),
        "[MASK] 홍길동은 [MASK] 학생이다. [MASK] 그는 [MASK] 공부한다. [MASK]",
        f"\ufeff{TEXT}\r\n",
        f"\n\n{TEXT}\x00\u200b",
        "홍길동은 " + "가" * 3000 + " 학생이다. 그는 공부한다. " + "나" * 3000,
        "그" * 500,
        "그는 " * 200,
        "ㅋㅋㅋ ...",
        " \n",
    ],
)
def test_odd_text(resolver: Resolver, by_name: Resolver, text: str) -> None:
    for one in (resolver, by_name):
        (found,) = one.resolve([text])
        check(text, found)
        if "홍길동" in text:
            assert [p.form for p in found] == ["그"]
            assert "홍길동" in {c.form for c in found[0].candidates} or len(text) > 600


def test_decomposed_hangul_is_the_same_text(resolver: Resolver) -> None:
    decomposed = unicodedata.normalize("NFD", STORY)
    assert len(decomposed) > len(STORY)
    (expected,), (found,) = resolver.resolve([STORY]), resolver.resolve([decomposed])
    check(decomposed, found)
    assert [unicodedata.normalize("NFC", p.form) for p in found] == [p.form for p in expected]
    for one, other in zip(expected, found, strict=True):
        assert [(c.form, c.probability) for c in one.candidates] == [
            (unicodedata.normalize("NFC", c.form), c.probability) for c in other.candidates
        ]


@pytest.mark.slow
def test_long_text(resolver: Resolver) -> None:
    text = "김서연 교수는 부산에서 태어났다. " * 5300 + "그녀는 그곳을 떠났다."
    assert len(text) > 100_000
    (found,) = resolver.resolve([text])
    check(text, found)
    assert [p.form for p in found] == ["그녀", "그곳"]


def test_no_text(resolver: Resolver) -> None:
    assert resolver.resolve([]) == []


# ---- the command line


def printed(tiny: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    resolve(parse([*arguments, "--model", str(tiny)]))
    return capsys.readouterr().out


def test_json(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(tiny, capsys, "--json", STORY)
    assert out == printed(tiny, capsys, "--json", STORY)
    (line,) = out.splitlines()
    row = json.loads(line)
    assert list(row) == ["text", "pronouns"]
    assert row["text"] == STORY
    assert [p["form"] for p in row["pronouns"]] == ["그녀", "그곳", "그것", "자신"]
    for pronoun in row["pronouns"]:
        assert list(pronoun) == ["form", "span", "candidates"]
        for part in (pronoun, *pronoun["candidates"]):
            assert STORY[slice(*part["span"])] == part["form"]
        assert all(list(c) == ["form", "span", "probability"] for c in pronoun["candidates"])
    assert [len(p["candidates"]) for p in row["pronouns"]] == [3, 3, 4, 4]


@pytest.mark.parametrize("top", [0, 1])
def test_top_is_the_number_of_runners_up(
    tiny: Path, capsys: pytest.CaptureFixture[str], top: int
) -> None:
    row = json.loads(printed(tiny, capsys, "--json", "--top", str(top), STORY))
    assert {len(p["candidates"]) for p in row["pronouns"]} == {top + 1}


def test_text_for_people(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = printed(tiny, capsys, TEXT).splitlines()
    assert first == "11-12  홍길동은 학생이다. [그]는 공부한다."
    assert second.startswith(("    그 → 홍길동 ", "    그 → 학생 "))
    assert "(then " in second
    assert "(then " not in printed(tiny, capsys, "--top", "0", TEXT)
    assert "no candidate" in printed(tiny, capsys, "그는 왔다.")
    assert printed(tiny, capsys, "학생이 왔다.") == "no pronoun to resolve\n"


def test_long_context_is_cut(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = printed(tiny, capsys, STORY.replace(". ", ".\n")).splitlines()[4]
    place, context = first.split("  ")
    start = STORY.index("그것")
    assert place == f"{start}-{start + 2}"
    assert context == f"…{STORY[start - 20 : start]}[그것]{STORY[start + 2 : start + 22]}…"


def test_file_and_standard_input(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = printed(tiny, capsys, "--json", f"{TEXT}\n")
    path = tmp_path / "글.txt"
    path.write_bytes(b"\xef\xbb\xbf" + f"{TEXT}\n".encode())  # with a byte order mark
    assert printed(tiny, capsys, "--json", "--file", str(path)) == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{TEXT}\n".encode())))
    assert printed(tiny, capsys, "--json", "-") == expected


def test_each_line_is_a_text(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(f"{TEXT}\r\n\n그는 왔다.\u2028\n".encode())
    rows = list(
        map(
            json.loads,
            printed(tiny, capsys, "--json", "--lines", "--file", str(path)).split("\n")[:-1],
        )
    )
    assert [row["text"] for row in rows] == [TEXT, "", "그는 왔다.\u2028"]
    assert [len(row["pronouns"]) for row in rows] == [1, 0, 1]
    shown = printed(tiny, capsys, "--lines", "--file", str(path)).splitlines()
    assert [line for line in shown if line.startswith("line")] == ["line 1", "line 2", "line 3"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b" \n\t", "empty"),
        ("그는 왔다.".encode("cp949"), "not UTF-8 at byte 1; convert it, perhaps from CP949 or"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        read_texts(parse(["--file", str(path)]))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("", "TEXT: empty"), ("그는 \udcff", "TEXT: not UTF-8 at byte 8")]
)
def test_bad_arguments(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_texts(parse([text]))


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input: closed"):
        read_texts(parse(["-"]))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "argv", ["resolve.py", TEXT])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2


def test_missing_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"no config\.json there"):
        resolve(parse([TEXT, "--model", str(tmp_path)]))
    monkeypatch.setattr("resolve.FINETUNED", tmp_path / "finetuned")
    with pytest.raises(InputError, match="no model yet; run `dvc repro finetune`"):
        resolve(parse([TEXT]))


def test_default_model_is_the_output_of_the_pipeline() -> None:
    assert FINETUNED == ROOT / "models/finetuned"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [TEXT, "--file", "x"],
        [TEXT, "--top", "-1"],
        [TEXT, "--window", "10"],
        [TEXT, "--top=a"],
        [TEXT, "--model="],
    ],
)
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err


def run(
    arguments: list[str], text: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "src/resolve.py"), *arguments],
        input=text, capture_output=True, encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"} | environment,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_writes_utf_8_whatever_the_locale(tiny: Path) -> None:
    done = run([TEXT, "--model", str(tiny)], PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "[그]는 공부한다." in done.stdout


@pytest.mark.slow
def test_the_command(tiny: Path, tmp_path: Path) -> None:
    done = run(["-", "--model", str(tiny)], TEXT)
    assert done.returncode == 0
    assert done.stdout.startswith("11-12  홍길동은 학생이다. [그]는 공부한다.\n    그 → ")
    failed = run(["--file", str(tmp_path / "none.txt")])
    assert failed.returncode == 2
    assert failed.stderr == f"error: {tmp_path / 'none.txt'}: No such file or directory\n"
    assert failed.stdout == ""
