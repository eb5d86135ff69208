"""Copying from the context: the state of a pronoun against the states of its candidates.

The mention reference prediction of CorefBERT (Ye et al. 2020) for pronouns, which stay in sight:
그녀 and 그곳 ask for different things. A name needs no place in the vocabulary for it. What is
known of a candidate without reading, its salience, is added to its score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kocoref.examples.reading import Anaphor
from kocoref.examples.salience import FEATURES, salience_features
from kocoref.model.encoding import Encoded

UNSEEN = -1e4
"""Score of a candidate of which the model sees no occurrence."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A pronoun in a row and the candidates that it may refer to, as positions of their pieces.

    ``candidates`` holds for each candidate its occurrences; ``gold`` says which are right;
    ``salience`` is (candidates, ``FEATURES``).
    """

    pronoun: tuple[int, ...]
    candidates: tuple[tuple[tuple[int, ...], ...], ...]
    gold: tuple[bool, ...]
    salience: NDArray[np.float32]

    def places(self) -> Iterator[int]:
        """The positions of all pieces of the pronoun and its candidates."""
        yield from self.pronoun
        for occurrences in self.candidates:
            for places in occurrences:
                yield from places


@dataclass(frozen=True)
class References:
    """The references of a batch as tensors.

    Pronouns and occurrences of candidates are spans: each piece of a span has its row, position,
    share of the span and the number of the span. ``pronouns`` and ``occurrences`` are numbers of
    spans, ``candidate_of`` is by occurrence; ``pronoun_of``, ``gold`` and ``salience`` are by
    candidate.
    """

    rows: Tensor
    positions: Tensor
    share: Tensor
    span_of: Tensor
    pronouns: Tensor
    occurrences: Tensor
    candidate_of: Tensor
    pronoun_of: Tensor
    gold: Tensor
    salience: Tensor

    def to(self, device: torch.device) -> References:
        """The references on a device."""
        return References(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def refer(encoded: Encoded, start: int, anaphor: Anaphor) -> Reference | None:
    """What a pronoun of an encoded text may refer to; the text begins at ``start``.

    None where the pronoun was cropped away.
    """
    begin, end = anaphor.span
    pronoun = encoded.pieces(begin - start, end - start)
    if not pronoun:
        return None
    candidates = anaphor.candidates
    return Reference(
        pronoun=pronoun,
        candidates=tuple(
            tuple(
                places
                for first in candidate.starts
                if (places := encoded.pieces(first - start, first - start + len(candidate.form)))
            )
            for candidate in candidates
        ),
        gold=tuple(candidate.gold for candidate in candidates),
        salience=salience_features(anaphor.surface, begin, candidates),
    )


def gather_references(by_row: Sequence[Sequence[Reference]]) -> References:
    """The references of the rows of a batch, in their order."""
    pieces: list[tuple[int, int, float, int]] = []
    spans = count()

    def span(row: int, places: Sequence[int]) -> int:
        number = next(spans)
        pieces.extend((row, place, 1 / len(places), number) for place in places)
        return number

    pronouns: list[int] = []
    occurrences: list[tuple[int, int]] = []
    candidates: list[tuple[int, bool]] = []
    salience: list[NDArray[np.float32]] = [np.zeros((0, FEATURES), np.float32)]
    for row, reference in ((row, found) for row, held in enumerate(by_row) for found in held):
        for places_of, gold in zip(reference.candidates, reference.gold, strict=True):
            occurrences += [(span(row, places), len(candidates)) for places in places_of]
            candidates.append((len(pronouns), gold))
        pronouns.append(span(row, reference.pronoun))
        salience.append(reference.salience)

    def whole(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long)

    return References(
        rows=whole([piece[0] for piece in pieces]),
        positions=whole([piece[1] for piece in pieces]),
        share=torch.tensor([piece[2] for piece in pieces]),
        span_of=whole([piece[3] for piece in pieces]),
        pronouns=whole(pronouns),
        occurrences=whole([span for span, _ in occurrences]),
        candidate_of=whole([candidate for _, candidate in occurrences]),
        pronoun_of=whole([pronoun for pronoun, _ in candidates]),
        gold=torch.tensor([gold for _, gold in candidates], dtype=torch.bool),
        salience=torch.from_numpy(np.concatenate(salience)),
    )


class CopyHead(nn.Module):
    """Scores candidates by the states of their occurrences, and by their salience.

    It begins as the plain product of states, so that an untrained head is no noise.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        for layer in (self.query, self.key):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.salience = nn.Linear(FEATURES, 1, bias=False)
        nn.init.zeros_(self.salience.weight)

    def forward(self, states: Tensor, references: References) -> Tensor:
        """Scores (candidates) from states (batch, length, width).

        The score of an occurrence is the scaled product of the pronoun's query and the
        occurrence's key, each of the mean state of its pieces; that of a candidate the log of the
        summed exponentials of its occurrences, so that softmax over candidates sums probability
        over occurrences, plus a weighted sum of its salience.
        """
        found, width = references, states.shape[-1]
        with torch.autocast(states.device.type, enabled=False):  # little work, but ties decide
            pieces = states.float()[found.rows, found.positions] * found.share[:, None]
            spans = pieces.new_zeros(len(found.pronouns) + len(found.occurrences), width)
            spans = spans.index_add(0, found.span_of, pieces)
            queries = self.query(spans[found.pronouns])[found.pronoun_of[found.candidate_of]]
            keys = self.key(spans[found.occurrences])
            products = (keys * queries).sum(dim=1) / width**0.5
            read = grouped_logsumexp(products, found.candidate_of, len(found.pronoun_of))
            scores: Tensor = read + self.salience(found.salience).squeeze(1)
            return scores


def grouped_logsumexp(values: Tensor, group_of: Tensor, groups: int) -> Tensor:
    """The log of the summed exponentials of each group; ``UNSEEN`` for one without values."""
    highest = values.new_full((groups,), UNSEEN)
    highest = highest.scatter_reduce(0, group_of, values.detach(), "amax")
    sums = values.new_zeros(groups).index_add(0, group_of, (values - highest[group_of]).exp())
    return torch.where(sums > 0, highest + sums.clamp(min=1e-30).log(), highest)
