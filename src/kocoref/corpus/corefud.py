"""Gold annotation in the format of CorefUD 1.x: CoNLL-U with mentions in its last column.

Format: https://ufal.mff.cuni.cz/corefud, made exact by the validator of
https://github.com/UniversalDependencies/tools; https://universaldependencies.org/format.html for
CoNLL-U. With ten columns between tabs, of which the first two and the last are read::

    # newdoc id = a
    # global.Entity = eid-etype-head-other
    1-2  홍길동은  ...  _
    1    홍길동    ...  Entity=(e1-person-1-)
    2    은        ...  _
    3    학생이다  ...  SpaceAfter=No
    4    .         ...  _

The text is rebuilt from the forms and ``SpaceAfter=No``, sentences joined by a space. The form of
a multiword token (1-2) is that of its own line; its words stand in it one after the other where
their forms add up to it, else each stands for all of it. Empty nodes (3.1) have no text: a
mention has the span of its other words, and is left out if there are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from kocoref.corpus.brackets import OpenBrackets, sorted_chains
from kocoref.corpus.document import Document, Span
from kocoref.corpus.lines import numbered_lines
from kocoref.errors import InputError

_COLUMNS = 10
_ID = re.compile(r"([0-9]{1,9})(?:([-.])([0-9]{1,9}))?")
_BRACKET = re.compile(r"(\(?)([^()]+)(\)?)")
_PART = re.compile(r"(.+)\[([1-9][0-9]{0,3})/([1-9][0-9]{0,3})\]")
_HEAD = re.compile(r"[1-9][0-9]{0,8}")


class _Row(NamedTuple):
    """A line of a sentence: word 3 (``kind`` is empty), token 3-4 (``-``) or empty node 3.1."""

    where: str
    id: str
    number: int
    kind: str
    last: int
    form: str
    misc: dict[str, str]


class _Sentence(NamedTuple):
    """``comments`` are the values of ``# key = value``, each with its place."""

    comments: dict[str, tuple[str, str]]
    rows: list[_Row]


class _Node(NamedTuple):
    """A word, or an empty node, which has no span."""

    row: _Row
    span: Span | None


@dataclass(slots=True, eq=False)
class _Mention:
    """``head`` counts the mention's nodes from 1; ``parts`` are their first and last indices.

    Each is only equal to itself: two that wait for their next parts may look the same.
    """

    where: str
    entity: str
    head: int
    total: int
    parts: list[tuple[int, int]] = field(default_factory=list)


def read_corefud(path: Path) -> Iterator[tuple[str, Document]]:
    """Place and document of each ``# newdoc``.

    Chains are sorted by their first span, and singletons are kept. Of a discontinuous mention
    (``e1[1/2]``) only the part that holds the head counts, from its first word to its last;
    parts with nothing but empty nodes between them are one.

    Raises:
        InputError: the file cannot be read, is not CoNLL-U, a document has no id, or a mention
            cannot be read, is not open, not closed or not whole in its sentence.
    """
    building: _Building | None = None
    fields: list[str] = []
    for sentence in _sentences(path):
        newdoc = sentence.comments.get("newdoc id") or sentence.comments.get("newdoc")
        if newdoc:
            document_id, where = newdoc
            if not document_id:
                raise InputError(f"{where}: a document without id; write # newdoc id = NAME")
            if building:
                yield building.where, building.document(path.name)
            building = _Building(where, document_id)
        if "global.Entity" in sentence.comments:
            fields = _fields(*sentence.comments["global.Entity"])
        if not building:
            raise InputError(
                f"{sentence.rows[0].where}: a sentence outside of documents; "
                "write # newdoc id = NAME before it"
            )
        building.add(sentence.rows, fields)
    if building:
        yield building.where, building.document(path.name)


def _sentences(path: Path) -> Iterator[_Sentence]:
    for blank, lines in groupby(numbered_lines(path), key=lambda line: line[1].isspace()):
        if not blank:
            yield _sentence(path, lines)


def _sentence(path: Path, lines: Iterator[tuple[int, str]]) -> _Sentence:
    sentence = _Sentence({}, [])
    for number, raw in lines:
        where = f"{path}:{number}"
        line = raw.rstrip("\r\n")
        if not line.startswith("#"):
            sentence.rows.append(_row(line, where))
        elif sentence.rows:
            raise InputError(f"{where}: a comment inside a sentence; put a blank line before it")
        else:
            key, _, value = line[1:].partition("=")
            if key.strip() in sentence.comments and key.strip().startswith("newdoc"):
                raise InputError(f"{where}: a document without a sentence before it; remove it")
            sentence.comments[key.strip()] = value.strip(), where
    if not sentence.rows:
        raise InputError(
            f"{where}: comments without a sentence; remove them, "
            "or fetch the file again if it is cut short"
        )
    return sentence


def _row(line: str, where: str) -> _Row:
    columns = line.split("\t")
    if len(columns) != _COLUMNS:
        raise InputError(
            f"{where}: {len(columns)} columns, not {_COLUMNS}; put one tab between columns"
        )
    label, form = columns[:2]
    numbers = _ID.fullmatch(label)
    if not numbers:
        raise InputError(f"{where}: id {label!r}; write 3, 3-4 or 3.1")
    if not form:
        raise InputError(f"{where}: an empty form; write the word, or _ for an empty node")
    number, kind, last = numbers.groups()
    misc = [item.partition("=") for item in columns[-1].split("|")]
    if any(key != key.strip() for key, _, _ in misc):
        raise InputError(f"{where}: white space around a key of the last column; remove it")
    if [key for key, _, _ in misc].count("Entity") > 1:
        raise InputError(f"{where}: Entity comes twice; put all brackets in one")
    return _Row(
        where=where,
        id=label,
        number=int(number),
        kind=kind or "",
        last=int(last or number),
        form=form,
        misc={key: value for key, _, value in misc},
    )


def _fields(declaration: str, where: str) -> list[str]:
    """The names of what stands between the hyphens of a mention."""
    fields = declaration.split("-")
    if "eid" not in fields:
        raise InputError(
            f"{where}: global.Entity = {declaration} has no eid; "
            "declare the fields of Entity, such as eid-etype-head-other"
        )
    return fields


class _Building:
    """A document as far as it is read."""

    def __init__(self, where: str, document_id: str) -> None:
        self.where = where
        self._id = document_id
        self._pieces: list[str] = []
        self._length = 0
        self._gap = ""
        self._chains: dict[str, set[Span]] = {}

    def add(self, rows: Sequence[_Row], fields: Sequence[str]) -> None:
        """Read a sentence."""
        self._gap = " " if self._pieces else ""
        nodes = list(self._nodes(rows))
        for mention in _mentions(nodes, fields):
            span = _span(mention, nodes)
            if span:
                self._chains.setdefault(mention.entity, set()).add(span)

    def _nodes(self, rows: Sequence[_Row]) -> Iterator[_Node]:
        """The nodes of a sentence, their forms put at the end of the text."""
        words = [row.form for row in rows if not row.kind]
        covered: dict[int, Span] = {}
        due = 1
        for row in rows:
            if row.kind == ".":
                yield _Node(row, None)
            elif row.kind == "-":
                if not due == row.number <= row.last <= len(words) or due in covered:
                    raise InputError(
                        f"{row.where}: token {row.id} is not before its words; mend it"
                    )
                if "Entity" in row.misc:
                    raise InputError(
                        f"{row.where}: a mention on the multiword token {row.id}; "
                        "mark it on the words after it"
                    )
                parts = _parts(self._put(row), row.form, words[due - 1 : row.last])
                covered.update(enumerate(parts, due))
            else:
                if row.number != due:
                    raise InputError(f"{row.where}: word {row.id} where {due} is due; mend the ids")
                yield _Node(row, covered.get(due) or self._put(row))
                due += 1

    def _put(self, row: _Row) -> Span:
        start = self._length + len(self._gap)
        self._length = start + len(row.form)
        self._pieces += self._gap, row.form
        self._gap = "" if row.misc.get("SpaceAfter") == "No" else " "
        return start, self._length

    def document(self, source: str) -> Document:
        """The whole document."""
        return Document(
            id=self._id,
            text="".join(self._pieces),
            source=source,
            licence="unknown",
            chains=sorted_chains(self._chains.values()),
        )


def _parts(token: Span, form: str, words: Sequence[str]) -> list[Span]:
    """Where the words of a multiword token stand."""
    if "".join(words) != form:
        return [token] * len(words)
    return list(pairwise(accumulate(map(len, words), initial=token[0])))


def _mentions(nodes: Sequence[_Node], fields: Sequence[str]) -> Iterator[_Mention]:
    """The mentions of a sentence, in the order in which they end.

    A part of a discontinuous mention belongs to the last mention of its entity that wants it.
    """
    opened: OpenBrackets[tuple[_Mention, int]] = OpenBrackets()
    waiting: list[_Mention] = []
    for index, (row, _) in enumerate(nodes):
        if "Entity" not in row.misc:
            continue
        entity = row.misc["Entity"]
        brackets = _BRACKET.findall(entity)
        all_read = entity and "".join(map("".join, brackets)) == entity
        if not all_read or not all(opens or closes for opens, _, closes in brackets):
            raise InputError(
                f"{row.where}: Entity={entity}; write (e1-..., e1) or (e1-...) without spaces"
            )
        if not fields:
            raise InputError(
                f"{row.where}: Entity={entity} without a declaration; "
                "write # global.Entity = eid-etype-head-other before it"
            )
        for opens, content, closes in brackets:
            label = content
            if opens:
                label, head = _opening(content, fields, row.where)
                mention = _opened(label, head, waiting, row.where)
                opened.open(label, (mention, index), row.where)
            if closes:
                mention, first = opened.close(label, row.where)
                mention.parts.append((first, index))
                if len(mention.parts) == mention.total:
                    yield mention
                else:
                    waiting.append(mention)
    opened.end_sentence()
    for mention in waiting:
        raise InputError(
            f"{mention.where}: mention {mention.entity!r} has {len(mention.parts)} of its "
            f"{mention.total} parts; mark the others, in the same sentence"
        )


def _opening(content: str, fields: Sequence[str], where: str) -> tuple[str, int]:
    """Label (``e1`` or ``e1[1/2]``) and head of a mention; empty values at its end may be left out.

    Without a head it is the first word.
    """
    values = dict(zip(fields, content.split("-"), strict=False))
    label, head = values.get("eid"), values.get("head") or "1"
    if not label:
        raise InputError(f"{where}: mention {content!r} has no eid; write it as global.Entity says")
    if not _HEAD.fullmatch(head):
        raise InputError(f"{where}: mention {content!r} has head {head!r}; write a number from 1")
    return label, int(head)


def _opened(label: str, head: int, waiting: list[_Mention], where: str) -> _Mention:
    """A new mention, or that among those waiting which a part continues."""
    part = _PART.fullmatch(label)
    entity, number, total = (part[1], int(part[2]), int(part[3])) if part else (label, 1, 1)
    if number == 1:
        return _Mention(where, entity, head, total)
    for mention in reversed(waiting):
        if (mention.entity, mention.total, len(mention.parts)) == (entity, total, number - 1):
            waiting.remove(mention)
            return mention
    raise InputError(
        f"{where}: mention {label!r} without part {number - 1} before it; "
        "number its parts from 1, in the same sentence"
    )


def _span(mention: _Mention, nodes: Sequence[_Node]) -> Span | None:
    """From the first to the last overt word around the head; no span without overt words."""
    indices = [index for first, last in mention.parts for index in range(first, last + 1)]
    if mention.head > len(indices):
        raise InputError(
            f"{mention.where}: mention {mention.entity!r} has head {mention.head} "
            f"of {len(indices)} words; correct the head"
        )
    head = indices[mention.head - 1]
    runs: list[list[int]] = [[]]
    for index in indices:
        if runs[-1] and any(node.span for node in nodes[runs[-1][-1] + 1 : index]):
            runs.append([])
        runs[-1].append(index)
    for run in sorted(runs, key=lambda run: head not in run):
        overt = [span for index in run if (span := nodes[index].span)]
        if overt:
            return overt[0][0], overt[-1][1]
    return None
