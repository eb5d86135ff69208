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
PIECEWISE = ("target", "nouns", "rank", "mlm")
"""Those that are about pieces at masks."""


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

    ``at``, ``ids``, ``share`` and ``answer_of`` are by piece of an answer, first the ``sizes[0]``
    of kind target, then those of nouns, rank and mlm: its index into those places, its id, 1 / the
    number of pieces of its answer, so that every answer weighs the same, and the number of that
    answer (of nouns, of the set) within its kind. ``choice_of`` and ``gold`` are by candidate to
    be ranked: the number of its choice and whether it is right.
    """

    input_ids: Tensor
    attention_mask: Tensor
    rows: Tensor
    positions: Tensor
    at: Tensor
    ids: Tensor
    share: Tensor
    answer_of: Tensor
    sizes: Tensor
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

    pieces: dict[str, list[tuple[int, int, float, int]]] = {kind: [] for kind in PIECEWISE}
    answers = dict.fromkeys(PIECEWISE, 0)

    def add(kind: str, number: int, found: Sequence[tuple[int, int]], share: float) -> None:
        """Add the (position, id) of an answer's pieces in row ``number``."""
        pieces[kind] += [(at(number, place), i, share, answers[kind]) for place, i in found]
        answers[kind] += 1

    candidates: list[tuple[int, bool]] = []
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        attention[number, : len(row.ids)] = 1
        if row.target:
            add("target", number, row.target, 1 / len(row.target))
        if row.nouns is not None:
            place, nouns = row.nouns
            add("nouns", number, [(place, noun) for noun in nouns], 1)
        for masked in row.mlm:
            add("mlm", number, [masked], 1)
        for fill in row.fills:
            found = list(zip(fill.places, fill.ids, strict=True))
            add("rank", number, found, 1 / len(found))
            choice = choices.setdefault((row.unit, fill.choice), len(choices))
            candidates.append((choice, fill.gold))
    whole_batch = [piece for kind in PIECEWISE for piece in pieces[kind]]

    def whole(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long)

    return Batch(
        input_ids=ids,
        attention_mask=attention,
        rows=whole([row for row, _ in places]),
        positions=whole([place for _, place in places]),
        at=whole([piece[0] for piece in whole_batch]),
        ids=whole([piece[1] for piece in whole_batch]),
        share=torch.tensor([piece[2] for piece in whole_batch]),
        answer_of=whole([piece[3] for piece in whole_batch]),
        sizes=whole([len(pieces[kind]) for kind in PIECEWISE]),
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
    # All answers at once: the gradient of each such look is as large as the logits.
    sizes = batch.sizes.tolist()
    target, nouns, rank, mlm = (log_probs[batch.at, batch.ids] * batch.share).split(sizes)
    _, set_of, candidate_of, _ = batch.answer_of.split(sizes)
    sets = int(set_of.max()) + 1 if len(set_of) else 0
    scores = rank.new_zeros(len(batch.gold)).index_add(0, candidate_of, rank)
    return {
        "target": -target.sum(),
        "nouns": -grouped_logsumexp(nouns, set_of, sets).sum(),
        "rank": _choice_loss(scores, batch.choice_of, batch.gold),
        "copy": _choice_loss(
            output.copy_scores, batch.references.pronoun_of, batch.references.gold
        ),
        "mlm": -mlm.sum(),
    }


def _choice_loss(scores: Tensor, group_of: Tensor, gold: Tensor) -> Tensor:
    """Summed over groups: the negative log of the right ones' share in a softmax of the group."""
    if not len(gold):
        return scores.new_zeros(())
    groups = int(group_of.max()) + 1
    of_all = grouped_logsumexp(scores, group_of, groups)
    return (of_all - grouped_logsumexp(scores[gold], group_of[gold], groups)).sum()
