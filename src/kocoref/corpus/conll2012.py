"""Gold annotation in the format of the CoNLL-2012 shared task, which KoCoNovel uses too.

One word a line in columns between white space, a blank line after each sentence; the word is the
fourth column, coreference the last (http://conll.cemantix.org/2012/data.html)::

    #begin document (a); part 000
    a 0 0 홍길동은 - - - - - - * (0)
    a 0 1 학생이다. - - - - - - * -

    a 0 0 그는 - - - - - - * (0)
    a 0 1 공부한다. - - - - - - * -
    #end document

The format has no spacing: the text is the words joined by a space, over sentences too. Where
words are 어절 this is the text as it was written, and mentions keep the particles of their last
어절 (그는). Where words are morphemes, mentions are without particles, but every morpheme stands
alone in the text (그 는), as no model has seen it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kocoref.corpus.brackets import OpenBrackets, sorted_chains
from kocoref.corpus.document import Document, Span
from kocoref.corpus.lines import numbered_lines
from kocoref.errors import InputError

_BEGIN = re.compile(r"#begin document \((.+)\);?(?:\s*part\s+(\S+))?")
_SPACE = re.compile(r"[ \t]+")
_BRACKET = re.compile(r"(\(?)([^()|]+)(\)?)")
_WORD = 3
_FEWEST_COLUMNS = 5


def read_conll2012(path: Path) -> Iterator[tuple[str, Document]]:
    """Place and document of each part; a part's id is the document's and its own, ``a_000``.

    Chains are sorted by their first span, and singletons are kept; a span that is marked twice
    for one chain counts once.

    Raises:
        InputError: the file cannot be read, a document does not begin or end, a line has a wrong
            number of columns, or a mention cannot be read, is not open or is not closed.
    """
    part: _Part | None = None
    for number, raw in numbered_lines(path):
        where = f"{path}:{number}"
        line = raw.strip(" \t\r\n")
        if line.startswith("#begin document"):
            if part:
                raise InputError(
                    f"{where}: a document begins inside that of {part.where}; "
                    "write #end document before it"
                )
            part = _begun(line, where)
        elif line.startswith("#end document"):
            if not part:
                raise InputError(f"{where}: #end document without a #begin document; remove it")
            yield part.where, part.document(path.name)
            part = None
        elif part:
            part.add(line, where)
        elif line:
            raise InputError(
                f"{where}: a line outside of documents; "
                "write #begin document (id); part 000 before it"
            )
    if part:
        raise InputError(
            f"{part.where}: the document does not end; write #end document, "
            "or fetch the file again if it is cut short"
        )


def _begun(line: str, where: str) -> _Part:
    begin = _BEGIN.fullmatch(line)
    if not begin:
        raise InputError(f"{where}: {line!r}; write #begin document (id); part 000")
    return _Part(where, "_".join(filter(None, begin.groups())))


class _Part:
    """A part of a document as far as it is read."""

    def __init__(self, where: str, part_id: str) -> None:
        self.where = where
        self._id = part_id
        self._words: list[str] = []
        self._length = 0
        self._columns = 0
        self._open: OpenBrackets[int] = OpenBrackets()
        self._chains: dict[str, set[Span]] = {}

    def add(self, line: str, where: str) -> None:
        """Read a word, or a blank line: the end of a sentence."""
        if not line:
            self._open.end_sentence()
            self._columns = 0
            return
        row = _SPACE.split(line)
        if len(row) < _FEWEST_COLUMNS:
            raise InputError(
                f"{where}: {len(row)} columns, fewer than {_FEWEST_COLUMNS}; "
                "write id, part, word number, word, ..., coreference"
            )
        if self._columns not in (0, len(row)):
            raise InputError(
                f"{where}: {len(row)} columns after lines of {self._columns}; "
                "mend the line, or put a blank line between sentences"
            )
        self._columns = len(row)
        start = self._length + bool(self._words)
        self._length = start + len(row[_WORD])
        self._words.append(row[_WORD])
        if row[-1] != "-":
            self._mark(row[-1], start, where)

    def _mark(self, coreference: str, start: int, where: str) -> None:
        """Open and close the mentions of the word that begins at ``start`` and was just added."""
        for mark in coreference.split("|"):
            bracket = _BRACKET.fullmatch(mark)
            if not bracket or bracket[2] == mark:
                raise InputError(
                    f"{where}: coreference {coreference!r}; "
                    "write -, or (0, 0) or (0) with | between them"
                )
            opens, chain, closes = bracket.groups()
            if opens:
                self._open.open(chain, start, where)
            if closes:
                span = self._open.close(chain, where), self._length
                self._chains.setdefault(chain, set()).add(span)

    def document(self, source: str) -> Document:
        """The whole part."""
        self._open.end_sentence()
        if not self._words:
            raise InputError(f"{self.where}: a document without words; leave it out")
        return Document(
            id=self._id,
            text=" ".join(self._words),
            source=source,
            licence="unknown",
            chains=sorted_chains(self._chains.values()),
        )
