"""The one type for all text: everything downstream of ``corpus`` works on documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kocoref.errors import InputError
from kocoref.files import read_json_lines
from kocoref.text.morphology import Token

Span = tuple[int, int]
"""Start and end (exclusive) in characters of the document's text."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text, its analysis and, where somebody marked them, its coreference chains.

    ``sentences`` and ``tokens`` are empty until :class:`kocoref.text.morphology.Analyzer` has
    seen the text; ``chains`` is empty for raw text. All spans are in characters of ``text``.
    """

    id: str
    text: str
    source: str
    licence: str
    sentences: tuple[Span, ...] = ()
    tokens: tuple[Token, ...] = ()
    chains: tuple[tuple[Span, ...], ...] = ()

    def __post_init__(self) -> None:
        for chain in self.chains:
            for start, end in chain:
                if not 0 <= start < end <= len(self.text):
                    raise ValueError(
                        f"document {self.id}: span [{start}, {end}) is outside its text "
                        f"of {len(self.text)} characters"
                    )

    def to_json(self) -> dict[str, Any]:
        """The document as a JSON object, keys in the order of the fields."""
        return {
            "id": self.id,
            "text": self.text,
            "source": self.source,
            "licence": self.licence,
            "sentences": self.sentences,
            "tokens": self.tokens,
            "chains": self.chains,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Document:
        """The inverse of :meth:`to_json`."""
        return cls(
            id=row["id"],
            text=row["text"],
            source=row["source"],
            licence=row["licence"],
            sentences=tuple((start, end) for start, end in row["sentences"]),
            tokens=tuple(map(Token._make, row["tokens"])),
            chains=tuple(tuple((start, end) for start, end in chain) for chain in row["chains"]),
        )


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of a file that ``prepare`` wrote."""
    return (Document.from_json(row) for row in read_json_lines(path))


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
