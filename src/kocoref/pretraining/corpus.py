"""Open text for the base: JSON Lines rows with a text and a licence that allows training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kocoref.corpus.lines import json_lines, string
from kocoref.errors import InputError

_FORBIDDEN = frozenset({"ND", "NC"})
"""Parts of a licence that do not allow a free model: no derivatives, non-commercial."""


def read_open_text(paths: Sequence[Path], licences: Sequence[str]) -> list[str]:
    """Texts whose licence begins with one of ``licences``, in the order of the files.

    Licences without derivatives or for non-commercial use only are left out however they begin.

    Raises:
        InputError: a file cannot be read, a line is not a row with ``text`` and ``license``, or no
            text may be used.
    """
    texts = []
    for path in paths:
        for where, _, row in json_lines(path):
            text, licence = string(row, "text", where), string(row, "license", where)
            parts = re.split(r"\W+", licence.upper())
            if licence.startswith(tuple(licences)) and not _FORBIDDEN.intersection(parts):
                texts.append(text)
    if not texts:
        raise InputError(
            "pretrain.corpus: no text whose licence is one of pretrain.licences; name other files"
        )
    return texts
