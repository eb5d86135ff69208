"""The figures of the report as PNG files: the same numbers give the same bytes.

Text is in English, with pronouns in Latin letters: matplotlib's own font has no Hangul, and the
fonts of the machine must not decide what a figure looks like. A figure leaves out what was not
measured; a function that finds nothing to draw writes no file and returns False.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kocoref.reporting.results import MODELS

Row = Mapping[str, float | None]
Slices = Mapping[str, Mapping[str, tuple[float, int]]]
"""Slice → value → accuracy and number of items."""
Panel = Callable[[Axes], None]

BASE: Final = "#E69F00"
FINETUNED: Final = "#0072B2"
RULE: Final = "#B3B3B3"
LINES: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
"""Colours of Okabe and Ito, told apart with any colour vision and in grey."""

LABELS: Final = {
    "antecedent_accuracy": "Antecedent accuracy (%)",
    "antecedent_mrr": "Antecedent MRR",
    "copy_accuracy": "Copying accuracy (%)",
    "copy_mrr": "Copying MRR",
    "lambada_exact": "LAMBADA exact (%)",
    "pseudo_bpc": "Pseudo bits per character",
    "lambada_at_1": "LAMBADA@1 (%)",
    "coref_f1": "Coref F1 (%)",
    "coref_at_5": "Coref@5 (%)",
    "score": "Score",
}
CHECKPOINT_PANELS: Final = (
    "antecedent_accuracy", "copy_accuracy", "score", "coref_f1", "coref_at_5", "lambada_at_1",
)  # fmt: skip
LOSSES: Final = {
    "loss_target": "exact answer",
    "loss_nouns": "context nouns",
    "loss_rank": "candidate ranking",
    "loss_copy": "copying",
    "loss_mlm": "masked words",
}

_STYLE: Final = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}
_INITIALS: Final = "g kk n d tt r m b pp s ss - j jj ch k t p h"
_VOWELS: Final = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i"
_FINALS: Final = "- k k ks n nj nh t l lk lm lp ls lt lp lh m p ps t t ng t t k t p t"


def plot_checkpoints(
    path: Path, checkpoints: Mapping[int, Mapping[str, float]], best_step: int, dpi: int
) -> bool:
    """Each measure against the step: one small panel a measure."""

    def draw(axes: Axes, measure: str) -> None:
        points = [(step, row[measure]) for step, row in sorted(checkpoints.items())
                  if measure in row]  # fmt: skip
        _curve(axes, points, best_step, measure)
        axes.set_title(LABELS[measure], loc="left")

    shown = [m for m in CHECKPOINT_PANELS if any(m in row for row in checkpoints.values())]
    panels = [lambda axes, m=measure: draw(axes, m) for measure in shown]
    return _write(path, panels, dpi, columns=3, legend=True)


def plot_training(
    path: Path,
    training: Sequence[Row],
    validation: Sequence[Row],
    select_by: str,
    best_step: int,
    dpi: int,
) -> bool:
    """Losses by kind, the learning rate, and the validation measure that selects, by step."""
    losses = {name: points for name in LOSSES if (points := _points(training, name))}
    rates = _points(training, "learning_rate")
    selected = _points(validation, select_by)

    def draw_losses(axes: Axes) -> None:
        for name, colour in zip(LOSSES, LINES, strict=True):
            if name in losses:
                axes.plot(*zip(*losses[name], strict=True), color=colour, label=LOSSES[name])
        axes.set_title("Training loss (nats)", loc="left")
        axes.set_ylim(0, 1.5 * axes.dataLim.ymax)  # room for the legend
        axes.legend(loc="upper right", ncols=2, fontsize=8)

    def draw_rate(axes: Axes) -> None:
        axes.plot(*zip(*rates, strict=True), color=LINES[0])
        axes.set_title("Learning rate", loc="left")
        axes.yaxis.set_major_formatter("{x:.1e}")

    def draw_selected(axes: Axes) -> None:
        _curve(axes, selected, best_step, select_by)
        axes.set_title(f"Validation: {LABELS[select_by]}", loc="left")
        axes.legend()

    wanted = ((losses, draw_losses), (rates, draw_rate), (selected, draw_selected))
    return _write(path, [draw for found, draw in wanted if found], dpi, columns=3)


def plot_antecedents(
    path: Path, sets: Mapping[str, Mapping[str, Mapping[str, float]]], dpi: int
) -> bool:
    """Antecedent accuracy of the models, also by copying, and every baseline: one panel a set."""
    measure = "antecedent_accuracy"
    found = {
        name: {role: row[measure] for role, row in roles.items() if measure in row}
        | {
            f"{role}, copying": roles[role]["copy_accuracy"]
            for role in MODELS
            if "copy_accuracy" in roles[role]
        }
        for name, roles in sets.items()
    }

    def draw(axes: Axes, name: str) -> None:
        ranked = sorted(found[name].items(), key=lambda pair: pair[1])
        values = [100 * value for _, value in ranked]
        colours = [_colour(role) for role, _ in ranked]
        bars = axes.barh([role.replace("_", " ") for role, _ in ranked], values, color=colours)
        axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=3)
        axes.set_xlim(0, max(10.0, 1.15 * max(values)))
        axes.set_title(f"{LABELS[measure]}: {name}", loc="left")
        axes.grid(visible=False, axis="y")

    panels = [lambda axes, n=name: draw(axes, n) for name, values in found.items() if values]
    return _write(path, panels, dpi, columns=2, steps=False, size=(5.2, 3.0))


def _colour(role: str) -> str:
    return {"base": BASE, "finetuned": FINETUNED}.get(role.partition(",")[0], RULE)


def plot_slices(path: Path, sets: Mapping[str, Mapping[str, Slices]], dpi: int) -> bool:
    """Antecedent accuracy of base and finetuned by slice: a column a set, a row a slice."""
    sets = {name: models for name, models in sets.items() if any(models["base"].values())}
    if not sets:
        return False
    titles = {
        "pronoun": "by pronoun (in Latin letters)",
        "distance": "by distance to the antecedent",
        "candidates": "by number of candidates",
    }
    rows = {kind: max(len(models["base"][kind]) for models in sets.values()) for kind in titles}
    with style.context(["default", _STYLE]):
        figure = Figure((5.4 * len(sets), 2.2 + 0.34 * sum(rows.values())), layout="constrained")
        grid = figure.subplots(
            len(titles), len(sets), squeeze=False, sharex=True,
            gridspec_kw={"height_ratios": list(rows.values())},
        )  # fmt: skip
        for column, (name, models) in enumerate(sets.items()):
            for line, (kind, title) in enumerate(titles.items()):
                axes = grid[line][column]
                _paired_bars(axes, models["base"][kind], models["finetuned"][kind])
                axes.set_title(f"{name}: {title}", loc="left")
                axes.tick_params(labelbottom=True)
            grid[-1][column].set_xlabel(LABELS["antecedent_accuracy"])
        _shared_legend(figure, grid[0][0])
        _save(figure, path, dpi)
    return True


def _paired_bars(
    axes: Axes,
    base: Mapping[str, tuple[float, int]],
    finetuned: Mapping[str, tuple[float, int]],
) -> None:
    places = range(len(base))
    for label, colour, shift, found in (
        ("base", BASE, -0.19, base),
        ("finetuned", FINETUNED, 0.19, finetuned),
    ):
        values = [100 * accuracy for accuracy, _ in found.values()]
        bars = axes.barh([p + shift for p in places], values, 0.38, color=colour, label=label)
        axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=2, fontsize=7)
    names = [f"{_romanized(name)} (n={items})" for name, (_, items) in base.items()]
    axes.set_yticks(places, names)
    axes.set_ylim(len(base) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _curve(axes: Axes, points: Sequence[tuple[int, float]], best_step: int, measure: str) -> None:
    """A measure by step: step 0, the base, as a dotted line, and a star at the best step."""
    scale = 100 if LABELS[measure].endswith("(%)") else 1
    values = {step: scale * value for step, value in points}
    axes.plot(list(values), list(values.values()), "o-", color=FINETUNED, markersize=4)
    if 0 in values:
        axes.axhline(values[0], color=BASE, linestyle=":", linewidth=2, label="base")
    if best_step in values:
        axes.plot(best_step, values[best_step], "*", color=LINES[1], markersize=13,
                  linestyle="none", label="selected step")  # fmt: skip
    axes.margins(y=0.2)


def _points(rows: Sequence[Row], name: str) -> list[tuple[int, float]]:
    return [
        (int(step), value)
        for row in rows
        if (value := row.get(name)) is not None and (step := row["step"]) is not None
    ]


def _write(
    path: Path,
    panels: Sequence[Panel],
    dpi: int,
    *,
    columns: int,
    legend: bool = False,
    steps: bool = True,
    size: tuple[float, float] = (3.4, 2.5),
) -> bool:
    """Draw panels in rows of ``columns`` and save them; False where there is none."""
    if not panels:
        return False
    columns = min(columns, len(panels))
    lines = ceil(len(panels) / columns)
    with style.context(["default", _STYLE]):
        figure = Figure((size[0] * columns, size[1] * lines), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False).flatten().tolist()
        for axes, draw in zip(grid, panels, strict=False):
            draw(axes)
            if steps:
                axes.set_xlabel("optimizer step")
                axes.xaxis.get_major_locator().set_params(integer=True)
        for axes in grid[len(panels) :]:
            axes.remove()
        if legend:
            _shared_legend(figure, grid[0])
        _save(figure, path, dpi)
    return True


def _shared_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _save(figure: Figure, path: Path, dpi: int) -> None:
    # matplotlib's version in the file would change its bytes with every release.
    figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None})


def _romanized(text: str) -> str:
    """Hangul in Latin letters, syllable by syllable; all else as it is."""
    return "".join(_romanized_syllable(character) for character in text)


def _romanized_syllable(character: str) -> str:
    if not "가" <= character <= "힣":
        return character
    initial, rest = divmod(ord(character) - ord("가"), 21 * 28)
    vowel, final = divmod(rest, 28)
    parts = (_INITIALS.split()[initial], _VOWELS.split()[vowel], _FINALS.split()[final])
    return "".join(parts).replace("-", "")
