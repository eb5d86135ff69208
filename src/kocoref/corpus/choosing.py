"""Which documents are used, and in which split: nothing that is asked for is trained on.

Near-duplicates stay together, and so does a text with what holds it or is in it, where only an
index of all their 8-grams sees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from kocoref.cluster import each
from kocoref.corpus.document import Document
from kocoref.corpus.reading import read_chosen, read_split_passages, read_with_splits
from kocoref.corpus.similarity import Excerpts, Sketch, hashes, pack, sketch
from kocoref.corpus.splits import SPLITS, Split, assert_disjoint, sampled, split_documents
from kocoref.errors import InputError
from kocoref.settings import PrepareSettings

HELD_OUT: tuple[Split, ...] = ("validation", "test")
Apart = Mapping[Split | None, Excerpts]
"""The texts that a document may not share with, by its split; None is that of raw text."""


def choose(
    settings: PrepareSettings, foreign: Mapping[str, str], counts: Counter[str]
) -> dict[str, list[str]]:
    """The ids of the documents that are used, by split and in the order of the sources.

    ``foreign`` are texts by name that come from elsewhere and are for evaluation.

    Raises:
        InputError: an id is used twice, a passage shares text with one of a split that it may not
            know, or there is no training document.
    """
    sketches: dict[str, Sketch] = {}
    fixed: dict[str, Split] = {}
    left_out: set[str] = set()
    sketching = partial(sketched, apart=_kept_apart(settings, foreign.values()))
    for source in settings.sources:
        for name, known, made, shares in each(sketching, read_with_splits(source, counts)):
            if name in sketches or name in left_out or name in foreign:
                raise InputError(
                    f"{source.path}: document id {name} is used twice;"
                    " rename the file, or give its rows ids of their own"
                )
            if shares and known:
                raise InputError(
                    f"{source.path}: passage {name} ({known}) shares text with evaluation text;"
                    " drop one of them"
                )
            if shares:
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
        _part_raw_text(settings, chosen, fixed, counts)
    if not chosen["train"]:
        raise InputError(
            "prepare: no training document; lower validation_share and test_share, or add text that"
            " is not in the evaluation text"
        )
    assert_disjoint(sketches, {**chosen, "gold": list(foreign)})
    return chosen


def _part_raw_text(
    settings: PrepareSettings,
    chosen: dict[str, list[str]],
    fixed: Collection[str],
    counts: Counter[str],
) -> None:
    """Leave out raw text of which a part would be in one split and another in another.

    What is held out of it is known only now; passages, gold and LAMBADA items are seen above.
    Training passages stay, and what shares with them is not asked for; of raw text test documents
    stay, then those of validation.
    """
    held_out = [name for split in HELD_OUT for name in chosen[split] if name not in fixed]
    texts = {document.id: document.text for document in read_chosen(settings.sources, held_out)}
    marked = list(_passages(settings, ("train",)))
    asked: list[str] = []
    left_out: set[str] = set()
    for split in reversed(HELD_OUT):
        apart = Excerpts([*marked, *asked])
        raw = [name for name in chosen[split] if name in texts]
        shares = {name for name in raw if apart.shared(hashes(texts[name]))}
        asked += [texts[name] for name in raw if name not in shares]
        left_out |= shares
    trained = [name for name in chosen["train"] if name not in fixed]
    found = ((document, None) for document in read_chosen(settings.sources, trained))
    sketching = partial(sketched, apart={None: Excerpts(asked)})
    left_out |= {name for name, _, _, shares in each(sketching, found) if shares}
    counts["shares_evaluation_text"] += len(left_out)
    for split in SPLITS:
        chosen[split] = [name for name in chosen[split] if name not in left_out]


def _kept_apart(settings: PrepareSettings, foreign: Collection[str]) -> Apart:
    """What is known before raw text is split; test passages and gold may be alike."""
    held_out = Excerpts(chain(foreign, _passages(settings, HELD_OUT)))
    asked = Excerpts(chain(foreign, _passages(settings, ("test",))))
    return {None: held_out, "train": held_out, "validation": asked, "test": Excerpts(())}


def _passages(settings: PrepareSettings, splits: Sequence[Split]) -> Iterator[str]:
    """The text of the passages of some splits."""
    sources = (source for source in settings.sources if source.format == "passages")
    for passage, split in chain.from_iterable(map(read_split_passages, sources)):
        if split in splits:
            yield passage.text


def sketched(
    documents: Iterable[tuple[Document, Split | None]], apart: Apart
) -> Iterator[tuple[str, Split | None, Sketch, bool]]:
    """Each document's id, split if it has one, sketch, and if it shares what is kept apart."""
    for document, split in documents:
        found = hashes(document.text)
        yield document.id, split, pack(found), apart[split].shared(found)
