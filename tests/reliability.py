"""What the tests show to hold, collected as they pass, and the page that lists it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/reliability.md"
HEAD = """\
# What is tried, and what holds

Written by the tests: `python -m pytest --write-reliability` writes a row for each claim whose test
has passed. How often: as in `make test`; `make thorough` tries the same more often.

| tried | holds | test |
|---|---|---|
"""


@dataclass(frozen=True, order=True)
class Claim:
    """``test`` is file and function."""

    test: str
    tried: str
    holds: str


def page(claims: Sequence[Claim]) -> str:
    """The page, in the order of the tests."""
    rows = (f"| {c.tried} | {c.holds} | `{c.test}` |\n" for c in sorted(set(claims)))
    return HEAD + "".join(rows)


def claims_in(path: Path) -> list[Claim]:
    """The claims that stand at the tests of a file: ``@pytest.mark.holds(tried, holds)``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        Claim(f"{path.name}::{node.name}", *(ast.literal_eval(value) for value in call.args))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.holds"
    ]


def all_claims() -> list[Claim]:
    """The claims of all tests."""
    return [claim for path in sorted(TESTS.glob("test_*.py")) for claim in claims_in(path)]
