"""Sources are read as often as needed: in order, no further than needed, and not into memory."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest

import prepare
from kocoref.corpus.document import Document
from kocoref.corpus.reading import read_chosen, read_split_passages, read_with_splits
from kocoref.errors import InputError
from kocoref.settings import PrepareSettings, SourceSettings, load_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def passages(tmp_path: Path) -> SourceSettings:
    """Two passages for training and one for testing."""
    for split, names in (("train", "ab"), ("test", "c")):
        (tmp_path / split).mkdir()
        text = "\n".join(f"@ {name}\n[1:PER 김서연]은 {name}에 있다.\n" for name in names)
        (tmp_path / split / "news.txt").write_text(text, encoding="utf-8")
    return SourceSettings(path=str(tmp_path), format="passages")


@pytest.fixture
def lines(tmp_path: Path) -> SourceSettings:
    """Ten rows, and an eleventh that cannot be read."""
    rows = [json.dumps({"id": f"r{i}", "text": f"{i}번째 글이다."}) for i in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*rows, "{"]), encoding="utf-8")
    return SourceSettings(path=str(tmp_path / "rows.jsonl"), format="jsonl")


def test_passages_have_their_splits(passages: SourceSettings) -> None:
    counts: Counter[str] = Counter()
    found = [(document.id, split) for document, split in read_with_splits(passages, counts)]
    assert found == [("a", "train"), ("b", "train"), ("c", "test")]
    assert counts == {"used": 3}


def test_rows_have_none(lines: SourceSettings) -> None:
    document, split = next(read_with_splits(lines, Counter()))
    assert (document.id, split) == ("r0", None)


def test_directory_without_passages(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no passages in"):
        list(read_split_passages(SourceSettings(path=str(tmp_path), format="passages")))


def test_chosen_documents_come_in_the_order_of_the_sources(
    passages: SourceSettings, lines: SourceSettings
) -> None:
    found = read_chosen([passages, lines], ["r5", "r2", "c", "b"])
    assert [document.id for document in found] == ["b", "c", "r2", "r5"]


def test_nothing_is_read_after_the_last_chosen_document(lines: SourceSettings) -> None:
    assert [document.id for document in read_chosen([lines], ["r9"])] == ["r9"]
    with pytest.raises(InputError, match="not JSON"):
        list(read_chosen([lines], ["r9", "r10"]))


def test_documents_are_analysed_as_they_are_read() -> None:
    read = 0

    def endless() -> Iterator[Document]:
        nonlocal read
        while True:
            read += 1
            yield Document(str(read), f"그는 {read}번 학생이다.", "", "")

    analysed = prepare.analyze(endless())
    for number in range(1, 101):
        document = next(analysed)
        assert document.id == str(number)
        assert document.tokens[0].form == "그"
    assert read < 300


def test_file_that_would_not_be_read_is_refused(passages: SourceSettings) -> None:
    odd = Path(passages.path) / "train/more.TXT"
    odd.write_text("@ d\n[1:PER 김서연]은 왔다.\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"train/more\.TXT: no file of passages, NAME\.txt"):
        list(read_split_passages(passages))


def test_pipe_among_the_passages_is_refused(passages: SourceSettings) -> None:
    os.mkfifo(Path(passages.path) / "test/pipe.txt")
    with pytest.raises(InputError, match=r"test/pipe\.txt: no file of passages"):
        list(read_split_passages(passages))


def test_split_of_another_name_is_refused(passages: SourceSettings) -> None:
    (Path(passages.path) / "dev").mkdir()
    with pytest.raises(InputError, match="dev: not one of train, validation, test; rename"):
        list(read_split_passages(passages))


def test_what_stands_beside_the_passages_is_left_alone(passages: SourceSettings) -> None:
    (Path(passages.path) / "README.md").write_text("Three passages.", encoding="utf-8")
    (Path(passages.path) / "train/.hidden").mkdir()
    assert len(list(read_split_passages(passages))) == 3


def test_documents_within_the_limits_are_kept(tmp_path: Path) -> None:
    rows = [{"id": f"r{i}", "text": md5(str(i).encode()).hexdigest()} for i in range(300)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = load_settings("prepare", PrepareSettings, ROOT / "params.yaml").model_copy(
        update={
            "sources": [SourceSettings(path=str(tmp_path / "rows.jsonl"), format="jsonl")],
            "validation_share": 0.2, "test_share": 0.3,
        }
    )  # fmt: skip
    counts: Counter[str] = Counter()
    everything = prepare.choose(settings, {}, counts)
    assert counts == {
        "used": 300, "shares_evaluation_text": 0, "validation_left_out": 0, "test_left_out": 0,
    }  # fmt: skip
    limited = prepare.choose(
        settings.model_copy(update={"max_validation_documents": 3, "max_test_documents": 2}),
        {}, counts,
    )  # fmt: skip
    assert limited["train"] == everything["train"]
    for split, limit in (("validation", 3), ("test", 2)):
        kept = set(limited[split])
        assert len(kept) == limit
        assert limited[split] == [name for name in everything[split] if name in kept]
    assert counts["validation_left_out"] == len(everything["validation"]) - 3
    assert counts["test_left_out"] == len(everything["test"]) - 2
