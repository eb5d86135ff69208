"""results.json as Markdown tables, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.repro import GOAL_MINUTES
from kocoref.errors import InputError
from kocoref.markdown import table


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
    return f"{ratios(results)}\n{_growth(results['curves'])}\n"


def million(results: Mapping[str, Any]) -> str:
    """The growth of cost to a million documents, and the machine."""
    return f"{_growth(results['curves'])}\n\n{_machine(results['machine'])}\n"


def _growth(curves: Sequence[Mapping[str, Any]]) -> str:
    return table(
        ["what", "cost", "exponent", "of the last step", "by size"],
        (
            [
                f"{row['what']}, by {row['by']}",
                row["cost"],
                f"{row['exponent']:.2f}",
                f"{row['last_exponent']:.2f}",
                ", ".join(
                    f"{size:,}: {cost:.3g}" if cost < 100 else f"{size:,}: {cost:,.0f}"
                    for size, cost in zip(row["sizes"], row["costs"], strict=True)
                ),
            ]
            for row in curves
        ),
    )


def stages(results: Mapping[str, Any]) -> str:
    """Where the time of a whole run goes, and the machine."""
    seconds: Mapping[str, float] = results["seconds"]
    whole = sum(seconds.values())
    spent = table(
        ["stage", "minutes", "share"],
        (
            [name, f"{value / 60:.1f}", _percent(value / whole)]
            for name, value in [*seconds.items(), ("whole", whole)]
        ),
    )
    return f"{spent}\n\nGoal: {GOAL_MINUTES} minutes. {_machine(results['machine'])}\n"


def put(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers with this name in a file.

    Raises:
        InputError: the file has no such markers.
    """
    begin, end = markers(name)
    between = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
    before = path.read_text(encoding="utf-8")
    after, found = between.subn(lambda _: text, before)
    if found != 1:
        raise InputError(f"{path}: needs one line {begin} and after it one line {end}")
    path.write_text(after, encoding="utf-8")


def markers(name: str) -> tuple[str, str]:
    """The lines around a text that is replaced."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def _figures(spread: Mapping[str, float], shown: Any) -> tuple[str, str]:
    return shown(spread["median"]), f"{shown(spread['low'])} – {shown(spread['high'])}"


def _times(value: float) -> str:
    return f"{value:.1f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    precision = "bf16" if machine["bf16"] else "no bf16"
    return (
        f"{machine['processor']} ({precision}), {machine['cores']} cores,"
        f" {machine['threads']} threads, load before the run {machine['load']:.1f};"
        f" Python {machine['python']}, {versions}."
    )
