"""The embedded passages: Korean text with mentions marked inline, one file per genre and split.

A file holds passages separated by blank lines. The first line of a passage is ``@ `` and its id;
the lines after it are its text. A mention is ``[chain:TYPE text]`` where its chain is first
marked and ``[chain text]`` afterwards, without its particle, and may contain other mentions::

    @ news-001
    [1:PER 김서연]은 [2:LOC 부산]에서 태어났다. [1 그]는 [2 그곳]을 떠난 적이 없다.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from kocoref.corpus.document import Document, Span
from kocoref.corpus.lines import numbered_lines
from kocoref.errors import InputError

TYPES = frozenset({"PER", "ORG", "LOC", "OBJ", "EVT"})
"""Person, organisation, place, thing (also a work, animal or idea), event."""

_OPEN = re.compile(r"\[([0-9]{1,9})(?::([A-Z]+))? ")


@dataclass(frozen=True, slots=True)
class Mention:
    """``span`` is in characters of the passage's text without marks."""

    span: Span
    chain: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage without its marks: ``mentions`` in order of their start, ``types`` by chain."""

    id: str
    text: str
    mentions: tuple[Mention, ...]
    types: dict[int, str]

    def spans(self, chain: int) -> tuple[Span, ...]:
        """The spans of one chain, in the order of the text."""
        return tuple(mention.span for mention in self.mentions if mention.chain == chain)

    def document(self) -> Document:
        """The passage as a document; chains in the order of their numbers."""
        return Document(
            id=self.id,
            text=self.text,
            source="passages",
            licence="project",
            chains=tuple(self.spans(chain) for chain in sorted(self.types)),
        )


def parse(marked: str, where: str, passage_id: str) -> Passage:
    """Read one marked text.

    Raises:
        InputError: a bracket that is not closed, an empty mention, an unknown type, a chain
            whose type is missing or given twice; ``where`` names the file and line.
    """

    def fail(problem: str) -> InputError:
        return InputError(f"{where}: passage {passage_id}: {problem}")

    pieces: list[str] = []
    length = 0
    opened: list[tuple[int, int]] = []
    mentions: list[Mention] = []
    types: dict[int, str] = {}
    position = 0
    while position < len(marked):
        mark = _OPEN.match(marked, position)
        if mark:
            chain, kind = int(mark.group(1)), mark.group(2)
            if kind is not None and kind not in TYPES:
                raise fail(f"unknown type {kind}; use one of {', '.join(sorted(TYPES))}")
            if (kind is None) != (chain in types):
                raise fail(f"chain {chain} must have its type at its first mention, and only there")
            if kind is not None:
                types[chain] = kind
            opened.append((chain, length))
            position = mark.end()
        elif marked[position] == "[":
            raise fail(f"'[' that opens no mention near {marked[position : position + 12]!r}")
        elif marked[position] == "]":
            if not opened:
                raise fail("']' without '['")
            chain, start = opened.pop()
            if start == length:
                raise fail(f"empty mention of chain {chain}")
            mentions.append(Mention((start, length), chain))
            position += 1
        else:
            pieces.append(marked[position])
            length += 1
            position += 1
    if opened:
        raise fail(f"'[' of chain {opened[-1][0]} is not closed")
    mentions.sort(key=lambda mention: (mention.span[0], -mention.span[1]))
    return Passage(passage_id, "".join(pieces), tuple(mentions), types)


def read_passages(path: Path) -> Iterator[Passage]:
    """The passages of one file, in its order.

    Raises:
        InputError: see :func:`parse`; also text before the first ``@`` line, and a passage without
            text or id.
    """
    passage_id, first_line, lines = "", 0, []
    for number, raw in chain(numbered_lines(path), [(0, "@ ")]):
        line = raw.rstrip("\r\n")
        where = f"{path}:{first_line}"
        if not line.startswith("@"):
            first_line = first_line or number
            lines.append(line)
            continue
        text = "\n".join(lines).strip()
        if text and not passage_id:
            raise InputError(f"{where}: text before the first '@ id' line")
        if passage_id and not text:
            raise InputError(f"{where}: passage {passage_id} is empty; write its text or remove it")
        if passage_id:
            yield parse(text, where, passage_id)
        if (number and not line[2:].strip()) or line[1:2] != " ":
            raise InputError(f"{path}:{number}: a passage begins with '@ ' and its id")
        passage_id, first_line, lines = line[2:].strip(), number, []
