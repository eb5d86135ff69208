"""Sources: every format, every way a file can be wrong, and a Hub that runs in the test."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hub import TOKEN, Hub, commit, parquet
from huggingface_hub import HfApi, constants
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kocoref.corpus.datasets import CONVERTED
from kocoref.corpus.document import Document
from kocoref.corpus.sources import read_source
from kocoref.errors import InputError
from kocoref.settings import SourceSettings

CORPORA = sorted((Path(__file__).parents[2] / "shared/corpora").glob("*.jsonl"))
TEXT = " 홍길동은 학생이다.\n그는 공부한다.\u00a0"


def read(path: object, kind: str, **keys: Any) -> list[Document]:
    settings = SourceSettings.model_validate({"path": str(path), "format": kind, **keys})
    return list(read_source(settings, Counter()))


def failure(path: object, kind: str, **keys: Any) -> str:
    with pytest.raises(InputError) as raised:
        read(path, kind, **keys)
    message = str(raised.value)
    assert "\n" not in message
    return message


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class TestJsonLines:
    def test_columns_name_id_source_and_licence(self, tmp_path: Path) -> None:
        row = {"id": "a", "text": TEXT, "source": "news", "license": "CC BY 4.0", "other": [1]}
        path = written(tmp_path / "x.jsonl", lines(row))
        assert read(path, "jsonl") == [Document("a", TEXT, "news", "CC BY 4.0")]

    def test_defaults_are_stem_line_and_unknown(self, tmp_path: Path) -> None:
        rows = lines({"text": "가"}) + b"\n" + lines({"id": None, "text": "나", "licence": "CC0"})
        assert read(written(tmp_path / "x.jsonl", rows), "jsonl") == [
            Document("x-1", "가", "x", "unknown"),
            Document("x-3", "나", "x", "CC0"),
        ]

    def test_number_as_id(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.jsonl", lines({"id": 0, "text": "가"}))
        assert read(path, "jsonl")[0].id == "0"

    def test_text_column_may_have_any_name(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.jsonl", lines({"source": TEXT, "id": "a"}))
        assert read(path, "jsonl", text_column="source") == [Document("a", TEXT, "x", "unknown")]

    def test_byte_order_mark_is_no_text(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.jsonl", b"\xef\xbb\xbf" + lines({"text": TEXT}))
        assert read(path, "jsonl")[0].text == TEXT

    def test_decomposed_hangul_is_composed(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.jsonl", lines({"text": unicodedata.normalize("NFD", TEXT)}))
        assert read(path, "jsonl")[0].text == TEXT

    def test_blank_texts_are_counted_and_left_out(self, tmp_path: Path) -> None:
        rows = lines(*({"text": text} for text in ("", " \n", None, "가")))
        path = written(tmp_path / "x.jsonl", rows)
        counts: Counter[str] = Counter()
        source = SourceSettings(path=str(path), format="jsonl")
        assert [document.id for document in read_source(source, counts)] == ["x-4"]
        assert counts == {"used": 1, "empty": 3}

    def test_limit_stops_before_what_follows(self, tmp_path: Path) -> None:
        rows = lines({"text": " "}, {"text": "가"}, {"text": "나"}) + b"broken"
        path = written(tmp_path / "x.jsonl", rows)
        assert [document.text for document in read(path, "jsonl", limit=2)] == ["가", "나"]

    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            (b'{"text": "a",}', ":2: not JSON"),
            (b'{"text": "a"', ":2: not JSON (Expecting ',' delimiter at column 13)"),
            (b'["text"]', ":2: list, not an object"),
            (b'{"text": "\xb0\xa1"}', ":2: not UTF-8 at byte 11"),
            (b'{"body": "a", "name": "b"}', ":2: no column 'text'; the columns are 'body', 'name'"),
            (b"{}", ":2: no column 'text'; the columns are none"),
            (b'{"text": 5}', ":2: column 'text': int, not a string"),
            (b'{"text": ["a"]}', ":2: column 'text': list, not a string"),
            (b'{"text": "a\\ud800b"}', ":2: column 'text': character 1 is half a surrogate pair"),
            (b'{"text": "a", "id": "\\udc00"}', ":2: column 'id': character 0 is half"),
            (b'{"text": "a", "id": true}', ":2: column 'id': bool, not a string"),
            (b'{"text": "a", "source": {}}', ":2: column 'source': dict, not a string; rename"),
            (b'{"text": "a", "id": "x-1"}', ":2: id 'x-1' came before"),
            (b'{"text": ' + b"9" * 5000 + b"}", ":2: JSON beyond reading"),
            (b"[" * 100_000, ":2: JSON beyond reading"),
        ],
    )
    def test_bad_line(self, tmp_path: Path, second: bytes, expected: str) -> None:
        path = written(tmp_path / "x.jsonl", lines({"text": "가"}) + second + b"\n")
        assert f"{path}{expected}" in failure(path, "jsonl")

    def test_line_number_is_plain(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.jsonl", lines({"text": "가"}) * 1233 + b"{")
        assert f"{path}:1234: not JSON" in failure(path, "jsonl")


class TestCsv:
    def test_quoted_newlines_and_columns(self, tmp_path: Path) -> None:
        content = f'id,text,license\r\na,"{TEXT}",CC0\r\n\r\n,"나 ""다""",\r\n'
        path = written(tmp_path / "x.csv", b"\xef\xbb\xbf" + content.encode())
        assert read(path, "csv") == [
            Document("a", TEXT, "x", "CC0"),
            Document("x-5", '나 "다"', "x", "unknown"),
        ]

    def test_long_field(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.csv", b"text\n" + b"a" * 300_000 + b"\n")
        assert len(read(path, "csv")[0].text) == 300_000

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"id,body\n1,a\n", ":1: no column 'text'; the columns are 'id', 'body'"),
            (b"text,text\na,b\n", ":1: column 'text' comes twice"),
            (b"id,text\n1,a\n2,b,c\n", ":3: 3 fields under a header of 2"),
            (b'id,text\n1,a\n2,"b\nc\n', ":3: not CSV"),
            (b'id,text\n1,"a\nb"\n2,"b"c\n', ":4: not CSV"),
            (b"id,text\n1,a\n2,\xb0\xa1\n", ":3: not UTF-8 at byte 3"),
            (b"id,text\n1,a\n1,b\n", ":3: id '1' came before"),
            (b"id,text\n1,\n", ": no text in it"),
            (b"", ": no text in it"),
        ],
    )
    def test_bad_file(self, tmp_path: Path, content: bytes, expected: str) -> None:
        path = written(tmp_path / "x.csv", content)
        assert f"{path}{expected}" in failure(path, "csv")


class TestParquet:
    def test_columns(self, tmp_path: Path) -> None:
        content = parquet(text=[TEXT, None, "나"], id=[7, 8, None], extra=[[1], [], []])
        path = written(tmp_path / "x.parquet", content)
        assert read(path, "parquet") == [
            Document("7", TEXT, "x", "unknown"),
            Document("x-3", "나", "x", "unknown"),
        ]

    def test_more_rows_than_a_batch(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.parquet", parquet(text=["가"] * 2500))
        assert read(path, "parquet")[-1].id == "x-2500"

    def test_compressed(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.parquet.gz", gzip.compress(parquet(text=["가"])))
        assert read(path, "parquet") == [Document("x-1", "가", "x", "unknown")]

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (parquet(id=[1], body=["a"]), ": no column 'text'; the columns are 'id', 'body'"),
            (parquet(text=[1, 2]), ": row 1: column 'text': int, not a string"),
            (parquet(text=[b"a"]), ": row 1: column 'text': bytes, not a string"),
            (parquet(text=["a", "b"], id=["c", "c"]), ": row 2: id 'c' came before"),
            (parquet(text=["가" * 99])[:-9], ": not sound Parquet"),
            (
                parquet(text=["a"], id=pa.array([2**62], pa.timestamp("us"))),
                ": not sound Parquet",  # a time that Python does not have
            ),
            (b"text\n", ": not sound Parquet"),
            (b"", ": not sound Parquet"),
            (parquet(text=["", None]), ": no text in it"),
        ],
    )
    def test_bad_file(self, tmp_path: Path, content: bytes, expected: str) -> None:
        path = written(tmp_path / "x.parquet", content)
        assert f"{path}{expected}" in failure(path, "parquet")

    def test_bad_utf8(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.parquet", parquet(text=["zzzz"]).replace(b"zzzz", b"\xffzzz"))
        assert f"{path}: not sound Parquet" in failure(path, "parquet")


class TestText:
    def test_blocks_of_a_file(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.txt", " 가\r\n나 \r\n \r\n\n다\n\n".encode())
        assert read(path, "text") == [
            Document("x-1", " 가\r\n나 ", "x", "unknown"),
            Document("x-2", "다", "x", "unknown"),
        ]

    def test_last_block_without_line_end(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.txt", "가\n\n나\n다".encode())
        assert [document.text for document in read(path, "text")] == ["가", "나\n다"]

    def test_whole_files_of_a_glob(self, tmp_path: Path) -> None:
        written(tmp_path / "b.txt", "\n나\n\n다\n".encode())
        written(tmp_path / "a.txt", "가".encode())
        assert read(tmp_path / "*.txt", "text") == [
            Document("a-1", "가", "a", "unknown"),
            Document("b-1", "\n나\n\n다\n", "b", "unknown"),
        ]

    def test_not_utf8(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.txt", "가\n나\n".encode() + "다".encode("cp949"))
        assert f"{path}:3: not UTF-8 at byte 1" in failure(path, "text")
        assert f"{path}:3: not UTF-8 at byte 1" in failure(tmp_path / "?.txt", "text")

    @pytest.mark.parametrize("content", ["가나".encode("utf-16"), b"\x28\xb5\x2f\xfd\x24\x03"])
    def test_other_encoding_or_compression(self, tmp_path: Path, content: bytes) -> None:
        message = failure(written(tmp_path / "x.jsonl", content), "jsonl")
        assert "perhaps from CP949 or UTF-16, or decompress it: only .bz2, .gz, .xz are" in message

    def test_blank_file(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x.txt", b" \n\n")
        assert f"{path}: no text in it" in failure(path, "text")


class TestFiles:
    @pytest.mark.parametrize(
        ("suffix", "compress"),
        [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)],
    )
    def test_compression(
        self, tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
    ) -> None:
        content = compress(lines({"text": TEXT}, {"text": "나" * 500}))
        path = written(tmp_path / f"x.jsonl{suffix}", content)
        assert [document.id for document in read(path, "jsonl")] == ["x-1", "x-2"]
        written(path, content[:-12])
        assert f"{path}: damaged or cut short" in failure(path, "jsonl")
        written(path, b"not compressed")
        assert f"{path}: damaged or cut short" in failure(path, "jsonl")

    @pytest.mark.holds(
        "a compressed file of two streams, the second damaged",
        "refused in one line, not read to the first's end",
    )
    @pytest.mark.parametrize(
        ("suffix", "compress"), [(".xz", lzma.compress), (".bz2", bz2.compress)]
    )
    def test_streams_one_after_another(
        self, tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
    ) -> None:
        one, other = (compress(lines({"text": text * 999})) for text in ("가나", "다라"))
        path = written(tmp_path / f"x.jsonl{suffix}", one + bytes(8) + other + bytes(4))
        assert [document.id for document in read(path, "jsonl")] == ["x-1", "x-2"]
        for spoiled in (
            one + bytes([other[0] ^ 1]) + other[1:],  # Python's readers would take it for the end
            one + b"what is this",
            one + other[:-9],
        ):
            written(path, spoiled)
            assert f"{path}: damaged or cut short" in failure(path, "jsonl")

    def test_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / os.fsdecode("가.jsonl".encode("cp949"))).write_bytes(lines({"text": "가"}))
        message = failure(tmp_path / "*.jsonl", "jsonl")
        assert message.endswith("a name that is not UTF-8; rename it")
        assert message.isascii()

    def test_glob_is_sorted_and_recursive(self, tmp_path: Path) -> None:
        for name in ("b/y.jsonl", "a/z.jsonl", "a/c/x.jsonl"):
            written(tmp_path / name, lines({"text": name}))
        found = [document.text for document in read(tmp_path / "**/*.jsonl", "jsonl")]
        assert found == ["a/c/x.jsonl", "a/z.jsonl", "b/y.jsonl"]

    def test_equal_stems_are_told_apart(self, tmp_path: Path) -> None:
        for name in ("a/x.jsonl", "b/x.jsonl.gz"):
            content = lines({"text": "가"})
            written(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
        found = read(tmp_path / "*/x.*", "jsonl")
        assert [(document.id, document.source) for document in found] == [
            ("a/x-1", "a/x"),
            ("b/x-1", "b/x"),
        ]

    def test_names_that_differ_in_their_ends_are_told_apart(self, tmp_path: Path) -> None:
        for name in ("x.json", "x.jsonl"):
            written(tmp_path / name, lines({"text": "가"}))
        found = read(tmp_path / "x.*", "jsonl")
        assert [document.id for document in found] == ["x.json-1", "x.jsonl-1"]

    def test_id_twice_in_two_files(self, tmp_path: Path) -> None:
        for name in ("a.jsonl", "b.jsonl"):
            written(tmp_path / name, lines({"text": "가", "id": "same"}))
        message = failure(tmp_path / "*.jsonl", "jsonl")
        assert f"{tmp_path}/b.jsonl:1: id 'same' came before" in message

    def test_brackets_in_a_name(self, tmp_path: Path) -> None:
        path = written(tmp_path / "x[1].jsonl", lines({"text": "가"}))
        assert len(read(path, "jsonl")) == 1

    def test_missing(self, tmp_path: Path) -> None:
        assert f"{tmp_path}/x.jsonl: no such file" in failure(tmp_path / "x.jsonl", "jsonl")
        assert f"{tmp_path}/*.csv: no file matches" in failure(tmp_path / "*.csv", "csv")
        assert f"{tmp_path}: a directory" in failure(tmp_path, "text")

    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = written(tmp_path / "x.jsonl", b"")

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        assert f"{path}: Permission denied" in failure(path, "jsonl")


ROWS = st.dictionaries(
    st.sampled_from(["id", "text", "source", "license", "x"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
)
CONTENTS = (
    st.binary(max_size=200)
    | st.lists(ROWS).map(lambda rows: "\n".join(map(json.dumps, rows)).encode())
    | st.tuples(st.just(b"id,text\n"), st.binary(max_size=100)).map(b"".join)
    | st.text('ab,"\n\r{}[]:\\ud8', max_size=60).map(lambda text: ("text,id\n" + text).encode())
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("x.jsonl", "jsonl"), ("x.csv", "csv"), ("x.txt", "text"), ("x.parquet", "parquet")],
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENTS)
def test_any_bytes_are_documents_or_an_input_error(
    tmp_path: Path, name: str, kind: str, content: bytes
) -> None:
    path = written(tmp_path / name, content)
    try:
        documents = read(path, kind)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        assert documents
        for document in documents:
            assert document.text.strip()
            assert document.id
            document.text.encode()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)],
)
def test_damaged_compression_is_an_input_error(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    content = bytearray(compress(lines({"text": TEXT}) * 3))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path = written(tmp_path / f"x.jsonl{suffix}", bytes(content))
    try:
        read(path, "jsonl")
    except InputError as error:
        assert str(error).startswith(str(path))


@pytest.mark.skipif(not CORPORA, reason="no real corpora at ../shared/corpora")
def test_real_corpora() -> None:
    for path in CORPORA:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        documents = read(path, "jsonl")
        assert len(documents) == len(rows)
        for document, row in zip(documents, rows, strict=True):
            found = (document.id, document.text, document.source, document.licence)
            text = unicodedata.normalize("NFC", row["text"])
            assert found == (row["id"], text, row["source"], row["license"])


class TestDataset:
    def test_shards_of_the_split_in_order(self, hub: Hub) -> None:
        hub.datasets["me/set"] = {
            "main": {
                "README.md": b"",
                "data/train-00001-of-00002.parquet": parquet(text=["나"]),
                "data/train-00000-of-00002.parquet": parquet(text=["가"], license=["CC0"]),
                "data/train.clean-00000-of-00001.parquet": parquet(text=["라"]),
                "data/validation-00000-of-00001.parquet": parquet(text=["다"]),
            }
        }
        assert read("me/set", "dataset") == [
            Document("me/set/train-1", "가", "me/set", "CC0"),
            Document("me/set/train-2", "나", "me/set", "unknown"),
        ]
        validation = read("me/set", "dataset", split="validation")
        assert [document.text for document in validation] == ["다"]

    def test_ids_of_two_data_sets_are_told_apart(self, hub: Hub) -> None:
        for name in ("one", "two"):
            hub.datasets[f"me/{name}"] = {"main": {"train.parquet": parquet(text=["가"], id=[7])}}
        found = [
            document.id for name in ("one", "two") for document in read(f"me/{name}", "dataset")
        ]
        assert found == ["me/one/train-7", "me/two/train-7"]

    @pytest.mark.parametrize(
        "file",
        [
            "one/train-00000-of-00001.parquet",
            "one/train/0000.parquet",
            "one/train.parquet",
            "data/one/train-00000-of-00001.parquet",
        ],
    )
    def test_subset(self, hub: Hub, file: str) -> None:
        hub.datasets["me/set"] = {
            "main": {
                file: parquet(text=["가"]),
                file.replace("one", "two"): parquet(text=["나"]),
                file.replace("train", "test"): parquet(text=["다"]),
            }
        }
        found = read("me/set", "dataset", subset="one")
        assert found == [Document("me/set/one/train-1", "가", "me/set", "unknown")]
        message = failure("me/set", "dataset")
        assert message.startswith("me/set: no subset 'default'")
        assert message.endswith("set subset to one of one, two")

    def test_only_subset_needs_no_name(self, hub: Hub) -> None:
        hub.datasets["me/set"] = {"main": {"one/train/0.parquet": parquet(text=["가"])}}
        assert [document.text for document in read("me/set", "dataset")] == ["가"]

    def test_limit_fetches_no_more_than_it_needs(self, hub: Hub) -> None:
        shards = [f"data/train-0000{shard}-of-00002.parquet" for shard in range(2)]
        hub.datasets["me/set"] = {"main": {shard: parquet(text=["가", "나"]) for shard in shards}}
        assert len(read("me/set", "dataset", limit=2)) == 2
        assert hub.fetched == shards[:1]

    def test_converted_form(self, hub: Hub) -> None:
        converted = {"default/train/0000.parquet": parquet(text=["가"])}
        hub.datasets["me/set"] = {
            "main": {"x.json": b""},
            "v1": {"x.json": b""},
            CONVERTED: converted,
        }
        assert [document.text for document in read("me/set", "dataset")] == ["가"]
        message = failure("me/set", "dataset", revision="v1")
        assert "no Parquet files at revision v1; set revision to refs/convert/parquet" in message
        assert read("me/set", "dataset", revision=CONVERTED, subset="default")

    def test_revision(self, hub: Hub) -> None:
        versions = {name: {"train.parquet": parquet(text=[name])} for name in ("main", "v1")}
        hub.datasets["me/set"] = versions
        assert read("me/set", "dataset", revision="v1")[0].text == "v1"
        assert read("me/set", "dataset", revision=commit("v1"))[0].text == "v1"
        assert "me/set: no revision 'v2'" in failure("me/set", "dataset", revision="v2")

    def test_no_such_split(self, hub: Hub) -> None:
        hub.datasets["me/set"] = {"main": {"data/test-0.parquet": parquet(text=["가"])}}
        message = failure("me/set", "dataset")
        assert "me/set: no Parquet files of split 'train' among data/test-0.parquet" in message

    def test_row_and_column_of_an_error(self, hub: Hub) -> None:
        hub.datasets["me/set"] = {"main": {"data/train-0.parquet": parquet(body=["가"])}}
        message = failure("me/set", "dataset")
        assert message == ("me/set/data/train-0.parquet: no column 'text'; the columns are 'body'")
        message = failure("me/set", "dataset", text_column="id")
        assert "no column 'id'" in message

    def test_damaged_file(self, hub: Hub) -> None:
        hub.datasets["me/set"] = {"main": {"data/train-0.parquet": b"PAR1 no"}}
        assert "me/set/data/train-0.parquet: not sound Parquet" in failure("me/set", "dataset")

    @pytest.mark.parametrize("restriction", ["gated", "private"])
    def test_restricted(self, hub: Hub, monkeypatch: pytest.MonkeyPatch, restriction: str) -> None:
        hub.datasets["me/set"] = {"main": {"train.parquet": parquet(text=["가"])}}
        getattr(hub, restriction).add("me/set")
        message = failure("me/set", "dataset")
        assert message.startswith("me/set: ")
        assert "set HF_TOKEN" in message
        monkeypatch.setenv("HF_TOKEN", TOKEN + "wrong")
        assert TOKEN not in failure("me/set", "dataset")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        assert [document.text for document in read("me/set", "dataset")] == ["가"]

    def test_absent_and_malformed(self, hub: Hub) -> None:
        assert "me/none: no such data set, or a private one" in failure("me/none", "dataset")
        assert "not the id of a data set" in failure("a/b/c", "dataset")

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (203, "the answer is not that of a Hub"),
            (401, "set HF_TOKEN"),
            (403, "set HF_TOKEN"),
            (418, "HTTP 418"),
        ],
    )
    def test_failing_hub(self, hub: Hub, status: int, expected: str) -> None:
        hub.status = status
        assert expected in failure("me/set", "dataset")

    def test_unreachable_hub(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        assert "me/set: revision 'main' is not in the local cache" in failure("me/set", "dataset")

    def test_full_disk(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.datasets["me/set"] = {"main": {"train.parquet": parquet(text=["가"])}}

        def refuse(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(HfApi, "hf_hub_download", refuse)
        assert "me/set: cannot be fetched (No space left on device)" in failure("me/set", "dataset")

    @pytest.mark.parametrize("revision", ["main", CONVERTED])
    def test_offline(self, hub: Hub, monkeypatch: pytest.MonkeyPatch, revision: str) -> None:
        file = "default/train-00000-of-00001.parquet"
        hub.datasets["me/set"] = {"main": {}, revision: {file: parquet(text=["가"])}}
        first = read("me/set", "dataset")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert read("me/set", "dataset") == first
        assert "HF_HUB_OFFLINE" in failure("me/other", "dataset")

    def test_offline_with_some_of_the_files(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shards = [f"data/train-0000{shard}-of-00002.parquet" for shard in range(2)]
        hub.datasets["me/set"] = {"main": {shard: parquet(text=["가"]) for shard in shards}}
        read("me/set", "dataset", limit=1)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert len(read("me/set", "dataset", limit=1)) == 1
        assert "only 1 of the 2 files of split train" in failure("me/set", "dataset")
