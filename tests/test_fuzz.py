"""Files that were damaged anywhere: documents or one clear line, never a traceback or a hang."""

from __future__ import annotations

import csv
import json
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import groupby
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import yaml
from gold_files import read_as
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kocoref.corpus.document import Document
from kocoref.corpus.passages import read_passages
from kocoref.corpus.sources import read_source
from kocoref.errors import InputError
from kocoref.settings import PrepareSettings, ReportSettings, SourceSettings, load_settings

PARAMS = Path(__file__).parents[1] / "params.yaml"
ROUNDS, THOROUGH = 150, 3000
SECONDS = 20
"""More than any of these small files needs, on a busy machine too."""

ROWS = [
    {"id": f"글-{n}", "text": f"홍길동은 학생이다. 그는 {n}번 공부한다.", "license": "CC0"}
    for n in range(8)
]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
CSV = ("id,text\n" + "".join(f'{r["id"]},"{r["text"]}\n둘째 줄"\n' for r in ROWS)).encode()
TEXT = "\n\n".join(row["text"] for row in ROWS).encode()
SPANS = "".join(
    json.dumps(row | {"source": "소설", "clusters": [[[0, 3], [11, 12]], [[5, 7]]]}) + "\n"
    for row in ROWS
).encode()
CONLL = "".join(
    f"#begin document (글{n}); part 000\n"
    "글 0 0 홍길동은 - - * (0)\n글 0 1 학생이다. - - * (1)\n\n"
    "글 0 0 그는 - - * (0)\n글 0 1 공부한다. - - * -\n#end document\n"
    for n in range(8)
).encode()
CONLLU = "".join(
    f"# newdoc id = 글{n}\n# global.Entity = eid-etype-head-other\n"
    "1-2\t홍길동은\t_\t_\t_\t_\t_\t_\t_\t_\n1\t홍길동\t_\t_\t_\t_\t_\t_\t_\tEntity=(e1-person-1-)\n"
    "2\t은\t_\t_\t_\t_\t_\t_\t_\t_\n3\t학생이다\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
    "4\t.\t_\t_\t_\t_\t_\t_\t_\t_\n\n"
    for n in range(8)
).encode()
PASSAGES = "\n".join(
    f"@ news-{n}\n[1:PER 김서연]은 [2:LOC 부산]에서 태어났다. [1 그]는 [2 그곳]을 떠난 적이 없다.\n"
    for n in range(8)
).encode()


def parquet() -> bytes:
    stream = BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), stream)
    return stream.getvalue()


def read_documents(form: str) -> Callable[[Path], list[Document]]:
    return lambda path: list(
        read_source(SourceSettings.model_validate({"path": str(path), "format": form}), Counter())
    )


def lines(content: bytes) -> list[str]:
    """The lines that are not blank."""
    return [line for line in content.decode("utf-8-sig").split("\n") if line.strip()]


def matching(pattern: str) -> Callable[[bytes], int]:
    """How many lines begin with a pattern."""
    return lambda content: sum(bool(re.match(pattern, line)) for line in lines(content))


def records(content: bytes) -> int:
    """How many records of a CSV file have a text."""
    header, *rows = filter(None, csv.reader(StringIO(content.decode("utf-8-sig"), newline="\n")))
    return sum(not blank(row[header.index("text")]) for row in rows)


def blocks(content: bytes) -> int:
    """How many runs of lines that are not blank there are."""
    return sum(not empty for empty, _ in groupby(content.decode("utf-8-sig").split("\n"), blank))


def blank(text: str) -> bool:
    return not text.strip()


BEGIN, NEWDOC = r"[ \t]*#begin document", r"#\s*newdoc( id)?\s*(=|$)"


@dataclass(frozen=True)
class Format:
    """A sound file, its reader, and how many documents a file of the format holds."""

    name: str
    content: bytes
    read: Callable[[Path], Sequence[Document]]
    count: Callable[[bytes], int]


FORMATS = {
    form.name: form
    for form in (
        Format("x.jsonl", JSONL, read_documents("jsonl"), lambda content: len(lines(content))),
        Format("x.parquet", parquet(), read_documents("parquet"), lambda _: len(ROWS)),
        Format("x.csv", CSV, read_documents("csv"), records),
        Format("x.txt", TEXT, read_documents("text"), blocks),
        Format("s.jsonl", SPANS, lambda p: read_as("spans", p), lambda c: len(lines(c))),
        Format("x.conll", CONLL, lambda p: read_as("conll2012", p), matching(BEGIN)),
        Format("x.conllu", CONLLU, lambda p: read_as("corefud", p), matching(NEWDOC)),
        Format(
            "p.txt", PASSAGES, lambda p: [x.document() for x in read_passages(p)], matching("@ ")
        ),
    )
}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with one to three cuts, flips, insertions, losses or repetitions."""
    for _ in range(chance.randint(1, 3)):
        at, size = chance.randrange(len(content) + 1), chance.randint(1, 40)
        head, middle, tail = content[:at], content[at : at + size], content[at + size :]
        flipped = bytes(byte ^ 1 << chance.randrange(8) for byte in middle[:1]) + middle[1:]
        inserted = chance.choice(
            (
                chance.randbytes(size),
                b"\n",
                b'"',
                b"\x00",
                b"[",
                b"\r",
                b"\xef\xbb\xbf",
                b"(0",
                b"\t",
            )
        )
        content = chance.choice(
            (head, head + flipped + tail, head + inserted + middle + tail, head + tail,
             head + middle * 2 + tail)
        )  # fmt: skip
    return content


@contextmanager
def promptly() -> Iterator[None]:
    """Fail what hangs."""

    def stop(*_: object) -> None:
        pytest.fail("a small file took too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", FORMATS)
def test_sound_file_is_read_whole(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    (tmp_path / name).write_bytes(form.content)
    assert len(form.read(tmp_path / name)) == len(ROWS)
    assert form.count(form.content) == len(ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.holds(
    "1,200 damaged files: JSON Lines, Parquet, CSV, text, spans, CoNLL, CorefUD, passages",
    "read, with as many documents as the file holds, or refused in one line that names the file",
)
def test_damaged_file_is_read_or_refused(
    name: str, tmp_path: Path, often: Callable[[int, int], int]
) -> None:
    form, path = FORMATS[name], tmp_path / name
    outcomes: Counter[str] = Counter()
    for seed in range(often(ROUNDS, THOROUGH)):
        content = damaged(form.content, random.Random(f"{name} {seed}"))
        path.write_bytes(content)
        try:
            with promptly():
                documents = form.read(path)
        except InputError as error:
            assert str(error).startswith(str(path)), seed
            assert "\n" not in str(error), seed
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        assert len(documents) == form.count(content), f"seed {seed}: silent loss"
        for document in documents:
            document.text.encode()
            assert document.id
    assert outcomes["refused"] > 0
    assert outcomes["read"] > 0 or name == "x.parquet"


@pytest.mark.slow
@pytest.mark.holds(
    "50 damaged params.yaml",
    "read, or refused in one line",
)
def test_damaged_params_are_read_or_refused(
    tmp_path: Path, often: Callable[[int, int], int]
) -> None:
    path = tmp_path / "params.yaml"
    sound = PARAMS.read_bytes()
    outcomes: Counter[str] = Counter()
    for seed in range(often(ROUNDS, THOROUGH) // 3):
        path.write_bytes(damaged(sound, random.Random(f"params {seed}")))
        try:
            with promptly():
                load_settings("prepare", PrepareSettings, path)
            outcomes["read"] += 1
        except InputError as error:
            assert str(error).startswith(str(path)), seed
            outcomes["refused"] += 1
    assert set(outcomes) == {"read", "refused"}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@pytest.mark.holds(
    "any bytes as passages and as params.yaml",
    "read, or refused in one line that names the file",
)
def test_any_bytes_are_read_or_refused(content: bytes, tmp_path: Path) -> None:
    readers: dict[str, Callable[[Path], object]] = {
        "p.txt": FORMATS["p.txt"].read,
        "params.yaml": lambda path: load_settings("report", ReportSettings, path),
    }
    for name, read in readers.items():
        (tmp_path / name).write_bytes(content)
        try:
            read(tmp_path / name)
        except InputError as error:
            assert str(error).startswith(str(tmp_path / name))
            assert "\n" not in str(error)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prepare: " + "[" * 5000, "not YAML"),
        ("prepare: {seed: 1, seed: 2}", "key 'seed' comes twice"),
        ("prepare: {}\nprepare: {}", "key 'prepare' comes twice"),
        ("prepare: {seed: !!bool maybe}", "not YAML"),
        ("prepare: {seed: !!int many}", "not YAML"),
        ("prepare: {seed: !!timestamp soon}", "not YAML"),
        ("prepare: {seed: 2026-99-99}", "not YAML"),
        ("prepare: {seed: !!python/object/apply:os.getcwd []}", "not YAML"),
        (f"prepare: {{seed: {'9' * 5000}}}", "not YAML"),
        ("prepare: &p {seed: *p}", "prepare.seed: "),
        (BOMB + "prepare: {seed: *j}", "prepare.seed: "),
        ('prepare: {"se\\ned": 1}', "prepare.se"),
    ],
)
@pytest.mark.holds(
    "params.yaml with nesting without end, aliases that multiply, code, keys that come twice",
    "refused in one short line",
)
def test_hostile_params_are_refused_in_short(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with promptly(), pytest.raises(InputError) as raised:
        load_settings("prepare", PrepareSettings, path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert expected in message
    assert len(message) < 5000


def test_committed_params_have_no_key_twice(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(PARAMS.read_bytes() + b"report:\n  dpi: 100\n")
    assert load_settings("prepare", PrepareSettings, PARAMS).seed
    with pytest.raises(InputError, match="key 'report' comes twice"):
        load_settings("prepare", PrepareSettings, path)
    assert yaml.safe_load(path.read_bytes())["report"] == {"dpi": 100}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.jsonl", b'{"text": "a", "text": "b"}', ":1: JSON beyond reading (key 'text'"),
        ("x.csv", b"id,id,text\n1,2,a\n", ":1: column 'id' comes twice"),
        ("x.conllu", b"# newdoc id = a\n" + CONLLU, ":2: a document without a sentence"),
        ("p.txt", b"@ a\n" + PASSAGES, ":1: passage a is empty"),
        ("p.txt", b"@ \n" + PASSAGES, ":1: a passage begins with"),
        ("p.txt", b"\xff" + PASSAGES, ":1: not UTF-8"),
        ("p.txt", b"@ a\n[" + b"9" * 5000 + b":PER a]", ":1: passage a: '[' that opens no"),
    ],
)
@pytest.mark.holds(
    "keys, columns and documents that hide one another",
    "refused at their line",
)
def test_what_would_be_lost_is_refused(
    name: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        FORMATS[name].read(path)
    assert str(raised.value).startswith(f"{path}{expected}")


def test_parquet_column_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["가"]), pa.array(["나"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"column 'text' comes twice"):
        FORMATS["x.parquet"].read(tmp_path / "x.parquet")


VALUES = st.lists(
    st.none() | st.sampled_from(["", " ", "\u3000", "\n"]) | st.text(min_size=1, max_size=8),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES)
@pytest.mark.holds(
    "tables of any text, blank or missing",
    "rows used + rows counted as empty = rows in the file",
)
def test_every_row_is_used_or_counted(form: str, values: list[str | None], tmp_path: Path) -> None:
    path = tmp_path / f"x.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps({"text": value}) + "\n" for value in values))
    elif form == "parquet":
        pq.write_table(pa.table({"text": pa.array(values, pa.string())}), path)
    else:
        quoted = ('"' + (value or "").replace('"', '""') + '"' for value in values)
        path.write_bytes("".join(f"{text}\n" for text in ["text", *quoted]).encode())
    counts: Counter[str] = Counter()
    source = SourceSettings.model_validate({"path": str(path), "format": form})
    try:
        documents = list(read_source(source, counts))
    except InputError as error:
        assert "no text in it" in str(error)
        documents = []
    assert [document.text for document in documents] == [v for v in values if v and v.strip()]
    assert (counts["used"], counts["used"] + counts["empty"]) == (len(documents), len(values))
