"""Measuring a model: the queries of every measure, asked in one pass, and their answers counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from math import log

from kocoref.evaluation.measures import (
    COREF_K,
    Outcome,
    count_antecedent,
    count_coref,
    lenient_match,
)
from kocoref.evaluation.prediction import Answer, Query, ask, vocabulary_nouns
from kocoref.examples.items import AntecedentItem, CorefItem, ItemSet, LambadaItem
from kocoref.model.checkpoint import Checkpoint
from kocoref.model.copying import refer
from kocoref.model.encoding import Encoder

REPORT_TOP = 50
"""Predictions that the report's code looks at before the noun filter."""
MAX_TARGET_SUBWORDS = 3
"""Most subwords of an answer that the exact LAMBADA measure tries."""
PSEUDO_STRIDE = 8
"""Every 8th token is masked at once: 8 passes instead of one per token."""


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
        most = MAX_TARGET_SUBWORDS if "lambada_exact" in wanted else 1
        for lambada in items.lambada:
            made = [
                Query(*encoder.masked(lambada.left, lambada.right, masks)[:2], top=REPORT_TOP)
                for masks in range(1, most + 1)
            ]
            expect(made, _lambada(outcome, lambada, encoder, nouns))
    if not {"antecedent_accuracy", "antecedent_mrr", "copy_accuracy", "copy_mrr"}.isdisjoint(
        wanted
    ):
        for antecedent in items.antecedent:
            made, places = candidate_queries(encoder, antecedent)
            expect([copy_query(encoder, antecedent), *made],
                   _antecedent(outcome, antecedent, places))  # fmt: skip
    if "pseudo_bpc" in wanted:
        for plain in items.plain:
            made, characters = _pseudo_queries(encoder, plain.text)
            expect(made, _pseudo(outcome, plain.document, characters))

    answers = ask(checkpoint, queries, batch_tokens, label)
    for start, end, count in pending:
        count(answers[start:end])
    return outcome


def copy_query(encoder: Encoder, item: AntecedentItem) -> Query:
    """What the copying head is asked: the text as it is, the pronoun in sight."""
    seen = encoder.visible(item.left, item.surface, item.right)
    return Query(seen.ids, [], reference=refer(seen, item.start, item.candidates))


def candidate_queries(
    encoder: Encoder, item: AntecedentItem
) -> tuple[list[Query], list[tuple[int, int]]]:
    """One query for each number of subwords, and where each candidate's score will be.

    A candidate is scored with as many masks as it has subwords (Kocijan et al. 2019).
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, candidate in enumerate(item.candidates):
        by_length[len(encoder.subwords(candidate.form))].append(index)
    queries: list[Query] = []
    places = [(0, 0)] * len(item.candidates)
    for masks, indices in sorted(by_length.items()):
        encoded = encoder.masked(item.left, item.right, masks)
        fills = tuple(encoder.subwords(item.candidates[index].form) for index in indices)
        for place, index in enumerate(indices):
            places[index] = (len(queries), place)
        queries.append(Query(encoded.ids, encoded.places, fills))
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
        best = max(fills, key=lambda fill: fill[0])[1]
        filled = str(encoder.tokenizer.decode(best)).replace("##", "").strip()
        exact = filled == item.surface
        outcome.add(item.document, lambada_hits=int(hit), lambada_items=1)
        if len(answers) > 1:
            outcome.add(item.document, lambada_exact_hits=int(exact), lambada_exact_items=1)
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
        copying, *filling = answers
        scores = [filling[query].scores[place] for query, place in places]
        copied = copying.copy_scores
        hit = count_antecedent(outcome, item, scores, "antecedent")
        copy_hit = count_antecedent(outcome, item, copied, "copy")
        outcome.predictions.append(
            {"measure": "antecedent", "document": item.document, "pronoun": item.surface,
             "text": f"{item.left}[{item.surface}]{item.right}",
             "predicted": _best(item, scores), "copied": _best(item, copied),
             "gold": [candidate.form for candidate in item.candidates if candidate.gold],
             "distance": item.distance, "candidates": len(item.candidates),
             "hit": hit, "copy_hit": copy_hit}
        )  # fmt: skip

    return count


def _best(item: AntecedentItem, scores: Sequence[float]) -> list[str]:
    ranked = sorted(zip(scores, item.candidates, strict=True), key=lambda pair: -pair[0])
    return [candidate.form for _, candidate in ranked[:5]]


def _pseudo_queries(encoder: Encoder, text: str) -> tuple[list[Query], int]:
    ids, places, characters = encoder.plain(text)
    queries = []
    for offset in range(min(PSEUDO_STRIDE, len(places))):
        masks = places[offset::PSEUDO_STRIDE]
        masked = list(ids)
        for place in masks:
            masked[place] = encoder.mask_id
        queries.append(Query(masked, masks, (tuple(ids[place] for place in masks),)))
    return queries, characters


def _pseudo(outcome: Outcome, document: str, characters: int) -> Callable[[Sequence[Answer]], None]:
    def count(answers: Sequence[Answer]) -> None:
        nats = -sum(answer.scores[0] * answer.masks for answer in answers)
        outcome.add(document, pseudo_bits=nats / log(2), pseudo_characters=characters)

    return count
