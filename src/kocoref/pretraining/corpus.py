"""Open text for the base: JSON Lines rows with a text and a licence that allows training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from kocoref.errors import InputError


def read_open_text(paths: Sequence[Path], licences: Sequence[str]) -> list[str]:
    """Texts whose licence begins with one of ``licences``, in the order of the files.

    Raises:
        InputError: a file is missing or a line is not a row with ``text`` and ``license``.
    """
    texts = []
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file; set pretrain.corpus in params.yaml")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                text, licence = row["text"], row["license"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}:{number}: needs text and license ({error!r})") from None
            if licence.startswith(tuple(licences)) and "ND" not in licence.split():
                texts.append(text)
    return texts
