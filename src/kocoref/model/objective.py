"""What is learned at the masks: exact answers, sets of answers, rankings, plain modelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kocoref.model.copying import Reference, References, gather_references, grouped_logsumexp

KINDS = ("target", "nouns", "rank", "copy", "mlm")
"""The losses, each averaged over its own targets of an optimizer step."""


class Output(NamedTuple):
    """Logits (places, vocabulary) in the batch's order; scores of the references' candidates."""

    logits: Tensor
    copy_scores: Tensor


class Fill(NamedTuple):
    """A candidate in the masks of a row: one id for each of the ``places``.

    ``choice`` is which of the choices of its unit it belongs to.
    """

    places: tuple[int, ...]
    ids: tuple[int, ...]
    gold: bool
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One input row and its targets.

    ``target`` is one id per position (the exact answer), ``nouns`` a position and the ids that
    count as answers there, ``mlm`` one id per position. ``fills`` are candidates, ranked against
    those of the same choice in all rows of the same ``unit``; ``references`` are pronouns in sight
    and what they may refer to.
    """

    ids: list[int]
    target: tuple[tuple[int, int], ...] = ()
    nouns: tuple[int, tuple[int, ...]] | None = None
    mlm: tuple[tuple[int, int], ...] = ()
    fills: tuple[Fill, ...] = ()
    references: tuple[Reference, ...] = ()
    unit: int = -1

    def has_targets(self) -> bool:
        """Whether anything is learned from the row."""
        return bool(self.target or self.nouns or self.mlm or self.fills or self.references)


@dataclass(frozen=True)
class Batch:
    """Rows as tensors; every (row, position) that is needed goes through the head once.

    The ``*_at`` tensors are indices into those places. ``target_share`` and ``fill_share`` give
    each subword 1 / the number of subwords, so that every answer weighs the same. ``noun_ids`` is
    (sets, most nouns), padded with -1. ``fill_of`` is the candidate of each fill's subword,
    ``choice_of`` and ``gold`` the choice of each candidate and whether it is right.
    """

    input_ids: Tensor
    attention_mask: Tensor
    rows: Tensor
    positions: Tensor
    target_at: Tensor
    target_ids: Tensor
    target_share: Tensor
    noun_at: Tensor
    noun_ids: Tensor
    mlm_at: Tensor
    mlm_ids: Tensor
    fill_at: Tensor
    fill_ids: Tensor
    fill_share: Tensor
    fill_of: Tensor
    choice_of: Tensor
    gold: Tensor
    references: References

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(**{name: part.to(device) for name, part in vars(self).items()})


def count_targets(rows: Sequence[Row]) -> dict[str, int]:
    """How many targets of each kind some rows have; an answer of several subwords is one."""
    return {
        "target": sum(bool(row.target) for row in rows),
        "nouns": sum(row.nouns is not None for row in rows),
        "rank": len({(row.unit, fill.choice) for row in rows for fill in row.fills}),
        "copy": sum(len(row.references) for row in rows),
        "mlm": sum(len(row.mlm) for row in rows),
    }


def collate(rows: Sequence[Row], pad_id: int) -> Batch:
    """Put rows in one batch, padded to its longest."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad_id)
    attention = torch.zeros(len(rows), longest, dtype=torch.long)
    places: dict[tuple[int, int], int] = {}
    choices: dict[tuple[int, int], int] = {}

    def at(number: int, position: int) -> int:
        return places.setdefault((number, position), len(places))

    target: list[tuple[int, int, float]] = []
    nouns: list[tuple[int, tuple[int, ...]]] = []
    mlm: list[tuple[int, int]] = []
    fills: list[tuple[int, int, float, int]] = []
    candidates: list[tuple[int, bool]] = []
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        attention[number, : len(row.ids)] = 1
        target += [(at(number, place), i, 1 / len(row.target)) for place, i in row.target]
        if row.nouns is not None:
            nouns.append((at(number, row.nouns[0]), row.nouns[1]))
        mlm += [(at(number, place), i) for place, i in row.mlm]
        for fill in row.fills:
            fills += [
                (at(number, place), i, 1 / len(fill.ids), len(candidates))
                for place, i in zip(fill.places, fill.ids, strict=True)
            ]
            choice = choices.setdefault((row.unit, fill.choice), len(choices))
            candidates.append((choice, fill.gold))
    noun_ids = torch.full((len(nouns), max((len(item[1]) for item in nouns), default=0)), -1)
    for number, (_, answers) in enumerate(nouns):
        noun_ids[number, : len(answers)] = torch.tensor(answers)

    def whole(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long)

    return Batch(
        input_ids=ids,
        attention_mask=attention,
        rows=whole([row for row, _ in places]),
        positions=whole([place for _, place in places]),
        target_at=whole([item[0] for item in target]),
        target_ids=whole([item[1] for item in target]),
        target_share=torch.tensor([item[2] for item in target]),
        noun_at=whole([item[0] for item in nouns]),
        noun_ids=noun_ids,
        mlm_at=whole([item[0] for item in mlm]),
        mlm_ids=whole([item[1] for item in mlm]),
        fill_at=whole([item[0] for item in fills]),
        fill_ids=whole([item[1] for item in fills]),
        fill_share=torch.tensor([item[2] for item in fills]),
        fill_of=whole([item[3] for item in fills]),
        choice_of=whole([choice for choice, _ in candidates]),
        gold=torch.tensor([gold for _, gold in candidates], dtype=torch.bool),
        references=gather_references([row.references for row in rows]),
    )


def loss_sums(output: Output, batch: Batch) -> dict[str, Tensor]:
    """Summed losses in nats by kind, of what the model says about the batch.

    - target: mean negative log-probability over the subwords of the answer.
    - nouns: negative log of the summed probability of all context nouns (report, Option 1).
    - rank: negative log of the share of the right candidates in a softmax over the candidates'
      scores, a score being the mean log-probability of its subwords (after Kocijan et al. 2019).
    - copy: the same with the scores of the copying head (after Ye et al. 2020).
    - mlm: negative log-probability of the hidden piece.
    """
    log_probs = output.logits.float().log_softmax(dim=-1)
    target = -log_probs[batch.target_at, batch.target_ids]
    padding = batch.noun_ids < 0
    answers = log_probs[batch.noun_at].gather(1, batch.noun_ids.clamp(min=0))
    answers = answers.masked_fill(padding, -torch.inf)
    none = log_probs.new_zeros(())
    return {
        "target": (target * batch.target_share).sum(),
        "nouns": -answers.logsumexp(dim=1).sum() if len(answers) else none,
        "rank": _rank_loss(log_probs, batch),
        "copy": _choice_loss(
            output.copy_scores, batch.references.pronoun_of, batch.references.gold
        ),
        "mlm": -log_probs[batch.mlm_at, batch.mlm_ids].sum(),
    }


def _rank_loss(log_probs: Tensor, batch: Batch) -> Tensor:
    subwords = log_probs[batch.fill_at, batch.fill_ids] * batch.fill_share
    scores = log_probs.new_zeros(len(batch.gold)).index_add(0, batch.fill_of, subwords)
    return _choice_loss(scores, batch.choice_of, batch.gold)


def _choice_loss(scores: Tensor, group_of: Tensor, gold: Tensor) -> Tensor:
    """Summed over groups: the negative log of the right ones' share in a softmax of the group."""
    if not len(gold):
        return scores.new_zeros(())
    groups = int(group_of.max()) + 1
    of_all = grouped_logsumexp(scores, group_of, groups)
    return (of_all - grouped_logsumexp(scores[gold], group_of[gold], groups)).sum()
