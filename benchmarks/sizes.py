"""How much each benchmark does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """``repetitions`` are of every comparison, ``measurements`` of shares and points of curves.

    ``row_tokens`` are trained on at once, whatever the length of a row. The rest says how much one
    of them is.
    """

    repetitions: int
    measurements: int
    analysed_texts: int
    training_examples: int
    long_examples: int
    items_every: int
    resolved_texts: int
    product: int
    stage_documents: tuple[int, ...]
    lengths: tuple[int, ...]
    long_lengths: tuple[int, ...]
    row_tokens: int


DEFAULT = Sizes(
    repetitions=5,
    measurements=5,
    analysed_texts=500,
    training_examples=64,
    long_examples=32,
    items_every=8,
    resolved_texts=6,
    product=2048,
    stage_documents=(100, 1000, 10_000),
    lengths=(128, 256, 512),
    long_lengths=(256, 512, 1024, 2048),
    row_tokens=4096,
)
MILLION = (1000, 10_000, 100_000, 1_000_000)
SHORTER = 10
"""A million documents are so many times as short as those of the report."""
QUICK = Sizes(
    repetitions=1,
    measurements=1,
    analysed_texts=20,
    training_examples=4,
    long_examples=2,
    items_every=150,
    resolved_texts=1,
    product=256,
    stage_documents=(20, 40),
    lengths=(32, 64),
    long_lengths=(32, 64),
    row_tokens=128,
)
