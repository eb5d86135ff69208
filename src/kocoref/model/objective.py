"""What is learned at the masks: exact answers, sets of answers, and plain masked modelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

KINDS = ("target", "nouns", "mlm")
"""The three losses, each averaged over its own targets of an optimizer step."""


@dataclass(frozen=True, slots=True)
class Row:
    """One input row and its targets.

    ``target`` is one id per position (the exact answer), ``nouns`` a position and the ids that
    count as answers there, ``mlm`` one id per position.
    """

    ids: list[int]
    target: tuple[tuple[int, int], ...] = ()
    nouns: tuple[int, tuple[int, ...]] | None = None
    mlm: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Batch:
    """Rows as tensors; places are (row, position) pairs that go through the head.

    ``target_share`` gives each subword of an answer 1 / its number of subwords, so that every
    answer weighs the same. ``noun_ids`` is (sets, most nouns), padded with -1.
    """

    input_ids: Tensor
    attention_mask: Tensor
    rows: Tensor
    positions: Tensor
    target_ids: Tensor
    target_share: Tensor
    noun_ids: Tensor
    mlm_ids: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def count_targets(rows: Sequence[Row]) -> dict[str, int]:
    """How many targets of each kind some rows have; an answer of several subwords is one."""
    return {
        "target": sum(bool(row.target) for row in rows),
        "nouns": sum(row.nouns is not None for row in rows),
        "mlm": sum(len(row.mlm) for row in rows),
    }


def collate(rows: Sequence[Row], pad_id: int) -> Batch:
    """Put rows in one batch, padded to its longest."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), pad_id)
    attention = torch.zeros(len(rows), longest, dtype=torch.long)
    targets, nouns, mlm = [], [], []
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        attention[number, : len(row.ids)] = 1
        targets += [(number, place, answer, 1 / len(row.target)) for place, answer in row.target]
        if row.nouns is not None:
            nouns.append((number, row.nouns[0], row.nouns[1]))
        mlm += [(number, place, answer) for place, answer in row.mlm]
    places = [item[:2] for kind in (targets, nouns, mlm) for item in kind]
    most = max((len(item[2]) for item in nouns), default=0)
    noun_ids = torch.full((len(nouns), most), -1)
    for number, item in enumerate(nouns):
        noun_ids[number, : len(item[2])] = torch.tensor(item[2])
    return Batch(
        input_ids=ids,
        attention_mask=attention,
        rows=torch.tensor([row for row, _ in places]),
        positions=torch.tensor([place for _, place in places]),
        target_ids=torch.tensor([item[2] for item in targets], dtype=torch.long),
        target_share=torch.tensor([item[3] for item in targets]),
        noun_ids=noun_ids,
        mlm_ids=torch.tensor([item[2] for item in mlm], dtype=torch.long),
    )


def loss_sums(logits: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Summed losses in nats by kind, of logits (places, vocabulary) in the batch's order.

    - target: mean negative log-probability over the subwords of the answer.
    - nouns: negative log of the summed probability of all context nouns (report, Option 1).
    - mlm: negative log-probability of the hidden piece.
    """
    log_probs = logits.float().log_softmax(dim=-1)
    at_target, at_nouns, at_mlm = log_probs.split(
        [len(batch.target_ids), len(batch.noun_ids), len(batch.mlm_ids)]
    )
    target = -at_target.gather(1, batch.target_ids[:, None]).squeeze(1)
    padding = batch.noun_ids < 0
    answers = at_nouns.gather(1, batch.noun_ids.clamp(min=0)).masked_fill(padding, -torch.inf)
    return {
        "target": (target * batch.target_share).sum(),
        "nouns": -answers.logsumexp(dim=1).sum() if len(answers) else log_probs.new_zeros(()),
        "mlm": nn.functional.nll_loss(at_mlm, batch.mlm_ids, reduction="sum"),
    }
