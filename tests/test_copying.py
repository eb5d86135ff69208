"""The copying head by hand: pronoun and occurrences in the text, scored, summed by candidate."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kocoref.evaluation.prediction import Query, ask
from kocoref.examples.antecedents import Candidate
from kocoref.model.checkpoint import COPYING, Checkpoint, load_checkpoint
from kocoref.model.copying import (
    UNSEEN,
    CopyHead,
    Reference,
    gather_references,
    grouped_logsumexp,
    refer,
)
from kocoref.model.encoding import Encoder
from kocoref.model.objective import Row, collate, loss_sums


@pytest.fixture(scope="module")
def checkpoint(tiny: Path) -> Checkpoint:
    return load_checkpoint(str(tiny))


def candidate(form: str, *starts: int, gold: bool = False) -> Candidate:
    return Candidate(form, starts, False, False, gold)


def reference(
    *candidates: Sequence[tuple[int, ...]], pronoun: tuple[int, ...] = (0,), gold: int = 0
) -> Reference:
    right = tuple(i == gold for i in range(len(candidates)))
    return Reference(pronoun, tuple(map(tuple, candidates)), right)


# ---- where candidates stand


@pytest.mark.parametrize("shift", [0, 1000])
def test_pieces_of_a_candidate_spell_it(checkpoint: Checkpoint, shift: int) -> None:
    encoder = Encoder(checkpoint.tokenizer, 128)
    left = "홍길동은 학생들과 책을 읽었다. 홍길동은 웃었다. "
    encoded = encoder.visible(left, "그", "는 공부한다.")
    found = refer(
        encoded,
        shift,
        [candidate("홍길동", shift, shift + left.rindex("홍길동")),
         candidate("학생들", shift + left.index("학생들"), gold=True)],
    )  # fmt: skip
    assert found.pronoun == tuple(encoded.places)
    assert checkpoint.tokenizer.decode([encoded.ids[i] for i in found.pronoun]) == "그"
    assert found.gold == (False, True)
    texts = [
        [checkpoint.tokenizer.decode([encoded.ids[i] for i in places]) for places in occurrences]
        for occurrences in found.candidates
    ]
    assert texts == [["홍길동", "홍길동"], ["학생들"]]


def test_what_was_cropped_away_is_no_occurrence(checkpoint: Checkpoint) -> None:
    left = "홍길동은 " + "책을 읽고 " * 20 + "홍길동은 웃었다. "
    encoded = Encoder(checkpoint.tokenizer, 24).visible(left, "그", "는 공부한다.")
    found = refer(encoded, 0, [candidate("홍길동", 0, left.rindex("홍길동")), candidate("홍", 0)])
    assert encoded.cropped
    assert list(map(len, found.candidates)) == [1, 0]
    (places,) = found.candidates[0]
    assert checkpoint.tokenizer.decode([encoded.ids[i] for i in places]) == "홍길동"


# ---- scores


def test_scores_by_hand() -> None:
    head = CopyHead(2)
    # The pronoun (1, 2); an occurrence at 1; one of two pieces at 2 and 3, mean (2, 1).
    states = torch.tensor([[[1.0, 2.0], [3.0, 0.0], [4.0, 0.0], [0.0, 2.0]]])
    found = gather_references([reference([(1,)], [(2, 3)], [(1,), (2, 3)], [])])
    scores = head(states, found).tolist()
    one, two = 3 / sqrt(2), 4 / sqrt(2)
    assert scores == pytest.approx([one, two, log(exp(one) + exp(two)), UNSEEN])


def test_a_pronoun_of_several_pieces_is_their_mean() -> None:
    states = torch.tensor([[[2.0, 0.0], [0.0, 4.0], [3.0, 1.0]]])
    found = gather_references([reference([(2,)], pronoun=(0, 1))])
    assert CopyHead(2)(states, found).tolist() == pytest.approx([(1 * 3 + 2 * 1) / sqrt(2)])


def test_rows_do_not_mix() -> None:
    torch.manual_seed(1)
    head, states = CopyHead(4), torch.randn(3, 5, 4)
    parts = [
        reference([(1,)], [(2, 3)], pronoun=(4,)),
        reference([(4,), (0, 1)], [(3,)], pronoun=(2,)),
    ]
    together = head(states, gather_references([parts[0], None, parts[1]]))
    alone = [
        head(states[[row]], gather_references([p])) for row, p in zip((0, 2), parts, strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone))


@given(groups=st.lists(st.lists(st.floats(-50, 50, width=32), max_size=4), min_size=1, max_size=5))
def test_logsumexp_of_groups(groups: list[list[float]]) -> None:
    values = torch.tensor([value for group in groups for value in group], dtype=torch.float32)
    group_of = torch.tensor([i for i, group in enumerate(groups) for _ in group], dtype=torch.long)
    found = grouped_logsumexp(values, group_of, len(groups))
    expected = [torch.tensor(group).logsumexp(0).item() if group else UNSEEN for group in groups]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_an_unseen_candidate_has_no_gradient_and_spoils_none() -> None:
    values = torch.tensor([1.0, 3.0], requires_grad=True)
    grouped_logsumexp(values, torch.tensor([0, 0]), 2).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == pytest.approx([1 / (1 + exp(2)), 1 / (1 + exp(-2))])


# ---- in the model


def test_copy_loss_reaches_encoder_and_head(checkpoint: Checkpoint) -> None:
    rows = [Row([2, 5, 6, 4, 3], reference=reference([(1,)], [(2,)], pronoun=(3,))), Row([2, 3])]
    batch = collate(rows, 0)
    checkpoint.model.zero_grad()
    output = checkpoint.model(
        batch.input_ids, batch.attention_mask, batch.rows, batch.positions, batch.references
    )
    assert output.logits.shape[0] == 0
    loss_sums(output, batch)["copy"].backward()
    touched = {
        name
        for name, p in checkpoint.model.named_parameters()
        if p.grad is not None and p.grad.any()
    }
    assert {"copying.query.weight", "copying.key.weight"} <= touched
    assert any(name.startswith("model.") for name in touched)


def test_queries_without_a_reference_have_no_copy_scores(checkpoint: Checkpoint) -> None:
    asked = Query([2, 5, 4, 3], [], reference=reference([(1,)], [], pronoun=(2,)))
    plain = Query([2, 5, 6, 4, 3], [3], top=1)
    one, two, three = ask(checkpoint, [plain, asked, plain], 64, "test")
    assert (len(one.copy_scores), len(two.copy_scores), len(three.copy_scores)) == (0, 2, 0)
    assert two.copy_scores[1] == UNSEEN


def test_head_is_saved_beside_the_weights(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with torch.no_grad():
        checkpoint.model.copying.key.bias.fill_(0.5)
    checkpoint.save(tmp_path / "saved")
    again = load_checkpoint(str(tmp_path / "saved"))
    assert again.model.copying.key.bias.tolist() == [0.5] * len(again.model.copying.key.bias)
    (tmp_path / "saved" / COPYING).unlink()
    assert not load_checkpoint(str(tmp_path / "saved")).model.copying.key.bias.any()
