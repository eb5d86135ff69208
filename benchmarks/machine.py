"""How much of what the machine can multiply is reached in training and evaluation.

Counted are the multiplications and additions that the model needs, not those that are done:
padding counts as nothing. A forward pass needs for every token 2 × the weights of the layers'
matrices (4·h² for attention and 2·h·i for the two products after it, h being the hidden and i the
intermediate size), for every row of L tokens 4·L²·h a layer for attention, and for every masked
position 2 × the weights of the head (h² + h·vocabulary). Training needs three times as much. The
machine's part is a product of two large square matrices in the same process, run right after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks import BASE, evaluate, finetune
from benchmarks.sizes import Sizes
from benchmarks.timing import Spread, Way, Work, alternate
from kocoref.examples.items import ItemSet
from kocoref.runtime import accelerate_precision, arithmetic_variables, fix_arithmetic
from kocoref.settings import EvaluateSettings, FinetuneSettings, load_settings

PRODUCTS = 10


class Shape(NamedTuple):
    """The sizes of a BERT that its work depends on."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int

    def forward(self, lengths: Sequence[int], places: int) -> float:
        """Operations of a forward pass over rows of these lengths, asked at so many places."""
        weights = 4 * self.hidden**2 + 2 * self.hidden * self.intermediate
        layer = 2 * weights * sum(lengths) + 4 * self.hidden * sum(n**2 for n in lengths)
        head = 2 * (self.hidden**2 + self.hidden * self.vocabulary)
        return float(self.layers * layer + places * head)


class Reached(NamedTuple):
    """Operations a second, of the model and of the product."""

    model: float
    product: float


def measure(sizes: Sizes) -> list[dict[str, Any]]:
    """The rows of results.json."""
    settings = load_settings("evaluate", EvaluateSettings)
    items = evaluate.test_items(sizes.items_every)
    rows = []
    for precision in finetune.precisions():
        training = finetune.settings_for(precision)
        asking = settings.model_copy(update={"mixed_precision": precision})
        ways = [
            Way(
                make, (section, work, sizes.product),
                arithmetic_variables(section.reproducible, section.threads, precision),
            )
            for make, section, work in (
                (train, training, sizes.training_examples), (ask, asking, items),
            )
        ]  # fmt: skip
        timed = alternate(ways, sizes.measurements)
        goals = (0.6 if precision == "fp32" else None, None)
        for what, goal, found in zip(("finetune", "evaluate"), goals, timed, strict=True):
            reached: list[Reached] = [one.answer for one in found]
            rows.append(
                {
                    "what": f"{what}, {precision}",
                    "goal": goal,
                    "share": asdict(Spread.of([one.model / one.product for one in reached])),
                    "gflops": asdict(Spread.of([one.model / 1e9 for one in reached])),
                    "product_gflops": asdict(Spread.of([one.product / 1e9 for one in reached])),
                }
            )
    return rows


def train(settings: FinetuneSettings, count: int, product: int) -> Work:
    """One pass of training, then products."""
    pass_over = finetune.train(settings, count)
    _, checkpoint, masker = finetune.ready(settings)
    rows = [row for example in finetune.examples(count) for row in masker.rows(example)]
    needed = 3 * _shape(checkpoint.model.model.config).forward(
        [len(row.ids) for row in rows], sum(len(row.mlm) for row in rows)
    )

    def work() -> Reached:
        start = perf_counter()
        pass_over()
        return Reached(
            needed / (perf_counter() - start), _product(product, settings.mixed_precision)
        )

    return work


def ask(settings: EvaluateSettings, items: ItemSet, product: int) -> Work:
    """One pass of evaluation with the noun filter already made, then products."""
    fix_arithmetic(settings.reproducible, settings.threads, settings.mixed_precision)

    from accelerate import Accelerator

    from kocoref.evaluation.prediction import vocabulary_nouns
    from kocoref.evaluation.protocols import evaluate as evaluate_items
    from kocoref.model.checkpoint import load_checkpoint
    from kocoref.model.encoding import Encoder

    precision = accelerate_precision(settings.mixed_precision)
    accelerator = Accelerator(mixed_precision=precision, cpu=True)
    checkpoint = load_checkpoint(BASE)
    nouns = vocabulary_nouns(checkpoint)
    encoder = Encoder(checkpoint.tokenizer, checkpoint.max_length)
    asked = [*items.coref, *items.lambada]
    needed = _shape(checkpoint.model.model.config).forward(
        [len(encoder.masked(item.left, item.right, 1).ids) for item in asked], len(asked)
    )

    def work() -> Reached:
        start = perf_counter()
        with accelerator.autocast():
            evaluate_items(
                checkpoint, items, evaluate.WANTED, settings.batch_tokens, settings.template, nouns
            )
        return Reached(
            needed / (perf_counter() - start), _product(product, settings.mixed_precision)
        )

    return work


def _shape(config: Any) -> Shape:
    return Shape(
        config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.vocab_size
    )


def _product(size: int, precision: str) -> float:
    """Operations a second of the fastest of some products: other work can only slow one down."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(size, size).to(kind) for _ in range(2))
    seconds = []
    for _ in range(PRODUCTS):
        start = perf_counter()
        torch.mm(one, other)
        seconds.append(perf_counter() - start)
    return 2 * size**3 / min(seconds)
