"""Text sources of every format, read as often as needed instead of being kept in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

from kocoref.corpus.document import Document
from kocoref.corpus.passages import Passage, read_passages
from kocoref.corpus.sources import read_source
from kocoref.corpus.splits import SPLITS, Split
from kocoref.errors import InputError
from kocoref.settings import SourceSettings


def read_with_splits(
    source: SourceSettings, counts: Counter[str]
) -> Iterator[tuple[Document, Split | None]]:
    """The documents of a source without analysis, and their splits where the source has them.

    Adds to ``counts`` as :func:`kocoref.corpus.sources.read_source` does.
    """
    if source.format == "passages":
        for passage, split in read_split_passages(source):
            counts["used"] += 1
            yield passage.document(), split
    else:
        for document in read_source(source, counts):
            yield document, None


def read_split_passages(source: SourceSettings) -> Iterator[tuple[Passage, Split]]:
    """The passages of a directory, and the splits that they are in.

    Raises:
        InputError: there is none, a file is not sound, or one would not be read.
    """
    empty = True
    for path in Path(source.path).glob("[!.]*/"):
        if path.name not in SPLITS:
            raise InputError(f"{path}: not one of {', '.join(SPLITS)}; rename the directory")
    for split in SPLITS:
        for path in sorted((Path(source.path) / split).glob("[!.]*")):
            if path.suffix != ".txt" or not path.is_file():
                raise InputError(f"{path}: no file of passages, NAME.txt; move or rename it")
            for passage in read_passages(path):
                empty = False
                yield passage, split
    if empty:
        raise InputError(f"{source.path}: no passages in {{train,validation,test}}/*.txt")


def read_chosen(sources: Sequence[SourceSettings], chosen: Collection[str]) -> Iterator[Document]:
    """The documents with these ids, in the order of the sources."""
    wanted = frozenset(chosen)
    found = (
        document
        for source in sources
        for document, _ in read_with_splits(source, Counter())
        if document.id in wanted
    )
    return islice(found, len(wanted))  # what comes after the last is not read
