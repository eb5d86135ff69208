"""docs/experiments.md and its figures: options compared over seeds, from measured results alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from kocoref.evaluation.measures import LOWER_IS_BETTER
from kocoref.evaluation.significance import Difference
from kocoref.markdown import table
from kocoref.reporting.comparison import Comparison, GoldSet, SlicesByScorer

SHOWN: Final = {
    "coref_f1": "Coref F1",
    "coref_at_5": "Coref@5",
    "lambada_at_1": "LAMBADA@1",
    "antecedent_accuracy": "Antecedent accuracy",
    "copy_accuracy": "Copying accuracy",
    "lambada_exact": "LAMBADA exact",
    "pseudo_bpc": "pseudo-bpc",
}
PRONOUN_MEASURES: Final = ("coref_f1", "coref_at_5", "antecedent_accuracy", "copy_accuracy")
PART_MEASURES: Final = ("antecedent_accuracy", "copy_accuracy", "pseudo_bpc")
WITHOUT: Final = "pronoun_without_"
"""How the rows are called that lack a part of the row `pronoun`."""
TRAINED: Final = "salience"
"""The baseline that learned; the other baselines are trivial."""


def write_page(found: Comparison) -> str:
    """The whole page as Markdown."""
    blocks = [
        *_head(found),
        "## Answers",
        *_answers(found),
        "## Every row",
        table(["Row", *SHOWN.values()], _means(found)),
        "Mean over seeds, ± their standard deviation. ▲ better and ▼ worse than the base: the 95 % "
        "interval of a paired bootstrap over documents excludes zero. pseudo-bpc is in bits per "
        "character, lower is better.",
        "![Accuracy by row](experiments/accuracy.png)",
        "Means; the bars are the 95 % intervals of the differences from the base.",
        "![Coref@5 against antecedent accuracy](experiments/at_5.png)",
        "## Differences from the base",
        *_differences(found),
        "## Baselines",
        table(["Baseline", *_baseline_measures().values()], _baselines(found)),
        "## Zero-shot prompting",
        *_zero_shot(found),
        "## On human annotation",
        *_gold(found),
        "## Cost",
        table(["Row", "Seeds", "Examples", "Tokens", "Minutes"], _costs(found)),
        "Means over seeds. Minutes are of the whole experiment, training and evaluation, on the "
        "machine that ran it first; they are no part of what is compared.",
        "## What the rows are",
        table(["Row", "Params"], _params(found)),
    ]
    return "\n\n".join(blocks) + "\n"


def better(measure: str, difference: Difference) -> bool | None:
    """Whether a difference is for the better; None where its interval holds zero."""
    if difference["low"] <= 0 <= difference["high"]:
        return None
    return (difference["low"] > 0) != (measure in LOWER_IS_BETTER)


def _head(found: Comparison) -> list[str]:
    common = ", ".join(f"`{key}: {value}`" for key, value in found.common.items())
    return [
        "# The comparison of options",
        "Made by `make experiments` from `metrics/experiments.json`; no number here is written by "
        "hand. The report behind this project ends on a guess, that training on pronouns would "
        "raise its measures; here every option is trained on the embedded passages, with as many "
        f"seeds as Cost says, and measured on the same {len(found.documents)} test passages. All "
        f"rows have {common} and otherwise `params.yaml`, but for what each says itself (What the "
        "rows are).",
    ]


def _value(measure: str, value: float) -> str:
    return f"{value:.3f}" if measure == "pseudo_bpc" else f"{100 * value:.1f} %"


def _difference(measure: str, found: Difference) -> str:
    scale, digits, unit = (1, 3, "") if measure == "pseudo_bpc" else (100, 1, " points")
    middle, low, high = (
        f"{scale * found[key]:+z.{digits}f}" for key in ("difference", "low", "high")
    )
    return f"{middle}{unit} [{low}, {high}]"


def _verdict(measure: str, found: Difference) -> str:
    return {True: "better", False: "worse", None: "no clear difference"}[better(measure, found)]


def _mark(measure: str, found: Difference) -> str:
    return {True: " ▲", False: " ▼", None: ""}[better(measure, found)]


def _means(found: Comparison) -> list[list[str]]:
    rows = [["base", *(_value(measure, found.base[measure]) for measure in SHOWN)]]
    for row, runs in found.rows().items():
        cells = []
        for measure in SHOWN:
            spread = found.spread(row, measure)
            scale, digits = (1, 3) if measure == "pseudo_bpc" else (100, 1)
            within = f" ± {scale * spread:.{digits}f}" if len(runs) > 1 else ""
            mark = _mark(measure, found.against_base(row, measure))
            cells.append(f"{_value(measure, found.mean(row, measure))}{within}{mark}")
        rows.append([f"`{row}`", *cells])
    return rows


def _differences(found: Comparison) -> list[str]:
    blocks = []
    for measure, label in SHOWN.items():
        rows = []
        for row in found.rows():
            difference = found.against_base(row, measure)
            rows.append(
                [f"`{row}`", _difference(measure, difference), f"{difference['p_value']:.4f}",
                 _verdict(measure, difference)]
            )  # fmt: skip
        columns = ["Row", "Mean minus base, 95 % interval", "p", "Verdict"]
        blocks += [f"**{label}** (base {_value(measure, found.base[measure])})",
                   table(columns, rows)]  # fmt: skip
    return blocks


def _baseline_measures() -> dict[str, str]:
    return {measure: SHOWN[measure] for measure in PRONOUN_MEASURES}


def _baselines(found: Comparison) -> list[list[str]]:
    return [
        [name.replace("_", " "),
         *(_value(m, values[m]) if m in values else "—" for m in _baseline_measures())]
        for name, values in found.baselines.items()
    ]  # fmt: skip


def best_trivial(found: Comparison, measure: str) -> tuple[str, float]:
    """The best baseline that learned nothing."""
    values = {
        name: row[measure]
        for name, row in found.baselines.items()
        if name != TRAINED and measure in row
    }
    name = max(values, key=lambda key: values[key])
    return name.replace("_", " "), values[name]


def best_row(found: Comparison, measure: str) -> str:
    """The row with the highest mean of a measure."""
    return max(found.rows(), key=lambda row: found.mean(row, measure))


def _change(found: Comparison, row: str, measure: str) -> str:
    difference = found.against_base(row, measure)
    return (
        f"{SHOWN[measure]} {_value(measure, found.base[measure])} → "
        f"{_value(measure, found.mean(row, measure))} ({_difference(measure, difference)}, "
        f"p = {difference['p_value']:.4f}, {_verdict(measure, difference)})"
    )


def _contrast(found: Comparison, row: str, other: str, measures: Sequence[str]) -> str:
    """How one row differs from another, measure by measure."""
    said = []
    for measure in measures:
        difference = found.against_row(row, other, measure)
        said.append(
            f"{SHOWN[measure]} {_difference(measure, difference)}, "
            f"p = {difference['p_value']:.4f}, {_verdict(measure, difference)}"
        )
    return "; ".join(said)


def _apart(found: Comparison, row: str, other: str) -> str:
    """The params that two rows do not share."""
    ours, theirs = (found.rows()[name][0].params for name in (row, other))
    keys = sorted(key for key in ours.keys() | theirs if ours.get(key) != theirs.get(key))
    return f"(apart in {', '.join(f'`{key}`' for key in keys)})"


def _answers(found: Comparison) -> list[str]:
    rows = found.rows()
    blocks = []
    if "entity" in rows:
        blocks += _answer_entity(found)
    if {"entity", "entity_unlabelled"} <= rows.keys():
        measures = ("lambada_at_1", *PRONOUN_MEASURES)
        blocks.append(
            "**Was it the lost targets?** `entity` against `entity_unlabelled`, the same masks "
            f"with and without their targets {_apart(found, 'entity', 'entity_unlabelled')}: "
            f"{_contrast(found, 'entity', 'entity_unlabelled', measures)}."
        )
    if {"entity", "pronoun_target"} <= rows.keys():
        blocks.append(
            "**Was it the task mismatch?** `pronoun_target` against `entity`: both learn exact "
            "answers at masks, one at pronouns, the other at repeated names "
            f"{_apart(found, 'pronoun_target', 'entity')}: "
            f"{_contrast(found, 'pronoun_target', 'entity', PRONOUN_MEASURES)}."
        )
    if {"entity", "entity_anchor"} <= rows.keys():
        measures = ("pseudo_bpc", *PRONOUN_MEASURES)
        blocks.append(
            "**Was it forgetting?** `entity_anchor` against `entity`, pulled back to the base "
            f"{_apart(found, 'entity_anchor', 'entity')}: "
            f"{_contrast(found, 'entity_anchor', 'entity', measures)}. Beside that, "
            f"`entity` against the base: {_change(found, 'entity', 'pseudo_bpc')}."
        )
    without = [row for row in rows if row.startswith(WITHOUT)]
    if "pronoun" in rows and without:
        parts = "; ".join(
            f"{row.removeprefix(WITHOUT)}: {_contrast(found, 'pronoun', row, PART_MEASURES)}"
            for row in without
        )
        blocks.append(
            "**What is each part of `pronoun` worth?** `pronoun` minus the same without it, so "
            f"that better means worth having: {parts}."
        )
    blocks += [_answer_best(found), _answer_at_5(found)]
    return blocks


def _answer_entity(found: Comparison) -> list[str]:
    verdicts = [better(m, found.against_base("entity", m)) for m in PRONOUN_MEASURES]
    if False in verdicts and True not in verdicts:
        said = "Yes." if None not in verdicts else "Yes, by what changed clearly."
    elif False in verdicts:
        said = "In part: some measures fell, some rose."
    elif True in verdicts:
        said = "No: nothing fell clearly, and something rose."
    else:
        said = "Not clearly: no measure of pronouns changed beyond chance."
    return [
        f"**Did training on repeated entities hurt pronouns here too?** {said} `entity`: "
        + "; ".join(_change(found, "entity", m) for m in PRONOUN_MEASURES)
        + "."
    ]


def _answer_best(found: Comparison) -> str:
    lines = ["**What helps?**"]
    for measure in ("antecedent_accuracy", "copy_accuracy"):
        row = best_row(found, measure)
        rule, value = best_trivial(found, measure)
        said = (
            f"By {SHOWN[measure].lower()} the best row is `{row}` ({_seen(found, row, 'examples')} "
            f"examples): {_change(found, row, measure)}; the best trivial baseline ({rule}) has "
            f"{_value(measure, value)}"
        )
        if TRAINED in found.baselines:
            said += f", the salience ranker {_value(measure, found.baselines[TRAINED][measure])}"
        lines.append(said + ".")
    return " ".join(lines)


def _answer_at_5(found: Comparison) -> str:
    names = list(found.rows())
    at_5 = [found.mean(name, "coref_at_5") for name in names]
    accuracy = [found.mean(name, "antecedent_accuracy") for name in names]
    rule, value = best_trivial(found, "coref_at_5")
    said = (
        "**Does a higher Coref@5 mean better antecedents?** Over the rows the rank correlation of "
        f"Coref@5 with antecedent accuracy is {_rank_correlation(at_5, accuracy)}; a {rule} guess, "
        f"which reads nothing, has a Coref@5 of {_value('coref_at_5', value)}, the base "
        f"{_value('coref_at_5', found.base['coref_at_5'])}."
    )
    if "pronoun_plain" in names:
        said += (
            " Plain Option 1, trained on the set of all context nouns: "
            f"{_change(found, 'pronoun_plain', 'coref_at_5')}; "
            f"{_change(found, 'pronoun_plain', 'antecedent_accuracy')}."
        )
    return said


def _rank_correlation(one: Sequence[float], other: Sequence[float]) -> str:
    if min(len(set(one)), len(set(other))) < 2:
        return "undefined"
    return f"{spearmanr(one, other).statistic:+.2f}"


def _zero_shot(found: Comparison) -> list[str]:
    if not found.templates:
        return ["Not run yet."]
    best = max(found.templates, key=lambda name: found.templates[name]["validation_mrr"])
    rows = [
        [f"`{name}`" + (" ⭐" if name == best else ""), f"{row['validation_mrr']:.4f}",
         _value("antecedent_accuracy", row["antecedent_accuracy"])]
        for name, row in found.templates.items()
    ]  # fmt: skip
    return [
        f"The untouched base, asked in {len(rows)} ways (`evaluate.template`). Best on the "
        f"validation split: `{best}`, with an antecedent accuracy of "
        f"{_value('antecedent_accuracy', found.templates[best]['antecedent_accuracy'])} on the "
        "test passages.",
        table(["Template", "Validation: antecedent MRR", "Test: antecedent accuracy"], rows),
    ]


def _seen(found: Comparison, row: str, what: str) -> str:
    """How many examples or tokens a row trained on, in the mean over its seeds."""
    return f"{np.mean([run.training[what] for run in found.rows()[row]]):,.0f}"


def _costs(found: Comparison) -> list[list[str]]:
    return [
        [f"`{row}`", str(len(runs)),
         *(_seen(found, row, what) for what in ("examples", "tokens")),
         f"{np.mean([run.minutes for run in runs]):.1f}"]
        for row, runs in found.rows().items()
    ]  # fmt: skip


def _params(found: Comparison) -> list[list[str]]:
    return [
        [f"`{row}`", ", ".join(f"`{key}: {value}`" for key, value in runs[0].params.items())]
        for row, runs in found.rows().items()
    ]


GOLD_MEASURES: Final = {"antecedent_accuracy": "antecedent", "copy_accuracy": "copy"}
"""Measures on gold sets and the scorers that they are of."""


def _gold(found: Comparison) -> list[str]:
    if not found.gold:
        return ["Not measured yet."]
    blocks = [
        "Gold sets are for evaluation only and no part of the project: `python src/experiments.py "
        "--gold FILE` measures every row on one's own, with the first seed. A row that is not in "
        "a table below has not been measured on that set.",
    ]
    for name, gold in found.gold.items():
        items = gold.items
        part = f" (its first {gold.limit} documents)" if gold.limit else ""
        blocks += [
            f"**{name}**{part}: {items['antecedent']} pronouns with a candidate antecedent in the "
            f"window, {items['mean_candidates']:.1f} candidates each; left out, the antecedent out "
            f"of the window: {items['antecedent_out_of_window']}, not a noun phrase of its own: "
            f"{items['antecedent_not_a_candidate']}.",
            table(["", *(SHOWN[m] for m in GOLD_MEASURES)], _gold_means(gold)),
            *_gold_best(gold),
        ]
    return blocks


def _gold_means(gold: GoldSet) -> list[list[str]]:
    rows = [
        [name.replace("_", " "), *(_value(m, values[m]) for m in GOLD_MEASURES)]
        for name, values in gold.roles.items()
    ]
    for name, row in gold.rows.items():
        against = row.differences["finetuned_minus_base"]
        rows.append(
            [f"`{name}`",
             *(f"{_value(m, row.measures[m])} ({_difference(m, against[m])})"
               for m in GOLD_MEASURES)]
        )  # fmt: skip
    return rows


def _gold_best(gold: GoldSet) -> list[str]:
    """The best row by copying against every role, and where it is right."""
    name, best = max(gold.rows.items(), key=lambda pair: pair[1].measures["copy_accuracy"])
    against = "; ".join(
        f"{role.removeprefix('finetuned_minus_').replace('_', ' ')} "
        f"{_difference('copy_accuracy', found['copy_accuracy'])}"
        for role, found in best.differences.items()
    )
    rows = [
        [by, value, f"{of_base['items']:.0f}",
         *(f"{_percent(gold.base_slices, s, by, value)} → {_percent(best.slices, s, by, value)}"
           for s in GOLD_MEASURES.values())]
        for by in ("pronoun", "distance")
        for value, of_base in gold.base_slices["copy"][by].items()
    ]  # fmt: skip
    columns = ["By", "", "Pronouns", *(f"{SHOWN[m]}, base → `{name}`" for m in GOLD_MEASURES)]
    return [f"Copying of `{name}`, the best row by it, minus that of: {against}.",
            table(columns, rows)]  # fmt: skip


def _percent(slices: SlicesByScorer, scorer: str, by: str, value: str) -> str:
    return f"{100 * slices[scorer][by][value]['accuracy']:.1f} %"


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
    figure = Figure((6, 4.2), layout="constrained")
    axes = figure.subplots()
    points = {"base": found.base} | {
        name: {m: found.mean(name, m) for m in ("coref_at_5", "antecedent_accuracy")}
        for name, (run, *_) in found.rows().items()
        if run.seed is not None  # a row that does not train is the base
    }
    places = {
        name: (100 * point["coref_at_5"], 100 * point["antecedent_accuracy"])
        for name, point in points.items()
    }
    axes.plot(*zip(*places.values(), strict=True), "o", color="#0072B2")
    for name, place in _labels(places).items():
        axes.annotate(name, place, xytext=(5, -2), textcoords="offset points", fontsize=7)
    rule, value = best_trivial(found, "coref_at_5")
    axes.axvline(100 * value, color="#D55E00", linestyle="--", label=f"{rule} guess")
    axes.set_xlabel("Coref@5 (%)")
    axes.set_ylabel("Antecedent accuracy (%)")
    axes.margins(x=0.2)
    figure.legend(loc="outside upper center", frameon=False)
    return figure


def _labels(places: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Where the labels of points stand: beside their points, lower where another label is."""
    wide, high = (np.ptp(values) for values in zip(*places.values(), strict=True))
    taken: dict[str, tuple[float, float]] = {}
    for name, (x, y) in sorted(places.items(), key=lambda place: -place[1][1]):
        while any(abs(x - a) < wide / 5 and abs(y - b) < high / 30 for a, b in taken.values()):
            y -= high / 60
        taken[name] = x, y
    return taken


def _save(figure: Figure, path: Path, dpi: int) -> None:
    figure.savefig(path, dpi=dpi, metadata={"Software": None})
