"""Raw text from JSON Lines, CSV, Parquet, plain text or the Hugging Face Hub, as documents.

Text is composed (NFC), so that Hangul is whole syllables, and else taken as it is, never stripped;
only a byte order mark is left out. A row may name its ``id``, ``source`` and ``license`` (or
``licence``) in columns of these names. Files may be compressed (.gz, .xz, .bz2).
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from kocoref.corpus.compressed import COMPRESSED
from kocoref.corpus.datasets import dataset_files
from kocoref.corpus.document import Document, distinct
from kocoref.corpus.lines import (
    find_files,
    json_lines,
    numbered_lines,
    opened,
    require_column,
    string,
)
from kocoref.errors import InputError, one_line
from kocoref.settings import SourceSettings

_ID, _SOURCE, _LICENCE = ("id",), ("source",), ("license", "licence")
_BATCH = 1000
_CSV_FIELD = 2**31 - 1


class _Row(NamedTuple):
    """``where`` names file and line in messages; ``number`` counts lines, rows or blocks."""

    where: str
    number: int
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Named:
    """A row of the file or data set ``name``; ``source`` unless its columns say otherwise."""

    row: _Row
    name: str
    source: str

    @property
    def id(self) -> str:
        """The id it has unless its columns say otherwise."""
        return f"{self.name}-{self.row.number}"


def read_source(source: SourceSettings, counts: Counter[str]) -> Iterator[Document]:
    """The documents of a source, without analysis and chains, at most ``source.limit`` of them.

    Adds to ``counts`` as it goes: ``used`` documents, and ``empty`` rows, which are left out
    because their text is missing or blank.

    Raises:
        InputError: the source cannot be read, a row is not sound, an id comes twice, or no row
            has text.
    """
    used = 0
    for document in distinct(_documents(source, counts)):
        used += 1
        counts["used"] += 1
        yield document
        if used == source.limit:
            return
    if not used:
        raise InputError(f"{source.path}: no text in it; check the file and its text_column")


def read_rows(
    source: SourceSettings, columns: Sequence[str]
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Place, id and values of each row of a source; ``columns`` are among them.

    The id is that of the row's column of this name, or made of the file's or data set's name and
    a number.

    Raises:
        InputError: the source cannot be read, or a row is not sound or lacks a column.
    """
    for named in _named_rows(source, columns):
        where, _, values = named.row
        for column in columns:
            require_column(values, column, where)
        labels = {name: value for name, value in values.items() if name not in columns}
        yield where, _label(labels, _ID, where) or named.id, values


def _named_rows(source: SourceSettings, columns: Sequence[str]) -> Iterator[_Named]:
    dataset = source.format == "dataset"
    return _dataset_rows(source, columns) if dataset else _file_rows(source, columns)


def _readable_columns(present: Sequence[str], columns: Sequence[str], where: str) -> list[str]:
    """The columns that are read: ``columns``, and the labels that are ``present``.

    Raises:
        InputError: one of ``columns`` is missing, or one that is read comes twice.
    """
    for column in columns:
        require_column(present, column, where)
    kept = {*columns, *_ID, *_SOURCE, *_LICENCE}
    wanted = [name for name in present if name in kept]
    for name in wanted:
        if wanted.count(name) > 1:
            raise InputError(f"{where}: column {name!r} comes twice; rename one")
    return wanted


def _documents(source: SourceSettings, counts: Counter[str]) -> Iterator[tuple[str, Document]]:
    column = source.text_column
    for named in _named_rows(source, [column]):
        where, _, values = named.row
        require_column(values, column, where)
        # Decomposed Hangul, as some systems write it, is in no vocabulary; no span is marked yet.
        text = "" if values[column] is None else normalize("NFC", string(values, column, where))
        if not text or text.isspace():
            counts["empty"] += 1
            continue
        labels = {name: value for name, value in values.items() if name != column}
        own_id = _label(labels, _ID, where)
        if own_id and source.format == "dataset":  # another one may count its rows alike
            own_id = f"{named.name}-{own_id}"
        yield (
            where,
            Document(
                id=own_id or named.id,
                text=text,
                source=_label(labels, _SOURCE, where) or named.source,
                licence=_label(labels, _LICENCE, where) or "unknown",
            ),
        )


def _label(values: Mapping[str, object], names: Sequence[str], where: str) -> str:
    """The first of the columns that is filled; empty where none is.

    Raises:
        InputError: the label is no string or integer.
    """
    for name in names:
        value = values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None and not isinstance(value, str):
            raise InputError(
                f"{where}: column {name!r}: {type(value).__name__}, not a string; rename the column"
                " or leave it out"
            )
        if value and (label := string(values, name, where)):
            return label
    return ""


def _file_rows(source: SourceSettings, columns: Sequence[str]) -> Iterator[_Named]:
    files = find_files(source.path)
    read = {
        "jsonl": _json_rows,
        "csv": _csv_rows,
        "parquet": _parquet_rows,
        "text": _block_rows if files == [Path(source.path)] else _whole_rows,
    }[source.format]
    for path, name in zip(files, _names(files), strict=True):
        for row in read(path, columns):
            yield _Named(row, name, name)


def _names(files: Sequence[Path]) -> list[str]:
    """The stems of files; where they are not distinct with directories, or else the whole names."""
    plain = [path.with_suffix("") if path.suffix.lower() in COMPRESSED else path for path in files]
    common = os.path.commonpath([path.parent for path in plain])
    stems = [path.stem for path in plain]
    longer = [path.with_suffix("").relative_to(common).as_posix() for path in plain]
    whole = [path.relative_to(common).as_posix() for path in files]
    return next((names for names in (stems, longer) if len(set(names)) == len(names)), whole)


def _json_rows(path: Path, columns: Sequence[str]) -> Iterator[_Row]:
    for where, number, values in json_lines(path):
        yield _Row(where, number, values)


def _csv_rows(path: Path, columns: Sequence[str]) -> Iterator[_Row]:
    csv.field_size_limit(_CSV_FIELD)
    reader = csv.reader((line for _, line in numbered_lines(path)), strict=True)
    header: list[str] = []
    while True:
        number = reader.line_num + 1
        where = f"{path}:{number}"
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{where}: not CSV ({error}); mend the record") from None
        if fields is None:
            return
        if not fields:
            continue
        if not header:
            header = fields
            _readable_columns(header, columns, where)
        elif len(fields) != len(header):
            raise InputError(
                f"{where}: {len(fields)} fields under a header of {len(header)}; mend the record"
            )
        else:
            yield _Row(where, number, dict(zip(header, fields, strict=True)))


def _whole_rows(path: Path, columns: Sequence[str]) -> Iterator[_Row]:
    yield _Row(f"{path}:1", 1, {columns[0]: "".join(line for _, line in numbered_lines(path))})


def _block_rows(path: Path, columns: Sequence[str]) -> Iterator[_Row]:
    block: list[str] = []
    first = count = 0
    for number, line in numbered_lines(path):
        if not line.isspace():
            first = first if block else number
            block.append(line)
        elif block:
            count += 1
            yield _Row(f"{path}:{first}", count, {columns[0]: _joined(block)})
            block = []
    if block:
        yield _Row(f"{path}:{first}", count + 1, {columns[0]: _joined(block)})


def _joined(lines: Sequence[str]) -> str:
    """The lines as one text, without the end of the last."""
    return "".join(lines).removesuffix("\n").removesuffix("\r")


def _parquet_rows(path: Path, columns: Sequence[str], label: str = "") -> Iterator[_Row]:
    """``label`` stands for the path in messages."""
    label = label or str(path)
    with opened(path) as stream:
        try:
            # A compressed stream seeks by starting over, and Parquet is read from its end.
            compressed = path.suffix.lower() in COMPRESSED
            readable = pa.BufferReader(stream.read()) if compressed else stream
            with pq.ParquetFile(readable) as file:
                wanted = _readable_columns(file.schema_arrow.names, columns, label)
                number = 0
                for batch in file.iter_batches(_BATCH, columns=wanted):
                    for values in batch.to_pylist():
                        number += 1
                        yield _Row(f"{label}: row {number}", number, values)
                if number != file.metadata.num_rows:
                    raise pa.ArrowInvalid(f"{number} of {file.metadata.num_rows} rows")
        except InputError:
            raise
        # The last two: what a date beyond Python's becomes, and text that is no UTF-8.
        except (pa.ArrowException, OverflowError, ValueError) as error:
            problem = one_line(error)
            raise InputError(f"{label}: not sound Parquet ({problem}); fetch it again") from None


def _dataset_rows(source: SourceSettings, columns: Sequence[str]) -> Iterator[_Named]:
    name = "/".join(part for part in (source.path, source.subset, source.split) if part)
    number = 0
    for label, path in dataset_files(source):
        for row in _parquet_rows(path, columns, label):
            number += 1
            yield _Named(row._replace(number=number), name, source.path)
