"""Open text for the base: JSON Lines rows with a text and a licence that allows training."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from kocoref.errors import InputError

_FORBIDDEN = frozenset({"ND", "NC"})
"""Parts of a licence that do not allow a free model: no derivatives, non-commercial."""


def read_open_text(paths: Sequence[Path], licences: Sequence[str]) -> list[str]:
    """Texts whose licence begins with one of ``licences``, in the order of the files.

    Licences without derivatives or for non-commercial use only are left out however they begin.

    Raises:
        InputError: a file is missing or a line is not a row with ``text`` and ``license``.
    """
    texts = []
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file; set pretrain.corpus in params.yaml")
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    text, licence = row["text"], row["license"]
                    parts = re.split(r"\W+", licence.upper())
                except (ValueError, KeyError, TypeError) as error:
                    raise InputError(
                        f"{path}:{number}: needs text and license ({error!r})"
                    ) from None
                if licence.startswith(tuple(licences)) and not _FORBIDDEN.intersection(parts):
                    texts.append(text)
    return texts
