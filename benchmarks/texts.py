"""Texts of the report's lengths, made of the embedded passages."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import exp
from pathlib import Path
from statistics import NormalDist

from kocoref.corpus.passages import read_passages

PASSAGES = Path("data/raw/passages")
MEDIAN, SIGMA, SHORTEST, LONGEST, MEAN = 315, 0.7, 50, 2048, 400
"""A log-normal distribution of characters, cut at both ends, and its mean."""
SEED = 1


def passages(split: str) -> list[str]:
    """The texts of the embedded passages of a split, or of all with ``*``."""
    return [p.text for path in sorted(PASSAGES.glob(f"{split}/*.txt")) for p in read_passages(path)]


def lengths(count: int) -> list[int]:
    """Characters of ``count`` texts at even quantiles of the mix, in random order.

    Quantiles, because the mean of a few random draws would be far from that of the mix.
    """
    normal = NormalDist()
    mix = [MEDIAN * exp(SIGMA * normal.inv_cdf((i + 0.5) / count)) for i in range(count)]
    random.Random(SEED).shuffle(mix)
    return [round(min(max(length, SHORTEST), LONGEST)) for length in mix]


def concatenated(count: int) -> list[str]:
    """``count`` texts of the mix, each a stretch of passages one after another."""
    parts = passages("*")
    draw = random.Random(SEED)
    return [_stretch(parts, draw.randrange(len(parts)), length) for length in lengths(count)]


def _stretch(parts: Sequence[str], first: int, length: int) -> str:
    rotated = [*parts[first:], *parts[:first]]
    ends = list(accumulate(len(part) + 1 for part in rotated))
    return " ".join(rotated[: bisect_left(ends, length) + 1])[:length]


def scrambled(count: int, shorter: int = 1) -> Iterator[str]:
    """``count`` texts of the mix, words in random order, so many times as short."""
    words = [word for text in passages("*") for word in text.split()]
    mean = sum(map(len, words)) / len(words) + 1
    draw = random.Random(SEED)
    for length in lengths(count):
        yield " ".join(draw.choices(words, k=max(1, round(length / shorter / mean))))
