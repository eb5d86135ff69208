"""Examples as rows for the model, and the order they come in: a function of seed and step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kocoref.examples.example import Example
from kocoref.examples.options import Instance
from kocoref.examples.reading import Anaphor, Reading, focus
from kocoref.model.copying import Reference, refer
from kocoref.model.encoding import Encoder, budget_batches
from kocoref.model.objective import Fill, Row

BUCKET_STEPS = 8
"""Steps whose examples are sorted by length together, so that little is padded."""


@dataclass(frozen=True)
class RowMaker:
    """Turns examples into rows.

    ``mask_share`` of the pieces is masked for masked modelling; ``ranked_share`` of the readings
    is ranked.
    """

    encoder: Encoder
    use_target: bool
    use_nouns: bool
    use_rank: bool
    use_copy: bool
    use_mlm: bool
    ranked_share: float
    mask_share: float

    def rows(self, instance: Instance, random: np.random.Generator, unit: int = 0) -> list[Row]:
        """The rows of one example or reading; they share the number ``unit``."""
        if isinstance(instance, Reading):
            return self._reading(instance, random, unit)
        if instance.task == "replay":
            return self._plain(instance, random)
        return self._masked(instance, random, unit)

    def _masked(self, example: Example, random: np.random.Generator, unit: int) -> list[Row]:
        """A row for each number of masks that the answers need.

        Masked modelling of the same text is added to the first of them, away from its masks; it
        is all there is where no answer is asked for. An answer that the vocabulary cannot spell
        has no row.
        """
        left = example.left
        asked = self.use_target and example.target, self.use_nouns and example.nouns
        if not any(asked):
            if not self.use_mlm:
                return []
            encoded = self.encoder.masked(left, example.right, 1)
            return [self._with_mlm(Row(encoded.ids), encoded.places, random)]
        target = self._known(example.target or "", left) if self.use_target else ()
        nouns = self._noun_ids(example.nouns, left) if self.use_nouns else ()
        made: list[Row] = []
        for masks in sorted({len(target), int(bool(nouns))} - {0}):
            encoded = self.encoder.masked(left, example.right, masks)
            places = tuple(encoded.places)
            row = Row(
                encoded.ids,
                target=tuple(zip(places, target, strict=True)) if len(target) == masks else (),
                nouns=(places[0], nouns) if nouns and masks == 1 else None,
                unit=unit,
            )
            with_mlm = self.use_mlm and not made
            made.append(self._with_mlm(row, places, random) if with_mlm else row)
        return made

    def _reading(self, reading: Reading, random: np.random.Generator, unit: int) -> list[Row]:
        """A row for copying, and two with masks beside every pronoun, for ranking.

        In the row for copying pronouns and candidates are in sight, of other words some are masked
        for masked modelling.

        In one of the two each pronoun has as many masks as its right candidate has subwords, in
        the other as many as another one: with one number, right answers would only ever compete
        with answers of their length. Copying has a row of its own, in which no number of masks
        gives the answer away.
        """
        begin, end = (edge - reading.start for edge in focus(reading.anaphors))
        text = reading.text
        made: list[Row] = []
        if self.use_copy or self.use_mlm:
            seen = self.encoder.visible(text[:begin], text[begin:end], text[end:])
            asked = reading.anaphors if self.use_copy else ()
            found = [refer(seen, reading.start, anaphor) for anaphor in asked]
            references = tuple(r for r in found if r is not None and _right_in_sight(r))
            row = Row(seen.ids, references=references, unit=unit)
            needed = {place for reference in references for place in reference.places()}
            made.append(self._with_mlm(row, needed, random) if self.use_mlm else row)
        if self.use_rank and random.random() < self.ranked_share:
            made += self._ranked(reading, (begin, end), random, unit)
        return made

    def _ranked(
        self, reading: Reading, middle: tuple[int, int], random: np.random.Generator, unit: int
    ) -> list[Row]:
        known = [self._fills(anaphor) for anaphor in reading.anaphors]
        asked = [i for i, fills in enumerate(known) if any(gold for _, gold in fills)]
        right = {i: next(len(ids) for ids, gold in reversed(known[i]) if gold) for i in asked}
        other = {}
        for i in asked:
            lengths = sorted({len(ids) for ids, _ in known[i]} - {right[i]})
            other[i] = lengths[int(random.integers(len(lengths)))] if lengths else 0
        made = []
        for masks in (right, other):
            places = [
                (reading.anaphors[i].span[1] - reading.start, masks[i]) for i in asked if masks[i]
            ]
            if not places:
                continue
            encoded, positions = self.encoder.beside(reading.text, middle, places)
            at = dict(zip((i for i in asked if masks[i]), positions, strict=True))
            fills = tuple(
                Fill(at[i], ids, gold, choice=i)
                for i in at
                for ids, gold in known[i]
                if at[i] and len(ids) == masks[i]
            )
            made.append(Row(encoded.ids, fills=fills, unit=unit))
        return _choosable(made)

    def _fills(self, anaphor: Anaphor) -> list[tuple[tuple[int, ...], bool]]:
        """The candidates as they are spelled in brackets, and whether they are right."""
        found = [(self._known(known.form, "("), known.gold) for known in anaphor.candidates]
        return [(ids, gold) for ids, gold in found if ids]

    def _noun_ids(self, nouns: Sequence[str], left: str) -> tuple[int, ...]:
        """One mask holds one piece: only nouns that are one piece can be meant."""
        ids = {self._known(noun, left) for noun in nouns}
        return tuple(sorted(subwords[0] for subwords in ids if len(subwords) == 1))

    def _known(self, form: str, left: str) -> tuple[int, ...]:
        """The subwords of an answer behind ``left``, none where the vocabulary cannot spell it."""
        ids = self.encoder.subwords(form, left)
        return () if self.encoder.tokenizer.unk_token_id in ids else ids

    def _plain(self, example: Example, random: np.random.Generator) -> list[Row]:
        ids, _, _ = self.encoder.plain(example.left + example.surface + example.right)
        row = self._with_mlm(Row(ids), [], random)
        return [row] if row.mlm else []

    def _with_mlm(self, row: Row, masks: Collection[int], random: np.random.Generator) -> Row:
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


def _right_in_sight(reference: Reference) -> bool:
    """Whether a right candidate was not cropped away."""
    return any(
        gold and places for gold, places in zip(reference.gold, reference.candidates, strict=True)
    )


def _choosable(rows: Sequence[Row]) -> list[Row]:
    """The rows without the choices whose right candidate was cropped away."""
    right = {fill.choice for row in rows for fill in row.fills if fill.gold}
    kept = (tuple(fill for fill in row.fills if fill.choice in right) for row in rows)
    return [replace(row, fills=fills) for row, fills in zip(rows, kept, strict=True) if fills]


def steps(
    examples: Sequence[Instance], size: int, random: np.random.Generator
) -> Iterator[list[Instance]]:
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
