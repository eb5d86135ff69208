"""Asking a model: masked queries of all measures in one pass, batched by length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from kocoref.model.checkpoint import Checkpoint
from kocoref.model.copying import Reference, gather_references
from kocoref.model.encoding import budget_batches
from kocoref.text.morphology import contains_noun

BROKEN = "\ufffd"
"""What bytes that are no character are decoded to."""


@dataclass(frozen=True, slots=True)
class Query:
    """One row for the model and what is wanted of it.

    ``fills`` are ways to fill the masks, each with one id per mask; ``top`` asks for that many
    best ids at every mask; ``references`` are pronouns in sight and what they may refer to.
    """

    ids: list[int]
    masks: list[int]
    fills: tuple[tuple[int, ...], ...] = ()
    top: int = 0
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Mean log-probability (nats) of each fill; best ids and their log-probabilities per mask.

    ``copy_scores`` are those of the candidates of each reference.
    """

    masks: int
    scores: list[float] = field(default_factory=list)
    copy_scores: list[list[float]] = field(default_factory=list)
    top_ids: list[list[int]] = field(default_factory=list)
    top_scores: list[list[float]] = field(default_factory=list)


def ask(
    checkpoint: Checkpoint, queries: Sequence[Query], batch_tokens: int, label: str
) -> list[Answer]:
    """Answers in the order of the queries; ``batch_tokens`` bounds a batch, padding included."""
    model, pad = checkpoint.model, int(checkpoint.tokenizer.pad_token_id or 0)
    device = next(model.parameters()).device
    answers: list[Answer | None] = [None] * len(queries)
    was_training = model.training
    model.eval()
    with torch.inference_mode(), tqdm(total=len(queries), desc=label, unit="row") as progress:
        for batch in budget_batches([len(query.ids) for query in queries], batch_tokens):
            longest = max(len(queries[i].ids) for i in batch)
            ids = torch.full((len(batch), longest), pad)
            attention = torch.zeros(len(batch), longest, dtype=torch.long)
            places: list[tuple[int, int]] = []
            for row, i in enumerate(batch):
                ids[row, : len(queries[i].ids)] = torch.tensor(queries[i].ids)
                attention[row, : len(queries[i].ids)] = 1
                places += [(row, mask) for mask in queries[i].masks]
            rows, positions = torch.tensor(places, dtype=torch.long).reshape(-1, 2).T.to(device)
            references = gather_references([queries[i].references for i in batch])
            output = model(
                ids.to(device), attention.to(device), rows, positions, references.to(device)
            )
            log_probs = output.logits.float().log_softmax(dim=-1).cpu()
            masks = [len(queries[i].masks) for i in batch]
            sizes = [len(found.gold) for i in batch for found in queries[i].references]
            copied = iter(output.copy_scores.double().split(sizes) if sizes else ())
            for i, of_masks in zip(batch, log_probs.split(masks), strict=True):
                of_references = [next(copied).tolist() for _ in queries[i].references]
                answers[i] = _answer(queries[i], of_masks, of_references)
            progress.update(len(batch))
    model.train(was_training)
    return [answer for answer in answers if answer is not None]


def _answer(query: Query, log_probs: Tensor, copy_scores: list[list[float]]) -> Answer:
    answer = Answer(masks=len(query.masks), copy_scores=copy_scores)
    if query.fills:
        ids = torch.tensor(query.fills).T
        answer.scores.extend(log_probs.gather(1, ids).double().mean(dim=0).tolist())
    if query.top:
        best = log_probs.topk(min(query.top, log_probs.shape[1]), dim=-1)
        answer.top_ids.extend(best.indices.tolist())
        answer.top_scores.extend(best.values.tolist())
    return answer


def vocabulary_nouns(checkpoint: Checkpoint) -> list[str | None]:
    """For each id its text if the report's filter would call it a noun, else None.

    The filter looks at a prediction without ``##`` and asks whether Kiwi finds a noun in it; done
    once for the vocabulary instead of for each of the 50 predictions of each item. A piece of a
    byte-level vocabulary that is not whole characters is no noun, nor is an id that only pads the
    model's vocabulary.
    """
    tokenizer = checkpoint.tokenizer
    texts = [str(tokenizer.decode([i])).strip().replace("##", "") for i in range(len(tokenizer))]
    special = set(tokenizer.all_special_ids)
    nouns = [
        text if noun and i not in special and BROKEN not in text else None
        for i, (text, noun) in enumerate(zip(texts, contains_noun(texts), strict=True))
    ]
    padding = int(checkpoint.model.model.config.vocab_size) - len(tokenizer)
    return nouns + [None] * padding
