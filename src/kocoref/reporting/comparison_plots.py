"""The figures of docs/experiments.md."""

from __future__ import annotations

from itertools import cycle, product
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

from kocoref.reporting.comparison import Comparison
from kocoref.reporting.experiments import SHOWN, TRAINED, best_trivial

LOOKS: Final = tuple(
    (marker, colour)
    for marker, colour in product("os^D", ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7"))
)
"""Markers and colours that tell rows apart, also for who sees few colours (Okabe & Ito 2008)."""


def draw(found: Comparison, directory: Path, dpi: int) -> None:
    """Two figures: accuracies by row with their intervals, and Coref@5 against accuracy."""
    with style.context(["default", {"font.size": 9, "axes.spines.top": False,
                                    "axes.spines.right": False}]):  # fmt: skip
        _save(_accuracy_figure(found), directory / "accuracy.png", dpi)
        _save(_at_5_figure(found), directory / "at_5.png", dpi)


def _accuracy_figure(found: Comparison) -> Figure:
    names = list(found.rows())
    figure = Figure((10, 1.2 + 0.32 * len(names)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, measure in zip(panels, ("antecedent_accuracy", "copy_accuracy"), strict=True):
        base = found.base[measure]
        for place, name in enumerate(names):
            difference = found.against_base(name, measure)
            mean = 100 * found.mean(name, measure)
            reach = [[mean - 100 * (base + difference["low"])],
                     [100 * (base + difference["high"]) - mean]]  # fmt: skip
            axes.errorbar(mean, place, xerr=np.maximum(reach, 0), fmt="o", color="#0072B2")
        lines = {"base": base, "best trivial baseline": best_trivial(found, measure)[1]}
        if TRAINED in found.baselines:
            lines["salience ranker"] = found.baselines[TRAINED][measure]
        styles = (("#999999", "-"), ("#D55E00", "--"), ("#009E73", ":"))
        for (label, value), (colour, line) in zip(lines.items(), styles, strict=False):
            axes.axvline(100 * value, color=colour, linestyle=line, label=label, zorder=0)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(f"{SHOWN[measure]} (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _at_5_figure(found: Comparison) -> Figure:
    figure = Figure((7, 4.2), layout="constrained")
    axes = figure.subplots()
    points = {"base": found.base} | {
        name: {m: found.mean(name, m) for m in ("coref_at_5", "antecedent_accuracy")}
        for name, (run, *_) in found.rows().items()
        if run.seed is not None  # a row that does not train is the base
    }
    for (name, point), (marker, colour) in zip(points.items(), cycle(LOOKS), strict=False):
        place = 100 * point["coref_at_5"], 100 * point["antecedent_accuracy"]
        axes.plot(*place, marker, color=colour, label=name, linestyle="none")
    rule, value = best_trivial(found, "coref_at_5")
    axes.axvline(100 * value, color="#999999", linestyle="--", label=f"{rule} guess", zorder=0)
    axes.set_xlabel("Coref@5 (%)")
    axes.set_ylabel("Antecedent accuracy (%)")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _save(figure: Figure, path: Path, dpi: int) -> None:
    figure.savefig(path, dpi=dpi, metadata={"Software": None})
