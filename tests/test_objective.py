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

from kocoref.evaluation.prediction import ask
from kocoref.evaluation.protocols import candidate_queries, copy_queries
from kocoref.examples.antecedents import Candidate
from kocoref.examples.example import Example, Task
from kocoref.examples.items import AntecedentItem
from kocoref.examples.reading import Anaphor, Reading
from kocoref.examples.salience import FEATURES
from kocoref.examples.templates import TEMPLATES
from kocoref.model.checkpoint import Checkpoint, load_checkpoint
from kocoref.model.copying import Reference, gather_references
from kocoref.model.encoding import Encoder
from kocoref.model.objective import (
    KINDS,
    PIECEWISE,
    Batch,
    Fill,
    Output,
    Row,
    collate,
    count_targets,
    loss_sums,
)
from kocoref.training.batching import RowMaker, _choosable, micro_batches

LEFT, RIGHT = "홍길동은 학생이다. ", "는 학교에서 공부한다."


def candidates_of(*forms: str, gold: Sequence[int] = ()) -> tuple[Candidate, ...]:
    """Candidates where they stand in LEFT; those that do not stand there, at its beginning."""
    return tuple(
        Candidate(form, (max(0, LEFT.find(form)),), False, False, i in gold)
        for i, form in enumerate(forms)
    )


def item_of(*forms: str, left: str = LEFT) -> AntecedentItem:
    return AntecedentItem("d", 0, left, "그", RIGHT, 1, candidates_of(*forms, gold=(0,)))


def reading_of(text: str, gold: dict[str, str], *forms: str) -> Reading:
    """A reading of a text; ``gold`` is the right candidate of each pronoun, each standing once."""
    anaphors = []
    for surface, right in gold.items():
        start = text.index(f" {surface}") + 1
        stood = tuple(
            Candidate(form, (text.index(form),), False, False, form == right)
            for form in forms
            if text.index(form) < start
        )
        anaphors.append(Anaphor((start, start + len(surface)), surface, stood))
    return Reading("r", 0, text, tuple(anaphors))


READING = reading_of(
    "홍길동은 부산에서 학생들과 만났다. 그는 책을 주고 그곳을 떠났다.",
    {"그": "홍길동", "그곳": "부산"},
    "홍길동", "부산", "학생들", "책",
)  # fmt: skip
"""Two pronouns; of their candidates only 학생들 has two subwords."""


@pytest.fixture(scope="module")
def checkpoint(tiny: Path) -> Checkpoint:
    loaded = load_checkpoint(str(tiny))
    loaded.model.eval()
    return loaded


@pytest.fixture(scope="module")
def encoder(checkpoint: Checkpoint) -> Encoder:
    return Encoder(checkpoint.tokenizer, checkpoint.max_length)


NOTHING = gather_references([])
NO_SALIENCE = np.zeros((9, FEATURES), np.float32)


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


def pieces(batch: Batch, kind: str) -> list[tuple[tuple[int, int], int, float, int]]:
    """Place (row and position), id, share and answer of each piece of a kind."""
    sizes = batch.sizes.tolist()
    at, ids, share, answer_of = (
        part.split(sizes)[PIECEWISE.index(kind)]
        for part in (batch.at, batch.ids, batch.share, batch.answer_of)
    )
    found = zip(places(batch, at), ids.tolist(), share.tolist(), answer_of.tolist(), strict=True)
    return list(found)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("target", [((0, 1), 7, 0.5, 0), ((0, 2), 8, 0.5, 0), ((1, 1), 5, 1, 1)]),
        ("nouns", [((1, 1), 5, 1, 0), ((1, 1), 7, 1, 0), ((1, 1), 9, 1, 0), ((3, 1), 6, 1, 1)]),
        ("rank", [((1, 1), 5, 1, 0), ((2, 1), 7, 0.5, 1), ((2, 2), 8, 0.5, 1)]),
        ("mlm", [((0, 3), 6, 1, 0)]),
    ],
)
def test_answers_are_at_their_places(
    kind: str, expected: list[tuple[tuple[int, int], int, float, int]]
) -> None:
    assert pieces(collate(MIXED, pad_id=0), kind) == expected


def test_candidates_know_their_choice() -> None:
    batch = collate(MIXED, pad_id=0)
    assert (batch.choice_of.tolist(), batch.gold.tolist()) == ([0, 0], [True, False])


CHOICES = [
    Row([2, 4, 4, 3], fills=(Fill((1,), (5,), True, 0), Fill((2,), (6,), False, 1)), unit=4),
    Row([2, 4, 4, 3], fills=(Fill((1,), (7,), False, 0), Fill((2,), (8,), True, 1)), unit=4),
    Row([2, 4, 3], fills=(Fill((1,), (5,), True, 0),), unit=5),
]
"""Two pronouns of one reading, ranked over two rows, and one of another reading."""


def test_candidates_of_one_choice_are_together_in_all_rows_of_a_unit() -> None:
    batch = collate(CHOICES, pad_id=0)
    assert batch.choice_of.tolist() == [0, 1, 0, 1, 2]
    assert batch.gold.tolist() == [True, False, False, True, True]
    assert count_targets(CHOICES)["rank"] == 3


def test_rank_loss_is_summed_over_the_choices_of_a_unit() -> None:
    # Scores by id: ln 0.1, ln 0.2, ln 0.3, ln 0.4 for 5, 6, 7, 8.
    logits = torch.zeros(5, 9)
    logits[:, :5] = -torch.inf
    logits[:, 5:] = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    # First pronoun: 5 is right, 7 is not. Second: 8 is right, 6 is not. Third: nothing else.
    expected = -log(0.1 / 0.4) - log(0.4 / 0.6)
    found = loss_sums(said(logits), collate(CHOICES, 0))["rank"].item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_every_reference_of_a_row_is_a_target() -> None:
    one = Reference((0,), (((1,),), ((2,),)), (True, False), NO_SALIENCE[:2])
    two = Reference((1,), (((0,),),), (True,), NO_SALIENCE[:1])
    rows = [Row([2, 4, 3], references=(one, two)), Row([2, 3]), Row([2, 4, 3], references=(one,))]
    assert [row.has_targets() for row in rows] == [True, False, True]
    assert count_targets(rows)["copy"] == 3
    scores = [log(3), log(1), 5.0, log(1), log(1)]
    found = loss_sums(said(torch.zeros(0, 3), *scores), collate(rows, 0))["copy"].item()
    # Of the first 3 / (3 + 1), of the second all there is, of the third 1 / 2.
    assert found == pytest.approx(-log(3 / 4) - log(1 / 2))


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
    # -ln (0.2 + 0.3) - ln 0.4.
    expected = -log(0.5) - log(0.4)
    assert loss_sums(said(logits), collate(rows, 0))["nouns"].item() == pytest.approx(expected)


def test_noun_sets_keep_apart() -> None:
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
    right = (True, False, False)
    reference = Reference((0,), (((1,),), ((2,),), ((3,),)), right, NO_SALIENCE[:3])
    row = Row([1] * 4, ((0, 0),), (1, (1,)), ((2, 2),), fills, (reference,))
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

    examples = [
        Example("a", "pronoun", 0, LEFT, "그", RIGHT, "홍길동", ("학생", "책")),
        Example("b", "pronoun", 0, "책. ", "그", "는 공부한다.", None, ("책", "학생")),
        Example("c", "entity", 0, LEFT * 2, "홍길동", RIGHT, "홍길동"),
        Example("d", "entity_unlabelled", 0, LEFT * 3, "홍길동", RIGHT),
        Example("e", "replay", 0, LEFT, "", "그것은 소설이다."),
        Example("f", "pronoun", 0, LEFT, "그", RIGHT, "김서연", ("약",)),
        READING,
        replace(READING, anaphors=READING.anaphors[1:]),
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
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
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
    assert len(parts) == 8
    assert any(len(part) > 1 for part in parts)


def test_micro_batches_take_rows_without_an_example_alone(encoder: Encoder) -> None:
    plain = [Row([2, 5, 3], mlm=((1, 5),))] * 3
    assert list(map(len, micro_batches(plain, 3))) == [1, 1, 1]


# ---- rows of examples


def row_maker(encoder: Encoder, ranked_share: float = 1.0, **keys: bool) -> RowMaker:
    flags = {
        "use_target": True,
        "use_nouns": True,
        "use_rank": True,
        "use_copy": True,
        "use_mlm": False,
    } | keys
    return RowMaker(encoder, ranked_share=ranked_share, mask_share=0.3, **flags)


def rows_of(maker: RowMaker, instance: Example | Reading, unit: int = 0) -> list[Row]:
    return maker.rows(instance, np.random.default_rng(0), unit)


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


# ---- rows of readings


def fills_of(encoder: Encoder, rows: Sequence[Row], choice: int) -> list[tuple[str, bool]]:
    """The candidates of one pronoun in the rows, by what they are called."""
    forms = {encoder.subwords(form): form for form in ("홍길동", "학생", "학생들", "책", "부산")}
    return [(forms[f.ids], f.gold) for row in rows for f in row.fills if f.choice == choice]


def test_reading_is_one_row_as_it_is_and_two_with_masks(encoder: Encoder) -> None:
    seen, right, other = rows_of(row_maker(encoder), READING, unit=7)
    assert seen.ids == encoder.plain(READING.text)[0]
    assert [len(row.references) for row in (seen, right, other)] == [2, 0, 0]
    assert [len(row.fills) > 0 for row in (seen, right, other)] == [False, True, True]
    assert {row.unit for row in (seen, right, other)} == {7}
    assert all(not (row.target or row.nouns or row.mlm) for row in (seen, right, other))


def test_no_mask_is_on_the_row_that_copying_learns_from(encoder: Encoder) -> None:
    rows = rows_of(row_maker(encoder), READING)
    for row in rows:
        assert (encoder.mask_id in row.ids) == (not row.references)


def test_references_of_a_reading_are_its_pronouns_and_candidates(encoder: Encoder) -> None:
    seen, *_ = rows_of(row_maker(encoder), READING)

    def spelled(places: tuple[int, ...]) -> str:
        return str(encoder.tokenizer.decode([seen.ids[i] for i in places]))

    assert [spelled(found.pronoun) for found in seen.references] == ["그", "그곳"]
    assert [[[spelled(o) for o in c] for c in found.candidates] for found in seen.references] == [
        [["홍길동"], ["부산"], ["학생들"]],
        [["홍길동"], ["부산"], ["학생들"], ["책"]],
    ]
    assert [found.gold for found in seen.references] == [
        (True, False, False), (False, True, False, False),
    ]  # fmt: skip


def test_masks_of_a_reading_are_as_many_as_the_right_candidates_need(encoder: Encoder) -> None:
    _, right, other = rows_of(row_maker(encoder), READING)
    lengths = {form: len(encoder.subwords(form)) for form in ("홍길동", "부산", "학생들", "책")}
    assert lengths == {"홍길동": 1, "부산": 1, "학생들": 2, "책": 1}
    # 그 and 그곳: one mask for the right candidates, two for the others.
    assert right.ids.count(encoder.mask_id) == 2
    assert other.ids.count(encoder.mask_id) == 4
    assert fills_of(encoder, [right], 0) == [("홍길동", True), ("부산", False)]
    assert fills_of(encoder, [right], 1) == [("홍길동", False), ("부산", True), ("책", False)]
    assert fills_of(encoder, [other], 0) == fills_of(encoder, [other], 1) == [("학생들", False)]


def test_masks_of_a_reading_stand_beside_their_pronouns(encoder: Encoder) -> None:
    _, right, other = rows_of(row_maker(encoder), READING)
    for row, masks in ((right, 1), (other, 2)):
        pieces = encoder.tokenizer.convert_ids_to_tokens(row.ids)
        for choice, spelled in enumerate(("그", "그곳")):
            (places,) = {fill.places for fill in row.fills if fill.choice == choice}
            assert [pieces[i] for i in places] == ["[MASK]"] * masks
            assert (pieces[places[0] - 1], pieces[places[-1] + 1]) == ("(", ")")
            before = pieces[places[0] - 1 - len(encoder.subwords(spelled)) : places[0] - 1]
            assert "".join(before).replace("##", "") == spelled


def test_another_length_is_drawn_anew(encoder: Encoder) -> None:
    forms = ("책", "학생들", "학생들은는")
    assert sorted(len(encoder.subwords(form)) for form in forms) == [1, 2, 3]
    candidates = tuple(Candidate(form, (0,), False, False, form == "책") for form in forms)
    asked = replace(READING, anaphors=(replace(READING.anaphors[0], candidates=candidates),))
    random = np.random.default_rng(0)
    drawn = {
        row_maker(encoder, use_copy=False).rows(asked, random)[1].ids.count(encoder.mask_id)
        for _ in range(30)
    }
    assert drawn == {2, 3}


def test_candidates_of_one_length_need_one_row(encoder: Encoder) -> None:
    candidates = candidates_of("책", "학생", gold=(1,))
    asked = replace(READING, anaphors=(replace(READING.anaphors[0], candidates=candidates),))
    (row,) = rows_of(row_maker(encoder, use_copy=False), asked)
    assert fills_of(encoder, [row], 0) == [("책", False), ("학생", True)]


def test_candidates_that_the_vocabulary_cannot_spell_are_not_ranked(encoder: Encoder) -> None:
    first, second = READING.anaphors
    unknown = (
        Candidate("뷁", (0,), False, False, True),
        Candidate("책", (0,), False, False, False),
    )
    asked = replace(READING, anaphors=(replace(first, candidates=unknown), second))
    rows = rows_of(row_maker(encoder), asked)
    assert {fill.choice for row in rows for fill in row.fills} == {1}
    assert count_targets(rows)["copy"] == 2  # where it stands is known


def cropping(encoder: Encoder, length: int) -> RowMaker:
    return row_maker(Encoder(encoder.tokenizer, length))


def test_pronouns_that_are_cropped_away_are_left_out(encoder: Encoder) -> None:
    # Two pronouns each with its antecedent before it, far apart: the middle holds neither.
    text = "민지가 왔다. 그녀는 " + "책을 읽고 " * 40 + "지우가 왔다. 그는 갔다."
    anaphors = tuple(
        Anaphor(
            (text.index(surface), text.index(surface) + len(surface)), surface,
            (Candidate(form, (text.index(form),), False, False, True),
             Candidate("책", (text.index("책"),), False, False, False)),
        )
        for surface, form in (("그녀", "민지"), ("그는", "지우"))
    )  # fmt: skip
    rows = rows_of(cropping(encoder, 32), Reading("d", 0, text, anaphors))
    assert count_targets(rows) == dict.fromkeys(("target", "nouns", "rank", "copy", "mlm"), 0)


def test_copying_without_the_right_candidate_in_sight_is_left_out(encoder: Encoder) -> None:
    text = "민지가 왔다. " + "책을 읽고 " * 15 + "그녀는 갔다."
    start = text.index("그녀")
    stood = (
        Candidate("민지", (0,), False, False, True),
        Candidate("책", (text.rindex("책"),), False, False, False),
    )
    reading = Reading("d", 0, text, (Anaphor((start, start + 2), "그녀", stood),))
    whole, cropped = (rows_of(cropping(encoder, n), reading) for n in (128, 32))
    assert (count_targets(whole)["copy"], count_targets(cropped)["copy"]) == (1, 0)
    # What candidates are called can be ranked all the same: the masks are in sight.
    assert count_targets(cropped)["rank"] == 1


def test_choices_without_their_right_candidate_are_left_out() -> None:
    right, wrong = Fill((1,), (5,), True, choice=0), Fill((1,), (6,), False, choice=0)
    lost = Fill((3,), (7,), False, choice=1)
    rows = [Row([1], fills=(right, lost), unit=2), Row([2], fills=(wrong,), unit=2)]
    kept = _choosable([*rows, Row([3], fills=(lost,), unit=2)])
    assert kept == [replace(rows[0], fills=(right,)), rows[1]]
    assert _choosable([Row([3], fills=(lost,))]) == []


def test_right_candidate_in_one_row_keeps_the_choice_in_the_other() -> None:
    rows = [
        Row([1], fills=(Fill((1,), (5,), False, choice=3),)),
        Row([2], fills=(Fill((1, 2), (6, 7), True, choice=3),)),
    ]
    assert _choosable(rows) == rows


@pytest.mark.parametrize("kind", ["target", "nouns", "rank", "copy"])
def test_loss_that_is_off_has_no_targets(encoder: Encoder, kind: str) -> None:
    maker = row_maker(encoder, **{f"use_{kind}": False})
    example = Example("d", "pronoun", 0, LEFT, "그", RIGHT, "학생", ("학생", "책"))
    counts = count_targets(rows_of(maker, example) + rows_of(maker, READING, unit=1))
    assert counts == {"target": 1, "nouns": 1, "rank": 2, "copy": 2, "mlm": 0} | {kind: 0}


@pytest.mark.parametrize("task", ["entity", "pronoun"])
def test_masked_example_can_do_masked_modelling_alone(encoder: Encoder, task: Task) -> None:
    maker = row_maker(encoder, use_target=False, use_nouns=False, use_mlm=True)
    (row,) = rows_of(maker, Example("d", task, 0, LEFT * 3, "그", RIGHT, "학생", ("학생", "책")))
    counts = count_targets([row])
    assert counts.pop("mlm") > 0
    assert set(counts.values()) == {0}


@pytest.mark.parametrize(
    ("example", "off"),
    [
        (Example("d", "entity", 0, LEFT * 3, "학생", RIGHT, "학생"), "use_target"),
        (Example("d", "pronoun", 0, LEFT * 3, "그", RIGHT, None, ("학생",)), "use_nouns"),
    ],
)
def test_example_whose_only_answer_is_not_asked_for_is_masked_modelling(
    encoder: Encoder, example: Example, off: str
) -> None:
    (row,) = rows_of(row_maker(encoder, use_mlm=True, **{off: False}), example)
    counts = count_targets([row])
    assert counts.pop("mlm") > 0
    assert set(counts.values()) == {0}
    assert rows_of(row_maker(encoder, **{off: False}), example) == []


def test_masked_example_neither_ranks_nor_copies(encoder: Encoder) -> None:
    example = Example("d", "pronoun", 0, LEFT, "그", RIGHT, "학생들", ("학생", "책"))
    counts = count_targets(rows_of(row_maker(encoder), example))
    assert counts == {"target": 1, "nouns": 1, "rank": 0, "copy": 0, "mlm": 0}


def test_places_of_a_reference_are_those_of_its_pronoun_and_candidates() -> None:
    found = Reference((4, 5), (((1,), (7, 8)), (), ((2,),)), (True, False, False), NO_SALIENCE[:3])
    assert list(found.places()) == [4, 5, 1, 7, 8, 2]


def test_mlm_of_a_reading_stays_away_from_pronouns_and_candidates(encoder: Encoder) -> None:
    maker = replace(row_maker(encoder, use_mlm=True), mask_share=0.99)
    seen, right, other = rows_of(maker, READING)
    places = {place for place, _ in seen.mlm}
    original = encoder.plain(READING.text)[0]
    assert len(places) > 8
    assert seen.mlm == tuple((place, original[place]) for place, _ in seen.mlm)
    needed = {place for found in seen.references for place in found.places()}
    # 그, 그곳, 홍길동, 부산, 학생들 and 책 are in sight.
    assert len(needed) == sum(
        len(encoder.subwords(form)) for form in ("그", "그곳", "홍길동", "부산", "학생들", "책")
    )
    assert places.isdisjoint(needed | {0, len(seen.ids) - 1})
    assert [seen.ids[place] for place in sorted(needed)] == [original[i] for i in sorted(needed)]
    assert (right.mlm, other.mlm) == ((), ())


@pytest.mark.parametrize(("share", "rows"), [(0.0, {1}), (1.0, {3}), (0.5, {1, 3})])
def test_share_of_the_readings_is_ranked(encoder: Encoder, share: float, rows: set[int]) -> None:
    maker, random = row_maker(encoder, ranked_share=share), np.random.default_rng(0)
    counts = [len(maker.rows(READING, random)) for _ in range(200)]
    assert set(counts) == rows
    assert counts.count(3) / 200 == pytest.approx(share, abs=0.1)


def test_reading_without_any_of_its_losses_has_no_rows(encoder: Encoder) -> None:
    maker = row_maker(encoder, use_copy=False, use_rank=False)
    assert rows_of(maker, READING) == []


def test_reading_that_is_not_copied_from_still_has_masked_modelling(encoder: Encoder) -> None:
    maker = row_maker(encoder, use_copy=False, use_rank=False, use_mlm=True)
    (row,) = rows_of(maker, READING)
    assert row.references == ()
    assert count_targets([row])["mlm"] > 0


def test_rows_of_a_reading_that_begins_further_on_are_the_same(encoder: Encoder) -> None:
    def moved(anaphor: Anaphor) -> Anaphor:
        candidates = tuple(
            replace(c, starts=tuple(start + 500 for start in c.starts)) for c in anaphor.candidates
        )
        return Anaphor((anaphor.span[0] + 500, anaphor.span[1] + 500), anaphor.surface, candidates)

    later = replace(READING, start=500, anaphors=tuple(map(moved, READING.anaphors)))
    for one, other in zip(
        rows_of(row_maker(encoder), READING), rows_of(row_maker(encoder), later), strict=True
    ):
        assert (one.ids, one.fills) == (other.ids, other.fills)
        for here, there in zip(one.references, other.references, strict=True):
            assert (here.pronoun, here.candidates) == (there.pronoun, there.candidates)
            assert np.array_equal(here.salience, there.salience)


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
    queries, places = candidate_queries(encoder, item_of(*forms), TEMPLATES["replace"])
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
    queries, places = candidate_queries(encoder, item_of(*forms), TEMPLATES["replace"])
    assert [len(query.fills) for query in queries] == [2, 1]
    assert places == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("template", TEMPLATES)
def test_masks_of_a_template_stand_between_its_parts(encoder: Encoder, template: str) -> None:
    queries, places = candidate_queries(encoder, item_of("책", "학생들"), TEMPLATES[template])
    before, behind = TEMPLATES[template].around(LEFT, "그", RIGHT)
    assert places == [(0, 0), (1, 0)]
    for query, masks in zip(queries, (1, 2), strict=True):
        assert query.ids == encoder.plain(before + "[MASK]" * masks + behind)[0]
        assert [query.ids[i] for i in query.masks] == [encoder.mask_id] * masks


def test_candidates_are_asked_as_ranking_is_trained(encoder: Encoder) -> None:
    asked = replace(READING, anaphors=READING.anaphors[:1])
    rows = rows_of(row_maker(encoder, use_copy=False), asked)
    (anaphor,) = asked.anaphors
    start, end = anaphor.span
    text = asked.text
    item = AntecedentItem("r", 0, text[:start], "그", text[end:], 0, anaphor.candidates)
    queries, _ = candidate_queries(encoder, item, TEMPLATES["apposition"])
    assert [query.ids for query in queries] == [row.ids for row in rows]
    for query, row in zip(queries, rows, strict=True):
        assert query.fills == tuple(fill.ids for fill in row.fills)
        assert {fill.places for fill in row.fills} == {tuple(query.masks)}


# ---- copying: one query for all pronouns of a text


def items_of(reading: Reading, around: int = 0) -> list[AntecedentItem]:
    """The items of a reading's pronouns; ``around`` characters more begin the document."""
    return [
        AntecedentItem(
            reading.document, around, reading.text[: a.span[0]], a.surface,
            reading.text[a.span[1] :], 0,
            tuple(replace(c, starts=tuple(i + around for i in c.starts)) for c in a.candidates),
        )
        for a in reading.anaphors
    ]  # fmt: skip


def test_items_of_one_text_share_a_query(encoder: Encoder) -> None:
    ((query, numbers),) = copy_queries(encoder, items_of(READING))
    assert numbers == [0, 1]
    assert (query.ids, query.masks, query.fills) == (encoder.plain(READING.text)[0], [], ())
    (row, *_) = rows_of(row_maker(encoder), READING)
    for asked, learned in zip(query.references, row.references, strict=True):
        assert (asked.pronoun, asked.candidates) == (learned.pronoun, learned.candidates)
        assert np.array_equal(asked.salience, learned.salience)


def test_items_of_other_texts_have_their_own_query(encoder: Encoder) -> None:
    one, two = items_of(READING)
    other = replace(one, document="other")
    later = items_of(READING, around=9)[1]
    found = [numbers for _, numbers in copy_queries(encoder, [one, other, later, two])]
    assert found == [[0, 3], [1], [2]]


def test_items_of_a_text_that_is_cropped_have_their_own_query(encoder: Encoder) -> None:
    narrow = Encoder(encoder.tokenizer, 12)
    found = list(copy_queries(narrow, items_of(READING)))
    assert [numbers for _, numbers in found] == [[0], [1]]
    for (query, _), surface in zip(found, ("그", "그곳"), strict=True):
        (reference,) = query.references
        assert len(query.ids) == 12
        assert encoder.tokenizer.decode([query.ids[i] for i in reference.pronoun]) == surface


@given(
    texts=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1)), min_size=1, max_size=6),
    length=st.sampled_from([16, 128]),
)
@settings(max_examples=20)
def test_shared_queries_give_the_scores_of_unshared_ones(
    checkpoint: Checkpoint, encoder: Encoder, texts: list[tuple[str, int]], length: int
) -> None:
    narrow = Encoder(encoder.tokenizer, length)
    items = [replace(items_of(READING)[which], document=name) for name, which in texts]
    asked = list(copy_queries(narrow, items))
    assert sorted(i for _, numbers in asked for i in numbers) == list(range(len(items)))
    answers = ask(checkpoint, [query for query, _ in asked], 64, "test")
    for (_, numbers), answer in zip(asked, answers, strict=True):
        for number, scores in zip(numbers, answer.copy_scores, strict=True):
            ((alone, _),) = copy_queries(narrow, [items[number]])
            (expected,) = ask(checkpoint, [alone], 64, "test")[0].copy_scores
            assert scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
def test_answers_do_not_depend_on_the_batches(
    checkpoint: Checkpoint, encoder: Encoder, batch_tokens: int
) -> None:
    queries = [
        query
        for left in (LEFT, LEFT * 2, "")
        for query in candidate_queries(
            encoder, item_of("학생", "학생들", left=left), TEMPLATES["replace"]
        )[0]
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
    queries = candidate_queries(encoder, item_of("학생"), TEMPLATES["replace"])[0]
    for mode in (True, False):
        checkpoint.model.train(mode)
        ask(checkpoint, queries, 64, "test")
        assert in_training() is mode
