"""What the tests of the gold readers share."""

from __future__ import annotations

from typing import Literal

import pytest

from kocoref.corpus.document import Document
from kocoref.corpus.gold import read_gold
from kocoref.errors import InputError
from kocoref.settings import GoldSettings

Format = Literal["spans", "conll2012", "corefud"]


def read_as(form: Format, path: object) -> list[Document]:
    """The documents of a gold file."""
    return list(read_gold(GoldSettings(name="gold", path=str(path), format=form)))


def failure_as(form: Format, path: object) -> str:
    """The one line that refuses a gold file."""
    with pytest.raises(InputError) as raised:
        read_as(form, path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def texts(document: Document) -> list[list[str]]:
    """The mentions of each chain as they stand in the text."""
    return [[document.text[start:end] for start, end in chain] for chain in document.chains]
