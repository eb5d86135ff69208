"""Text with masks as token ids: the same for training and evaluation."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from transformers import BatchEncoding, PreTrainedTokenizerBase


class Encoded(NamedTuple):
    """Ids with special tokens, and the positions of the masks (or of the pronoun) in the middle.

    ``first`` is the position of the first kept piece, ``offsets`` the characters of each of them.
    ``inserts`` are the places of the text after which something was put in, and its length.
    """

    ids: list[int]
    places: list[int]
    cropped: bool
    first: int
    offsets: list[tuple[int, int]]
    inserts: tuple[tuple[int, int], ...] = ()

    def at(self, piece: int) -> int:
        """The id of a kept piece."""
        return self.ids[self.first + piece]

    def pieces(self, start: int, end: int) -> tuple[int, ...]:
        """The positions of the pieces that hold characters of the text, of those that were kept."""
        start += sum(length for place, length in self.inserts if place <= start)
        end += sum(length for place, length in self.inserts if place < end)
        begin = bisect_right(self.offsets, start, key=itemgetter(1))
        stop = bisect_left(self.offsets, end, key=itemgetter(0))
        return tuple(range(self.first + begin, self.first + stop))


class Encoder:
    """Encodes text around masks, cropping evenly around them what a model cannot take."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.mask_id = int(tokenizer.mask_token_id)
        self._mask = str(tokenizer.mask_token)
        around: list[int] = tokenizer(self._mask).input_ids
        place = around.index(self.mask_id)
        self._prefix, self._suffix = around[:place], around[place + 1 :]
        self._room = max_length - len(self._prefix) - len(self._suffix)
        self._takes_space = bool(tokenizer.added_tokens_decoder[self.mask_id].lstrip)
        self._behind = lru_cache(maxsize=100_000)(self._subwords)

    def subwords(self, form: str, before: str = "") -> tuple[int, ...]:
        """The ids of a word that masks stand for, by the text before them.

        SentencePiece and byte-level vocabularies spell a word behind a space and one behind a
        bracket differently (▁홍길동, Ġ홍길동), WordPiece does not. A space belongs to the word
        where the mask token takes it in.
        """
        last = before[-1:]
        if last.isspace():
            return self._behind(form, "( " if self._takes_space else "")
        return self._behind(form, "" if last.isalnum() or not last else "(")

    def _subwords(self, form: str, before: str) -> tuple[int, ...]:
        """The ids of a word behind some characters, without the first of these.

        Of a word that is too long for the model only as many as fit.
        """
        if not form:  # a space before it would be left
            return ()
        encoding = self._encode(before + form)
        ids = [
            i
            for i, (_, stop) in zip(encoding.input_ids, encoding.offset_mapping, strict=True)
            if stop > 1 or not before
        ]
        # Not all the room: what is cropped to it around the middle may be off by one.
        return tuple(ids[: self._room - 1])

    def masked(self, left: str, right: str, masks: int) -> Encoded:
        """Encode ``left``, a number of masks and ``right``.

        A mask token that the text itself contains stays in the text but is not a mask here.
        """
        encoding = self._encode(left + self._mask * masks + right)
        end = len(left) + masks * len(self._mask)
        places = [
            i
            for i, (start, stop) in enumerate(encoding.offset_mapping)
            if encoding.input_ids[i] == self.mask_id
            and stop > len(left)
            and start < end
            and stop <= end
        ]
        return self._crop(encoding, places)

    def visible(self, left: str, middle: str, right: str) -> Encoded:
        """Encode a text as it is; the places are those of the pieces of ``middle``."""
        encoding = self._encode(left + middle + right)
        places = [
            i
            for i, (start, stop) in enumerate(encoding.offset_mapping)
            if stop > len(left) and start < len(left) + len(middle)
        ]
        return self._crop(encoding, places)

    def beside(
        self, text: str, middle: tuple[int, int], asked: Sequence[tuple[int, int]]
    ) -> tuple[Encoded, list[tuple[int, ...]]]:
        """Encode a text with masks in brackets put in, as the template ``apposition`` does.

        ``asked`` are places in the text, in order, and the number of masks after each of them;
        the text is cropped around ``middle``. Returns the positions of the masks of each place,
        none where they were cropped away.
        """
        parts: list[str] = []
        inserts: list[tuple[int, int]] = []
        spans: list[tuple[int, int]] = []
        done = length = 0
        for place, masks in asked:
            put_in = f"({self._mask * masks})"
            parts += [text[done:place], put_in]
            length += place - done + len(put_in)
            spans.append((length - len(put_in), length))
            inserts.append((place, len(put_in)))
            done = place
        encoding = self._encode("".join(parts) + text[done:])
        whole = Encoded([], [], False, 0, encoding.offset_mapping, tuple(inserts))
        encoded = self._crop(encoding, whole.pieces(*middle))._replace(inserts=tuple(inserts))
        positions = [
            tuple(
                encoded.first + i
                for i, (start, stop) in enumerate(encoded.offsets)
                if opened < start and stop < closed and encoded.at(i) == self.mask_id
            )
            for opened, closed in spans
        ]
        return encoded, [
            found if len(found) == masks else ()
            for found, (_, masks) in zip(positions, asked, strict=True)
        ]

    def _encode(self, text: str) -> BatchEncoding:
        encoding: BatchEncoding = self.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return encoding

    def _crop(self, encoding: BatchEncoding, places: Sequence[int]) -> Encoded:
        ids: list[int] = encoding.input_ids
        room = self._room
        start = 0
        if len(ids) > room:
            middle = (places[0] + places[-1]) // 2
            start = max(0, min(middle - room // 2, len(ids) - room))
        kept = ids[start : start + room]
        shift = len(self._prefix) - start
        return Encoded(
            ids=[*self._prefix, *kept, *self._suffix],
            places=[p + shift for p in places],
            cropped=len(ids) > room,
            first=len(self._prefix),
            offsets=encoding.offset_mapping[start : start + room],
        )

    def plain(self, text: str) -> tuple[list[int], list[int], int]:
        """Ids of a text, the positions that are not special tokens, and the characters encoded.

        What does not fit at the end is cropped.
        """
        room = self._room
        encoding = self._encode(text)
        ids: list[int] = encoding.input_ids[:room]
        whole = len(encoding.input_ids) <= room
        characters = len(text) if whole else int(encoding.offset_mapping[room - 1][1])
        first = len(self._prefix)
        places = list(range(first, first + len(ids)))
        return [*self._prefix, *ids, *self._suffix], places, characters


def budget_batches(
    lengths: Sequence[int], budget: int, rows: Sequence[int] | None = None
) -> list[list[int]]:
    """Indices in batches of similar length, each of at most ``budget`` padded tokens.

    ``rows`` is how many rows of its length each index stands for, one if not given. Longest
    first, so that a batch that does not fit in memory fails at once; what is larger than the
    budget gets a batch of its own.
    """
    sizes = rows or [1] * len(lengths)
    batches: list[list[int]] = []
    filled = longest = 0
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (filled + sizes[i]) * longest <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
            filled, longest = 0, lengths[i]
        filled += sizes[i]
    return batches
