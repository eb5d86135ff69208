"""The report's three measures: one batched pass against its own way of taking them.

The report's code asked the fill-mask pipeline for 50 predictions, one item at a time, sent each
of them through Kiwi to see whether it is a noun, and went over the items once for each measure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import BASE
from benchmarks.sizes import Sizes
from benchmarks.texts import PASSAGES
from benchmarks.timing import Way, Work, alternate, ratio_row
from kocoref.corpus.reading import read_split_passages
from kocoref.evaluation.measures import COREF_K, SEED_MEASURES, Outcome, count_coref, lenient_match
from kocoref.examples.items import ItemSet, MaskedItem
from kocoref.runtime import arithmetic_variables, fix_arithmetic
from kocoref.settings import EvaluateSettings, PrepareSettings, SourceSettings, load_settings
from kocoref.text.morphology import NOUN_TAGS
from prepare import analyze, cut_items

WANTED = ("coref_f1", "coref_at_5", "lambada_at_1")
TOP = 50
Measured = dict[str, float]


def compare(sizes: Sizes) -> list[dict[str, Any]]:
    """The rows of results.json: the noun filter is made once for all checkpoints of a run."""
    settings = load_settings("evaluate", EvaluateSettings)
    items = test_items(sizes.items_every)
    variables = arithmetic_variables(settings.reproducible, settings.threads, "fp32")
    first, further, theirs = alternate(
        [
            Way(one_pass, (BASE, items, settings, False), variables),
            Way(one_pass, (BASE, items, settings, True), variables),
            Way(pass_by_pass, (BASE, items), {"OMP_NUM_THREADS": str(settings.threads)}),
        ],
        sizes.repetitions,
    )
    if not first[0].answer == further[0].answer == theirs[0].answer:
        raise AssertionError(f"evaluate: {first[0].answer} and {theirs[0].answer}")
    count = len(items.coref) + len(items.lambada)
    against = "fill-mask pipeline item by item, Kiwi on 50 candidates, a pass a measure"
    return [
        ratio_row(f"evaluate {count} items, noun filter made first", against, 12, first, theirs),
        ratio_row(f"evaluate {count} items, noun filter known", against, 12, further, theirs),
    ]


def test_items(every: int) -> ItemSet:
    """Every so many-th of the test items of the embedded passages."""
    source = SourceSettings(path=str(PASSAGES), format="passages")
    found = (p.document() for p, split in read_split_passages(source) if split == "test")
    items, _ = cut_items(analyze(found), load_settings("prepare", PrepareSettings))
    return ItemSet(items.coref[::every], items.lambada[::every], (), ())


def one_pass(model: str, items: ItemSet, settings: EvaluateSettings, known: bool) -> Work:
    """The project's evaluation; the noun filter is already made if it is ``known``."""
    fix_arithmetic(settings.reproducible, settings.threads, "fp32")

    from kocoref.evaluation.prediction import vocabulary_nouns
    from kocoref.evaluation.protocols import evaluate
    from kocoref.model.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(model)
    nouns = vocabulary_nouns(checkpoint) if known else None

    def work() -> Measured:
        outcome = evaluate(
            checkpoint, items, WANTED, settings.batch_tokens, settings.template, nouns
        )
        return outcome.measures(WANTED)

    return work


def pass_by_pass(model: str, items: ItemSet) -> Work:
    """The report's evaluation."""
    import torch
    from kiwipiepy import Kiwi
    from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

    tokenizer = AutoTokenizer.from_pretrained(model)
    weights = AutoModelForMaskedLM.from_pretrained(model, dtype=torch.float32)
    fill = pipeline("fill-mask", model=weights, tokenizer=tokenizer, top_k=TOP, device="cpu")
    kiwi = Kiwi(num_workers=1)

    def nouns(item: MaskedItem, k: int) -> list[str]:
        predicted = fill(item.left + tokenizer.mask_token + item.right)
        texts = [str(found["token_str"]).strip().replace("##", "") for found in predicted]
        return [text for text in texts if _has_noun(kiwi, text)][:k]

    def coref() -> Outcome:
        outcome = Outcome()
        for item in items.coref:
            count_coref(outcome, item, nouns(item, COREF_K))
        return outcome

    def lambada() -> Outcome:
        outcome = Outcome()
        for item in items.lambada:
            top = nouns(item, 1)
            hit = bool(top) and lenient_match(item.surface, top[0])
            outcome.add(item.document, lambada_hits=int(hit), lambada_items=1)
        return outcome

    passes: dict[str, Callable[[], Outcome]] = {
        "coref_f1": coref, "coref_at_5": coref, "lambada_at_1": lambada,
    }  # fmt: skip

    def work() -> Measured:
        return {name: SEED_MEASURES[name](passes[name]().sums()) for name in WANTED}

    return work


def _has_noun(kiwi: Any, text: str) -> bool:
    return any(token.tag in NOUN_TAGS for token in kiwi.tokenize(text))
