"""Copying from the context: the state of the mask against the states of the mentions.

The mention reference prediction of CorefBERT (Ye et al. 2020), over the candidates of a pronoun
instead of all words. A name needs no place in the vocabulary for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kocoref.examples.antecedents import Candidate
from kocoref.model.encoding import Encoded

UNSEEN = -1e4
"""Score of a candidate of which the model sees no occurrence."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A mask in a row and the candidates that it may refer to.

    ``candidates`` holds for each candidate its occurrences, each the positions of its pieces;
    ``gold`` says which candidates are right.
    """

    mask: int
    candidates: tuple[tuple[tuple[int, ...], ...], ...]
    gold: tuple[bool, ...]


@dataclass(frozen=True)
class References:
    """The references of a batch as tensors.

    A mask is ``mask_rows`` and ``mask_positions``; each piece of an occurrence has its row, its
    position, its share of the occurrence and the number of the occurrence; ``candidate_of`` is by
    occurrence, ``mask_of`` and ``gold`` by candidate.
    """

    mask_rows: Tensor
    mask_positions: Tensor
    rows: Tensor
    positions: Tensor
    share: Tensor
    occurrence_of: Tensor
    candidate_of: Tensor
    mask_of: Tensor
    gold: Tensor

    def to(self, device: torch.device) -> References:
        """The references on a device."""
        return References(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def refer(encoded: Encoded, start: int, candidates: Sequence[Candidate]) -> Reference:
    """What the first mask of a text that begins at ``start`` of its document may refer to."""
    return Reference(
        mask=encoded.masks[0],
        candidates=tuple(
            tuple(
                places
                for begin in candidate.starts
                if (places := encoded.pieces(begin - start, begin - start + len(candidate.form)))
            )
            for candidate in candidates
        ),
        gold=tuple(candidate.gold for candidate in candidates),
    )


def gather_references(found: Sequence[tuple[int, Reference]]) -> References:
    """The references of some rows, each with the number of its row in the batch."""
    pieces: list[tuple[int, int, float, int]] = []
    candidate_of: list[int] = []
    candidates: list[tuple[int, bool]] = []
    for number, (row, reference) in enumerate(found):
        for occurrences, gold in zip(reference.candidates, reference.gold, strict=True):
            for places in occurrences:
                pieces += [(row, place, 1 / len(places), len(candidate_of)) for place in places]
                candidate_of.append(len(candidates))
            candidates.append((number, gold))

    def whole(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long)

    return References(
        mask_rows=whole([row for row, _ in found]),
        mask_positions=whole([reference.mask for _, reference in found]),
        rows=whole([piece[0] for piece in pieces]),
        positions=whole([piece[1] for piece in pieces]),
        share=torch.tensor([piece[2] for piece in pieces]),
        occurrence_of=whole([piece[3] for piece in pieces]),
        candidate_of=whole(candidate_of),
        mask_of=whole([mask for mask, _ in candidates]),
        gold=torch.tensor([gold for _, gold in candidates], dtype=torch.bool),
    )


class CopyHead(nn.Module):
    """Scores candidates by the states of their occurrences.

    It begins as the plain product of states, so that an untrained head is no noise.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        for layer in (self.query, self.key):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, states: Tensor, references: References) -> Tensor:
        """Scores (candidates) from states (batch, length, width).

        The score of an occurrence is the scaled product of the mask's query and the mean key of
        its pieces; that of a candidate the log of the summed exponentials of its occurrences, so
        that softmax over candidates sums probability over occurrences.
        """
        with torch.autocast(
            states.device.type, enabled=False
        ):  # few and decisive: in full precision
            states = states.float()
            queries = self.query(states[references.mask_rows, references.mask_positions])
            pieces = states[references.rows, references.positions] * references.share[:, None]
            occurrences = states.new_zeros(len(references.candidate_of), states.shape[-1])
            keys = self.key(occurrences.index_add(0, references.occurrence_of, pieces))
            asked = queries[references.mask_of[references.candidate_of]]
            products = (keys * asked).sum(dim=1) / states.shape[-1] ** 0.5
            return grouped_logsumexp(products, references.candidate_of, len(references.mask_of))


def grouped_logsumexp(values: Tensor, group_of: Tensor, groups: int) -> Tensor:
    """The log of the summed exponentials of each group; ``UNSEEN`` for one without values."""
    highest = values.new_full((groups,), UNSEEN)
    highest = highest.scatter_reduce(0, group_of, values.detach(), "amax")
    sums = values.new_zeros(groups).index_add(0, group_of, (values - highest[group_of]).exp())
    return torch.where(sums > 0, highest + sums.clamp(min=1e-30).log(), highest)
