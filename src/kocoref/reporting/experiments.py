"""docs/experiments.md: options compared over seeds, from measured results alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import spearmanr

from kocoref.evaluation.significance import Difference, better
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
AGAINST_BASE: Final = "finetuned_minus_base"
"""What the difference of a row from the base is called on gold sets."""
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
        "interval of a paired bootstrap over documents and seeds excludes zero. Of few seeds that "
        "says little: where ± is as large as the difference, other seeds may turn it. "
        f"{_by_chance(found)} pseudo-bpc is in bits per character, lower is better.",
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
        "machine that ran it first, with whatever else that did, and of the first one also of the "
        "data and the base; they are no part of what is compared.",
        "## What the rows are",
        table(["Row", "Params"], _params(found)),
    ]
    return "\n\n".join(blocks) + "\n"


def _head(found: Comparison) -> list[str]:
    common = ", ".join(f"`{key}: {value}`" for key, value in found.common.items())
    return [
        "# The comparison of options",
        "Made by `make experiments` from `metrics/experiments.json`; no number here is written by "
        "hand. The report behind this project ends on a guess, that training on pronouns would "
        "raise its measures; here every option is trained on the embedded passages, with as many "
        f"seeds as Cost says, and measured on the same {len(found.documents)} test passages. All "
        f"rows have {common} and otherwise `params.yaml`, but for what each says itself (What the "
        "rows are). A reading counts as one example, however many pronouns it holds: rows of equal "
        "examples differ in tokens (Cost).",
    ]


def _by_chance(found: Comparison) -> str:
    """What to expect of as many intervals."""
    tests = len(SHOWN) * sum(runs[0].seed is not None for runs in found.rows().values())
    return (
        f"Of {tests} such differences about {round(0.05 * tests)} are marked by chance alone, if "
        "nothing has changed."
    )


def _value(measure: str, value: float) -> str:
    return f"{value:.3f}" if measure == "pseudo_bpc" else f"{100 * value:.1f} %"


def _difference(measure: str, found: Difference) -> str:
    scale, digits, unit = (1, 3, "") if measure == "pseudo_bpc" else (100, 2, " points")
    middle, low, high = (
        f"{scale * found[key]:+z.{digits}f}" for key in ("difference", "low", "high")
    )
    return f"{middle}{unit} [{low}, {high}]"


def _p_value(found: Comparison, difference: Difference) -> str:
    """The p-value; the least that so many resamples can give is a bound."""
    least = 2 / (found.resamples + 1)
    value = difference["p_value"]
    return f"p ≤ {least:.3f}" if value <= least else f"p = {value:.3f}"


def _better(measure: str, found: Difference) -> bool | None:
    return better(measure, found["low"], found["high"])


def _verdict(measure: str, found: Difference) -> str:
    return {True: "better", False: "worse", None: "no clear difference"}[_better(measure, found)]


def _mark(measure: str, found: Difference) -> str:
    return {True: " ▲", False: " ▼", None: ""}[_better(measure, found)]


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
                [f"`{row}`", _difference(measure, difference),
                 _p_value(found, difference).removeprefix("p ").removeprefix("= "),
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


def equal_rows(found: Comparison) -> list[str]:
    """The rows that train, and on as much as the others."""
    return [
        row for row, (run, *_) in found.rows().items()
        if run.seed is not None and found.common.keys().isdisjoint(run.params)
    ]  # fmt: skip


def _change(found: Comparison, row: str, measure: str) -> str:
    difference = found.against_base(row, measure)
    return (
        f"{SHOWN[measure]} {_value(measure, found.base[measure])} → "
        f"{_value(measure, found.mean(row, measure))} ({_difference(measure, difference)}, "
        f"{_p_value(found, difference)}, {_verdict(measure, difference)})"
    )


def _contrast(found: Comparison, row: str, other: str, measures: Sequence[str]) -> str:
    """How one row differs from another, measure by measure."""
    said = []
    for measure in measures:
        difference = found.against_row(row, other, measure)
        said.append(
            f"{SHOWN[measure]} {_difference(measure, difference)}, "
            f"{_p_value(found, difference)}, {_verdict(measure, difference)}"
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
            "**Was it the lost targets?** `entity` against `entity_unlabelled`, the same places "
            "masked, with their targets and without (and then with one mask each) "
            f"{_apart(found, 'entity', 'entity_unlabelled')}: "
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
    """By the report's measures and by antecedents; copying is not trained by entities."""
    said = {
        measure: {True: "no, it got better", False: "yes", None: "not clearly"}[
            _better(measure, found.against_base("entity", measure))
        ]
        for measure in ("coref_f1", "coref_at_5", "antecedent_accuracy")
    }
    verdicts = "; ".join(f"by {SHOWN[measure]} {word}" for measure, word in said.items())
    block = (
        "**Did training on repeated entities hurt pronouns here too?** "
        f"{verdicts[0].upper()}{verdicts[1:]}. `entity`: "
        + "; ".join(_change(found, "entity", measure) for measure in said)
        + "."
    )
    of_gold = [
        f"{name} {_difference('antecedent_accuracy', difference)}, "
        f"{_verdict('antecedent_accuracy', difference)}"
        for name, gold in found.gold.items()
        if "entity" in gold.rows
        for difference in [gold.rows["entity"].differences[AGAINST_BASE]["antecedent_accuracy"]]
    ]
    if of_gold:
        block += f" Its antecedent accuracy on human annotation: {'; '.join(of_gold)}."
    return [block]


def _answer_best(found: Comparison) -> str:
    """The best row among equals, and what is trained on more; all chosen on these very items."""
    rows = equal_rows(found)
    more = [row for row, (run, *_) in found.rows().items() if run.seed and row not in rows]
    lines = ["**What helps?** (Chosen on the items it is measured on: a little too good.)"]
    for measure in ("antecedent_accuracy", "copy_accuracy"):
        rule, value = best_trivial(found, measure)
        said = []
        if rows:
            best = max(rows, key=lambda row: found.mean(row, measure))
            said.append(
                f"By {SHOWN[measure].lower()} the best of the rows of equal size is `{best}`: "
                f"{_change(found, best, measure)}"
            )
        said += [
            f"`{row}`, trained on {_seen(found, row, 'examples')} examples: "
            f"{_change(found, row, measure)}"
            for row in more
        ]
        said.append(f"the best trivial baseline ({rule}) has {_value(measure, value)}")
        if TRAINED in found.baselines:
            learned = _value(measure, found.baselines[TRAINED][measure])
            said.append(f"the salience ranker, which is trained too, {learned}")
        lines.append(f"{'; '.join(said)}.")
    return " ".join(lines)


def _answer_at_5(found: Comparison) -> str:
    names = equal_rows(found)
    at_5 = [found.mean(name, "coref_at_5") for name in names]
    accuracy = [found.mean(name, "antecedent_accuracy") for name in names]
    rule, value = best_trivial(found, "coref_at_5")
    said = (
        f"**Does a higher Coref@5 mean better antecedents?** Over the {len(names)} rows of equal "
        "size the rank correlation of Coref@5 with antecedent accuracy is "
        f"{_rank_correlation(at_5, accuracy)}; a {rule} guess, "
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
            f"{items['antecedent_not_a_candidate']}, no noun of the chain before the pronoun: "
            f"{items['antecedent_none']}.",
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
        against = row.differences[AGAINST_BASE]
        rows.append(
            [f"`{name}`",
             *(f"{_value(m, row.measures[m])} ({_difference(m, against[m])})"
               for m in GOLD_MEASURES)]
        )  # fmt: skip
    return rows


def _gold_best(gold: GoldSet) -> list[str]:
    """The best row by copying against every role, and where it is right."""
    name, best = max(gold.rows.items(), key=lambda pair: pair[1].measures["copy_accuracy"])
    against = [
        f"{SHOWN[measure]}: "
        + "; ".join(
            f"{role.removeprefix('finetuned_minus_').replace('_', ' ')} "
            f"{_difference(measure, found[measure])}"
            for role, found in best.differences.items()
        )
        for measure in GOLD_MEASURES
    ]
    rows = [
        [by, value, f"{of_base['items']:.0f}",
         *(f"{_percent(gold.base_slices, s, by, value)} → {_percent(best.slices, s, by, value)}"
           for s in GOLD_MEASURES.values())]
        for by in ("pronoun", "distance")
        for value, of_base in gold.base_slices["copy"][by].items()
    ]  # fmt: skip
    columns = ["By", "", "Pronouns", *(f"{SHOWN[m]}, base → `{name}`" for m in GOLD_MEASURES)]
    return [
        f"`{name}`, the best row by copying on these very items, minus base and baselines. "
        f"{'. '.join(against)}.",
        table(columns, rows),
    ]


def _percent(slices: SlicesByScorer, scorer: str, by: str, value: str) -> str:
    return f"{100 * slices[scorer][by][value]['accuracy']:.1f} %"
