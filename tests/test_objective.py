"""The losses by hand, the same gradient however the rows are batched, scores by brute force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from kocoref.evaluation.asking import candidate_queries
from kocoref.evaluation.prediction import ask
from kocoref.examples.antecedents import Candidate
from kocoref.examples.example import Example
from kocoref.examples.items import AntecedentItem
from kocoref.model.checkpoint import Checkpoint, load_checkpoint
from kocoref.model.copying import Reference, gather_references
from kocoref.model.encoding import Encoder
from kocoref.model.objective import (
    KINDS,
    Batch,
    Fill,
    Output,
    Row,
    collate,
    count_targets,
    loss_sums,
)
from kocoref.training.batching import RowMaker, micro_batches

LEFT, RIGHT = "홍길동은 학생이다. ", "는 학교에서 공부한다."


def candidates_of(*forms: str, gold: Sequence[int] = ()) -> tuple[Candidate, ...]:
    """Candidates where they stand in LEFT; those that do not stand there, at its beginning."""
    return tuple(
        Candidate(form, (max(0, LEFT.find(form)),), False, False, i in gold)
        for i, form in enumerate(forms)
    )


def item_of(*forms: str, left: str = LEFT) -> AntecedentItem:
    return AntecedentItem("d", 0, left, "그", RIGHT, 1, candidates_of(*forms, gold=(0,)))


@pytest.fixture(scope="module")
def checkpoint(tiny: Path) -> Checkpoint:
    loaded = load_checkpoint(str(tiny))
    loaded.model.eval()
    return loaded


@pytest.fixture(scope="module")
def encoder(checkpoint: Checkpoint) -> Encoder:
    return Encoder(checkpoint.tokenizer, checkpoint.max_length)


NOTHING = gather_references([])


def said(logits: Tensor, *copy_scores: float) -> Output:
    """What a model says."""
    return Output(logits, torch.tensor(copy_scores, dtype=torch.float32))


# ---- the head at masked places only


def test_logits_at_places_are_those_of_the_full_model(checkpoint: Checkpoint) -> None:
    texts = ["홍길동은 [MASK]이다.", "그는 [MASK]에서 [MASK]한다. 그것은 소설이다."]
    batch = checkpoint.tokenizer(texts, padding=True, return_tensors="pt")
    rows, positions = (batch.input_ids == checkpoint.tokenizer.mask_token_id).nonzero().T
    with torch.inference_mode():
        full = checkpoint.model.model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask
        ).logits
        output = checkpoint.model(batch.input_ids, batch.attention_mask, rows, positions, NOTHING)
        found = output.logits
    assert found.shape == (3, len(checkpoint.tokenizer))
    torch.testing.assert_close(found, full[rows, positions], atol=1e-5, rtol=0)


def test_full_model_is_whole_again_after_a_masked_pass(checkpoint: Checkpoint) -> None:
    ids = checkpoint.tokenizer("그는 공부한다.", return_tensors="pt").input_ids
    one = torch.zeros(1, dtype=torch.long)
    with torch.inference_mode():
        checkpoint.model(ids, torch.ones_like(ids), one, one, NOTHING)
        assert checkpoint.model.model(input_ids=ids).logits.shape[:2] == ids.shape


def test_full_model_is_whole_again_after_a_failed_pass(checkpoint: Checkpoint) -> None:
    ids = checkpoint.tokenizer("그는 공부한다.", return_tensors="pt").input_ids
    far = torch.tensor([ids.shape[1]])
    with torch.inference_mode():
        with pytest.raises(IndexError):
            checkpoint.model(ids, torch.ones_like(ids), torch.zeros_like(far), far, NOTHING)
        assert checkpoint.model.model(input_ids=ids).logits.shape[:2] == ids.shape


# ---- batches


def test_collate_pads_to_the_longest() -> None:
    batch = collate([Row([2, 5, 3]), Row([2, 3])], pad_id=9)
    assert batch.input_ids.tolist() == [[2, 5, 3], [2, 3, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]


def places(batch: Batch, at: Tensor) -> list[tuple[int, int]]:
    """Row and position of what the indices stand for."""
    return list(zip(batch.rows[at].tolist(), batch.positions[at].tolist(), strict=True))


MIXED = [
    Row([2, 4, 4, 3], target=((1, 7), (2, 8)), mlm=((3, 6),)),
    Row([2, 4, 3], target=((1, 5),), nouns=(1, (5, 7, 9)), fills=(Fill((1,), (5,), True),), unit=4),
    Row([2, 4, 4, 3], fills=(Fill((1, 2), (7, 8), False),), unit=4),
    Row([2, 4, 3], nouns=(1, (6,))),
]
"""Rows of every kind; the second and third rank two candidates of one example."""


def test_targets_are_at_their_places() -> None:
    batch = collate(MIXED, pad_id=0)
    assert places(batch, batch.target_at) == [(0, 1), (0, 2), (1, 1)]
    assert batch.target_ids.tolist() == [7, 8, 5]
    assert batch.target_share.tolist() == [0.5, 0.5, 1]


def test_noun_sets_are_padded_at_their_places() -> None:
    batch = collate(MIXED, pad_id=0)
    assert places(batch, batch.noun_at) == [(1, 1), (3, 1)]
    assert batch.noun_ids.tolist() == [[5, 7, 9], [6, -1, -1]]


def test_masked_pieces_are_at_their_places() -> None:
    batch = collate(MIXED, pad_id=0)
    assert (places(batch, batch.mlm_at), batch.mlm_ids.tolist()) == ([(0, 3)], [6])


def test_candidates_are_at_their_places() -> None:
    batch = collate(MIXED, pad_id=0)
    assert places(batch, batch.fill_at) == [(1, 1), (2, 1), (2, 2)]
    assert batch.fill_ids.tolist() == [5, 7, 8]
    assert batch.fill_share.tolist() == [1, 0.5, 0.5]
    assert batch.fill_of.tolist() == [0, 1, 1]
    assert (batch.unit_of.tolist(), batch.gold.tolist()) == ([0, 0], [True, False])


def test_every_place_goes_through_the_head_once() -> None:
    batch = collate(MIXED, pad_id=0)
    found = list(zip(batch.rows.tolist(), batch.positions.tolist(), strict=True))
    assert sorted(found) == [(0, 1), (0, 2), (0, 3), (1, 1), (2, 1), (2, 2), (3, 1)]


def test_answer_of_several_subwords_is_one_target_and_an_example_one_ranking() -> None:
    assert count_targets(MIXED) == {"target": 2, "nouns": 2, "rank": 1, "copy": 0, "mlm": 1}


# ---- losses


def log_softmax(logits: Sequence[float]) -> list[float]:
    whole = log(sum(exp(value) for value in logits))
    return [value - whole for value in logits]


def test_target_loss_is_the_mean_over_subwords() -> None:
    batch = collate([Row([1, 1], target=((0, 2), (1, 0)))], pad_id=0)
    logits = [[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]]
    expected = -(log_softmax(logits[0])[2] + log_softmax(logits[1])[0]) / 2
    assert loss_sums(said(torch.tensor(logits)), batch)["target"].item() == pytest.approx(expected)


def test_noun_loss_is_of_the_summed_probability() -> None:
    # Logits of ln 1, ln 2, ln 3, ln 4: probabilities 0.1, 0.2, 0.3, 0.4.
    rows = [Row([1], nouns=(0, (1, 2))), Row([1], nouns=(0, (3,)))]
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]] * 2).log()
    # The second set is padded: -ln (0.2 + 0.3) - ln 0.4.
    expected = -log(0.5) - log(0.4)
    assert loss_sums(said(logits), collate(rows, 0))["nouns"].item() == pytest.approx(expected)


def test_padding_of_noun_sets_has_no_gradient() -> None:
    rows = [Row([1], nouns=(0, (1, 2, 3))), Row([1], nouns=(0, (3,)))]
    logits = torch.zeros(2, 5, requires_grad=True)
    loss_sums(said(logits), collate(rows, 0))["nouns"].backward()
    assert logits.grad is not None
    # d/dlogit = p - p(given the set): 0.2 - 1 for the one noun, 0.2 for all others.
    assert logits.grad[1].tolist() == pytest.approx([0.2, 0.2, 0.2, -0.8, 0.2])


def test_rank_loss_is_of_the_share_of_the_right_candidates() -> None:
    rows = [
        Row([1], fills=(Fill((0,), (0,), False), Fill((0,), (1,), True)), unit=0),
        Row([1, 1], fills=(Fill((0, 1), (2, 3), False),), unit=0),
    ]
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]] * 3).log()
    # Scores ln 0.1, ln 0.2 (right) and (ln 0.3 + ln 0.4) / 2: the softmax undoes the logarithm.
    expected = -log(0.2 / (0.1 + 0.2 + (0.3 * 0.4) ** 0.5))
    assert loss_sums(said(logits), collate(rows, 0))["rank"].item() == pytest.approx(expected)


def test_rank_loss_is_summed_over_examples() -> None:
    rows = [
        Row([1], fills=(Fill((0,), (0,), False), Fill((0,), (1,), True)), unit=7),
        Row([1], fills=(Fill((0,), (3,), False), Fill((0,), (2,), True)), unit=3),
    ]
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]] * 2).log()
    expected = -log(2 / 3) - log(3 / 7)
    assert loss_sums(said(logits), collate(rows, 0))["rank"].item() == pytest.approx(expected)


def test_only_right_candidates_leave_nothing_to_learn() -> None:
    rows = [Row([1], fills=(Fill((0,), (0,), True), Fill((0,), (1,), True)), unit=0)]
    assert loss_sums(said(torch.zeros(1, 4)), collate(rows, 0))["rank"].item() == pytest.approx(0)


def test_mlm_loss_is_the_sum_over_pieces() -> None:
    batch = collate([Row([1, 1, 1], mlm=((0, 1), (2, 0)))], pad_id=0)
    logits = [[1.0, 2.0], [0.0, 3.0]]
    expected = -log_softmax(logits[0])[1] - log_softmax(logits[1])[0]
    assert loss_sums(said(torch.tensor(logits)), batch)["mlm"].item() == pytest.approx(expected)


def test_kinds_do_not_mix() -> None:
    fills = (Fill((3,), (0,), True), Fill((3,), (1,), False), Fill((3,), (2,), False))
    reference = Reference((0,), (((1,),), ((2,),), ((3,),)), (True, False, False))
    row = Row([1] * 4, ((0, 0),), (1, (1,)), ((2, 2),), fills, reference)
    # Each loss is right at its own place, so that every one is ln (1 + 2 e^-9).
    right = torch.tensor([0, 1, 2, 0])
    logits = 9 * torch.nn.functional.one_hot(right, 3).float()
    found = loss_sums(said(logits, 9, 0, 0), collate([row], 0))
    assert {kind: value.item() for kind, value in found.items()} == {
        kind: pytest.approx(log(1 + 2 * exp(-9)), abs=1e-6) for kind in KINDS
    }


def test_kinds_without_targets_are_zero() -> None:
    found = loss_sums(said(torch.zeros(1, 4)), collate([Row([1], mlm=((0, 0),))], 0))
    assert [found[kind].item() for kind in ("target", "nouns", "rank")] == [0, 0, 0]


def test_half_precision_logits_are_summed_in_float32() -> None:
    batch = collate([Row([1], mlm=((0, 0),))], 0)
    assert (
        loss_sums(said(torch.zeros(1, 4, dtype=torch.bfloat16)), batch)["mlm"].dtype
        == torch.float32
    )


# ---- weighting by targets


@pytest.fixture(scope="module")
def rows(encoder: Encoder) -> list[Row]:
    """Rows of different lengths with two or more targets of every kind."""
    maker = row_maker(encoder, use_mlm=True)
    random = np.random.default_rng(0)

    def ranked(*gold: int) -> tuple[Candidate, ...]:
        return candidates_of("책", "학생들", "홍길동", "도서관에서", gold=gold)

    examples = [
        Example("a", "pronoun", 0, LEFT, "그", RIGHT, "홍길동", ("학생", "책"), ranked(2)),
        Example("b", "pronoun", 0, "책. ", "그", "는 공부한다.", None, ("책", "학생")),
        Example("c", "entity", 0, LEFT * 2, "홍길동", RIGHT, "홍길동"),
        Example("d", "entity_unlabelled", 0, LEFT * 3, "홍길동", RIGHT),
        Example("e", "replay", 0, LEFT, "", "그것은 소설이다."),
        Example("f", "pronoun", 0, LEFT, "그", RIGHT, "김서연", ("약",), ranked(0, 1)),
    ]
    return [row for i, example in enumerate(examples) for row in maker.rows(example, random, i)]


def gradient(checkpoint: Checkpoint, rows: list[Row], parts: list[list[Row]]) -> list[Tensor]:
    """As the training loop: each kind divided by its targets in the whole step."""
    counts = count_targets(rows)
    checkpoint.model.zero_grad(set_to_none=True)
    for part in parts:
        batch = collate(part, 0)
        output = checkpoint.model(
            batch.input_ids, batch.attention_mask, batch.rows, batch.positions, batch.references
        )
        sums = loss_sums(output, batch)
        torch.stack([sums[kind] / counts[kind] for kind in KINDS]).sum().backward()
    return [p.grad.clone() for p in checkpoint.model.parameters() if p.grad is not None]


def test_rows_have_all_kinds(rows: list[Row]) -> None:
    assert min(count_targets(rows).values()) >= 2


@given(split=st.lists(st.integers(0, 3), min_size=20, max_size=20), budget=st.integers(1, 400))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_split_gives_the_gradient_of_one_batch(
    checkpoint: Checkpoint, rows: list[Row], split: list[int], budget: int
) -> None:
    whole = gradient(checkpoint, rows, [rows])
    # Rows of one example stay together: their candidates are ranked against each other.
    where = {unit: split[i] for i, unit in enumerate(sorted({row.unit for row in rows}))}
    parts = [[row for row in rows if where[row.unit] == n] for n in range(4)]
    for chosen in ([part for part in parts if part], micro_batches(rows, budget)):
        for one, other in zip(whole, gradient(checkpoint, rows, chosen), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_micro_batches_hold_every_row_once(rows: list[Row]) -> None:
    found = [row for part in micro_batches(rows, 64) for row in part]
    assert sorted(map(id, found)) == sorted(map(id, rows))


def test_micro_batches_stay_within_the_budget(rows: list[Row]) -> None:
    for part in micro_batches(rows, 100):
        one_example = len({row.unit for row in part}) == 1
        assert one_example or len(part) * max(len(row.ids) for row in part) <= 100


def test_micro_batches_keep_an_example_together(rows: list[Row]) -> None:
    parts = micro_batches(rows, 1)
    assert len(parts) == 6
    assert any(len(part) > 1 for part in parts)


def test_micro_batches_take_rows_without_an_example_alone(encoder: Encoder) -> None:
    plain = [Row([2, 5, 3], mlm=((1, 5),))] * 3
    assert list(map(len, micro_batches(plain, 3))) == [1, 1, 1]


# ---- rows of examples


def row_maker(encoder: Encoder, **keys: bool) -> RowMaker:
    flags = {
        "use_target": True,
        "use_nouns": True,
        "use_rank": True,
        "use_copy": True,
        "use_mlm": False,
    } | keys
    return RowMaker(encoder, mask_share=0.3, **flags)


def rows_of(maker: RowMaker, example: Example) -> list[Row]:
    return maker.rows(example, np.random.default_rng(0))


def test_target_has_as_many_masks_as_subwords(encoder: Encoder) -> None:
    subwords = encoder.subwords("학생들")
    assert len(subwords) == 2
    (row,) = rows_of(row_maker(encoder), Example("d", "entity", 0, LEFT, "학생들", RIGHT, "학생들"))
    assert tuple(answer for _, answer in row.target) == subwords
    assert [row.ids[place] for place, _ in row.target] == [encoder.mask_id] * 2


def test_target_of_one_subword_shares_its_row_with_the_nouns(encoder: Encoder) -> None:
    example = Example("d", "pronoun", 0, LEFT, "그", RIGHT, "학생", ("학생", "책"))
    (row,) = rows_of(row_maker(encoder), example)
    assert row.nouns is not None
    assert (row.target[0][0], len(row.nouns[1])) == (row.nouns[0], 2)


def test_target_of_two_subwords_needs_another_row_than_the_nouns(encoder: Encoder) -> None:
    example = Example("d", "pronoun", 0, LEFT, "그", RIGHT, "학생들", ("학생", "책"))
    one, two = rows_of(row_maker(encoder), example)
    assert one.target == ()
    assert one.nouns is not None
    assert (len(two.target), two.nouns) == (2, None)


def test_nouns_of_several_subwords_are_no_answers(encoder: Encoder) -> None:
    example = Example("d", "pronoun", 0, LEFT, "그", RIGHT, None, ("학생들", "책"))
    (row,) = rows_of(row_maker(encoder), example)
    assert row.nouns is not None
    assert row.nouns[1] == encoder.subwords("책")


def test_unknown_noun_is_no_answer(encoder: Encoder) -> None:
    example = Example("d", "pronoun", 0, LEFT, "그", RIGHT, None, ("뷁", "책"))
    (row,) = rows_of(row_maker(encoder), example)
    assert row.nouns is not None
    assert row.nouns[1] == encoder.subwords("책")


def test_unknown_target_is_not_learned(encoder: Encoder) -> None:
    unknown = encoder.tokenizer.unk_token_id
    example = Example("d", "entity", 0, "뷁이 왔다. ", "뷁", "은 갔다.", "뷁")
    found = rows_of(row_maker(encoder), example)
    assert all(answer != unknown for row in found for _, answer in row.target)


RANKED = Example(
    "d", "pronoun", 0, LEFT, "그", RIGHT, "학생", ("학생", "책"),
    candidates_of("책", "학생", "학생들", gold=(1, 2)),
)  # fmt: skip


def test_candidates_stand_in_rows_of_their_length(encoder: Encoder) -> None:
    one, two, seen = rows_of(row_maker(encoder), RANKED)
    assert seen.fills == ()
    assert [row.reference is not None for row in (one, two, seen)] == [True, False, True]
    expected = [("책", False), ("학생", True), ("학생들", True)]
    found = [(fill.ids, fill.gold) for fill in one.fills + two.fills]
    assert found == [(encoder.subwords(form), gold) for form, gold in expected]
    assert (len(one.fills), len(two.fills)) == (2, 1)


def test_candidates_stand_at_masks(encoder: Encoder) -> None:
    rows = rows_of(row_maker(encoder), RANKED)
    places = [row.ids[place] for row in rows for fill in row.fills for place in fill.places]
    assert places == [encoder.mask_id] * 4


def test_candidates_without_a_right_one_are_not_ranked(encoder: Encoder) -> None:
    none = tuple(replace(candidate, gold=False) for candidate in RANKED.candidates)
    counts = count_targets(rows_of(row_maker(encoder), replace(RANKED, candidates=none)))
    assert (counts["rank"], counts["copy"]) == (0, 0)


@pytest.mark.parametrize("kind", ["target", "nouns", "rank", "copy"])
def test_loss_that_is_off_has_no_targets(encoder: Encoder, kind: str) -> None:
    counts = count_targets(rows_of(row_maker(encoder, **{f"use_{kind}": False}), RANKED))
    assert counts == {"target": 1, "nouns": 1, "rank": 1, "copy": 2, "mlm": 0} | {kind: 0}


def test_mlm_stays_away_from_the_masks_of_the_answer(encoder: Encoder) -> None:
    maker = replace(row_maker(encoder, use_mlm=True), mask_share=0.99)
    (row,) = rows_of(maker, Example("d", "entity", 0, LEFT, "학생", RIGHT, "학생"))
    places = {place for place, _ in row.mlm}
    assert len(places) > 5
    assert places.isdisjoint({0, len(row.ids) - 1, *(p for p, _ in row.target)})


def test_mlm_asks_for_the_pieces_of_the_text(encoder: Encoder) -> None:
    maker = row_maker(encoder, use_mlm=True)
    (row,) = rows_of(maker, Example("d", "replay", 0, LEFT, "", RIGHT))
    original = encoder.plain(LEFT + RIGHT)[0]
    changed = {i for i, (a, b) in enumerate(zip(row.ids, original, strict=True)) if a != b}
    assert row.mlm == tuple((place, original[place]) for place, _ in row.mlm)
    assert changed
    assert changed <= {place for place, _ in row.mlm}


def test_unlabelled_entity_has_a_mask_that_nobody_asks_about(encoder: Encoder) -> None:
    maker = row_maker(encoder, use_mlm=True)
    (row,) = rows_of(maker, Example("d", "entity_unlabelled", 0, LEFT, "홍길동", RIGHT))
    mask = encoder.masked(LEFT, RIGHT, 1).places[0]
    assert row.ids[mask] == encoder.mask_id
    assert row.target == ()
    assert mask not in {place for place, _ in row.mlm}


# ---- candidate scores


def test_candidate_scores_are_those_of_one_candidate_at_a_time(
    checkpoint: Checkpoint, encoder: Encoder
) -> None:
    forms = ["홍길동", "학생", "학생들", "책", "도서관에서", "김서연"]
    queries, places = candidate_queries(encoder, item_of(*forms))
    answers = ask(checkpoint, queries, 64, "test")
    found = [answers[query].scores[place] for query, place in places]
    expected = []
    for form in forms:
        subwords = checkpoint.tokenizer(form, add_special_tokens=False).input_ids
        text = LEFT + "[MASK]" * len(subwords) + RIGHT
        ids = checkpoint.tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            log_probs = checkpoint.model.model(input_ids=ids).logits[0].log_softmax(-1)
        masks = (ids[0] == encoder.mask_id).nonzero().flatten().tolist()
        scores = [log_probs[m, s].item() for m, s in zip(masks, subwords, strict=True)]
        expected.append(sum(scores) / len(scores))
    assert len({len(encoder.subwords(form)) for form in forms}) >= 2
    assert found == pytest.approx(expected, abs=1e-5)


def test_candidates_of_one_length_share_a_query(encoder: Encoder) -> None:
    forms = ["학생", "책", "학생들"]
    queries, places = candidate_queries(encoder, item_of(*forms))
    assert [len(query.fills) for query in queries] == [2, 1]
    assert places == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
def test_answers_do_not_depend_on_the_batches(
    checkpoint: Checkpoint, encoder: Encoder, batch_tokens: int
) -> None:
    queries = [
        query
        for left in (LEFT, LEFT * 2, "")
        for query in candidate_queries(encoder, item_of("학생", "학생들", left=left))[0]
    ]
    alone = [ask(checkpoint, [query], 4096, "test")[0].scores for query in queries]
    found = [answer.scores for answer in ask(checkpoint, queries, batch_tokens, "test")]
    assert [s for scores in found for s in scores] == pytest.approx(
        [s for scores in alone for s in scores], abs=1e-5
    )


@pytest.fixture
def in_training(checkpoint: Checkpoint) -> Callable[[], bool]:
    return lambda: checkpoint.model.model.training


def test_asking_leaves_the_mode_of_the_model(
    checkpoint: Checkpoint, encoder: Encoder, in_training: Callable[[], bool]
) -> None:
    queries = candidate_queries(encoder, item_of("학생"))[0]
    for mode in (True, False):
        checkpoint.model.train(mode)
        ask(checkpoint, queries, 64, "test")
        assert in_training() is mode
