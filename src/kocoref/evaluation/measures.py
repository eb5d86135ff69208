"""The measures: the report's protocol (``seed``) and the strict one, from counts per document.

Every measure is a function of sums of columns over documents, so that a bootstrap over documents
needs only the columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

from kocoref.evaluation.prediction import Answer, Query, ask, vocabulary_nouns
from kocoref.examples.items import AntecedentItem, CorefItem, ItemSet, LambadaItem
from kocoref.model.checkpoint import Checkpoint
from kocoref.model.encoding import Encoder

REPORT_TOP = 50
"""Predictions that the report's code looks at before the noun filter."""
COREF_K = 5
MAX_TARGET_SUBWORDS = 4
PSEUDO_STRIDE = 8
"""Every 8th token is masked at once: 8 passes instead of one per token."""

Sums = Mapping[str, float]


def coref_f1(sums: Sums) -> float:
    """Micro F1 of the top-5 nouns against the context nouns (report, `eval_coref_f1`)."""
    true, false, missed = sums["true"], sums["false"], sums["missed"]
    return _ratio(2 * true, 2 * true + false + missed)


def coref_at_5(sums: Sums) -> float:
    """Share of items with one of the top-5 nouns among the context nouns (report, Coref@5)."""
    return _ratio(sums["coref_hits"], sums["coref_items"])


def lambada_at_1(sums: Sums) -> float:
    """Share of items whose top noun contains the target or is in it (report, LAMBADA@1)."""
    return _ratio(sums["lambada_hits"], sums["lambada_items"])


def report_score(coref_f1: float, coref_at_5: float, lambada_at_1: float) -> float:
    """The report's overall Score: 0.4·Coref F1 + 0.3·Coref@5 + 0.3·LAMBADA@1, as fractions."""
    return 0.4 * coref_f1 + 0.3 * coref_at_5 + 0.3 * lambada_at_1


def score(sums: Sums) -> float:
    """:func:`report_score` of the three seed measures."""
    return report_score(coref_f1(sums), coref_at_5(sums), lambada_at_1(sums))


def antecedent_accuracy(sums: Sums) -> float:
    """Share of pronouns whose preferred candidate is a mention of the gold chain."""
    return _ratio(sums["antecedent_hits"], sums["antecedent_items"])


def antecedent_mrr(sums: Sums) -> float:
    """Mean reciprocal rank of the best gold candidate."""
    return _ratio(sums["antecedent_reciprocal"], sums["antecedent_items"])


def lambada_exact(sums: Sums) -> float:
    """Share of items filled exactly, with any number of subwords."""
    return _ratio(sums["lambada_exact_hits"], sums["lambada_items"])


def pseudo_bpc(sums: Sums) -> float:
    """Pseudo-log-likelihood in bits per character (after Salazar et al. 2020): lower is better."""
    return _ratio(sums["pseudo_bits"], sums["pseudo_characters"])


SEED_MEASURES: dict[str, Callable[[Sums], float]] = {
    "lambada_at_1": lambada_at_1,
    "coref_f1": coref_f1,
    "coref_at_5": coref_at_5,
    "score": score,
}
STRICT_MEASURES: dict[str, Callable[[Sums], float]] = {
    "antecedent_accuracy": antecedent_accuracy,
    "antecedent_mrr": antecedent_mrr,
    "lambada_exact": lambada_exact,
    "pseudo_bpc": pseudo_bpc,
}
MEASURES = SEED_MEASURES | STRICT_MEASURES
QUICK_MEASURES = tuple(name for name in MEASURES if name != "pseudo_bpc")
LOWER_IS_BETTER = frozenset({"pseudo_bpc"})


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


@dataclass
class Outcome:
    """What a model, or a baseline, did on a set of items.

    ``columns`` holds counts per document; ``predictions`` one row per item, for reading.
    """

    columns: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    predictions: list[dict[str, Any]] = field(default_factory=list)

    def add(self, document: str, **counts: float) -> None:
        """Add counts to the columns of a document."""
        for column, count in counts.items():
            self.columns[document][column] += count  # type: ignore[assignment]

    def sums(self) -> Sums:
        """The columns summed over documents."""
        total: Counter[str] = Counter()
        for document in sorted(self.columns):
            total.update(self.columns[document])
        return total

    def measures(self, names: Iterable[str]) -> dict[str, float]:
        """The named measures that have items."""
        sums = self.sums()
        return {name: MEASURES[name](sums) for name in names if has_items(name, sums)}


def has_items(measure: str, sums: Sums) -> bool:
    """Whether a measure has anything to count."""
    needs = {
        "lambada_at_1": ("lambada_items",),
        "lambada_exact": ("lambada_items",),
        "coref_f1": ("coref_items",),
        "coref_at_5": ("coref_items",),
        "score": ("coref_items", "lambada_items"),
        "antecedent_accuracy": ("antecedent_items",),
        "antecedent_mrr": ("antecedent_items",),
        "pseudo_bpc": ("pseudo_characters",),
    }
    return all(sums.get(column) for column in needs[measure])


def count_coref(outcome: Outcome, item: CorefItem, predicted: Sequence[str]) -> None:
    """Count the top nouns of one item of the report's coreference measures."""
    nouns, guessed = set(item.nouns), set(predicted)
    outcome.add(
        item.document,
        true=len(guessed & nouns),
        false=len(guessed - nouns),
        missed=len(nouns - guessed),
        coref_hits=int(bool(guessed & nouns)),
        coref_items=1,
    )


def lenient_match(target: str, predicted: str) -> bool:
    """The report's match: either string contains the other."""
    return target in predicted or predicted in target


def count_antecedent(outcome: Outcome, item: AntecedentItem, scores: Sequence[float]) -> None:
    """Count one pronoun; equal scores share their ranks, so that a constant scorer is chance."""
    best = max(scores)
    firsts = [c for c, score in zip(item.candidates, scores, strict=True) if score == best]
    gold = max(score for c, score in zip(item.candidates, scores, strict=True) if c.gold)
    above = sum(score > gold for score in scores)
    level = sum(score == gold for score in scores)
    outcome.add(
        item.document,
        antecedent_hits=sum(candidate.gold for candidate in firsts) / len(firsts),
        antecedent_reciprocal=1 / (above + (level + 1) / 2),
        antecedent_items=1,
    )


def evaluate(
    checkpoint: Checkpoint,
    items: ItemSet,
    wanted: Collection[str],
    batch_tokens: int,
    nouns: Sequence[str | None] | None = None,
    label: str = "evaluate",
) -> Outcome:
    """Measure a model on items in one pass, only what the ``wanted`` measures need.

    ``nouns`` is :func:`vocabulary_nouns` of the checkpoint's vocabulary, where already known.
    """
    encoder = Encoder(checkpoint.tokenizer, checkpoint.max_length)
    outcome = Outcome()
    queries: list[Query] = []
    pending: list[tuple[int, int, Callable[[Sequence[Answer]], None]]] = []

    def expect(made: Sequence[Query], count: Callable[[Sequence[Answer]], None]) -> None:
        pending.append((len(queries), len(queries) + len(made), count))
        queries.extend(made)

    if not {"coref_f1", "coref_at_5", "score"}.isdisjoint(wanted):
        nouns = nouns or vocabulary_nouns(checkpoint)
        for coref in items.coref:
            expect([_top_query(encoder, coref.left, coref.right)], _coref(outcome, coref, nouns))
    if not {"lambada_at_1", "lambada_exact", "score"}.isdisjoint(wanted):
        nouns = nouns or vocabulary_nouns(checkpoint)
        for lambada in items.lambada:
            made = [
                Query(*encoder.masked(lambada.left, lambada.right, masks)[:2], top=REPORT_TOP)
                for masks in range(1, MAX_TARGET_SUBWORDS + 1)
            ]
            expect(made, _lambada(outcome, lambada, encoder, nouns))
    if not {"antecedent_accuracy", "antecedent_mrr"}.isdisjoint(wanted):
        for antecedent in items.antecedent:
            forms = [candidate.form for candidate in antecedent.candidates]
            made, places = candidate_queries(encoder, antecedent.left, antecedent.right, forms)
            expect(made, _antecedent(outcome, antecedent, places))
    if "pseudo_bpc" in wanted:
        for plain in items.plain:
            expect(_pseudo_queries(encoder, plain.text), _pseudo(outcome, plain.document, plain.text))

    answers = ask(checkpoint, queries, batch_tokens, label)
    for start, end, count in pending:
        count(answers[start:end])
    return outcome


def candidate_queries(
    encoder: Encoder, left: str, right: str, forms: Sequence[str]
) -> tuple[list[Query], list[tuple[int, int]]]:
    """One query for each number of subwords, and where each form's score will be.

    A form is scored with as many masks as it has subwords (Kocijan et al. 2019).
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, form in enumerate(forms):
        by_length[len(encoder.subwords(form))].append(index)
    queries = []
    places = [(0, 0)] * len(forms)
    for number, (masks, indices) in enumerate(sorted(by_length.items())):
        encoded = encoder.masked(left, right, masks)
        fills = tuple(encoder.subwords(forms[index]) for index in indices)
        queries.append(Query(encoded.ids, encoded.masks, fills))
        for place, index in enumerate(indices):
            places[index] = (number, place)
    return queries, places


def _top_query(encoder: Encoder, left: str, right: str) -> Query:
    return Query(*encoder.masked(left, right, 1)[:2], top=REPORT_TOP)


def _first_nouns(answer: Answer, nouns: Sequence[str | None], k: int) -> list[str]:
    found = [text for i in answer.top_ids[0] if (text := nouns[i]) is not None]
    return found[:k]


def _coref(
    outcome: Outcome, item: CorefItem, nouns: Sequence[str | None]
) -> Callable[[Sequence[Answer]], None]:
    def count(answers: Sequence[Answer]) -> None:
        predicted = _first_nouns(answers[0], nouns, COREF_K)
        count_coref(outcome, item, predicted)
        outcome.predictions.append(
            {"measure": "coref", "document": item.document, "pronoun": item.surface,
             "text": f"{item.left}[{item.surface}]{item.right}", "predicted": predicted,
             "hit": not set(predicted).isdisjoint(item.nouns)}
        )  # fmt: skip

    return count


def _lambada(
    outcome: Outcome, item: LambadaItem, encoder: Encoder, nouns: Sequence[str | None]
) -> Callable[[Sequence[Answer]], None]:
    def count(answers: Sequence[Answer]) -> None:
        top = _first_nouns(answers[0], nouns, 1)
        hit = bool(top) and lenient_match(item.surface, top[0])
        fills = [
            (sum(scores[0] for scores in answer.top_scores) / len(answer.top_scores),
             [ids[0] for ids in answer.top_ids])
            for answer in answers
        ]  # fmt: skip
        filled = encoder.tokenizer.decode(max(fills, key=lambda fill: fill[0])[1]).strip()
        exact = filled.replace("##", "") == item.surface
        outcome.add(
            item.document,
            lambada_hits=int(hit),
            lambada_exact_hits=int(exact),
            lambada_items=1,
        )
        outcome.predictions.append(
            {"measure": "lambada", "document": item.document, "target": item.surface,
             "text": f"{item.left}[{item.surface}]{item.right}", "predicted": [filled, *top],
             "hit": exact}
        )  # fmt: skip

    return count


def _antecedent(
    outcome: Outcome, item: AntecedentItem, places: Sequence[tuple[int, int]]
) -> Callable[[Sequence[Answer]], None]:
    def count(answers: Sequence[Answer]) -> None:
        scores = [answers[query].scores[place] for query, place in places]
        count_antecedent(outcome, item, scores)
        ranked = sorted(zip(scores, item.candidates, strict=True), key=lambda pair: -pair[0])
        outcome.predictions.append(
            {"measure": "antecedent", "document": item.document, "pronoun": item.surface,
             "text": f"{item.left}[{item.surface}]{item.right}",
             "predicted": [candidate.form for _, candidate in ranked[:5]],
             "gold": [candidate.form for candidate in item.candidates if candidate.gold],
             "distance": item.distance, "candidates": len(item.candidates),
             "hit": ranked[0][1].gold}
        )  # fmt: skip

    return count


def _pseudo_queries(encoder: Encoder, text: str) -> list[Query]:
    ids, places = encoder.plain(text)
    queries = []
    for offset in range(min(PSEUDO_STRIDE, len(places))):
        masks = places[offset::PSEUDO_STRIDE]
        masked = list(ids)
        for place in masks:
            masked[place] = encoder.mask_id
        queries.append(Query(masked, masks, (tuple(ids[place] for place in masks),)))
    return queries


def _pseudo(outcome: Outcome, document: str, text: str) -> Callable[[Sequence[Answer]], None]:
    def count(answers: Sequence[Answer]) -> None:
        nats = -sum(answer.scores[0] * answer.masks for answer in answers)
        outcome.add(document, pseudo_bits=nats / log(2), pseudo_characters=len(text))

    return count
