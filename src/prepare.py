"""Stage prepare: text and gold sources → data/prepared, metrics/data.json.

Reads the section `prepare` of params.yaml. Every text is analysed once; documents are split,
near-duplicates kept together; evaluation items are cut with their masks fixed. Text is read once
to split it and once for each split, raw text twice more where some of it is held out, so that
memory hardly grows with the number of documents.
With DASK_SCHEDULER_ADDRESS in the environment the workers of that cluster do the analysis.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain, tee
from pathlib import Path
from typing import Any

from kocoref.cluster import each
from kocoref.corpus.choosing import HELD_OUT, choose
from kocoref.corpus.document import Document
from kocoref.corpus.gold import read_gold
from kocoref.corpus.mentions import without_particles
from kocoref.corpus.names import NameLexicon, swap_names
from kocoref.corpus.reading import read_chosen, read_split_passages
from kocoref.corpus.splits import SPLITS
from kocoref.examples.items import AntecedentItem, ItemMaker, ItemSet, make_items, write_items
from kocoref.examples.lambada import read_lambada
from kocoref.files import replacing, write_json, write_json_lines
from kocoref.reporting.data_metrics import DocumentCounts, describe_items
from kocoref.settings import PrepareSettings, load_settings
from kocoref.stage import run_stage
from kocoref.text.morphology import NOUN_TAGS, shared_analyzer

OUT = Path("data/prepared")
METRICS = Path("metrics/data.json")
NAMES = Path("data/raw/names.tsv")
FREQUENT_NOUNS = 100
log = logging.getLogger("prepare")


def main() -> None:
    """Run the stage."""
    settings = load_settings("prepare", PrepareSettings)
    counts: Counter[str] = Counter()
    # First what a token or a path may be missing for: the text takes long.
    lambada = read_lambada(settings.lambada, counts) if settings.lambada else []
    gold = {source.name: list(read_gold(source)) for source in settings.gold}
    foreign = {f"gold {name} {d.id}": d.text for name, part in gold.items() for d in part}
    foreign |= {i.document: i.left + i.surface + i.right for i in lambada}
    passages = any(source.format == "passages" for source in settings.sources)
    lexicon = NameLexicon.read(NAMES) if passages and settings.name_swaps else None
    chosen = choose(settings, foreign, counts)

    documents: dict[str, dict[str, Any]] = {}
    of_items: dict[str, dict[str, Any]] = {}
    with replacing(OUT) as out:
        out.mkdir()
        documents["train"] = write_training(out, chosen["train"], lexicon, settings)
        for name in HELD_OUT:
            held_out = list(analyze(read_chosen(settings.sources, chosen[name])))
            documents[name] = write_documents(out / f"{name}.jsonl", held_out)
            items, reach = cut_items(held_out, settings)
            if lambada and name == "test":
                items = replace(items, lambada=tuple(lambada))
            write_items(out / ("evaluation" if name == "test" else "items") / name, items)
            of_items[name] = describe_items(items, reach)
        for gold_name, part in gold.items():
            items, reach = cut_items(map(without_particles, analyze(part)), settings)
            items = replace(items, coref=(), lambada=(), plain=())
            write_items(out / "evaluation" / gold_name, items)
            of_items[f"gold_{gold_name}"] = describe_items(items, reach)
    read = dict(sorted(counts.items()))
    write_json(METRICS, {"read": read, "documents": documents, "items": of_items})
    log.info("%d training, %d validation, %d test documents",
             *(documents[name]["documents"] for name in SPLITS))  # fmt: skip


def write_training(
    out: Path, chosen: Collection[str], lexicon: NameLexicon | None, settings: PrepareSettings
) -> dict[str, Any]:
    """Write the training documents, their antecedent items and nouns; the documents in numbers."""
    nouns: Counter[str] = Counter()
    antecedents: list[AntecedentItem] = []
    maker = item_maker(settings, Counter())

    def observed() -> Iterator[Document]:
        for document in analyze(read_chosen(settings.sources, chosen)):
            antecedents.extend(maker.antecedent(document))
            yield document
        if lexicon:
            yield from analyze(twins(chosen, lexicon, settings))

    def counted() -> Iterator[Document]:
        for document in observed():
            nouns.update(token.form for token in document.tokens if token.tag in NOUN_TAGS)
            yield document

    described = write_documents(out / "train.jsonl", counted())
    write_items(out / "items" / "train", ItemSet((), (), tuple(antecedents), ()))
    ranked = sorted(nouns, key=lambda noun: (-nouns[noun], noun))
    write_json(out / "frequent_nouns.json", ranked[:FREQUENT_NOUNS])
    return described


def twins(
    chosen: Collection[str], lexicon: NameLexicon, settings: PrepareSettings
) -> Iterator[Document]:
    """The chosen passages with other names."""
    sources = [source for source in settings.sources if source.format == "passages"]
    wanted = frozenset(chosen)
    for number in range(1, settings.name_swaps + 1):
        for passage, _ in chain.from_iterable(map(read_split_passages, sources)):
            draw = random.Random(f"{settings.seed} {number} {passage.id}")
            if passage.id in wanted and (twin := swap_names(passage, lexicon, draw)):
                yield replace(twin.document(), id=f"{passage.id}~{number}")


def analyze(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents with their sentences and tokens."""
    return each(analyzed, documents)


def analyzed(documents: Iterable[Document]) -> Iterator[Document]:
    """The same, by this process."""
    waiting, read = tee(documents)
    analyses = shared_analyzer().analyze(document.text for document in read)
    for document, (sentences, tokens) in zip(waiting, analyses, strict=True):
        yield replace(document, sentences=sentences, tokens=tokens)


def write_documents(path: Path, documents: Iterable[Document]) -> dict[str, Any]:
    """Write documents as they come, and say in numbers what they were."""
    counts = DocumentCounts()

    def rows() -> Iterator[dict[str, Any]]:
        for document in documents:
            counts.add(document)
            yield document.to_json()

    write_json_lines(path, rows())
    return counts.to_json()


def cut_items(
    documents: Iterable[Document], settings: PrepareSettings
) -> tuple[ItemSet, Counter[str]]:
    """The items of some documents, and how many pronouns were and were not in reach."""
    reach: Counter[str] = Counter()
    return make_items(documents, item_maker(settings, reach)), reach


def item_maker(settings: PrepareSettings, reach: Counter[str]) -> ItemMaker:
    """Makes items by the settings and counts in ``reach``."""
    return ItemMaker(
        settings.window, settings.context_sentences, settings.items_per_document, reach
    )


if __name__ == "__main__":
    run_stage(main, __doc__)
