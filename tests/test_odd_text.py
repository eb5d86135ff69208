"""Odd text goes through prepare: every span stands in its text and is what it claims to be."""

from __future__ import annotations

import json
import shutil
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import prepare
from kocoref.corpus.document import Document, read_documents
from kocoref.corpus.mentions import entities, noun_phrases, pronouns
from kocoref.examples.items import ItemMaker, ItemSet, MaskedItem, make_items, read_items
from kocoref.text.morphology import Analyzer, readable

ROOT = Path(__file__).parents[1]
STORY = "홍길동은 학생이다. 그는 공부한다. 김서연은 부산에서 태어났다. 그녀는 부산을 떠났다."
ODD = {
    "emoji": "홍길동😀은 👨‍👩‍👧‍👦 학생이다🎉. 그는😎 공부한다. 𠀀𠀁는 한자다. 🇰🇷한국은 나라다.",
    "decomposed": unicodedata.normalize("NFD", STORY),
    "half decomposed": "홍" + unicodedata.normalize("NFD", "길동은") + " 학생이다. 그는 온다.",
    "no width": "홍\u200b길동은 학\u200d생이다. 그\ufeff는 \u2060온다\u200b. 그\u200c녀는 갔다.",
    "right to left": "홍길동은 שלום 학생이다. \u202e그는\u202c 공부한다. مرحبا 그녀는 학교에 갔다.",
    "masks": "홍길동은 [MASK] 학생이다. 그[MASK]는 온다. [CLS] 그는 [SEP] 학생이다. [PAD]<mask>",
    "controls": "홍길동\x01은 학\x7f생\x85이다.\u2028그는\u2029온다.\x0b그녀\x0c는 간다.\0",
    "jamo": "ㅋㅋㅋㅋ 홍길동은 ㅠㅠ 학생ㄴ이다. 그는 ㅇㅇ",
    "old": "ᄀᆞᄂᆞᆫ 하ᄂᆞᆯ 그ᄂᆞᆫ 사ᄅᆞᆷ이다",
    "combining": "한\u0301글은 e\u0301tat 그\u0300는 그는 온다.",
    "one character": "그",
    "one noun": "산",
    "one mark": ".",
    "nothing to see": "\u200b\u200b",
    "no nouns": "그리고 매우 빨리 갔다. 아주 잘 먹었다.",
    "only pronouns": "그는 그를 그에게. 그가 그의 그와.",
}
LONG = {
    "one line of a megabyte": (STORY + " ") * 9000,
    "only pronouns": "그는 그를 " * 16_666,
    "pronouns in sentences": "그는 갔다. " * 14_285,
    "one word of nouns": "학교" * 50_000,
    "faces": "😀" * 100_000,
    "nothing to see": "\u200b" * 100_000,
}
SECONDS = 120
"""A hundred times what the quadratic ways of before took less."""
PIECES = st.sampled_from(
    ["홍길동은 ", "그는 ", "그녀", "학생이다. ", "[MASK]", "😀", "\u200b", "\u202e", "\0", "\n",
     "שלום", "ᄀ", "ᅡ", "ᆫ", "\u0301", " ", "a", "\ufeff", "\U0010ffff"]
)  # fmt: skip


def analysed_as(text: str) -> Document:
    """One analysed document, as prepare makes it."""
    (document,) = prepare.analyze([Document("d", text, "test", "none")])
    return document


def items_of(document: Document) -> ItemSet:
    return make_items([document], ItemMaker(600, 3, 12, Counter()))


def masked(items: ItemSet) -> Sequence[MaskedItem]:
    return [*items.coref, *items.lambada, *items.antecedent]


def check(document: Document) -> None:
    """Every span is inside the text, in order, and reads as it claims to."""
    text = document.text
    for spans in (document.sentences, [(t.start, t.end) for t in document.tokens]):
        assert all(0 <= start <= end <= len(text) for start, end in spans)
        assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    for phrase in noun_phrases(document):
        assert text[slice(*phrase.span)] == phrase.form != ""
    for token in entities(document):
        assert text[token.start : token.end] == token.form
    for token in pronouns(document):
        seen = readable(text[token.start : token.end]).text
        assert seen, "a pronoun that is not in the text"
    items = items_of(document)
    for item in masked(items):
        whole = item.left + item.surface + item.right
        assert item.surface
        assert text[item.start : item.start + len(whole)] == whole
    for plain in items.plain:
        assert text.startswith(plain.text.lstrip()) or plain.text in text


@pytest.mark.parametrize("name", ODD)
@pytest.mark.holds(
    "emoji, decomposed Hangul, no width, right to left, [MASK], one character, only pronouns",
    "every span is inside its text and reads as it claims",
)
def test_spans_of_odd_text_are_what_they_claim(name: str) -> None:
    check(analysed_as(ODD[name]))


@pytest.mark.parametrize(
    ("name", "tag", "form"),
    [
        ("emoji", "NNG", "학생"),
        ("emoji", "NP", "그"),
        ("emoji", "NNP", "한국"),
        ("masks", "NNG", "학생"),
        ("right to left", "NNG", "학생"),
        ("controls", "NP", "그"),
    ],
)
def test_tokens_behind_odd_characters_stand_where_they_are(name: str, tag: str, form: str) -> None:
    text = ODD[name]
    found = [t for t in analysed_as(text).tokens if (t.tag, t.form) == (tag, form)]
    places = [start for start in range(len(text)) if text.startswith(form, start)]
    assert found
    assert {(t.start, t.end) for t in found} <= {(start, start + len(form)) for start in places}


@settings(max_examples=150)
@given(text=st.lists(PIECES, min_size=1, max_size=12).map("".join))
@pytest.mark.holds(
    "150 random mixtures of such pieces",
    "every span is inside its text and reads as it claims",
)
def test_spans_of_any_text_are_what_they_claim(text: str) -> None:
    check(analysed_as(text))


def seen(document: Document) -> list[tuple[str, str, str]]:
    """Forms and tags of the tokens with the text they stand for, as one sees it."""
    return [(t.form, t.tag, readable(document.text[t.start : t.end]).text) for t in document.tokens]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: "\u200b".join(text),
        lambda text: "".join(f"\ufeff{unicodedata.normalize('NFD', c)}" for c in text),
    ],
)
@pytest.mark.holds(
    "decomposed Hangul and invisible characters in a story",
    "the tokens of the story as it looks",
)
def test_text_that_looks_the_same_is_read_the_same(spoil: Callable[[str], str]) -> None:
    assert seen(analysed_as(spoil(STORY))) == seen(analysed_as(STORY))


def test_invisible_characters_are_inside_a_span_but_not_at_its_edges() -> None:
    document = analysed_as(ODD["no width"])
    assert [p.form for p in noun_phrases(document)][:2] == ["홍\u200b길동", "학\u200d생"]
    assert [document.text[t.start : t.end] for t in pronouns(document)] == ["그", "그\u200c녀"]


def test_text_in_pieces_is_read_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (STORY + " ") * 4
    whole = analysed_as(text)
    monkeypatch.setattr("kocoref.text.morphology._LONGEST", len(STORY) + 5)
    pieces = analysed_as(text)
    assert (pieces.tokens, pieces.sentences) == (whole.tokens, whole.sentences)


@pytest.mark.holds("analyses by one thread, by two and by four", "the same")
def test_threads_do_not_change_an_analysis() -> None:
    texts = [*ODD.values(), STORY * 50] * 8
    one, two, four = (list(Analyzer(threads).analyze(texts)) for threads in (1, 2, 4))
    assert one == two == four


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pieces_hold_the_whole_text(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kocoref.text.morphology._LONGEST", size)
    document = analysed_as("가나다라마바사. 아자차\n카")
    check(document)
    covered = {place for t in document.tokens for place in range(t.start, t.end)}
    assert covered >= {i for i, c in enumerate(document.text) if not c.isspace()}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.holds(
    "a megabyte on one line, 100,000 characters of pronouns, of one word, of faces",
    "no hang, every span is inside its text and reads as it claims",
)
def test_long_text_takes_its_time_and_no_more(name: str) -> None:
    text = LONG[name]
    started = time.process_time()
    document = analysed_as(text)
    items = items_of(document)
    assert time.process_time() - started < SECONDS
    assert len(items.coref) <= 12
    check(document)
    assert (len(document.tokens) > 1000) == (name != "nothing to see")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose source is every odd text, and its ids with odd names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    shutil.copy(ROOT / "data/raw/names.tsv", "data/raw/names.tsv")
    rows = [{"id": f"~{name}/../x", "text": text} for name, text in ODD.items()]
    rows += [{"id": f"blank-{n}", "text": blank} for n, blank in enumerate(("", " \n", "\u3000"))]
    rows += [{"id": f"s-{n}", "text": f"{n * 7919} {STORY * (1 + n % 3)}"} for n in range(8)]
    Path("x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["prepare"] |= {
        "sources": [{"path": "x.jsonl", "format": "jsonl"}],
        "validation_share": 0.2,
        "test_share": 0.2,
        "max_test_documents": 1,
    }
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return tmp_path


@pytest.mark.holds(
    "odd texts of every kind, blank ones too, through prepare",
    "documents kept + documents counted as left out = documents read",
)
def test_every_document_is_prepared_or_counted(project: Path) -> None:
    prepare.main()
    documents = {
        split: list(read_documents(Path(f"data/prepared/{split}.jsonl")))
        for split in ("train", "validation", "test")
    }
    read = json.loads(Path("metrics/data.json").read_text(encoding="utf-8"))["read"]
    kept = sum(map(len, documents.values()))
    assert read["empty"] == 3
    assert read["used"] == len(ODD) + 8
    assert kept + read["test_left_out"] + read["validation_left_out"] == read["used"]
    for document in (d for part in documents.values() for d in part):
        check(document)
    assert {p.name for p in project.iterdir()} == {"data", "metrics", "params.yaml", "x.jsonl"}
    assert read_items(Path("data/prepared/evaluation/test")).plain


def test_tilde_in_an_id_makes_no_twin(project: Path) -> None:
    file = ROOT / "data/raw/passages/train/news.txt"
    passages = [part.split("\n", 1)[1] for part in file.read_text("utf-8").split("\n\n")[:4]]
    ids = {"train": ["a~1", "b"], "validation": ["c"], "test": ["d"]}
    for split, names in ids.items():
        path = Path("data/raw/passages", split, "x.txt")
        path.parent.mkdir(parents=True)
        path.write_text("\n\n".join(f"@ {n}\n{passages.pop()}" for n in names), encoding="utf-8")
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["prepare"]["sources"] = [{"path": "data/raw/passages", "format": "passages"}]
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    prepare.main()
    items = read_items(Path("data/prepared/items/train"))
    assert {item.document for item in items.antecedent} == {"a~1", "b"}
