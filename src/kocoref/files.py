"""Files are written whole or not at all, and read with a message that says where they break."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kocoref.errors import InputError

_NUMBERS = re.compile(r"\[\n[-+.\deE,\s]+\]")
"""An indented JSON array of numbers; no string holds one, since a line in it does not break."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes the place of ``path`` when the block succeeds.

    Works for files and for directories; after a failure nothing is left of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    _remove(partial)
    try:
        yield partial
        if partial.is_dir():
            discard(path)
        os.replace(partial, path)
    finally:
        _remove(partial)


def discard(path: Path) -> None:
    """Remove a file or a directory, of which no half is ever at its path."""
    doomed = path.with_name(f".{path.name}.old.partial")
    _remove(doomed)
    if path.exists():
        os.replace(path, doomed)
        _remove(doomed)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, keys in the order given, Korean as it is, numbers of a list in a row."""
    with replacing(path) as partial:
        text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
        text = _NUMBERS.sub(lambda numbers: json.dumps(json.loads(numbers[0])), text)
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The value of a JSON file of this project.

    Raises:
        InputError: the file is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: broken ({error})") from None


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write one compact JSON value a line."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_json_lines(path: Path) -> Iterator[Any]:
    """The values of a file of this project with one JSON value a line.

    Raises:
        InputError: the file is missing or a line is not JSON, as after a write that was cut off.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise InputError(
                        f"{path}:{number}: broken ({error}); delete it and run `dvc repro` again"
                    ) from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, float | None]]
) -> None:
    """Write rows under a header line; a value that is missing is left empty."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
