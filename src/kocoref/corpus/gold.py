"""Human coreference annotation, for evaluation only: the choice of a reader by format.

Format ``spans``, which is read here, is JSON Lines: one document a line, spans in characters of
``text``, end exclusive::

    {"id": "a", "text": "...", "clusters": [[[0, 3], [9, 10]]], "source": "x", "license": "y"}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from kocoref.corpus.conll2012 import read_conll2012
from kocoref.corpus.corefud import read_corefud
from kocoref.corpus.document import Document, Span, distinct
from kocoref.corpus.lines import find_files, json_lines, require_column, string
from kocoref.errors import InputError
from kocoref.settings import GoldSettings
from kocoref.text.morphology import readable


def read_gold(source: GoldSettings) -> Iterator[Document]:
    """The annotated documents of a file or glob, up to its limit; a chain's spans are sorted.

    Like raw text theirs is composed, and it has no invisible characters; spans are of that.

    Raises:
        InputError: a file cannot be read, a document is not sound, an id comes twice, or there
            is no document or no chain.
    """
    read = _READERS[source.format]
    empty = unmarked = True
    pairs = (pair for file in find_files(source.path) for pair in read(file))
    found = distinct((where, _composed(document, where)) for where, document in pairs)
    for document in islice(found, source.limit):
        empty = False
        unmarked = unmarked and not document.chains
        yield document
    if empty:
        raise InputError(f"{source.path}: no documents in it; check the file")
    if unmarked:
        raise InputError(f"{source.path}: no chain in what is read; check its format and limit")


def _composed(document: Document, where: str) -> Document:
    found = readable(document.text)
    if not found.text or found.text.isspace():
        raise InputError(f"{where}: a document without text; leave it out")

    def composed(mention: Span) -> Span:
        start, end = found.composed(*mention)
        if start >= end:
            raise InputError(f"{where}: span {[*mention]} has no visible character; leave it out")
        return start, end

    chains = (tuple(dict.fromkeys(map(composed, chain))) for chain in document.chains)
    return replace(document, text=found.text, chains=tuple(chains))


def _read_spans(path: Path) -> Iterator[tuple[str, Document]]:
    for where, _, row in json_lines(path):
        text = string(row, "text", where)
        yield (
            where,
            Document(
                id=string(row, "id", where),
                text=text,
                source=string(row, "source", where),
                licence=string(row, "license", where),
                chains=_chains(row, len(text), where),
            ),
        )


def _chains(row: dict[str, object], length: int, where: str) -> tuple[tuple[Span, ...], ...]:
    require_column(row, "clusters", where)
    clusters = row["clusters"]
    if not isinstance(clusters, list):
        raise InputError(
            f"{where}: clusters: {type(clusters).__name__}, not a list; write a list of lists"
        )
    return tuple(
        _chain(cluster, length, f"{where}: clusters[{index}]")
        for index, cluster in enumerate(clusters)
    )


def _chain(cluster: object, length: int, where: str) -> tuple[Span, ...]:
    if not isinstance(cluster, list) or not cluster:
        raise InputError(f"{where}: not a list of spans; write [[start, end], ...]")
    spans = [_span(span, length, f"{where}[{index}]") for index, span in enumerate(cluster)]
    if len(set(spans)) < len(spans):
        raise InputError(f"{where}: a span comes twice; leave one out")
    return tuple(sorted(spans))


def _span(span: object, length: int, where: str) -> Span:
    if not (
        isinstance(span, list)
        and len(span) == 2
        and all(isinstance(bound, int) and not isinstance(bound, bool) for bound in span)
    ):
        raise InputError(f"{where}: {span!r}, not two integers; write [start, end]")
    start, end = span
    if not 0 <= start < end <= length:
        raise InputError(
            f"{where}: [{start}, {end}] is empty or outside the text of {length} characters; "
            "the end is exclusive"
        )
    return start, end


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, Document]]]] = {
    "spans": _read_spans,
    "conll2012": read_conll2012,
    "corefud": read_corefud,
}
