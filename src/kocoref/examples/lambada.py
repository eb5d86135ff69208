"""LAMBADA items that others have made: a passage and the word that is hidden in it.

Made for SNU Ko-LAMBADA (``text``, ``answer``), where a noun in the middle of a passage is hidden.
"""

from __future__ import annotations

from collections import Counter
from unicodedata import normalize

from kocoref.corpus.lines import string
from kocoref.corpus.sources import read_rows
from kocoref.errors import InputError
from kocoref.examples.items import LambadaItem
from kocoref.settings import LambadaSettings

BLANKS = ("[MASK]", "<mask>")
"""What stands for the hidden word where the passage does not have it any more."""


def read_lambada(source: LambadaSettings, counts: Counter[str]) -> list[LambadaItem]:
    """The items of a source, at most ``source.limit``.

    The hidden word is where a blank is; without a blank, as in the report's code, at the end of a
    passage that ends with it, else where it first comes, else behind the passage. Adds how often
    each was so to ``counts``.

    Raises:
        InputError: the source cannot be read, an id comes twice, a row has no text or answer, or
            there is no row.
    """
    items: dict[str, LambadaItem] = {}
    for where, name, values in read_rows(source, [source.text_column, source.answer_column]):
        text, answer = (
            normalize("NFC", string(values, column, where)).strip()
            for column in (source.text_column, source.answer_column)
        )
        if not text or not answer:
            raise InputError(f"{where}: no text or no answer; mend the row")
        if name in items:
            raise InputError(f"{where}: id {name!r} came before; give each row its own id")
        left, right, found = _around(text, answer)
        counts[f"lambada_{found}"] += 1
        # No document of a corpus is called so: what is counted by document stays apart.
        items[name] = LambadaItem(f"lambada {name}", 0, left, answer, right)
        if len(items) == source.limit:
            break
    if not items:
        raise InputError(f"{source.path}: no items in it; check the file")
    return list(items.values())


def _around(text: str, answer: str) -> tuple[str, str, str]:
    """The passage before and after the hidden word, and how it was found."""
    for blank in BLANKS:
        if blank in text:
            left, _, right = text.partition(blank)
            return left, right, "blank"
    if text.endswith(answer):
        return text.removesuffix(answer), "", "last"
    if answer in text:
        left, _, right = text.partition(answer)
        return left, right, "first"
    return text + " ", "", "behind"
