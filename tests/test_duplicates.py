"""No stretch of code stands in two places."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))
LINES = 8
"""So many lines of code in a row, without imports and docstrings, are worth a function."""

Place = tuple[str, int]


def code_lines(source: str) -> list[tuple[int, str]]:
    """Numbered lines of code without blank lines, comments, imports and strings by themselves."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.stmt)
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    numbered = ((n, line.strip()) for n, line in enumerate(source.splitlines(), 1))
    return [(n, line) for n, line in numbered if line and line[0] != "#" and n not in left_out]


def repeated(sources: Iterable[tuple[str, str]]) -> list[list[Place]]:
    """The places of every stretch of ``LINES`` lines that stands in more than one."""
    places: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for name, source in sources:
        lines = code_lines(source)
        for i in range(len(lines) - LINES + 1):
            stretch = tuple(line for _, line in lines[i : i + LINES])
            places[stretch].append((name, lines[i][0]))
    return [found for found in places.values() if len(found) > 1]


def test_no_stretch_of_code_comes_twice() -> None:
    assert repeated((path.name, path.read_text(encoding="utf-8")) for path in SOURCES) == []


def test_repetition_is_found_in_and_between_files() -> None:
    body = "".join(f"x{n} = {n}\n" for n in range(LINES))
    assert repeated([("a", body), ("b", f'"""Text."""\n\n{body}')]) == [[("a", 1), ("b", 3)]]
    assert repeated([("a", f"{body}y = 0\n{body}")]) == [[("a", 1), ("a", LINES + 2)]]
    assert repeated([("a", body), ("b", body.replace("3", "4"))]) == []
