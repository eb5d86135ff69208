"""The report as Markdown from the metrics files and nothing else, in Korean or English.

One set of builders makes both languages; every number in a sentence comes from a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import fmean
from typing import Final, Literal

from kocoref.evaluation.significance import better
from kocoref.markdown import table
from kocoref.reporting.prose import TEXT, Language
from kocoref.reporting.published import FINE_TUNED, NAMED_BEST, PUBLISHED
from kocoref.reporting.results import (
    MODELS,
    SEED,
    SLICES,
    STRICT,
    CurveRow,
    Difference,
    Results,
    Row,
)

Verdict = Literal["up", "down", "unclear"]
Effect = Literal["better", "worse", "unclear"]

DETAILED: Final = (
    "lambada_at_1", "coref_f1", "coref_at_5", "antecedent_accuracy", "copy_accuracy",
    "lambada_exact", "pseudo_bpc",
)  # fmt: skip
HEADLINES: Final = ("antecedent_accuracy", "score", "lambada_at_1", "pseudo_bpc")
"""The first of these that was measured gives the conclusion."""
LOSSES: Final = ("loss_target", "loss_nouns", "loss_rank", "loss_copy", "loss_mlm")
RECIPROCAL: Final = {"antecedent_accuracy": "antecedent_mrr", "copy_accuracy": "copy_mrr"}
"""The mean reciprocal rank beside an accuracy."""
OWN_BASE: Final = "models/base"
LAST: Final = "last"
"""What a checkpoint was selected by where none was chosen."""
NOTHING: Final = "—"


def verdict(difference: Difference) -> Verdict:
    """Whether the interval of a difference excludes zero, and on which side it lies."""
    if difference.low > 0:
        return "up"
    return "down" if difference.high < 0 else "unclear"


def effect(measure: str, difference: Difference) -> Effect:
    """A verdict as better or worse: of bits per character, fewer are better."""
    found: dict[bool | None, Effect] = {True: "better", False: "worse", None: "unclear"}
    return found[better(measure, difference.low, difference.high)]


def ranks(values: Mapping[str, float]) -> dict[str, int]:
    """Ranks from 1, the largest first; equal values share a rank."""
    return {name: 1 + sum(v > value for v in values.values()) for name, value in values.items()}


def build_report(results: Results, language: Language, figures: Collection[str]) -> str:
    """The whole report; ``figures`` names the files in plots/ that were drawn, without .png."""
    page = _Page(results, language, frozenset(figures))
    sections = (
        _title, _summary, _design, _details, _losses, _slices, _gold, _ranking, _published,
        _advice, _reading,
    )  # fmt: skip
    return "\n\n".join(block for section in sections for block in section(page)) + "\n"


@dataclass(frozen=True)
class _Page:
    """The results in one language."""

    results: Results
    language: Language
    figures: frozenset[str]

    def say(self, key: str, **values: object) -> str:
        korean, english = TEXT[key]
        return (korean if self.language == "ko" else english).format(**values)

    def name(self, key: str) -> str:
        """The label of a measure, role, split or slice; one that is unknown stands for itself."""
        return self.say(key) if key in TEXT else key.replace("_", " ")

    def set_name(self, name: str) -> str:
        return self.name(name) if name in ("test", "validation") else self.say("gold", name=name)

    def figure(self, name: str) -> list[str]:
        return (
            [f"![{self.say(f'figure_{name}')}](plots/{name}.png)"] if name in self.figures else []
        )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
        return table([self.name(column) for column in columns], rows)

    def difference(self, measure: str, difference: Difference) -> str:
        return _signed(measure, difference.difference) + self._unit(measure)

    def interval(self, measure: str, difference: Difference) -> str:
        low, high = _signed(measure, difference.low), _signed(measure, difference.high)
        return f"[{low}, {high}]{self._unit(measure)}"

    def verdict(self, measure: str, difference: Difference) -> str:
        found = effect(measure, difference)
        if found == "unclear":
            return self.say("unclear")
        return f"{self.say(verdict(difference))} ({self.say(found)})"

    def _unit(self, measure: str) -> str:
        return self.say("points") if _is_percent(measure) else ""

    def selected(self) -> str:
        return f"checkpoint-{self.results.training.best_step}"


def _is_percent(measure: str) -> bool:
    return measure not in ("score", "pseudo_bpc", *RECIPROCAL.values())


def _value(measure: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    if _is_percent(measure):
        return f"{100 * value:.2f}%"
    return f"{value:.3f}" if measure == "pseudo_bpc" else f"{value:.4f}"


def _signed(measure: str, value: float) -> str:
    if _is_percent(measure):
        return f"{100 * value:+z.2f}"
    return f"{value:+z.3f}" if measure == "pseudo_bpc" else f"{value:+z.4f}"


def _relative(before: float, after: float) -> str:
    return f"{100 * (after - before) / before:+z.2f}%" if before else NOTHING


def _title(page: _Page) -> list[str]:
    training = page.results.training
    return [
        f"# {page.say('title')}",
        page.say("run", option=training.option, base=training.base, selected=page.selected()),
        page.say("conclusion", text=_conclusion(page)),
        "---",
    ]


def _conclusion(page: _Page) -> str:
    results = page.results
    compared = results.compared("test", HEADLINES)
    if not compared:
        return page.say("nothing_measured")
    measure = compared[0]
    difference = results.difference("test", "base", measure)
    roles = results.sets()["test"]
    mark = {"better": "✅", "worse": "❌", "unclear": "➖"}[effect(measure, difference)]
    text = page.say(
        "conclusion_change",
        measure=page.name(measure),
        verdict=page.verdict(measure, difference),
        before=_value(measure, roles["base"][measure]),
        after=_value(measure, roles["finetuned"][measure]),
    )
    rule = results.best_rule("test", measure)
    return " ".join([mark, text, *([_against(page, "test", rule, measure)] if rule else [])])


def _summary(page: _Page) -> list[str]:
    results = page.results
    roles = results.sets()["test"]
    rows = []
    effects: dict[Effect, list[str]] = {"better": [], "worse": [], "unclear": []}
    for measure in results.compared("test"):
        base, finetuned = roles["base"][measure], roles["finetuned"][measure]
        difference = results.difference("test", "base", measure)
        rows.append(
            (f"**{page.name(measure)}**", _value(measure, base), _value(measure, finetuned),
             _relative(base, finetuned), page.interval(measure, difference),
             page.verdict(measure, difference))
        )  # fmt: skip
        label = f"{page.name(measure)} ({page.difference(measure, difference)})"
        effects[effect(measure, difference)].append(label)
    lists = [
        page.say(f"summary_{kind}", measures=", ".join(found) or page.say("none_of_them"))
        for kind, found in effects.items()
    ]
    same = [page.say("selected_is_base")] if results.training.best_step == 0 else []
    columns = ("measure", page.say("base_column"),
               page.say("finetuned_column", selected=page.selected()),
               "relative", "interval", "verdict")  # fmt: skip
    return [
        f"## {page.say('summary')}",
        *same,
        "\n".join(lists),
        f"### {page.say('key_figures')}",
        page.table(columns, rows),
        page.say("summary_note"),
    ]


def _design(page: _Page) -> list[str]:
    training, data = page.results.training, page.results.data
    lines = [
        page.say("design_option", option=training.option),
        page.say("design_base", base=training.base),
        *([_own_base(page)] if training.base == OWN_BASE else []),
        page.say(
            "design_training", available=f"{training.available_examples:,}",
            examples=f"{training.examples:,}", tokens=f"{training.tokens:,}",
            steps=f"{training.steps:,}",
        ),
        page.say("design_last", selected=page.selected()) if training.select_by == LAST
        else page.say(
            "design_selected", selected=page.selected(), measure=page.name(training.select_by),
            value=_value(training.select_by, training.validation.get(training.select_by)),
        ),
    ]  # fmt: skip
    documents = [
        (page.name(name), *(f"{n:,}" for n in (c.documents, c.characters, c.sentences, c.chains)))
        for name, c in data.documents.items()
    ]
    items = [
        (page.set_name(name.removeprefix("gold_")),
         *(f"{n:,}" for n in (c.antecedent, c.antecedent_out_of_window,
                              c.antecedent_not_a_candidate, c.antecedent_none, c.coref,
                              c.lambada)))
        for name, c in data.items.items()
    ]  # fmt: skip
    option = f"option_{training.option}"
    return [
        f"## {page.say('design')}",
        *([f"### {page.say('method')}", page.say(option)] if option in TEXT else []),
        "\n".join(lines),
        f"### {page.say('data')}",
        page.table(("split", "documents", "characters", "sentences", "chains"), documents),
        page.table(("set", "antecedent_items", "out_of_window", "not_a_candidate",
                    "no_antecedent", "coref_items", "lambada_items"), items),
        page.say("data_note"),
    ]  # fmt: skip


def _own_base(page: _Page) -> str:
    base = page.results.base
    nouns = {
        name: _value("lambada_exact", base.masked_nouns.get(name, {}).get("top_1"))
        for name in ("trained", "unigram")
    }
    return page.say(
        "design_own_base", parameters=f"{base.parameters:,}", tokens=f"{base.tokens:,}", **nouns
    )


def _details(page: _Page) -> list[str]:
    blocks = [f"## {page.say('details')}"]
    for number, measure in enumerate(page.results.compared("test", DETAILED), 1):
        blocks += [f"### {number}. {page.name(measure)}", *_comparison(page, "test", measure)]
        if measure == "antecedent_accuracy":
            blocks += page.figure("antecedents")
    return blocks


def _comparison(page: _Page, name: str, measure: str) -> list[str]:
    """A measure of both models and every trivial baseline on a set, and what it says."""
    results = page.results
    roles = results.sets()[name]
    found = [role for role in roles if role not in MODELS and measure in roles[role]]
    found.sort(key=lambda role: -roles[role][measure])
    also = [RECIPROCAL[measure]] if measure in RECIPROCAL else []
    rows = []
    for role in (*MODELS, *found):
        values = [_value(m, roles[role].get(m)) for m in (measure, *also)]
        if role == "finetuned":
            rows.append((f"**{page.name(role)}**", *values, NOTHING, NOTHING, NOTHING))
            continue
        difference = results.difference(name, role, measure)
        rows.append((
            page.name(role), *values, page.difference(measure, difference),
            page.interval(measure, difference),
            page.say(f"finetuned_{effect(measure, difference)}"),
        ))  # fmt: skip
    columns = ("model", measure, *also, "difference", "interval_short", "finetuned_is")
    return [page.table(columns, rows), _interpretation(page, name, measure)]


def _interpretation(page: _Page, name: str, measure: str) -> str:
    results = page.results
    roles = results.sets()[name]
    difference = results.difference(name, "base", measure)
    same = results.training.best_step == 0
    sentences = [
        page.say("selected_is_base") if same else page.say(
            f"change_{effect(measure, difference)}",
            before=_value(measure, roles["base"][measure]),
            after=_value(measure, roles["finetuned"][measure]),
            interval=page.interval(measure, difference),
        )
    ]  # fmt: skip
    if rule := results.best_rule(name, measure):
        sentences.append(_against(page, name, rule, measure))
    if measure == "pseudo_bpc" and effect(measure, difference) == "worse":
        sentences.append(page.say("forgotten"))
    if measure == "copy_accuracy" and not same:
        sentences.append(page.say("untrained_head"))
    return f"{page.say('interpretation')} {' '.join(sentences)}"


def _against(page: _Page, name: str, rule: str, measure: str) -> str:
    """How finetuned stands to a trivial baseline, and what follows for the measure."""
    difference = page.results.difference(name, rule, measure)
    found = effect(measure, difference)
    text = page.say(
        f"rule_{found}",
        rule=page.name(rule),
        value=_value(measure, page.results.sets()[name][rule][measure]),
        difference=page.difference(measure, difference),
        interval=page.interval(measure, difference),
    )
    return text if found == "better" else f"{text} {page.say('rule_not_beaten')}"


def _losses(page: _Page) -> list[str]:
    results = page.results
    kinds = [k for k in LOSSES if any(row.get(k) is not None for row in results.training_curve)]
    heading = f"## {page.say('losses')}"
    if not kinds:
        return [heading, page.say("no_training"), *page.figure("training")]
    chosen = list(dict.fromkeys((results.training.select_by, "pseudo_bpc")))
    measured = [m for m in chosen if any(m in row for row in results.validation_curve)]
    rows = []
    for row in results.validation_curve:
        step = row["step"] or 0.0
        logged = _logged_at(results.training_curve, step)
        rate = logged.get("learning_rate")
        rows.append((
            f"{step:.0f}",
            NOTHING if rate is None else f"{rate:.2e}",
            *(_loss(logged.get(kind)) for kind in kinds),
            *(_value(measure, row[measure]) for measure in measured),
            page.say("selected_mark") if step == results.training.best_step else "",
        ))  # fmt: skip
    validation = [page.say("validation_column", measure=page.name(m)) for m in measured]
    columns = ("step", "learning_rate", *kinds, *validation, "remark")
    return [
        heading,
        page.table(columns, rows),
        "\n".join(_loss_changes(page, kinds)),
        page.say("losses_note"),
        *page.figure("training"),
    ]


def _logged_at(curve: Sequence[CurveRow], step: float) -> CurveRow:
    """The last row of a curve that was logged up to a step."""
    return next((row for row in reversed(curve) if (row["step"] or 0.0) <= step), {})


def _loss(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _loss_changes(page: _Page, kinds: Sequence[str]) -> list[str]:
    lines = []
    for kind in kinds:
        values = [v for row in page.results.training_curve if (v := row.get(kind)) is not None]
        fifth = max(1, len(values) // 5)  # one logged value alone says little
        first, last = fmean(values[:fifth]), fmean(values[-fifth:])
        direction = "fell" if last < first else "did_not_fall"
        lines.append(page.say(
            "loss_change", kind=page.name(kind), first=_loss(first), last=_loss(last),
            direction=page.say(direction),
        ))  # fmt: skip
    return lines


def _slices(page: _Page) -> list[str]:
    tables = []
    for name in page.results.sets():
        models = page.results.slices_of(name, "antecedent")
        copying = page.results.slices_of(name, "copy")
        for kind in SLICES if models else ():
            others = [models["finetuned"][kind]]
            others += [copying["finetuned"][kind]] if copying else []
            rows = [
                (page.name(value), f"{items:,}", _value("antecedent_accuracy", accuracy),
                 *(_value("antecedent_accuracy", found.get(value, (None, 0))[0])
                   for found in others))
                for value, (accuracy, items) in models["base"][kind].items()
            ]  # fmt: skip
            columns = (kind, "items", "base", "finetuned", "finetuned_copying")
            tables += [
                f"**{page.set_name(name)}: {page.say(f'by_{kind}')}**",
                page.table(columns[: 3 + len(others)], rows),
            ]
    if not tables:
        return []
    return [f"## {page.say('slices')}", page.say("slices_note"), *tables, *page.figure("slices")]


def _gold(page: _Page) -> list[str]:
    blocks = []
    for name in page.results.metrics.gold:
        for measure in page.results.compared(name, RECIPROCAL):
            heading = f"### {page.set_name(name)}: {page.name(measure)}"
            blocks += [heading, *_comparison(page, name, measure)]
    return [f"## {page.say('gold_sets')}", page.say("gold_note"), *blocks] if blocks else []


def _ranking(page: _Page) -> list[str]:
    steps = page.results.steps()
    by_score, by_accuracy = (_step_ranks(steps, m) for m in ("score", "copy_accuracy"))
    last = len(steps) + 1
    order = sorted(steps, key=lambda s: (by_score.get(s, last), by_accuracy.get(s, last), s))
    rows = [
        (_checkpoint_label(page, step),
         *(_value(m, steps[step].get(m)) for m in SEED), by_score.get(step, NOTHING),
         _value("copy_accuracy", steps[step].get("copy_accuracy")),
         by_accuracy.get(step, NOTHING))
        for step in order
    ]  # fmt: skip
    columns = ("checkpoint", *SEED, "score_rank", "copy_accuracy", "accuracy_rank")
    findings = [
        page.say("best_by", measure=page.name(measure), checkpoints=", ".join(
            f"`checkpoint-{s}`" for s, rank in found.items() if rank == 1
        ))
        for measure, found in (("score", by_score), ("copy_accuracy", by_accuracy))
        if found
    ]  # fmt: skip
    return [
        f"## {page.say('ranking')}",
        page.table(columns, rows),
        "\n".join([page.say("findings"), "", *findings, page.say("ranking_note")]),
        *page.figure("checkpoints"),
    ]


def _step_ranks(steps: Mapping[int, Row], measure: str) -> dict[int, int]:
    found = ranks({str(step): row[measure] for step, row in steps.items() if measure in row})
    return {int(step): rank for step, rank in found.items()}


def _checkpoint_label(page: _Page, step: int) -> str:
    marks = ["base"] if step == 0 else []
    if step == page.results.training.best_step:
        marks.append(page.say("selected_mark"))
    return f"`checkpoint-{step}`" + (f" ({', '.join(marks)})" if marks else "")


def _published(page: _Page) -> list[str]:
    rows = {row.name: row for row in PUBLISHED}
    placed = ranks({name: row.fraction("score") for name, row in rows.items()})
    steps = page.results.steps()
    scored = sorted((-row["score"], step) for step, row in steps.items() if "score" in row)
    own = [(_checkpoint_label(page, step), _value("score", -score)) for score, step in scored]
    theirs = [
        (placed[row.name], f"`{row.name}`", row.seq_len, row.epoch,
         *(_value(m, row.fraction(m)) for m in SEED[:3]), f"{row.score:.4f}",
         _value("score", row.fraction("score")))
        for row in sorted(PUBLISHED, key=lambda row: placed[row.name])
    ]  # fmt: skip
    columns = ("rank", "checkpoint", "seq_len", "epoch", *SEED[:3], "printed_score",
               "computed_score", "own_checkpoint", "own_score")  # fmt: skip
    pairs = [
        (*(left or [NOTHING] * 9), *(right or [NOTHING] * 2))
        for left, right in zip_longest(theirs, own)
    ]
    first = next(row for row in PUBLISHED if placed[row.name] == 1)
    best_f1 = max(PUBLISHED, key=lambda row: row.coref_f1)
    finding = page.say(
        "published_finding", best=first.name, score=_value("score", first.fraction("score")),
        named=NAMED_BEST, named_score=_value("score", rows[NAMED_BEST].fraction("score")),
        place=placed[NAMED_BEST], rows=len(PUBLISHED), best_f1=best_f1.name,
        f1=_value("coref_f1", best_f1.fraction("coref_f1")),
    )  # fmt: skip
    return [
        f"## {page.say('published')}",
        page.say("published_note"),
        page.table(columns, pairs),
        finding,
        *_published_changes(page),
    ]


def _published_changes(page: _Page) -> list[str]:
    """What fine-tuning did in the original report beside what it did here."""
    results = page.results
    before, after = (
        next(row for row in PUBLISHED if row.name == name) for name in (NAMED_BEST, FINE_TUNED)
    )
    roles = results.sets()["test"]
    rows = [
        (page.name(m), _relative(before.fraction(m), after.fraction(m)),
         _relative(roles["base"][m], roles["finetuned"][m]),
         page.verdict(m, results.difference("test", "base", m)))
        for m in results.compared("test", SEED)
    ]  # fmt: skip
    if not rows:
        return []
    columns = ("measure", page.say("their_change", before=before.name, after=after.name),
               page.say("own_change", selected=page.selected()), "own_verdict")  # fmt: skip
    return [page.say("changes_heading"), page.table(columns, rows)]


def _advice(page: _Page) -> list[str]:
    results = page.results
    training = results.training
    lines = [page.say(
        "advice_last" if training.select_by == LAST else "advice_selected",
        selected=page.selected(), measure=page.name(training.select_by),
    )]  # fmt: skip
    compared = results.compared("test")
    if training.steps == 0:
        lines = [page.say("advice_untrained")]
    elif training.best_step == 0:
        lines.append(page.say("advice_base"))
    elif training.select_by in compared:
        found = effect(training.select_by, results.difference("test", "base", training.select_by))
        lines.append(page.say(f"advice_{found}", measure=page.name(training.select_by)))
    for measure in compared:
        difference = results.difference("test", "base", measure)
        if effect(measure, difference) == "worse":
            lines.append(page.say(
                "warning_worse", measure=page.name(measure),
                difference=page.difference(measure, difference),
                interval=page.interval(measure, difference),
            ))  # fmt: skip
            lines += [page.say("warning_forgotten")] if measure == "pseudo_bpc" else []
    for name in results.sets():
        rule = results.best_rule(name, "antecedent_accuracy")
        if rule and effect(
            "antecedent_accuracy", results.difference(name, rule, "antecedent_accuracy")
        ) != "better":  # fmt: skip
            lines.append(page.say("warning_rule", set=page.set_name(name), rule=page.name(rule)))
    lines.append(page.say("advice_seeds"))
    return [f"## {page.say('advice')}", "\n".join(lines)]


def _reading(page: _Page) -> list[str]:
    rows = [
        (page.name(measure), page.say("seed" if measure in SEED else "strict"),
         page.say(f"about_{measure}"))
        for measure in (*SEED, *STRICT)
    ]  # fmt: skip
    return [
        f"## {page.say('reading')}",
        page.table(("measure", "protocol", "meaning"), rows),
        page.say("reading_notes"),
    ]
