"""Checks on the embedded passages: marks, pronouns, lengths, names and near-duplicates."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiwipiepy import Kiwi

from kocoref.corpus.mentions import REFLEXIVES
from kocoref.corpus.passages import Passage, read_passages
from kocoref.corpus.similarity import near_duplicates, sketch


@dataclass(frozen=True, slots=True)
class Lengths:
    """Least and most characters and sentences of a passage."""

    characters: tuple[int, int]
    sentences: tuple[int, int]


SHORT = Lengths(characters=(80, 400), sentences=(2, 8))
LONG = Lengths(characters=(450, 1300), sentences=(4, 50))

_PRONOUNS = (
    "그 그녀 그들 그것 그것들 이것 이것들 저것 이 이들 저 그곳 이곳 저곳 거기 여기 저기 "
    "자신 자기 본인 자신들 그이 그분 이분 저분 그분들 이분들 그녀들 얘 걔 쟤 이자 그자 둘 "
    "나 내 우리 저희 제 너 네 너희 당신 그대 자네"
)
PRONOUNS = frozenset(_PRONOUNS.split())


def pronoun_mentions(passage: Passage) -> list[int]:
    """Indices of the mentions that are a bare pronoun."""
    return [
        index
        for index, mention in enumerate(passage.mentions)
        if passage.text[slice(*mention.span)] in PRONOUNS
    ]


def problems(passage: Passage, kiwi: Kiwi, lengths: Lengths = SHORT) -> list[str]:
    """What is wrong with one passage, as sentences; empty when it is sound."""
    found = []
    text = passage.text
    least, most = lengths.characters
    if not least <= len(text) <= most:
        found.append(f"{len(text)} characters, outside {least} to {most}")
    sentences = kiwi.split_into_sents(text)
    least, most = lengths.sentences
    if not least <= len(sentences) <= most:
        found.append(f"{len(sentences)} sentences, outside {least} to {most}")
    pronouns = pronoun_mentions(passage)
    resolved = [index for index in pronouns if _antecedents(passage, index)]
    if not resolved:
        found.append("no pronoun with an earlier mention that is not a pronoun")
    chains = {mention.chain for mention in passage.mentions}
    if len(chains) < 2:
        found.append("no second chain: mark at least one other noun that could be meant")
    tokens = kiwi.tokenize(text)
    for index in pronouns:
        start, end = passage.mentions[index].span
        if text[start:end] not in REFLEXIVES and not any(
            token.start == start and token.tag in {"NP", "MM"} for token in tokens
        ):
            found.append(f"Kiwi sees no pronoun at [{start}, {end}) {text[start : end + 3]!r}")
    found += _unmarked_names(passage)
    return found


def _antecedents(passage: Passage, index: int) -> list[str]:
    pronoun = passage.mentions[index]
    return [
        passage.text[slice(*mention.span)]
        for mention in passage.mentions[:index]
        if mention.chain == pronoun.chain
        and passage.text[slice(*mention.span)] not in PRONOUNS
        and mention.span[1] <= pronoun.span[0]
    ]


def _unmarked_names(passage: Passage) -> list[str]:
    """Occurrences of a marked person's, organisation's or place's mention that carry no mark."""
    covered = [mention.span for mention in passage.mentions]
    found = []
    forms = sorted(
        {
            passage.text[slice(*mention.span)]
            for mention in passage.mentions
            if passage.types[mention.chain] in {"PER", "ORG", "LOC"}
        }
        - PRONOUNS
    )
    for form in forms:
        position = passage.text.find(form) if len(form) > 1 else -1
        while position >= 0:
            end = position + len(form)
            if not any(start <= position and end <= stop for start, stop in covered):
                found.append(f"{form!r} at {position} is not marked")
            position = passage.text.find(form, end)
    return found


def check(paths: Iterable[Path], lengths: Lengths = SHORT) -> tuple[list[str], Counter[str]]:
    """All problems in some files, each with its passage, and counts for a summary."""
    kiwi = Kiwi()
    found: list[str] = []
    counts: Counter[str] = Counter()
    passages: list[Passage] = []
    for path in paths:
        for passage in read_passages(path):
            found += [
                f"{path}: {passage.id}: {problem}" for problem in problems(passage, kiwi, lengths)
            ]
            for index in pronoun_mentions(passage):
                counts[passage.text[slice(*passage.mentions[index].span)]] += 1
            passages.append(passage)
    ids = Counter(passage.id for passage in passages)
    found += [f"id {name} is used {count} times" for name, count in ids.items() if count > 1]
    pairs = near_duplicates({passage.id: sketch(passage.text) for passage in passages})
    found += [f"{one} and {other} are near-duplicates" for one, other in pairs]
    counts["passages"] = len(passages)
    return found, counts


def main(arguments: Sequence[str]) -> int:
    """Print problems and counts; exit status 1 when there are problems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="files of marked passages")
    parser.add_argument("--long", action="store_true", help="the bounds of data/raw/long")
    options = parser.parse_args(arguments)
    found, counts = check(options.files, LONG if options.long else SHORT)
    print("\n".join(found))
    print(f"{len(found)} problems;", dict(counts.most_common()))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
