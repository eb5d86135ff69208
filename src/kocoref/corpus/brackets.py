"""Mentions as brackets on words, as CoNLL files mark them: what opens closes in its sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from kocoref.corpus.document import Span
from kocoref.errors import InputError

Value = TypeVar("Value")


class OpenBrackets(Generic[Value]):
    """The open brackets of a sentence by label, each with a value from where it opened.

    A closing bracket ends the innermost one with its label: brackets of one label nest, those of
    different labels may cross.
    """

    def __init__(self) -> None:
        self._open: dict[str, list[tuple[Value, str]]] = {}

    def open(self, label: str, value: Value, where: str) -> None:
        """Add a bracket; ``where`` names file and line in messages."""
        self._open.setdefault(label, []).append((value, where))

    def close(self, label: str, where: str) -> Value:
        """The value of the bracket that ends here.

        Raises:
            InputError: no bracket with this label is open.
        """
        same = self._open.get(label)
        if not same:
            raise InputError(
                f"{where}: mention {label!r} is closed but not open; "
                f"write ({label} where it begins, in the same sentence"
            )
        return same.pop()[0]

    def end_sentence(self) -> None:
        """Raise an InputError if a bracket is still open."""
        for label, same in self._open.items():
            for _, where in same:
                raise InputError(
                    f"{where}: mention {label!r} is not closed; "
                    f"write {label}) where it ends, in the same sentence"
                )


def sorted_chains(chains: Iterable[set[Span]]) -> tuple[tuple[Span, ...], ...]:
    """The chains of a document, sorted inside and by their first span."""
    return tuple(sorted(tuple(sorted(chain)) for chain in chains))
