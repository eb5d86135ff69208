"""Gold annotation: character-span JSON Lines and every way a line can be wrong."""

from __future__ import annotations

import gzip
import json
import unicodedata
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from gold_files import failure_as, read_as
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kocoref.corpus.document import Document
from kocoref.corpus.gold import read_gold
from kocoref.errors import InputError
from kocoref.settings import GoldSettings

GOLD = sorted((Path(__file__).parents[2] / "shared/gold").glob("*.jsonl"))
ROW = {
    "id": "a",
    "text": "홍길동은 학생이다. 그는 공부한다.",
    "clusters": [[[11, 12], [0, 3]], [[5, 7]], [[5, 7]]],
    "source": "novel",
    "license": "CC BY-SA 4.0",
}


read = partial(read_as, "spans")
failure = partial(failure_as, "spans")


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def test_chains_keep_their_order_and_are_sorted_inside(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(ROW))
    chains = (((0, 3), (11, 12)), ((5, 7),), ((5, 7),))
    document = Document("a", str(ROW["text"]), "novel", "CC BY-SA 4.0", chains=chains)
    assert read(path) == [document]
    assert [document.text[start:end] for start, end in chains[0]] == ["홍길동", "그"]


@pytest.mark.parametrize(
    "letter",
    [lambda c: unicodedata.normalize("NFD", c), lambda c: f"{c}\u200b", lambda c: f"\ufeff{c}"],
    ids=["decomposed", "invisible behind", "invisible before"],
)
def test_text_is_composed_and_spans_go_with_it(
    tmp_path: Path, letter: Callable[[str], str]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(ROW))
    (expected,) = read(path)
    letters = [letter(c) for c in expected.text]
    starts = [0, *accumulate(map(len, letters))]
    clusters = [[[starts[a], starts[b]] for a, b in chain] for chain in expected.chains]
    path.write_bytes(lines({**ROW, "text": "".join(letters), "clusters": clusters}))
    assert read(path) == [expected]


def test_span_of_invisible_characters_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines({**ROW, "text": "가\u200b나", "clusters": [[[1, 2]]]}))
    assert failure(path) == f"{path}:1: span [1, 2] has no visible character; leave it out"


@pytest.mark.parametrize("text", ["", " ", "\u200b\u200b"])
def test_document_without_visible_text_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    clusters = [[[0, 1]]] if text else []
    path.write_bytes(lines({**ROW, "text": text, "clusters": clusters}))
    assert failure(path) == f"{path}:1: a document without text; leave it out"


def test_globs_and_compression(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(lines({**ROW, "id": "b", "clusters": []}))  # one without
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(ROW)))
    assert [document.id for document in read(tmp_path / "*.jsonl*")] == ["a", "b"]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_limit_stops_before_what_follows(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(ROW, {**ROW, "id": "b"}, {**ROW, "id": "c"}) + b"{")
    source = GoldSettings(name="gold", path=str(path), format="spans", limit=limit)
    assert [document.id for document in read_gold(source)] == ["a", "b", "c"][:limit]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "a"}, "id 'a' came before"),
        ({"id": 5}, "column 'id': int, not a string"),
        ({"text": None}, "column 'text': NoneType, not a string"),
        ({"text": "\ud800", "clusters": []}, "column 'text': character 0 is half"),
        ({"clusters": {}}, "clusters: dict, not a list"),
        ({"clusters": [[[0, 1]], 5]}, "clusters[1]: not a list of spans"),
        ({"clusters": [[]]}, "clusters[0]: not a list of spans"),
        ({"clusters": [[[0, 1], [2]]]}, "clusters[0][1]: [2], not two integers"),
        ({"clusters": [[[0, 1.0]]]}, "clusters[0][0]: [0, 1.0], not two integers"),
        ({"clusters": [[[False, True]]]}, "clusters[0][0]: [False, True], not two integers"),
        ({"clusters": [[["0", "1"]]]}, "clusters[0][0]: ['0', '1'], not two integers"),
        ({"clusters": [[0, 1]]}, "clusters[0][0]: 0, not two integers"),
        ({"clusters": [[[3, 3]]]}, "clusters[0][0]: [3, 3] is empty or outside the text of 19"),
        ({"clusters": [[[3, 2]]]}, "clusters[0][0]: [3, 2] is empty or outside"),
        ({"clusters": [[[-1, 2]]]}, "clusters[0][0]: [-1, 2] is empty or outside"),
        ({"clusters": [[[18, 20]]]}, "clusters[0][0]: [18, 20] is empty or outside"),
        ({"clusters": [[[0, 1], [0, 1]]]}, "clusters[0]: a span comes twice"),
    ],
)
def test_bad_document(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    path = tmp_path / "x.jsonl"
    second = json.dumps({**ROW, "id": "b", **change}).encode()
    path.write_bytes(lines(ROW) + second)
    assert f"{path}:2: {expected}" in failure(path)


@pytest.mark.parametrize("key", ROW)
def test_missing_key(tmp_path: Path, key: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines({name: value for name, value in ROW.items() if name != key}))
    others = ", ".join(repr(name) for name in ROW if name != key)
    assert failure(path) == f"{path}:1: no column {key!r}; the columns are {others}"


def test_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert f"{path}: no such file" in failure(path)
    path.write_bytes(b"\n")
    assert f"{path}: no documents in it" in failure(path)
    path.write_bytes(lines({**ROW, "clusters": []}))
    assert failure(path) == f"{path}: no chain in what is read; check its format and limit"
    path.write_bytes(lines(ROW) + b"{")
    assert f"{path}:2: not JSON" in failure(path)
    path.write_bytes("가".encode("cp949"))
    assert f"{path}:1: not UTF-8" in failure(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 6) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3),
)
SPANS = st.lists(st.lists(st.lists(st.integers(-1, 6), min_size=1, max_size=3), max_size=3))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=100)
    | (VALUES | SPANS).map(
        lambda clusters: lines({**ROW, "text": "가나다라", "clusters": clusters})
    )
)
def test_any_bytes_are_documents_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    try:
        documents = read(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        assert all(chain == tuple(sorted(chain)) for chain in documents[0].chains)


@pytest.mark.skipif(not GOLD, reason="no human annotation at ../shared/gold")
def test_real_gold() -> None:
    for path in GOLD:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        documents = read(path)
        assert [document.id for document in documents] == [row["id"] for row in rows]
        for document, row in zip(documents, rows, strict=True):
            assert [[list(span) for span in chain] for chain in document.chains] == row["clusters"]
