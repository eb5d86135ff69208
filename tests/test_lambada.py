"""LAMBADA items of others: where the hidden word is, and rows that are not sound."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kocoref.errors import InputError
from kocoref.examples.items import LambadaItem
from kocoref.examples.lambada import read_lambada
from kocoref.settings import LambadaSettings


def read(path: Path, *rows: dict[str, Any], **keys: Any) -> tuple[list[LambadaItem], Counter[str]]:
    counts: Counter[str] = Counter()
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    settings = LambadaSettings.model_validate({"path": str(path), "format": "jsonl", **keys})
    return read_lambada(settings, counts), counts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


@pytest.mark.parametrize(
    ("text", "left", "right", "found"),
    [
        ("소녀는 [MASK]를 켰다.", "소녀는 ", "를 켰다.", "blank"),
        ("등대에서 <mask>를 보았다.", "등대에서 ", "를 보았다.", "blank"),
        ("등대를 보았다. 그것은 [MASK]였다.", "등대를 보았다. 그것은 ", "였다.", "blank"),
        ("등대가 있다. 소녀가 켠 것은 등대", "등대가 있다. 소녀가 켠 것은 ", "", "last"),
        (" 소녀는 등대 ", "소녀는 ", "", "last"),
        ("소녀는 등대를 켰고 등대가 빛났다.", "소녀는 ", "를 켰고 등대가 빛났다.", "first"),
        ("소녀가 켠 것은", "소녀가 켠 것은 ", "", "behind"),
    ],
)
def test_place_of_the_hidden_word(path: Path, text: str, left: str, right: str, found: str) -> None:
    (item,), counts = read(path, {"text": text, "answer": "등대", "candidate": "소녀"})
    assert item == LambadaItem("lambada items-1", 0, left, "등대", right)
    assert counts == {f"lambada_{found}": 1}


def test_decomposed_hangul_is_composed(path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "등대")
    (item,), _ = read(path, {"text": f"소녀는 {decomposed}", "answer": decomposed})
    assert item == LambadaItem("lambada items-1", 0, "소녀는 ", "등대", "")


def test_columns_and_limit(path: Path) -> None:
    row = {"passage": "등대", "word": "등대"}
    rows = [row | {"id": name} for name in "abc"]
    found, counts = read(path, *rows, text_column="passage", answer_column="word", limit=2)
    assert [item.document for item in found] == ["lambada a", "lambada b"]
    assert counts == {"lambada_last": 2}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "가"}, ":2: no column 'answer'; the columns are 'text'"),
        ({"text": "가", "answer": None}, ":2: column 'answer': NoneType, not a string"),
        ({"text": "가", "answer": " "}, ":2: no text or no answer"),
        ({"text": "", "answer": "가"}, ":2: no text or no answer"),
        ({"text": "가", "answer": "가", "id": "items-1"}, ":2: id 'items-1' came before"),
    ],
)
def test_bad_row(path: Path, row: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as raised:
        read(path, {"text": "등대", "answer": "등대"}, row)
    assert str(raised.value).startswith(f"{path}{expected}")


def test_no_items_are_an_input_error(path: Path) -> None:
    with pytest.raises(InputError, match=r"items\.jsonl: no items in it"):
        read(path)


def test_passages_have_no_answers() -> None:
    with pytest.raises(ValueError, match="format"):
        LambadaSettings.model_validate({"path": "x", "format": "passages"})
