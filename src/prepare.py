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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, tee
from pathlib import Path
from typing import Any

from kocoref.cluster import each
from kocoref.corpus.document import Document
from kocoref.corpus.gold import read_gold
from kocoref.corpus.mentions import without_particles
from kocoref.corpus.names import NameLexicon, swap_names
from kocoref.corpus.reading import read_chosen, read_split_passages, read_with_splits
from kocoref.corpus.similarity import Excerpts, Sketch, hashes, pack, sketch
from kocoref.corpus.splits import SPLITS, Split, assert_disjoint, sampled, split_documents
from kocoref.errors import InputError
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
HELD_OUT = ("validation", "test")
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
    chosen = choose(settings, foreign, counts)

    documents: dict[str, dict[str, Any]] = {}
    of_items: dict[str, dict[str, Any]] = {}
    with replacing(OUT) as out:
        out.mkdir()
        documents["train"] = write_training(out, chosen["train"], settings)
        for name in HELD_OUT:
            held_out = list(analyze(read_chosen(settings.sources, chosen[name])))
            documents[name] = write_documents(out / f"{name}.jsonl", held_out)
            items, reach = cut_items(held_out, settings)
            if lambada and name == "test":
                items = replace(items, lambada=tuple(lambada))
            write_items(out / "items" / name, items)
            of_items[name] = describe_items(items, reach)
        for gold_name, part in gold.items():
            items, reach = cut_items(map(without_particles, analyze(part)), settings)
            items = replace(items, coref=(), lambada=(), plain=())
            write_items(out / "gold" / gold_name, items)
            of_items[f"gold_{gold_name}"] = describe_items(items, reach)
    read = dict(sorted(counts.items()))
    write_json(METRICS, {"read": read, "documents": documents, "items": of_items})
    log.info("%d training, %d validation, %d test documents",
             *(documents[name]["documents"] for name in SPLITS))  # fmt: skip


def choose(
    settings: PrepareSettings, foreign: Mapping[str, str], counts: Counter[str]
) -> dict[str, list[str]]:
    """The ids of the documents that are used, by split and in the order of the sources.

    ``foreign`` are texts by name that come from elsewhere and are for evaluation.

    Raises:
        InputError: an id is used twice, evaluation text is in training passages, or there is no
            training document.
    """
    sketches: dict[str, Sketch] = {}
    fixed: dict[str, Split] = {}
    left_out: set[str] = set()
    kept_apart = chain(foreign.values(), held_out_passages(settings))
    sketching = partial(sketched, excerpts=Excerpts(kept_apart))
    for source in settings.sources:
        for name, known, made, shares in each(sketching, read_with_splits(source, counts)):
            if name in sketches or name in left_out or name in foreign:
                raise InputError(
                    f"{source.path}: document id {name} is used twice;"
                    " rename the file, or give its rows ids of their own"
                )
            if shares and known == "train":
                raise InputError(
                    f"{source.path}: passage {name} (train) shares text with evaluation text;"
                    " drop one of them"
                )
            if shares and not known:
                counts["shares_evaluation_text"] += 1
                left_out.add(name)
                continue
            sketches[name] = made
            if known:
                fixed[name] = known
    for name, text in foreign.items():
        sketches[name] = sketch(text)
        fixed[name] = "test"  # and so nothing like it is trained on
    splits = split_documents(
        sketches, fixed, settings.validation_share, settings.test_share, settings.seed
    )
    chosen: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name, its_split in splits.items():
        if name not in foreign:
            chosen[its_split].append(name)
    limits = settings.max_validation_documents, settings.max_test_documents
    for split, limit in zip(HELD_OUT, limits, strict=True):
        kept = sampled(chosen[split], limit, fixed, settings.seed)
        counts[f"{split}_left_out"] = len(chosen[split]) - len(kept)
        chosen[split] = kept
    if any(name not in fixed for split in HELD_OUT for name in chosen[split]):
        part_raw_text(settings, chosen, fixed, counts)
    if not chosen["train"]:
        raise InputError(
            "prepare: no training document; lower validation_share and test_share, or add text that"
            " is not in the evaluation text"
        )
    assert_disjoint(sketches, {**chosen, "gold": list(foreign)})
    return chosen


def part_raw_text(
    settings: PrepareSettings,
    chosen: dict[str, list[str]],
    fixed: Collection[str],
    counts: Counter[str],
) -> None:
    """Leave out raw text of which a part would be trained on and another asked for.

    What is held out of it is known only now; passages, gold and LAMBADA items are seen above.
    Training passages stay, and what shares with them is not asked for.
    """
    marked = [name for name in chosen["train"] if name in fixed]
    trained = [name for name in chosen["train"] if name not in fixed]
    asked = [name for split in HELD_OUT for name in chosen[split] if name not in fixed]
    left_out = sharing(settings, asked, marked)
    left_out |= sharing(settings, trained, [name for name in asked if name not in left_out])
    counts["shares_evaluation_text"] += len(left_out)
    for split in SPLITS:
        chosen[split] = [name for name in chosen[split] if name not in left_out]


def sharing(settings: PrepareSettings, names: Sequence[str], others: Sequence[str]) -> set[str]:
    """Which of these documents share text with one of the others."""
    apart = Excerpts(document.text for document in read_chosen(settings.sources, others))
    found = ((document, None) for document in read_chosen(settings.sources, names))
    return {name for name, _, _, shares in each(partial(sketched, excerpts=apart), found) if shares}


def held_out_passages(settings: PrepareSettings) -> Iterator[str]:
    """The text of the passages that are for evaluation."""
    sources = (source for source in settings.sources if source.format == "passages")
    for passage, split in chain.from_iterable(map(read_split_passages, sources)):
        if split in HELD_OUT:
            yield passage.text


def sketched(
    documents: Iterable[tuple[Document, Split | None]], excerpts: Excerpts
) -> Iterator[tuple[str, Split | None, Sketch, bool]]:
    """Of each document its id, split if it has one, sketch, and if it shares text with excerpts."""
    for document, split in documents:
        found = hashes(document.text)
        yield document.id, split, pack(found), excerpts.shared(found)


def write_training(out: Path, chosen: Collection[str], settings: PrepareSettings) -> dict[str, Any]:
    """Write the training documents, their antecedent items and nouns; the documents in numbers."""
    nouns: Counter[str] = Counter()
    antecedents: list[AntecedentItem] = []
    maker = item_maker(settings, Counter())

    def observed() -> Iterator[Document]:
        text = chain(read_chosen(settings.sources, chosen), twins(chosen, settings))
        for number, document in enumerate(analyze(text)):
            nouns.update(token.form for token in document.tokens if token.tag in NOUN_TAGS)
            if number < len(chosen):  # what comes then are twins
                antecedents.extend(maker.antecedent(document))
            yield document

    described = write_documents(out / "train.jsonl", observed())
    write_items(out / "items" / "train", ItemSet((), (), tuple(antecedents), ()))
    ranked = sorted(nouns, key=lambda noun: (-nouns[noun], noun))
    write_json(out / "frequent_nouns.json", ranked[:FREQUENT_NOUNS])
    return described


def twins(chosen: Collection[str], settings: PrepareSettings) -> Iterator[Document]:
    """The chosen passages with other names."""
    sources = [source for source in settings.sources if source.format == "passages"]
    if not sources:
        return
    lexicon, wanted = NameLexicon.read(NAMES), frozenset(chosen)
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
