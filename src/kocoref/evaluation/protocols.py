"""The seed and strict protocols: what each measure asks, all in one pass, and how it counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from math import isfinite, log

from kocoref.errors import InputError
from kocoref.evaluation.measures import (
    COREF_K,
    Outcome,
    count_antecedent,
    count_coref,
    lenient_match,
)
from kocoref.evaluation.prediction import Answer, Query, ask, vocabulary_nouns
from kocoref.examples.items import AntecedentItem, CorefItem, ItemSet, LambadaItem
from kocoref.examples.reading import Anaphor
from kocoref.examples.templates import TEMPLATES, Template
from kocoref.model.checkpoint import Checkpoint
from kocoref.model.copying import refer
from kocoref.model.encoding import Encoded, Encoder

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
    template: str,
    nouns: Sequence[str | None] | None = None,
    label: str = "evaluate",
) -> Outcome:
    """Measure a model on items in one pass, only what the ``wanted`` measures need.

    ``template`` is how antecedents are asked for (:data:`TEMPLATES`). ``nouns`` is
    :func:`vocabulary_nouns` of the checkpoint's vocabulary, where already known.

    Raises:
        InputError: a score is not finite.
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
    if not {"antecedent_accuracy", "antecedent_mrr"}.isdisjoint(wanted):
        for antecedent in items.antecedent:
            made, places = candidate_queries(encoder, antecedent, TEMPLATES[template])
            expect(made, _filled(outcome, antecedent, places))
    if not {"copy_accuracy", "copy_mrr"}.isdisjoint(wanted):
        for query, asked in copy_queries(encoder, items.antecedent):
            expect([query], _copied(outcome, [items.antecedent[i] for i in asked]))
    if "pseudo_bpc" in wanted:
        for plain in items.plain:
            made, characters = _pseudo_queries(encoder, plain.text)
            expect(made, _pseudo(outcome, plain.document, characters))

    answers = ask(checkpoint, queries, batch_tokens, label)
    for start, end, count in pending:
        count(answers[start:end])
    return outcome


def copy_queries(
    encoder: Encoder, items: Sequence[AntecedentItem]
) -> Iterator[tuple[Query, list[int]]]:
    """What the copying head is asked: texts as they are, pronouns in sight.

    Items with the same text share a query, unless the model cannot take the whole of it. With
    each query come the numbers of the items that its references are of, in order.
    """
    shared: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        shared[item.document, item.start, item.left + item.surface + item.right].append(number)
    for numbers in shared.values():
        seen = _in_sight(encoder, items[numbers[0]])
        if not seen.cropped:
            yield _copy_query(seen, [items[number] for number in numbers]), numbers
            continue
        for number in numbers:
            item = items[number]
            yield _copy_query(_in_sight(encoder, item), [item]), [number]


def _in_sight(encoder: Encoder, item: AntecedentItem) -> Encoded:
    """The item's text, cropped around the pronoun where it is too long."""
    return encoder.visible(item.left, item.surface, item.right)


def _copy_query(seen: Encoded, items: Sequence[AntecedentItem]) -> Query:
    references = [refer(seen, item.start, _anaphor(item)) for item in items]
    found = tuple(reference for reference in references if reference is not None)
    assert len(found) == len(items), "the text is cropped around the pronoun"
    return Query(seen.ids, [], references=found)


def _anaphor(item: AntecedentItem) -> Anaphor:
    begin = item.start + len(item.left)
    return Anaphor((begin, begin + len(item.surface)), item.surface, item.candidates)


def candidate_queries(
    encoder: Encoder, item: AntecedentItem, template: Template
) -> tuple[list[Query], list[tuple[int, int]]]:
    """One query for each number of subwords, and where each candidate's score will be.

    A candidate is scored with as many masks as it has subwords (Kocijan et al. 2019).
    """
    before, behind = template.around(item.left, item.surface, item.right)
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, candidate in enumerate(item.candidates):
        by_length[len(encoder.subwords(candidate.form, before))].append(index)
    queries: list[Query] = []
    places = [(0, 0)] * len(item.candidates)
    for masks, indices in sorted(by_length.items()):
        encoded = encoder.masked(before, behind, masks)
        fills = tuple(encoder.subwords(item.candidates[index].form, before) for index in indices)
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


def _filled(
    outcome: Outcome, item: AntecedentItem, places: Sequence[tuple[int, int]]
) -> Callable[[Sequence[Answer]], None]:
    def count(answers: Sequence[Answer]) -> None:
        _choose(outcome, item, [answers[query].scores[place] for query, place in places],
                "antecedent")  # fmt: skip

    return count


def _copied(
    outcome: Outcome, items: Sequence[AntecedentItem]
) -> Callable[[Sequence[Answer]], None]:
    def count(answers: Sequence[Answer]) -> None:
        for item, scores in zip(items, answers[0].copy_scores, strict=True):
            _choose(outcome, item, scores, "copy")

    return count


def _choose(outcome: Outcome, item: AntecedentItem, scores: Sequence[float], scorer: str) -> None:
    if not all(map(isfinite, scores)):
        raise InputError(
            f"document {item.document}: the model's scores are no numbers; its training diverged:"
            " lower finetune.learning_rate"
        )
    hit = count_antecedent(outcome, item, scores, scorer)
    outcome.predictions.append(
        {"measure": scorer, "document": item.document, "pronoun": item.surface,
         "text": f"{item.left}[{item.surface}]{item.right}", "predicted": _best(item, scores),
         "gold": [candidate.form for candidate in item.candidates if candidate.gold],
         "distance": item.distance, "candidates": len(item.candidates), "hit": hit}
    )  # fmt: skip


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
