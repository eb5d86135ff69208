"""Stage prepare: text and gold sources → data/prepared, metrics/data.json.

Reads the section `prepare` of params.yaml. Every text is read and analysed once; documents are
split, near-duplicates kept together; evaluation items are cut with their masks fixed.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kocoref.corpus.document import Document
from kocoref.corpus.gold import read_gold
from kocoref.corpus.names import NameLexicon, swap_names
from kocoref.corpus.passages import Passage, read_passages
from kocoref.corpus.similarity import sketch
from kocoref.corpus.sources import read_source
from kocoref.corpus.splits import SPLITS, Split, assert_disjoint, split_documents
from kocoref.errors import InputError
from kocoref.examples.items import ItemMaker, ItemSet, make_items, write_items
from kocoref.examples.lambada import read_lambada
from kocoref.files import replacing, write_json, write_json_lines
from kocoref.reporting.data_metrics import describe_documents, describe_items
from kocoref.settings import PrepareSettings, load_settings
from kocoref.stage import run_stage
from kocoref.text.morphology import NOUN_TAGS, Analyzer

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
    documents, passages, fixed = read_all(settings, counts)

    sketches = {document.id: sketch(document.text) for document in documents}
    foreign = {f"gold {name} {d.id}": d.text for name, part in gold.items() for d in part}
    foreign |= {f"lambada {i.document}": i.left + i.surface + i.right for i in lambada}
    for name, text in foreign.items():
        sketches[name] = sketch(text)
        fixed[name] = "test"  # and so nothing like it is trained on
    splits = split_documents(
        sketches, fixed, settings.validation_share, settings.test_share, settings.seed
    )
    in_split = {name: [d for d in documents if splits[d.id] == name] for name in SPLITS}
    limits: dict[Split, int] = {
        "validation": settings.max_validation_documents,
        "test": settings.max_test_documents,
    }
    for split, limit in limits.items():
        counts[f"{split}_left_out"] = max(0, len(in_split[split]) - limit)
        in_split[split] = in_split[split][:limit]
    if not in_split["train"]:
        raise InputError("prepare: no training document; lower validation_share and test_share")
    assert_disjoint(
        sketches,
        {name: [d.id for d in part] for name, part in in_split.items()} | {"gold": list(foreign)},
    )
    training = in_split["train"] + twins(in_split["train"], passages, settings)

    analyzer = Analyzer()
    metrics: dict[str, dict[str, Any]] = {
        "read": dict(sorted(counts.items())),
        "documents": {},
        "items": {},
    }
    with replacing(OUT) as out:
        out.mkdir()
        nouns: Counter[str] = Counter()
        for name in SPLITS:
            chosen = training if name == "train" else in_split[name]
            analysed = list(analyze(chosen, analyzer))
            write_json_lines(out / f"{name}.jsonl", (d.to_json() for d in analysed))
            metrics["documents"][name] = describe_documents(analysed)
            if name == "train":
                nouns = Counter(t.form for d in analysed for t in d.tokens if t.tag in NOUN_TAGS)
                items, _ = cut_items(analysed[: len(in_split["train"])], settings)
                write_items(out / "items" / name, antecedents_only(items))
            else:
                items, reach = cut_items(analysed, settings)
                if lambada and name == "test":
                    items = replace(items, lambada=tuple(lambada))
                write_items(out / "items" / name, items)
                metrics["items"][name] = describe_items(items, reach)
        for gold_name, part in gold.items():
            items, reach = cut_items(list(analyze(part, analyzer)), settings)
            write_items(out / "gold" / gold_name, antecedents_only(items))
            metrics["items"][f"gold_{gold_name}"] = describe_items(items, reach)
        ranked = sorted(nouns, key=lambda noun: (-nouns[noun], noun))
        write_json(out / "frequent_nouns.json", ranked[:FREQUENT_NOUNS])
    write_json(METRICS, metrics)
    log.info("%d training, %d validation, %d test documents", len(training),
             len(in_split["validation"]), len(in_split["test"]))  # fmt: skip


def read_all(
    settings: PrepareSettings, counts: Counter[str]
) -> tuple[list[Document], dict[str, Passage], dict[str, Split]]:
    """All documents of the text sources, the passages among them by id, and fixed splits."""
    documents: dict[str, Document] = {}
    passages: dict[str, Passage] = {}
    fixed: dict[str, Split] = {}
    for source in settings.sources:
        found: Iterable[Document] = read_source(source, counts)
        if source.format == "passages":
            found = []
            for split in SPLITS:
                for path in sorted((Path(source.path) / split).glob("*.txt")):
                    for passage in read_passages(path):
                        passages[passage.id] = passage
                        fixed[passage.id] = split
                        found.append(passage.document())
            if not found:
                raise InputError(f"{source.path}: no passages in {{train,validation,test}}/*.txt")
            counts["used"] += len(found)
        for document in found:
            if document.id in documents:
                raise InputError(f"{source.path}: document id {document.id} is used twice")
            documents[document.id] = document
    return list(documents.values()), passages, fixed


def twins(
    training: list[Document], passages: dict[str, Passage], settings: PrepareSettings
) -> list[Document]:
    """Training passages with other names."""
    if not passages:
        return []
    lexicon = NameLexicon.read(NAMES)
    made = []
    for number in range(1, settings.name_swaps + 1):
        for document in training:
            passage = passages.get(document.id)
            twin = passage and swap_names(
                passage, lexicon, random.Random(f"{settings.seed} {number} {document.id}")
            )
            if twin:
                made.append(replace(twin.document(), id=f"{document.id}~{number}"))
    return made


def analyze(documents: Iterable[Document], analyzer: Analyzer) -> Iterator[Document]:
    """The documents with their sentences and tokens."""
    listed = list(documents)
    analyses = analyzer.analyze(document.text for document in listed)
    for document, (sentences, tokens) in zip(listed, analyses, strict=True):
        yield replace(document, sentences=sentences, tokens=tokens)


def cut_items(documents: list[Document], settings: PrepareSettings) -> tuple[ItemSet, Counter[str]]:
    """The items of some documents, and how many pronouns were and were not in reach."""
    reach: Counter[str] = Counter()
    maker = ItemMaker(
        settings.window, settings.context_sentences, settings.items_per_document, reach
    )
    return make_items(documents, maker), reach


def antecedents_only(items: ItemSet) -> ItemSet:
    """What is needed of training documents and gold sets."""
    return replace(items, coref=(), lambada=(), plain=())


if __name__ == "__main__":
    run_stage(main, __doc__)
