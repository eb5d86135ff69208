"""Analysis of raw text against a process pool that analyses it anew for each use; the stage itself.

The report's code had a pool of processes with a Kiwi each, and one call of `tokenize` a text for
the entities, one for the pronouns, one for the context nouns and one for the noun filter.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import yaml
from kiwipiepy import Kiwi

from benchmarks.sizes import Sizes
from benchmarks.texts import concatenated, scrambled
from benchmarks.timing import Way, Work, alternate, ratio_row
from kocoref.corpus.document import Document
from kocoref.corpus.mentions import entities, pronouns
from kocoref.settings import PARAMS
from kocoref.text.morphology import (
    ENTITY_MIN_LENGTH,
    ENTITY_TAG,
    NOUN_TAGS,
    PRONOUN_TAG,
    Analyzer,
)

PROCESSES = 2
STAGE = Path("src/prepare.py").resolve()
START_AND_TELL = (
    "import resource, subprocess, sys;"
    "ended = subprocess.run(sys.argv[1:]).returncode;"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss);"
    "sys.exit(ended)"
)
Found = dict[str, int]
"""How many entities, pronouns, context nouns and texts with a noun there are."""


def compare(sizes: Sizes) -> list[dict[str, Any]]:
    """The row of results.json."""
    texts = concatenated(sizes.analysed_texts)
    ours, theirs = alternate([Way(analysis, (texts,)), Way(pool, (texts,))], sizes.repetitions)
    if ours[0].answer != theirs[0].answer:
        raise AssertionError(f"prepare: {ours[0].answer} and {theirs[0].answer}")
    against = f"{PROCESSES} processes with a Kiwi each, four analyses a text"
    return [ratio_row("prepare", against, 4, ours, theirs)]


def analysis(texts: list[str]) -> Work:
    """One analysis, everything derived from its tokens."""
    analyzer = Analyzer(PROCESSES)

    def work() -> Found:
        found: Counter[str] = Counter()
        for text, (sentences, tokens) in zip(texts, analyzer.analyze(texts), strict=True):
            document = Document("", text, "", "", sentences, tokens)
            nouns = {token.form for token in tokens if token.tag in NOUN_TAGS}
            found["entities"] += len(entities(document))
            found["pronouns"] += len(pronouns(document))
            found["nouns"] += len(nouns)
            found["with_noun"] += bool(nouns)
        return dict(found)

    return work


def pool(texts: list[str]) -> Work:
    """An analysis for each use, in a pool of processes."""
    processes = get_context("spawn").Pool(PROCESSES, _load)

    def work() -> Found:
        found: Counter[str] = Counter()
        for of_text in processes.imap(_analyse_for_each_use, texts, chunksize=16):
            found.update(of_text)
        return dict(found)

    return work


_kiwi: Kiwi
"""That of a process of the pool."""


def _load() -> None:
    global _kiwi
    _kiwi = Kiwi(num_workers=1)


def _analyse_for_each_use(text: str) -> Found:
    names = [
        token
        for token in _kiwi.tokenize(text)
        if token.tag == ENTITY_TAG
        and len(token.form) >= ENTITY_MIN_LENGTH
        and text[token.start : token.start + token.len] == token.form
    ]
    return {
        "entities": len(names),
        "pronouns": sum(token.tag == PRONOUN_TAG for token in _kiwi.tokenize(text)),
        "nouns": len({token.form for token in _kiwi.tokenize(text) if token.tag in NOUN_TAGS}),
        "with_noun": any(token.tag in NOUN_TAGS for token in _kiwi.tokenize(text)),
    }


class Cost(NamedTuple):
    """What a run of the stage took."""

    seconds: float
    peak_mib: float


def stage_cost(documents: int, shorter: int = 1) -> Cost:
    """Run the stage on so many generated documents, in a project directory of its own.

    They are ``shorter`` times as short as those of the report.
    """
    with TemporaryDirectory() as name:
        directory = Path(name)
        with (directory / "texts.jsonl").open("w", encoding="utf-8") as file:
            for text in scrambled(documents, shorter):
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
        params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["prepare"]
        params |= {"sources": [{"path": "texts.jsonl", "format": "jsonl"}], "gold": []}
        (directory / PARAMS).write_text(yaml.safe_dump({"prepare": params}), encoding="utf-8")
        start = perf_counter()
        peak = peak_mib([sys.executable, str(STAGE)], directory)
        return Cost(perf_counter() - start, peak)


def peak_mib(command: list[str], directory: Path) -> float:
    """The most memory that a command had.

    A process begins with the peak of the one that started it, so a small one in between does.

    Raises:
        CalledProcessError: the command failed.
    """
    between = [sys.executable, "-c", START_AND_TELL, *command]
    done = subprocess.run(between, cwd=directory, stdout=subprocess.PIPE, check=True)
    return int(done.stdout.split()[-1]) / 1024
