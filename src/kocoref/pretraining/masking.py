"""What the base learns from: blocks of text with whole nouns and single pieces masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from kocoref.pretraining.vocabulary import CONTINUATION
from kocoref.text.morphology import NOUN_TAGS, Token

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Block:
    """Consecutive pieces of one document: ``groups[i]`` is the noun of piece i, or -1."""

    ids: Ids
    groups: Ids


def cut_blocks(
    tokenizer: PreTrainedTokenizerFast, text: str, tokens: Sequence[Token], length: int
) -> list[Block]:
    """The pieces of a text in blocks of at most ``length``, special tokens included."""
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
    noun_at = np.full(len(text) + 1, -1, dtype=np.int32)
    for index, token in enumerate(tokens):
        if token.tag in NOUN_TAGS:
            noun_at[token.start : token.end] = index
    ids = np.array(encoding["input_ids"], dtype=np.int32)
    groups = np.array(
        [noun_at[a] if noun_at[a] == noun_at[max(a, b - 1)] else -1
         for a, b in encoding["offset_mapping"]],
        dtype=np.int32,
    )  # fmt: skip
    inner = length - 2
    count = max(1, -(-len(ids) // inner))
    blocks = []
    for part, group in zip(np.array_split(ids, count), np.array_split(groups, count), strict=True):
        if len(part) >= 8:
            ends = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
            blocks.append(
                Block(
                    np.concatenate([ends[0], part, ends[1]]).astype(np.int32),
                    np.concatenate([[-1], group, [-1]]).astype(np.int32),
                )
            )
    return blocks


class Masker:
    """Chooses what to mask; a mask is always ``[MASK]``, as in the tasks that follow.

    A mask in text ends the word it stands in, so the piece after a masked stretch becomes the
    piece that starts a word (``##는`` → ``는``), as the tokenizer makes it of ``[MASK]는``.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, noun_share: float, piece_share: float
    ) -> None:
        vocabulary = tokenizer.get_vocab()
        self.mask_id = tokenizer.mask_token_id
        self.noun_share = noun_share
        self.piece_share = piece_share
        self.word_start = np.arange(len(vocabulary), dtype=np.int32)
        for piece, i in vocabulary.items():
            if piece.startswith(CONTINUATION):
                self.word_start[i] = vocabulary.get(piece[len(CONTINUATION) :], i)

    def mask(self, block: Block, random: np.random.Generator) -> tuple[Ids, Ids]:
        """Masked ids, and labels that are -100 where nothing was masked."""
        nouns = np.unique(block.groups[block.groups >= 0])
        chosen = nouns[random.random(len(nouns)) < self.noun_share]
        masked = np.isin(block.groups, chosen)
        others = (block.groups < 0) & (random.random(len(block.ids)) < self.piece_share)
        others[[0, -1]] = False
        return self.apply(block.ids, masked | others)

    def apply(self, ids: Ids, masked: NDArray[np.bool_]) -> tuple[Ids, Ids]:
        """Mask exactly the given pieces."""
        labels = np.where(masked, ids, -100).astype(np.int32)
        inputs = ids.copy()
        after = np.flatnonzero(masked[:-1] & ~masked[1:]) + 1
        inputs[after] = self.word_start[inputs[after]]
        inputs[masked] = self.mask_id
        return inputs, labels


def budget_batches(
    lengths: Sequence[int], tokens: int, random: np.random.Generator
) -> list[list[int]]:
    """Indices in batches of similar length, each of at most ``tokens`` padded positions."""
    order = np.argsort(np.asarray(lengths) + random.uniform(0, 16, len(lengths)), kind="stable")
    batches: list[list[int]] = [[]]
    for index in order.tolist():
        if batches[-1] and (len(batches[-1]) + 1) * lengths[index] > tokens:
            batches.append([])
        batches[-1].append(index)
    return [batches[i] for i in random.permutation(len(batches))]
