"""results.json as Markdown tables, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kocoref.errors import InputError
from kocoref.markdown import table

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_BETWEEN = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)


def ratios(results: Mapping[str, Any]) -> str:
    """Ratios, the part of the machine that is reached, and the machine."""
    compared = table(
        ["what", "against", "times as fast", "spread", "goal"],
        (
            [row["what"], row["against"], *_figures(row["ratio"], _times), _times(row["goal"])]
            for row in results["ratios"]
        ),
    )
    reached = table(
        ["of a large matrix product", "share", "spread", "goal"],
        (
            [row["what"], *_figures(row["share"], _percent), _percent(row["goal"])]
            for row in results["shares"]
        ),
    )
    return f"{compared}\n\n{reached}\n\n{_machine(results['machine'])}\n"


def everything(results: Mapping[str, Any]) -> str:
    """The same and the growth of cost."""
    growth = table(
        ["what", "cost", "exponent", "by size"],
        (
            [
                f"{row['what']}, by {row['by']}",
                row["cost"],
                f"{row['exponent']:.2f}",
                ", ".join(
                    f"{size:,}: {cost:.3g}" if cost < 100 else f"{size:,}: {cost:,.0f}"
                    for size, cost in zip(row["sizes"], row["costs"], strict=True)
                ),
            ]
            for row in results["curves"]
        ),
    )
    return f"{ratios(results)}\n{growth}\n"


def put(path: Path, text: str) -> None:
    """Replace what stands between the markers of a file.

    Raises:
        InputError: the file has no such markers.
    """
    before = path.read_text(encoding="utf-8")
    after, found = _BETWEEN.subn(lambda _: text, before)
    if found != 1:
        raise InputError(f"{path}: needs one line {BEGIN} and after it one line {END}")
    path.write_text(after, encoding="utf-8")


def _figures(spread: Mapping[str, float], shown: Any) -> tuple[str, str]:
    return shown(spread["median"]), f"{shown(spread['low'])} – {shown(spread['high'])}"


def _times(value: float) -> str:
    return f"{value:.1f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads,"
        f" load before the run {machine['load']:.1f}; Python {machine['python']}, {versions}."
    )
