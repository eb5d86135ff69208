"""Text for the base: only what its licence allows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kocoref.errors import InputError
from kocoref.pretraining.corpus import read_open_text


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("licence", "used"),
    [
        ("CC BY", True),
        ("CC BY-SA 4.0", True),
        ("CC BY-SA 3.0 IGO", True),
        ("public domain / CC BY", True),
        ("CC BY-ND 2.0 KR: local verification only", False),
        ("CC BY ND 4.0", False),
        ("CC BY-NC 4.0", False),
        ("CC BY-NC-SA 4.0", False),
        ("cc by-sa 4.0", False),  # not as it is named in the params
        ("GPL", False),
    ],
)
def test_only_what_the_licence_allows_is_used(tmp_path: Path, licence: str, used: bool) -> None:
    rows = [{"text": "가", "license": licence}, {"text": "나", "license": "CC BY 2.5"}]
    path = write(tmp_path / "open.jsonl", rows)
    expected = ["가", "나"] if used else ["나"]
    assert read_open_text([path], ["CC BY", "public domain"]) == expected


def test_files_are_read_in_order_and_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    one, two = (
        write(tmp_path / f"{name}.jsonl", [{"text": f"{name}\u2028끝", "license": "CC BY"}])
        for name in ("나", "가")
    )
    assert read_open_text([one, two], ["CC BY"]) == ["나\u2028끝", "가\u2028끝"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('{"text": "가"}', "no column 'license'"),
        ('{"license": "CC BY"}', "no column 'text'"),
        ('{"text": null, "license": "CC BY"}', "column 'text': NoneType"),
        ('{"text": "가", "license": ["CC BY"]}', "column 'license': list"),
        ("[]", "list, not an object"),
        ("{", "not JSON"),
    ],
)
def test_bad_row_is_named_with_its_line(tmp_path: Path, row: str, problem: str) -> None:
    path = write(tmp_path / "open.jsonl", [{"text": "가", "license": "CC BY"}])
    path.write_text(path.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"open\.jsonl:2: {problem}"):
        read_open_text([path], ["CC BY"])


def test_missing_file_and_other_encoding_are_named(tmp_path: Path) -> None:
    path = tmp_path / "open.jsonl"
    with pytest.raises(InputError, match=r"open\.jsonl: No such file"):
        read_open_text([path], ["CC BY"])
    path.write_bytes('{"text": "가", "license": "CC BY"}'.encode("cp949"))
    with pytest.raises(InputError, match=r"open\.jsonl:1: not UTF-8"):
        read_open_text([path], ["CC BY"])


def test_no_text_at_all_names_the_params(tmp_path: Path) -> None:
    path = write(tmp_path / "open.jsonl", [{"text": "가", "license": "GPL"}])
    with pytest.raises(InputError, match=r"pretrain\.corpus: no text .* pretrain\.licences"):
        read_open_text([path], ["CC BY"])
