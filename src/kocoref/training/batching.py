"""Examples as rows for the model, and the order they come in: a function of seed and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kocoref.examples.example import Example
from kocoref.model.copying import Reference, refer
from kocoref.model.encoding import Encoded, Encoder, budget_batches
from kocoref.model.objective import Fill, Row

RANKED_LENGTHS = 2
"""With one, right answers would only ever compete with shorter ones."""
BUCKET_STEPS = 8
"""Steps whose examples are sorted by length together, so that little is padded."""


@dataclass(frozen=True)
class RowMaker:
    """Turns examples into rows; ``mask_share`` of the pieces is masked for masked modelling."""

    encoder: Encoder
    use_target: bool
    use_nouns: bool
    use_rank: bool
    use_copy: bool
    use_mlm: bool
    mask_share: float

    def rows(self, example: Example, random: np.random.Generator, unit: int = 0) -> list[Row]:
        """A row for each number of masks that the example's answers need; one as it is for copying.

        Candidates are ranked within at most ``RANKED_LENGTHS`` numbers of subwords, the right
        one's among them, another drawn anew each time: every further number is a row of its own.
        Copying is learned with the pronoun in sight, as it is used, and from one mask, which
        teaches the mask where to look. Masked modelling of the same text is added to the first
        row, away from its masks. The rows of one example share the number ``unit``.
        """
        if example.task == "replay":
            return self._plain(example, random)
        if example.task == "entity_unlabelled":
            encoded = self.encoder.masked(example.left, example.right, 1)
            return [self._with_mlm(Row(encoded.ids), encoded.places, random)]
        target = self._known(example.target or "") if self.use_target else ()
        nouns = self._noun_ids(example.nouns) if self.use_nouns else ()
        found = example.candidates if self.use_rank else ()
        fills = [(self._known(candidate.form), candidate.gold) for candidate in found]
        right = [ids for ids, gold in fills if ids and gold]
        copied = self.use_copy and any(candidate.gold for candidate in example.candidates)

        def refer_from(encoded: Encoded) -> Reference | None:
            return refer(encoded, example.start, example.candidates) if copied else None

        fills = fills if right else []
        needed = {len(target), int(bool(nouns))} - {0}
        if right and target not in right:
            needed.add(len(right[0]))
        others = sorted({len(ids) for ids, _ in fills} - needed - {0})
        if fills and others and len(needed) < RANKED_LENGTHS:
            needed.add(others[int(random.integers(len(others)))])
        made: list[Row] = []
        for masks in sorted(needed):
            encoded = self.encoder.masked(example.left, example.right, masks)
            places = tuple(encoded.places)
            row = Row(
                encoded.ids,
                target=tuple(zip(places, target, strict=True)) if len(target) == masks else (),
                nouns=(places[0], nouns) if nouns and masks == 1 else None,
                fills=tuple(Fill(places, ids, gold) for ids, gold in fills if len(ids) == masks),
                reference=refer_from(encoded) if masks == 1 else None,
                unit=unit,
            )
            with_mlm = self.use_mlm and not made
            made.append(self._with_mlm(row, places, random) if with_mlm else row)
        if copied:
            seen = self.encoder.visible(example.left, example.surface, example.right)
            made.append(Row(seen.ids, reference=refer_from(seen), unit=unit))
        return made

    def _noun_ids(self, nouns: Sequence[str]) -> tuple[int, ...]:
        """One mask holds one piece: only nouns that are one piece can be meant."""
        ids = {self._known(noun) for noun in nouns}
        return tuple(sorted(subwords[0] for subwords in ids if len(subwords) == 1))

    def _known(self, form: str) -> tuple[int, ...]:
        """The subwords of an answer, none where the vocabulary cannot spell it."""
        ids = self.encoder.subwords(form)
        return () if self.encoder.tokenizer.unk_token_id in ids else ids

    def _plain(self, example: Example, random: np.random.Generator) -> list[Row]:
        ids, _, _ = self.encoder.plain(example.left + example.surface + example.right)
        row = self._with_mlm(Row(ids), [], random)
        return [row] if row.mlm else []

    def _with_mlm(self, row: Row, masks: Sequence[int], random: np.random.Generator) -> Row:
        """Mask pieces for ordinary masked modelling: 80 % mask, 10 % another piece, 10 % kept."""
        special = {0, len(row.ids) - 1, *masks}
        chosen = [
            place
            for place in np.flatnonzero(random.random(len(row.ids)) < self.mask_share).tolist()
            if place not in special
        ]
        ids = list(row.ids)
        for place in chosen:
            kind = random.random()
            if kind < 0.8:
                ids[place] = self.encoder.mask_id
            elif kind < 0.9:
                ids[place] = int(random.integers(len(self.encoder.tokenizer)))
        return replace(row, ids=ids, mlm=tuple((place, row.ids[place]) for place in chosen))


def steps(
    examples: Sequence[Example], size: int, random: np.random.Generator
) -> Iterator[list[Example]]:
    """The examples of each optimizer step of one epoch, in random order.

    Examples of similar length come together.
    """
    order = random.permutation(len(examples)).tolist()
    made = []
    for start in range(0, len(order), size * BUCKET_STEPS):
        bucket = sorted(
            order[start : start + size * BUCKET_STEPS], key=lambda i: examples[i].length
        )
        made += [bucket[i : i + size] for i in range(0, len(bucket), size)]
    for index in random.permutation(len(made)):
        yield [examples[i] for i in made[index]]


def micro_batches(rows: Sequence[Row], budget: int) -> list[list[Row]]:
    """Rows of a step in batches of at most ``budget`` padded tokens, rows of a unit together."""
    by_unit: dict[tuple[int, int], list[Row]] = {}
    for number, row in enumerate(rows):
        by_unit.setdefault((row.unit, number if row.unit < 0 else 0), []).append(row)
    units = list(by_unit.values())
    lengths = [max(len(row.ids) for row in unit) for unit in units]
    return [
        [row for i in batch for row in units[i]]
        for batch in budget_batches(lengths, budget, [len(unit) for unit in units])
    ]
