"""The training of the base: masked language modelling in bf16, and its test on held-out nouns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers import BertForMaskedLM

from kocoref.pretraining.masking import Block, Ids, Masker, budget_batches
from kocoref.pretraining.model import masked_loss

WARM_UP_STEPS = 100
HELD_OUT_NOUN_SHARE = 0.15


class NounScores(TypedDict):
    """Shares of masked whole nouns, all of whose pieces were among the k first guesses."""

    top_1: float
    top_5: float


def train(
    model: BertForMaskedLM,
    blocks: Sequence[Block],
    masker: Masker,
    *,
    steps: int,
    batch_tokens: int,
    learning_rate: float,
    seed: int,
    every_tenth: Callable[[int, int], None],
) -> int:
    """Train for a number of steps; ``every_tenth`` gets tenths done and tokens seen.

    Returns the number of tokens seen. The rate rises over the first steps and falls to zero.
    """
    random = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP_STEPS, 1 - step / steps)
    )
    lengths = [len(block.ids) for block in blocks]
    step = tokens = 0
    model.train()
    with tqdm(total=steps, desc="pretrain", unit="step") as progress:
        while step < steps:
            for indices in budget_batches(lengths, batch_tokens, random):
                inputs, mask, labels = collate(
                    [masker.mask(blocks[index], random) for index in indices]
                )
                with torch.autocast("cpu", torch.bfloat16):
                    loss = masked_loss(model, inputs, mask, labels)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                schedule.step()
                step, tokens = step + 1, tokens + int(mask.sum())
                progress.update()
                progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                if step * 10 // steps > (step - 1) * 10 // steps:
                    every_tenth(step * 10 // steps, tokens)
                    model.train()
                if step == steps:
                    break
    return tokens


def collate(pairs: Sequence[tuple[Ids, Ids]]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, attention mask and labels, each (batch, longest)."""
    longest = max(len(ids) for ids, _ in pairs)
    inputs = torch.zeros(len(pairs), longest, dtype=torch.long)
    mask = torch.zeros(len(pairs), longest, dtype=torch.bool)
    labels = torch.full((len(pairs), longest), -100, dtype=torch.long)
    for row, (ids, targets) in enumerate(pairs):
        inputs[row, : len(ids)] = torch.from_numpy(ids)
        mask[row, : len(ids)] = True
        labels[row, : len(ids)] = torch.from_numpy(targets)
    return inputs, mask, labels


def held_out_nouns(
    blocks: Sequence[Block], masker: Masker, seed: int
) -> list[tuple[Ids, Ids, NDArray[np.int32]]]:
    """Blocks with some whole nouns masked: inputs, labels and the noun of each piece."""
    random = np.random.default_rng(seed)
    chosen = []
    for block in blocks:
        nouns = np.unique(block.groups[block.groups >= 0])
        picked = nouns[random.random(len(nouns)) < HELD_OUT_NOUN_SHARE]
        if len(picked):
            chosen.append((*masker.apply(block.ids, np.isin(block.groups, picked)), block.groups))
    return chosen


@torch.inference_mode()
def score_nouns(
    model: BertForMaskedLM, masked: Sequence[tuple[Ids, Ids, NDArray[np.int32]]]
) -> NounScores:
    """How often the model's first guesses hold the masked noun."""
    model.eval()
    counts: Counter[int] = Counter()
    for row in masked:
        inputs, mask, labels = collate([row[:2]])
        hidden = model.bert(input_ids=inputs, attention_mask=mask).last_hidden_state[0]
        at = labels[0] != -100
        guesses = model.cls(hidden[at]).topk(5).indices
        _count(counts, guesses, labels[0, at], row)
    return _scores(counts)


def score_unigram(
    masked: Sequence[tuple[Ids, Ids, NDArray[np.int32]]], most_frequent: Sequence[int]
) -> NounScores:
    """The same for the five most frequent noun pieces of the training text, always guessed."""
    counts: Counter[int] = Counter()
    for row in masked:
        labels = torch.from_numpy(row[1].astype(np.int64))
        labels = labels[labels != -100]
        _count(counts, torch.tensor(most_frequent).expand(len(labels), 5), labels, row)
    return _scores(counts)


def _count(
    counts: Counter[int], guesses: Tensor, labels: Tensor, row: tuple[Ids, Ids, NDArray[np.int32]]
) -> None:
    nouns = row[2][row[1] != -100]
    for noun in np.unique(nouns):
        pieces = torch.from_numpy(nouns == noun)
        counts[0] += 1
        for k in (1, 5):
            hit = (guesses[pieces, :k] == labels[pieces, None]).any(dim=1).all()
            counts[k] += int(hit)


def _scores(counts: Counter[int]) -> NounScores:
    return {"top_1": counts[1] / counts[0], "top_5": counts[5] / counts[0]}
