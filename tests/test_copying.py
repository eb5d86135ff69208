"""The copying head by hand: pronoun and occurrences in the text, scored, summed by candidate."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from math import exp, log, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from kocoref.errors import InputError
from kocoref.evaluation.prediction import Query, ask
from kocoref.examples.antecedents import Candidate
from kocoref.examples.reading import Anaphor
from kocoref.examples.salience import FEATURES, salience_features
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


def anaphor(start: int, surface: str, *candidates: Candidate) -> Anaphor:
    return Anaphor((start, start + len(surface)), surface, candidates)


def reference(
    *candidates: Sequence[tuple[int, ...]],
    pronoun: tuple[int, ...] = (0,),
    gold: int = 0,
    salience: dict[int, list[float]] | None = None,
) -> Reference:
    """``salience`` gives the first features of some candidates; all others are 0."""
    right = tuple(i == gold for i in range(len(candidates)))
    features = np.zeros((len(candidates), FEATURES), np.float32)
    for number, values in (salience or {}).items():
        features[number, : len(values)] = values
    return Reference(pronoun, tuple(map(tuple, candidates)), right, features)


# ---- where candidates stand


@pytest.mark.parametrize("shift", [0, 1000])
def test_pieces_of_a_candidate_spell_it(checkpoint: Checkpoint, shift: int) -> None:
    encoder = Encoder(checkpoint.tokenizer, 128)
    left = "홍길동은 학생들과 책을 읽었다. 홍길동은 웃었다. "
    encoded = encoder.visible(left, "그", "는 공부한다.")
    stood = (
        candidate("홍길동", shift, shift + left.rindex("홍길동")),
        candidate("학생들", shift + left.index("학생들"), gold=True),
    )
    found = refer(encoded, shift, anaphor(shift + len(left), "그", *stood))
    assert found is not None
    assert found.pronoun == tuple(encoded.places)
    assert checkpoint.tokenizer.decode([encoded.ids[i] for i in found.pronoun]) == "그"
    assert found.gold == (False, True)
    texts = [
        [checkpoint.tokenizer.decode([encoded.ids[i] for i in places]) for places in occurrences]
        for occurrences in found.candidates
    ]
    assert texts == [["홍길동", "홍길동"], ["학생들"]]
    expected = salience_features("그", shift + len(left), stood)
    assert np.array_equal(found.salience, expected)


def test_what_was_cropped_away_is_no_occurrence(checkpoint: Checkpoint) -> None:
    left = "홍길동은 " + "책을 읽고 " * 20 + "홍길동은 웃었다. "
    encoded = Encoder(checkpoint.tokenizer, 24).visible(left, "그", "는 공부한다.")
    stood = (candidate("홍길동", 0, left.rindex("홍길동")), candidate("홍", 0))
    found = refer(encoded, 0, anaphor(len(left), "그", *stood))
    assert encoded.cropped
    assert found is not None
    assert list(map(len, found.candidates)) == [1, 0]
    (places,) = found.candidates[0]
    assert checkpoint.tokenizer.decode([encoded.ids[i] for i in places]) == "홍길동"


def test_pronoun_that_was_cropped_away_refers_to_nothing(checkpoint: Checkpoint) -> None:
    left = "홍길동은 왔다. 그는 " + "책을 읽고 " * 20
    encoded = Encoder(checkpoint.tokenizer, 24).visible(left, "그", "는 공부한다.")
    first, last = left.index("그"), len(left)
    assert encoded.cropped
    assert refer(encoded, 0, anaphor(first, "그", candidate("홍길동", 0, gold=True))) is None
    assert refer(encoded, 0, anaphor(last, "그", candidate("홍길동", 0, gold=True))) is not None


def test_all_pronouns_of_one_text_are_found_in_it(checkpoint: Checkpoint) -> None:
    text = "홍길동은 왔다. 그는 책을 읽었다. 그녀는 그것을 안다."
    encoded = Encoder(checkpoint.tokenizer, 128).visible(text, "", "")
    for surface in ("그", "그녀", "그것"):
        start = text.index(f"{surface}{'을' if surface == '그것' else '는'}")
        found = refer(encoded, 0, anaphor(start, surface, candidate("홍길동", 0, gold=True)))
        assert found is not None
        assert checkpoint.tokenizer.decode([encoded.ids[i] for i in found.pronoun]) == surface
        assert found.candidates == (((1,),),)


# ---- scores


def test_scores_by_hand() -> None:
    head = CopyHead(2)
    # The pronoun (1, 2); an occurrence at 1; one of two pieces at 2 and 3, mean (2, 1).
    states = torch.tensor([[[1.0, 2.0], [3.0, 0.0], [4.0, 0.0], [0.0, 2.0]]])
    found = gather_references([[reference([(1,)], [(2, 3)], [(1,), (2, 3)], [])]])
    scores = head(states, found).tolist()
    one, two = 3 / sqrt(2), 4 / sqrt(2)
    assert scores == pytest.approx([one, two, log(exp(one) + exp(two)), UNSEEN])


def test_a_pronoun_of_several_pieces_is_their_mean() -> None:
    states = torch.tensor([[[2.0, 0.0], [0.0, 4.0], [3.0, 1.0]]])
    found = gather_references([[reference([(2,)], pronoun=(0, 1))]])
    assert CopyHead(2)(states, found).tolist() == pytest.approx([(1 * 3 + 2 * 1) / sqrt(2)])


def test_salience_is_added_to_the_score() -> None:
    head = CopyHead(2)
    with torch.no_grad():
        head.salience.weight[0, :3] = torch.tensor([10.0, -2.0, 0.5])
    states = torch.tensor([[[1.0, 2.0], [3.0, 0.0], [0.0, 2.0]]])
    asked = reference([(1,)], [(2,)], [], salience={0: [1, 1], 1: [0, 0, 4], 2: [0.5]})
    scores = head(states, gather_references([[asked]])).tolist()
    # 10 · 1 - 2 · 1 for the first, 0.5 · 4 for the second, 10 · 0.5 for the one that is not seen.
    expected = [3 / sqrt(2) + 8, 4 / sqrt(2) + 2, UNSEEN + 5]
    assert scores == pytest.approx(expected)


def test_head_begins_without_salience() -> None:
    head, states = CopyHead(2), torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])
    assert not head.salience.weight.any()
    plain, salient = (
        head(states, gather_references([[reference([(1,)], [(0,)], salience=values)]]))
        for values in (None, {0: [5, 7], 1: [1]})
    )
    assert plain.tolist() == salient.tolist() == pytest.approx([3 / sqrt(2), 5 / sqrt(2)])


def test_references_of_a_batch_are_in_the_order_of_rows_and_pronouns() -> None:
    one = reference([(1,), (2, 3)], [(4,)], pronoun=(5,), gold=1, salience={0: [1], 1: [2]})
    two = reference([(1,)], pronoun=(6, 7), salience={0: [3]})
    three = reference([(9,)], [], pronoun=(8,), salience={0: [4], 1: [5]})
    found = gather_references([[one, two], [], [three]])
    # Spans: of each reference first the occurrences, then the pronoun.
    assert list(zip(found.rows.tolist(), found.positions.tolist(), strict=True)) == [
        (0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 1), (0, 6), (0, 7), (2, 9), (2, 8),
    ]  # fmt: skip
    assert found.share.tolist() == [1, 0.5, 0.5, 1, 1, 1, 0.5, 0.5, 1, 1]
    assert found.span_of.tolist() == [0, 1, 1, 2, 3, 4, 5, 5, 6, 7]
    assert found.pronouns.tolist() == [3, 5, 7]
    assert found.occurrences.tolist() == [0, 1, 2, 4, 6]
    assert found.candidate_of.tolist() == [0, 0, 1, 2, 3]
    assert found.pronoun_of.tolist() == [0, 0, 1, 2, 2]
    assert found.gold.tolist() == [False, True, True, True, False]
    assert found.salience.shape == (5, FEATURES)
    assert found.salience[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_no_references_have_no_scores() -> None:
    found = gather_references([[], []])
    assert found.salience.shape == (0, FEATURES)
    assert CopyHead(4)(torch.randn(2, 3, 4), found).shape == (0,)


def test_references_do_not_mix() -> None:
    torch.manual_seed(1)
    head, states = CopyHead(4), torch.randn(3, 5, 4)
    torch.nn.init.normal_(head.salience.weight)
    parts = [
        reference([(1,)], [(2, 3)], pronoun=(4,), salience={0: [1, 2], 1: [0, 3]}),
        reference([(1,), (2,)], [(3,)], pronoun=(4,), salience={1: [4, 1]}),
        reference([(4,), (0, 1)], [(3,)], pronoun=(2,), salience={0: [2]}),
    ]
    together = head(states, gather_references([parts[:2], [], parts[2:]]))
    alone = [
        head(states[[row]], gather_references([[p]]))
        for row, p in zip((0, 0, 2), parts, strict=True)
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
    asked = reference([(1,)], [(2,)], pronoun=(3,), salience={0: [1]})
    rows = [Row([2, 5, 6, 4, 3], references=(asked,)), Row([2, 3])]
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
    assert {f"copying.{part}.weight" for part in ("query", "key", "salience")} <= touched
    assert any(name.startswith("model.") for name in touched)


def test_salience_that_is_frozen_gets_no_gradient(checkpoint: Checkpoint) -> None:
    head = CopyHead(2)
    head.salience.requires_grad_(False)
    states = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])
    asked = reference([(1,)], [(0,)], salience={0: [1, 2]})
    head(states, gather_references([[asked]]))[0].backward()
    assert head.salience.weight.grad is None
    assert head.query.weight.grad is not None


def test_queries_without_a_reference_have_no_copy_scores(checkpoint: Checkpoint) -> None:
    asked = Query([2, 5, 4, 3], [], references=(reference([(1,)], [], pronoun=(2,)),))
    plain = Query([2, 5, 6, 4, 3], [3], top=1)
    one, two, three = ask(checkpoint, [plain, asked, plain], 64, "test")
    assert (one.copy_scores, three.copy_scores) == ([], [])
    ((_, unseen),) = two.copy_scores
    assert unseen == UNSEEN


@pytest.mark.parametrize("batch_tokens", [1, 12, 4096])
def test_copy_scores_are_those_of_each_reference(checkpoint: Checkpoint, batch_tokens: int) -> None:
    one = reference([(1,)], [(2,)], pronoun=(3,))
    two = reference([(2,)], [(1,)], [(1,), (2,)], pronoun=(3,))
    other = reference([(1,)], pronoun=(2,))
    queries = [
        Query([2, 5, 6, 4, 3], [], references=(one, two)),
        Query([2, 5, 6, 3], [], references=(other,)),
        Query([2, 7, 6, 8, 9, 3], [], references=(two, one)),
    ]
    answers = ask(checkpoint, queries, batch_tokens, "test")
    assert [[len(scores) for scores in answer.copy_scores] for answer in answers] == [
        [2, 3], [1], [3, 2],
    ]  # fmt: skip
    for query, answer in zip(queries, answers, strict=True):
        for asked, scores in zip(query.references, answer.copy_scores, strict=True):
            (alone,) = ask(checkpoint, [Query(query.ids, [], references=(asked,))], 64, "test")
            assert alone.copy_scores == [pytest.approx(scores, abs=1e-5)]


def test_head_is_saved_beside_the_weights(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with torch.no_grad():
        checkpoint.model.copying.key.bias.fill_(0.5)
        checkpoint.model.copying.salience.weight.fill_(0.25)
    checkpoint.save(tmp_path / "saved")
    again = load_checkpoint(str(tmp_path / "saved"))
    assert again.model.copying.key.bias.tolist() == [0.5] * len(again.model.copying.key.bias)
    assert again.model.copying.salience.weight.tolist() == [[0.25] * FEATURES]
    (tmp_path / "saved" / COPYING).unlink()
    assert not load_checkpoint(str(tmp_path / "saved")).model.copying.salience.weight.any()
    assert not load_checkpoint(str(tmp_path / "saved")).model.copying.key.bias.any()


def test_copying_head_of_another_width_is_refused(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "model")
    save_file(CopyHead(8).state_dict(), tmp_path / "model" / COPYING)
    with pytest.raises(InputError, match=r"copying\.safetensors does not fit the model"):
        load_checkpoint(str(tmp_path / "model"))
