"""Splits by document, near-duplicates kept together, the disjointness asserted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Literal

from kocoref.corpus.similarity import Sketch, near_duplicates
from kocoref.errors import InputError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
LARGEST_HELD_OUT = 50
"""More documents that are alike are of one template: they are trained on, whatever their hash."""


def groups(sketches: Mapping[str, Sketch]) -> dict[str, str]:
    """For each document the first id of its group of near-duplicates (itself if it has none)."""
    leader = {name: name for name in sketches}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for one, other in near_duplicates(sketches):
        first, second = sorted((find(one), find(other)))
        leader[second] = first
    return {name: find(name) for name in sketches}


def split_documents(
    sketches: Mapping[str, Sketch],
    fixed: Mapping[str, Split],
    validation_share: float,
    test_share: float,
    seed: int,
) -> dict[str, Split]:
    """The split of every document.

    Documents in ``fixed`` keep theirs; a group of near-duplicates goes where its fixed member is,
    else where the hash of its first id and the seed falls, or to train where it is large.

    Raises:
        InputError: documents with different fixed splits are near-duplicates of each other.
    """
    group_of = groups(sketches)
    chosen: dict[str, tuple[Split, str]] = {}
    for name in sorted(fixed):
        split, holder = chosen.setdefault(group_of[name], (fixed[name], name))
        if split != fixed[name]:
            raise InputError(
                f"documents {holder} ({split}) and {name} ({fixed[name]}) are near-duplicates in"
                " different splits; drop one of them"
            )
    result: dict[str, Split] = {}
    sizes = Counter(group_of.values())
    for name, group in group_of.items():
        if group in chosen:
            result[name] = chosen[group][0]
        elif sizes[group] > LARGEST_HELD_OUT:
            result[name] = "train"
        else:
            digest = blake2b(f"{seed} {group}".encode(), digest_size=8).digest()
            place = int.from_bytes(digest) / 2**64
            result[name] = (
                "test"
                if place < test_share
                else "validation"
                if place < test_share + validation_share
                else "train"
            )
    return result


def sampled(names: Sequence[str], limit: int, fixed: Collection[str], seed: int) -> list[str]:
    """At most so many of the names, in their order: those of ``fixed`` first, then from all over.

    Which ones is a function of each name and the seed, so more names hardly change it.
    """

    def place(name: str) -> tuple[bool, bytes]:  # by another hash than that of the split
        return name not in fixed, blake2b(f"{seed} kept {name}".encode(), digest_size=8).digest()

    kept = frozenset(sorted(names, key=place)[:limit])
    return [name for name in names if name in kept]


def assert_disjoint(sketches: Mapping[str, Sketch], splits: Mapping[str, Sequence[str]]) -> None:
    """Check that nothing trained or selected on is, or is nearly, in an evaluation split.

    ``splits`` are train, validation, test and gold; test and gold may be alike. ``sketches`` are of
    all documents that were split, also of those left out since: which pairs are looked at depends
    on them.

    Raises:
        InputError: two splits share a document or a pair of near-duplicates.
    """
    where: dict[str, str] = {}
    for split, names in splits.items():
        for name in names:
            if where.setdefault(name, split) != split:
                raise InputError(f"document {name} is in {where[name]} and in {split}")
    for one, other in near_duplicates(sketches):
        if one not in where or other not in where:
            continue
        if where[one] != where[other] and {where[one], where[other]} != {"test", "gold"}:
            raise InputError(
                f"{one} ({where[one]}) and {other} ({where[other]}) are near-duplicates"
            )
