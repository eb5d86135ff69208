"""Raw text from JSON Lines, CSV, Parquet, plain text or the Hugging Face Hub, as documents.

Text is composed (NFC), so that Hangul is whole syllables, and else taken as it is, never stripped;
only a byte order mark is left out. A row may name its ``id``, ``source`` and ``license`` (or
``licence``) in columns of these names. Files may be compressed (.gz, .xz, .bz2).
"""

from __future__ import annotations

import csv
import glob
import json
import lzma
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from huggingface_hub import HfApi, is_offline_mode, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from kocoref.corpus.compressed import COMPRESSED
from kocoref.corpus.document import Document
from kocoref.errors import InputError, one_line
from kocoref.hub import hub_client, hub_errors
from kocoref.settings import SourceSettings

CONVERTED = "refs/convert/parquet"
"""The revision where the Hub keeps its own Parquet form of a data set's main revision."""

_ID, _SOURCE, _LICENCE = ("id",), ("source",), ("license", "licence")
_BATCH = 1000
_CSV_FIELD = 2**31 - 1
_OF = re.compile(r"-of-(\d+)")


class _Row(NamedTuple):
    """``where`` names file and line in messages; ``number`` counts lines, rows or blocks."""

    where: str
    number: int
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Named:
    """A row with the id and source it has unless its columns say otherwise."""

    row: _Row
    id: str
    source: str


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


def distinct(documents: Iterable[tuple[str, Document]]) -> Iterator[Document]:
    """The documents, each of which comes with its place.

    Raises:
        InputError: an id comes twice.
    """
    seen: set[str] = set()
    for where, document in documents:
        if document.id in seen:
            raise InputError(f"{where}: id {document.id!r} came before; give each row its own id")
        seen.add(document.id)
        yield document


def find_files(path: str) -> list[Path]:
    """The file at ``path``, or the files a glob matches, sorted.

    Raises:
        InputError: there is none, ``path`` is a directory, or a name is not in UTF-8.
    """
    if Path(path).is_file():
        return [Path(path)]
    if Path(path).is_dir():
        raise InputError(f"{path}: a directory; name its files with a glob such as {path}/*.jsonl")
    matches = (Path(match) for match in glob.glob(path, recursive=True))
    files = sorted(match for match in matches if match.is_file())
    if not files:
        problem = "no file matches" if glob.has_magic(path) else "no such file"
        raise InputError(f"{path}: {problem}; correct its path in params.yaml")
    for file in files:
        try:
            str(file).encode()
        except UnicodeEncodeError:
            raise InputError(f"{str(file)!a}: a name that is not UTF-8; rename it") from None
    return files


def json_lines(path: Path) -> Iterator[tuple[str, int, dict[str, object]]]:
    """Place (``file:line``), line number and object of each line that is not blank.

    Raises:
        InputError: the file cannot be read, or a line is not a JSON object in UTF-8.
    """
    for number, line in numbered_lines(path):
        if line.isspace():
            continue
        where = f"{path}:{number}"
        try:
            value = json.loads(line.rstrip("\r\n"), object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            problem = f"{error.msg} at column {error.colno}"
            raise InputError(f"{where}: not JSON ({problem}); mend the line") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: JSON beyond reading ({error}); mend the line") from None
        if not isinstance(value, dict):
            raise InputError(
                f"{where}: {type(value).__name__}, not an object; write one {{...}} a line"
            )
        yield where, number, value


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The object of some pairs, of which none would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {twice!r} comes twice")
    return found


def string(values: Mapping[str, object], column: str, where: str) -> str:
    """The string in a column.

    Raises:
        InputError: there is no such column, or it holds something else or half a character.
    """
    require_column(values, column, where)
    value = values[column]
    if not isinstance(value, str):
        raise InputError(
            f"{where}: column {column!r}: {type(value).__name__}, not a string; "
            "mend the row or choose another column"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: column {column!r}: character {error.start} is half a surrogate pair "
            f"({value[error.start]!r}); mend the row"
        ) from None
    return value


def require_column(columns: Iterable[str], column: str, where: str) -> None:
    """Raise an InputError that lists the columns if ``column`` is not one of them."""
    if column not in (present := list(columns)):
        listed = ", ".join(map(repr, present)) or "none"
        raise InputError(f"{where}: no column {column!r}; the columns are {listed}")


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
        yield (
            where,
            Document(
                id=_label(labels, _ID, where) or named.id,
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
            yield _Named(row, f"{name}-{row.number}", name)


def _names(files: Sequence[Path]) -> list[str]:
    """The stems of files; with their directories where the stems alone are not distinct."""
    plain = [path.with_suffix("") if path.suffix.lower() in COMPRESSED else path for path in files]
    if len({path.stem for path in plain}) == len(plain):
        return [path.stem for path in plain]
    common = os.path.commonpath([path.parent for path in plain])
    return [path.with_suffix("").relative_to(common).as_posix() for path in plain]


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
    with _opened(path) as stream:
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


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends."""
    with _opened(path) as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}:{number}: not UTF-8 at byte {error.start + 1} of the line; "
                    "convert the file, perhaps from CP949"
                ) from None
            if line:
                yield number, line


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    compressed = COMPRESSED.get(path.suffix.lower())
    try:
        with compressed(path) if compressed else path.open("rb") as file:
            yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path}: {error.strerror}; check the file") from None
        problem = one_line(error)
        raise InputError(f"{path}: damaged or cut short ({problem}); fetch it again") from None


def _dataset_rows(source: SourceSettings, columns: Sequence[str]) -> Iterator[_Named]:
    name = "/".join(part for part in (source.path, source.subset, source.split) if part)
    number = 0
    for label, path in _dataset_files(source):
        for row in _parquet_rows(path, columns, label):
            number += 1
            yield _Named(row, f"{name}-{number}", source.path)


def _dataset_files(source: SourceSettings) -> Iterator[tuple[str, Path]]:
    """A label and the local copy of each Parquet file of the split, fetched when it is due.

    The Hub's own Parquet form is taken only where no revision is pinned, as it follows ``main``.
    """
    api = hub_client()
    commit, files = _dataset_listing(api, source.path, source.revision)
    if not files and source.revision is None:
        commit, files = _dataset_listing(api, source.path, CONVERTED)
    if not files:
        raise InputError(
            f"{source.path}: no Parquet files at revision {source.revision or 'main'}; "
            f"set revision to {CONVERTED} or to a commit of it"
        )
    chosen = _split_files(source, files)
    for file in chosen:
        with hub_errors(source.path, commit, "data set"):
            path = api.hf_hub_download(source.path, file, repo_type="dataset", revision=commit)
        yield f"{source.path}/{file}", Path(path)
    shards = _OF.search(chosen[-1])
    if shards and len(chosen) < (total := int(shards.group(1))):
        raise InputError(
            f"{source.path}: only {len(chosen)} of the {total} files of split "
            f"{source.split} are there; unset HF_HUB_OFFLINE to fetch the others"
        )


def _dataset_listing(api: HfApi, dataset: str, revision: str | None) -> tuple[str, list[str]]:
    """The commit of a revision and its Parquet files; offline, those that were fetched before."""
    with hub_errors(dataset, revision or "main", "data set"):
        resolved = api.resolve_revision(dataset, repo_type="dataset", revision=revision)
        commit = resolved.resolved
        if is_offline_mode():
            files = _cached_files(dataset, commit)
        else:
            files = api.list_repo_files(dataset, repo_type="dataset", revision=commit)
    for file in files:
        if ".." in Path(file).parts or Path(file).is_absolute():
            raise InputError(f"{dataset}: lists {file!r}, a path outside of itself; do not use it")
    return commit, sorted(file for file in files if file.endswith(".parquet"))


def _cached_files(dataset: str, commit: str) -> list[str]:
    try:
        # With no patterns nothing is asked for, so a copy of only some files will do.
        folder = snapshot_download(
            dataset, repo_type="dataset", revision=commit, local_files_only=True, allow_patterns=[]
        )
    except LocalEntryNotFoundError:
        return []
    return [path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.parquet")]


def _split_files(source: SourceSettings, files: Sequence[str]) -> list[str]:
    """The files of the split: ``[data/][subset/]split{-*,/*,}.parquet``.

    Raises:
        InputError: there is no such split or subset, or there are several subsets to choose from.
    """
    shape = re.compile(rf"(?:data/)?(?:(.+)/)?{re.escape(source.split)}(?:[-/][^/]+)?\.parquet")
    subsets: dict[str, list[str]] = {}
    for file in files:
        if match := shape.fullmatch(file):
            subsets.setdefault(match.group(1) or "default", []).append(file)
    if not subsets:
        listed = ", ".join(files[:5]) + (", ..." if len(files) > 5 else "")
        raise InputError(
            f"{source.path}: no Parquet files of split {source.split!r} among {listed}; "
            f"set split, or revision to {CONVERTED}"
        )
    subset = source.subset or (next(iter(subsets)) if len(subsets) == 1 else "default")
    if subset not in subsets:
        raise InputError(
            f"{source.path}: no subset {subset!r} with split {source.split!r}; "
            f"set subset to one of {', '.join(subsets)}"
        )
    return subsets[subset]
