"""CoNLL-2012 gold: nested and crossing mentions, any document back from its file, every failure."""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path

import pytest
from gold_files import failure_as, read_as, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kocoref.corpus.document import Document, Span
from kocoref.errors import InputError

Mention = tuple[int, int, int]
"""Sentence, first and last word."""


read = partial(read_as, "conll2012")
failure = partial(failure_as, "conll2012")


def row(word: str, coreference: str = "-") -> str:
    return f"소설   0   1   {word} - - - - - 김씨 *   {coreference}"


def part(*lines: str, begin: str = "#begin document (소설); part 000") -> str:
    return "\n".join([begin, *lines, "#end document"]) + "\n"


def test_words_and_sentences_are_joined_by_a_space(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    path.write_text(
        part(
            row("홍길동은", "(7)"), row("학생이다.", "(2)"), "", "",
            row("그는", "(7)"), row("공부한다."), "",
        ), encoding="utf-8")  # fmt: skip
    assert read(path) == [
        Document(
            id="소설_000",
            text="홍길동은 학생이다. 그는 공부한다.",
            source="x.conll",
            licence="unknown",
            chains=(((0, 4), (11, 13)), ((5, 10),)),
        )
    ]


def test_nested_crossing_and_shared_mentions(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    path.write_text(
        part(
            row("내", "(0|(1)"), row("친구", "(2"), row("민수", "0)"), row("씨와", "2)"),
            "",
            row("우리는", "(0)|(1)"), row("그", "(3|(3)"), row("집에", "3)"), row("갔다."),
        ), encoding="utf-8")  # fmt: skip
    (document,) = read(path)
    assert document.text == "내 친구 민수 씨와 우리는 그 집에 갔다."
    assert texts(document) == [
        ["내", "우리는"],
        ["내 친구 민수", "우리는"],
        ["친구 민수 씨와"],
        ["그", "그 집에"],
    ]


def test_morphemes_as_words(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    path.write_text(
        part(row("그", "(0)"), row("는"), row("자신", "(0)"), row("을"), row("믿었다")),
        encoding="utf-8",
    )
    (document,) = read(path)
    assert document.text == "그 는 자신 을 믿었다"
    assert texts(document) == [["그", "자신"]]


def test_a_span_twice_in_a_chain_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    path.write_text(part(row("그는", "(0)|(0)"), row("갔다.")), encoding="utf-8")
    assert read(path)[0].chains == (((0, 2),),)


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        ("#begin document (a); part 001", "a_001"),
        ("#begin document (a);  part  001", "a_001"),
        ("#begin document (a);part 001", "a_001"),
        ("#begin document (a) part 001", "a_001"),
        ("#begin document (a);", "a"),
        ("#begin document (a)", "a"),
        ("#begin document ((b); c); part 001", "(b); c_001"),
    ],
)
def test_name_of_a_part(tmp_path: Path, begin: str, name: str) -> None:
    path = tmp_path / "x.conll"
    path.write_text(part(row("그는", "(0)"), begin=begin), encoding="utf-8")
    assert [document.id for document in read(path)] == [name]


def test_parts_files_tabs_and_compression(tmp_path: Path) -> None:
    first = part("a\t0\t0\t그는\t(0)", begin="#begin document (a);")
    second = part(row("왔다."), begin="#begin document (a/b); part 012")
    (tmp_path / "1.conll.gz").write_bytes(gzip.compress(f"{first}\n{second}".encode()))
    (tmp_path / "2.conll").write_bytes(part(row("갔다.")).replace("\n", "\r\n").encode())
    documents = read(tmp_path / "*.conll*")
    assert [document.id for document in documents] == ["a", "a/b_012", "소설_000"]
    assert [document.text for document in documents] == ["그는", "왔다.", "갔다."]
    assert documents[0].chains == (((0, 2),),)


@pytest.mark.parametrize(
    ("content", "line", "problem", "action"),
    [
        (row("그는"), 1, "a line outside of documents", "write #begin document (id); part 000"),
        ("#end document", 1, "#end document without a #begin document", "remove it"),
        ("#begin document (소설) 0", 1, "'#begin document (소설) 0'", "write #begin document (id)"),
        ("#begin document 소설", 1, "'#begin document 소설'", "write #begin document (id); part"),
        (f"#begin document (a);\n{row('그')}\n", 1, "the document does not end", "write #end"),
        (
            f"#begin document (a);\n{row('그')}\n#begin document (b);",
            3,
            "a document begins inside that of",
            "write #end document before it",
        ),
        (part(), 1, "a document without words", "leave it out"),
        (part(row("그"), "", "소설 0 0 -"), 4, "4 columns, fewer than 5", "write id, part, word"),
        (part(row("그"), "소설 0 0 그 -"), 3, "5 columns after lines of 12", "mend the line"),
        (part(row("그", "0)")), 2, "mention '0' is closed but not open", "write (0 where"),
        (part(row("그", "(0")), 2, "mention '0' is not closed", "write 0) where it ends"),
        (part(row("그", "(0"), "", row("집", "0)")), 2, "mention '0' is not closed", "write 0)"),
        (part(row("그", "(0|(0"), row("집", "0)")), 2, "mention '0' is not closed", "write 0)"),
        (part(row("그", "(0)"), row("집", "0)")), 3, "mention '0' is closed but not", "write (0"),
        (part(row("그", "0")), 2, "coreference '0'", "write -, or (0, 0) or (0)"),
        (part(row("그", "(0)(1)")), 2, "coreference '(0)(1)'", "with | between them"),
        (part(row("그", "(0)|")), 2, "coreference '(0)|'", "write -, or"),
        (part(row("그", "_")), 2, "coreference '_'", "write -, or"),
    ],
)  # fmt: skip
def test_failures(tmp_path: Path, content: str, line: int, problem: str, action: str) -> None:
    path = tmp_path / "x.conll"
    path.write_text(content, encoding="utf-8")
    message = failure(path)
    assert message.startswith(f"{path}:{line}: {problem}")
    assert action in message


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    assert failure(path) == f"{path}: no such file; correct its path in params.yaml"
    path.write_text("\n", encoding="utf-8")
    assert failure(path) == f"{path}: no documents in it; check the file"
    path.write_bytes(part(row("그는")).encode("cp949"))
    assert f"{path}:1: not UTF-8" in failure(path)
    path.write_text(part(row("그는")) * 2, encoding="utf-8")
    assert f"{path}:4: id '소설_000' came before" in failure(path)


def crosses(one: Mention, other: Mention) -> bool:
    (_, a, b), (_, c, d) = sorted([one, other])
    return one[0] == other[0] and a < c <= b < d


@st.composite
def annotated(draw: st.DrawFn) -> tuple[list[list[str]], list[set[Mention]]]:
    """Sentences and chains; mentions of one chain do not cross, which the format cannot say."""
    word = st.text("가나다그는이.\"|()-#'", min_size=1, max_size=3)
    sentences = draw(st.lists(st.lists(word, min_size=1, max_size=6), min_size=1, max_size=4))
    chains: list[set[Mention]] = []
    for _ in range(draw(st.integers(0, 4))):
        chain: set[Mention] = set()
        for _ in range(draw(st.integers(1, 4))):
            sentence = draw(st.integers(0, len(sentences) - 1))
            first = draw(st.integers(0, len(sentences[sentence]) - 1))
            last = draw(st.integers(first, len(sentences[sentence]) - 1))
            mention = sentence, first, last
            if not any(crosses(mention, other) for other in chain):
                chain.add(mention)
        chains.append(chain)
    return sentences, chains


def written(sentences: list[list[str]], chains: list[set[Mention]]) -> str:
    lines = []
    for s, words in enumerate(sentences):
        for w, word in enumerate(words):
            marks = []
            for number, chain in enumerate(chains):
                here = [(first, last) for sentence, first, last in chain if sentence == s]
                marks += [f"{number})" for first, last in here if first < last == w]
                longest = sorted(((f, x) for f, x in here if f == w), key=lambda m: -m[1])
                marks += [f"({number}" + ")" * (x == w) for _, x in longest]
            lines.append(row(word, "|".join(marks) or "-"))
        lines.append("")
    return part(*lines)


def expected(sentences: list[list[str]], chains: list[set[Mention]]) -> list[list[Span]]:
    starts: dict[tuple[int, int], int] = {}
    position = 0
    for s, words in enumerate(sentences):
        for w, word in enumerate(words):
            starts[s, w] = position
            position += len(word) + 1
    return sorted(
        sorted((starts[s, f], starts[s, x] + len(sentences[s][x])) for s, f, x in chain)
        for chain in chains
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(annotated())
def test_documents_come_back(
    tmp_path: Path, document: tuple[list[list[str]], list[set[Mention]]]
) -> None:
    path = tmp_path / "x.conll"
    marked = part(row("그는", "(0)"), begin="#begin document (marked);")
    path.write_text(f"{marked}\n{written(*document)}", encoding="utf-8")
    _, found = read(path)
    assert found.text == " ".join(word for words in document[0] for word in words)
    assert [list(chain) for chain in found.chains] == expected(*document)


LINE = st.sampled_from(
    ["#begin document (a); part 0", "#end document", "", "a 0 0 그 (0", "a 0 0 그 0)|(1)", "a 0 그"]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.lists(LINE).map(lambda lines: "\n".join(lines).encode()))
def test_any_bytes_are_documents_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.conll"
    path.write_bytes(content)
    try:
        read(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
