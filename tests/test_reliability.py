"""The page on reliability lists what the tests claim, no more and no less."""

from __future__ import annotations

from pathlib import Path

import pytest
from reliability import PAGE, Claim, all_claims, claims_in, page

pytest_plugins = ["pytester"]


def test_committed_page_lists_the_claims_of_the_tests() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(all_claims())


def test_every_kind_of_trial_has_its_claims() -> None:
    files = {claim.test.partition("::")[0] for claim in all_claims()}
    assert files == {
        f"test_{name}.py"
        for name in (
            "cluster",
            "families",
            "fuzz",
            "hub",
            "interruption",
            "leak",
            "odd_text",
            "pipeline",
            "pretraining",
            "processes",
            "runtime",
            "security",
            "similarity",
            "sources",
            "storage",
            "training",
            "verify",
            "workflows",
        )
    }


def test_claims_are_read_from_their_tests(tmp_path: Path) -> None:
    path = tmp_path / "test_x.py"
    path.write_text(
        '@pytest.mark.holds("a", "b")\n@other(1)\ndef test_a(): ...\ndef test_b(): ...\n'
    )
    assert claims_in(path) == [Claim("test_x.py::test_a", "a", "b")]


def test_page_has_a_row_for_each_claim_once() -> None:
    one, other = Claim("t.py::a", "kill", "same bytes"), Claim("s.py::b", "x", "y")
    *_, first, second = page([one, other, one]).splitlines()
    assert (first, second) == ("| x | y | `s.py::b` |", "| kill | same bytes | `t.py::a` |")


@pytest.fixture
def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for tests that have this project's conftest.py; the page that they write."""
    tests = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{tests}:{tests.parent / 'src'}")
    text = (tests / "conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(text + f"\nreliability.PAGE = Path({str(pytester.path)!r}) / 'page'\n")
    return pytester.path / "page"


@pytest.mark.slow
@pytest.mark.parametrize(("body", "kept"), [("pass", True), ("assert False", False)])
def test_only_claims_that_passed_are_written(
    body: str, kept: bool, plugin: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_x=f"import pytest\n\n@pytest.mark.holds('a', 'b')\n"
        f"@pytest.mark.parametrize('n', [1, 2])\ndef test_a(n):\n    {body}\n"
    )
    pytester.runpytest_subprocess("--write-reliability")
    assert ("| a | b | `test_x.py::test_a` |" in plugin.read_text(encoding="utf-8")) == kept


@pytest.mark.slow
def test_claims_are_not_written_by_several_processes(
    plugin: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_x="def test_a(): pass")
    result = pytester.runpytest_subprocess("--write-reliability", "--numprocesses=2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--write-reliability: one process sees all tests; leave out -n"])
    assert not plugin.exists()
