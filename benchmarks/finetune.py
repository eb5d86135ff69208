"""Fine-tuning against transformers' Trainer: the same examples, masks, loss and step size.

Plain masked language modelling, since that is what both can do. The Trainer runs once as the
report ran it, padded to the maximum length, and once grouped by length and padded to the longest
of a batch. Its head works at every position in both. Padding to the maximum length depends on the
model: 512 tokens for models/base, the report's 2,048 for a small DeBERTa-v2.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks import BASE
from benchmarks.deberta import LONGEST, small_deberta
from benchmarks.sizes import Sizes
from benchmarks.texts import concatenated
from benchmarks.timing import Timed, Way, Work, alternate, ratio_row
from kocoref.examples.example import Example
from kocoref.runtime import (
    accelerate_precision,
    arithmetic_variables,
    fix_arithmetic,
    processor_has_bf16,
)
from kocoref.settings import FinetuneSettings, load_settings

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedTokenizerBase

    from kocoref.examples.options import Instance
    from kocoref.model.checkpoint import Checkpoint
    from kocoref.model.objective import Row

Precision = Literal["fp32", "bf16"]
Padding = Literal["max_length", "longest"]
TRAINER_BATCH = 8
"""The report's, with as many batches a step as make up the project's step."""
SAME_LOSS = {"fp32": 1e-4, "bf16": 2e-2}
"""How far the two losses of one batch may lie apart: bf16 keeps three digits."""


def compare(sizes: Sizes) -> list[dict[str, Any]]:
    """The rows of results.json."""
    count, rows = sizes.training_examples, []
    for precision in precisions():
        mine, padded, grouped = alternate(
            [ours(precision, count), trainer(precision, count, "max_length"),
             trainer(precision, count, "longest")], sizes.repetitions,
        )  # fmt: skip
        rows += [
            _row(precision, "Trainer padded to the maximum length", 4, mine, padded),
            _row(precision, "Trainer grouped by length", 1.8, mine, grouped),
        ]
    return [*rows, *_compare_long(sizes)]


def _compare_long(sizes: Sizes) -> list[dict[str, Any]]:
    with small_deberta() as model:
        mine, padded = alternate(
            [ours("fp32", sizes.long_examples, model),
             trainer("fp32", sizes.long_examples, "max_length", model)], sizes.repetitions,
        )  # fmt: skip
    against = f"Trainer padded to {LONGEST:,} tokens"
    return [_row("fp32", against, 4, mine, padded, "small DeBERTa-v2, ")]


def precisions() -> tuple[Precision, ...]:
    """What the processor multiplies in: without bf16 instructions it would only imitate bf16."""
    return ("fp32", "bf16") if processor_has_bf16() else ("fp32",)


def _row(
    precision: Precision,
    against: str,
    goal: float,
    mine: list[Timed],
    theirs: list[Timed],
    model: str = "",
) -> dict[str, Any]:
    difference = abs(mine[0].answer - theirs[0].answer)
    if difference > SAME_LOSS[precision]:
        raise AssertionError(f"finetune {precision}: losses of one batch differ by {difference}")
    row = ratio_row(f"finetune, {model}{precision}", f"{against}, {precision}", goal, mine, theirs)
    return row | {"same_loss_within": difference}


def ours(precision: Precision, count: int, model: str = BASE) -> Way:
    """The project's training steps under its settings."""
    settings = settings_for(precision)
    variables = arithmetic_variables(settings.reproducible, settings.threads, precision)
    return Way(train, (settings, count, model), variables)


def trainer(precision: Precision, count: int, padding: Padding, model: str = BASE) -> Way:
    """The Trainer in the environment of anyone who uses it."""
    settings = settings_for(precision)
    variables = {"OMP_NUM_THREADS": str(settings.threads)}
    return Way(train_by_trainer, (settings, count, padding, model), variables)


def settings_for(precision: Precision) -> FinetuneSettings:
    """The project's settings, in this precision."""
    settings = load_settings("finetune", FinetuneSettings)
    return settings.model_copy(update={"mixed_precision": precision})


def examples(count: int) -> list[Example]:
    """Texts of the report's lengths as examples for masked language modelling."""
    return [
        Example(str(number), "replay", 0, text, "", "")
        for number, text in enumerate(concatenated(count))
    ]


class Masker:
    """Rows of examples, with the same masks whenever and wherever they are made."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, length: int, share: float) -> None:
        from kocoref.model.encoding import Encoder
        from kocoref.training.batching import RowMaker

        self._maker = RowMaker(
            Encoder(tokenizer, length), use_target=False, use_nouns=False, use_rank=False,
            use_copy=False, use_mlm=True, ranked_share=0.0, mask_share=share,
        )  # fmt: skip

    def rows(self, example: Instance) -> list[Row]:
        """The row of an example, cropped to what the model takes."""
        return self._maker.rows(example, np.random.default_rng(example.length))


def ready(settings: FinetuneSettings, model: str = BASE) -> tuple[Accelerator, Checkpoint, Masker]:
    """What the project trains with, in a process with its variables."""
    fix_arithmetic(settings.reproducible, settings.threads, settings.mixed_precision)

    from accelerate import Accelerator

    from kocoref.model.checkpoint import load_checkpoint

    precision = accelerate_precision(settings.mixed_precision)
    accelerator = Accelerator(mixed_precision=precision, cpu=True)
    checkpoint = load_checkpoint(model, None, accelerator.mixed_precision)
    masker = Masker(checkpoint.tokenizer, checkpoint.max_length, settings.mask_share)
    return accelerator, checkpoint, masker


def train(settings: FinetuneSettings, count: int, name: str = BASE) -> Work:
    """One pass over the examples by the project's own steps."""
    accelerator, checkpoint, masker = ready(settings, name)

    from kocoref.training.batching import steps
    from kocoref.training.loop import make_optimizer, train_step

    made = examples(count)
    model = checkpoint.model.train()
    loss = _first_loss(checkpoint, accelerator, masker, made)
    optimizer = make_optimizer(settings, model, accelerator)
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate

    def work() -> float:
        for batch in steps(made, settings.batch_size, np.random.default_rng(settings.seed)):
            rows = [row for example in batch for row in masker.rows(example)]
            train_step(settings, model, rows, optimizer, accelerator, checkpoint)
        return loss

    return work


def _first_loss(
    checkpoint: Checkpoint, accelerator: Accelerator, masker: Masker, made: list[Example]
) -> float:
    import torch

    from kocoref.model.objective import collate, count_targets, loss_sums

    rows = [row for example in made[:TRAINER_BATCH] for row in masker.rows(example)]
    batch = collate(rows, int(checkpoint.tokenizer.pad_token_id or 0))
    with torch.no_grad(), accelerator.autocast():
        output = checkpoint.model(
            batch.input_ids, batch.attention_mask, batch.rows, batch.positions, batch.references
        )
    return float(loss_sums(output, batch)["mlm"] / count_targets(rows)["mlm"])


def train_by_trainer(
    settings: FinetuneSettings, count: int, padding: Padding, name: str = BASE
) -> Work:
    """One pass over the examples by the Trainer."""
    import torch
    from transformers import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
    )
    from transformers.trainer_callback import PrinterCallback

    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForMaskedLM.from_pretrained(name, dtype=torch.float32)
    length = model.config.max_position_embeddings
    masker = Masker(tokenizer, length, settings.mask_share)
    features = [_feature(row) for example in examples(count) for row in masker.rows(example)]
    collator = DataCollatorForTokenClassification(tokenizer, padding=padding, max_length=length)
    bf16 = settings.mixed_precision == "bf16"
    batch = collator(features[:TRAINER_BATCH])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = float(model(**batch).loss)

    def work() -> float:
        with TemporaryDirectory() as directory:
            arguments = TrainingArguments(
                directory,
                per_device_train_batch_size=TRAINER_BATCH,
                gradient_accumulation_steps=max(1, settings.batch_size // TRAINER_BATCH),
                num_train_epochs=1,
                learning_rate=settings.learning_rate,
                weight_decay=settings.weight_decay,
                train_sampling_strategy="random" if padding == "max_length" else "group_by_length",
                bf16=bf16,
                use_cpu=True,
                save_strategy="no",
                logging_strategy="no",
                log_level="error",
                report_to=[],
                disable_tqdm=True,
            )
            run = Trainer(model, arguments, data_collator=collator, train_dataset=features)
            run.remove_callback(PrinterCallback)
            run.train()
        return loss

    return work


def _feature(row: Row) -> dict[str, list[int]]:
    labels = [-100] * len(row.ids)
    for place, answer in row.mlm:
        labels[place] = answer
    return {"input_ids": row.ids, "attention_mask": [1] * len(row.ids), "labels": labels}
