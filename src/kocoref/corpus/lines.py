"""Files as lines of text: found by path or glob, decompressed, decoded, and as JSON objects."""

from __future__ import annotations

import glob
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from kocoref.corpus.compressed import COMPRESSED
from kocoref.errors import InputError, one_line


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


@contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
    """The bytes of a file, which may be compressed.

    Raises:
        InputError: it cannot be read, also while it is read.
    """
    compressed = COMPRESSED.get(path.suffix.lower())
    try:
        with compressed(path) if compressed else path.open("rb") as file:
            yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path}: {error.strerror}; check the file") from None
        problem = one_line(error)
        raise InputError(f"{path}: damaged or cut short ({problem}); fetch it again") from None


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends."""
    with opened(path) as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}:{number}: not UTF-8 at byte {error.start + 1} of the line; convert"
                    " the file, perhaps from CP949 or UTF-16, or decompress it: only"
                    f" {', '.join(sorted(COMPRESSED))} are read as they are"
                ) from None
            if line:
                yield number, line


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
