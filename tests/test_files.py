"""Files are whole or not there, and say where they are broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kocoref.errors import InputError
from kocoref.files import (
    read_json,
    read_json_lines,
    replacing,
    write_csv,
    write_json,
    write_json_lines,
)


class Cut(Exception):
    """Stands for whatever stops a write."""


def test_replacing_puts_the_new_file_in_place(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as partial:
        partial.write_text("new", encoding="utf-8")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "new"


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old", encoding="utf-8")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("half", encoding="utf-8")
            raise Cut

    with pytest.raises(Cut):
        write_half()
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [
        ("file.txt", "old")
    ]


def test_replacing_puts_the_new_directory_in_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    with replacing(path) as partial:
        partial.mkdir()
        (partial / "new").touch()
    assert [p.name for p in path.iterdir()] == ["new"]


def test_failure_leaves_the_old_directory(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()

    def write_half() -> None:
        with replacing(path) as partial:
            partial.mkdir()
            (partial / "half").touch()
            raise Cut

    with pytest.raises(Cut):
        write_half()
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["model", "model/old"]


def test_what_an_earlier_failure_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".model.partial").mkdir()
    (tmp_path / ".model.partial" / "half").touch()
    with replacing(tmp_path / "model") as partial:
        partial.mkdir()
    assert list((tmp_path / "model").iterdir()) == []


def test_json_keeps_korean_and_the_order_of_keys_and_numbers_in_a_row(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"나": 1, "가": [2, -0.5, 1e-07], "다": ["라"]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "나": 1,\n  "가": [2, -0.5, 1e-07],\n  "다": [\n    "라"\n  ]\n}\n'


def test_json_without_a_number_is_refused_and_the_old_file_kept(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"loss": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert '"loss": 1' in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    value = {"나": [1, 0.5, None, True], "가": {}, "[\n1]": "[\n  2,\n  3\n]", "다": [[], [1]]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


def test_missing_json_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json: no such file$"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"{} {}", '"가"'.encode()[:-2]])
def test_broken_json_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: broken \(.+\)$"):
        read_json(tmp_path / "a.json")


def test_json_lines_are_compact(tmp_path: Path) -> None:
    write_json_lines(tmp_path / "a.jsonl", ({"수": [n, n]} for n in range(2)))
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"수":[0,0]}\n{"수":[1,1]}\n'


def test_json_lines_that_break_off_leave_the_old_file(tmp_path: Path) -> None:
    def rows() -> Iterator[int]:
        yield 1
        raise Cut

    path = tmp_path / "a.jsonl"
    write_json_lines(path, ["old"])
    with pytest.raises(Cut):
        write_json_lines(path, rows())
    assert list(read_json_lines(path)) == ["old"]


@given(rows=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_lines_are_read_as_they_were_written(
    tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    write_json_lines(tmp_path / "a.jsonl", rows)
    assert list(read_json_lines(tmp_path / "a.jsonl")) == rows


@pytest.mark.parametrize("line", ['{"a": ', "", "없음"])
def test_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"a":1}}\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.jsonl:2: broken \(.*\); delete it and run"):
        list(read_json_lines(path))


def test_line_cut_off_within_a_character_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"a":1}\n{"a":"가'.encode()[:-1])
    with pytest.raises(InputError, match=r"a.jsonl:2: broken"):
        list(read_json_lines(path))


def test_missing_json_lines_are_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl: no such file; run `dvc repro`"):
        list(read_json_lines(tmp_path / "a.jsonl"))


def test_csv_leaves_missing_values_empty(tmp_path: Path) -> None:
    rows: list[dict[str, float | None]] = [{"step": 1, "loss": None}, {"step": 2, "loss": 0.5}]
    write_csv(tmp_path / "a.csv", ["step", "loss", "other"], rows)
    assert (tmp_path / "a.csv").read_bytes() == b"step,loss,other\n1,,\n2,0.5,\n"


def test_csv_without_rows_has_its_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["step", "loss"], [])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "step,loss\n"
