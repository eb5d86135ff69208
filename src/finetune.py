"""Stage finetune: base and data/prepared → models/finetuned, models/checkpoints, training curves.

Reads the section `finetune` of params.yaml. A run that was asked to stop (Ctrl-C, SIGTERM) goes
on from that step, one that was killed from its last measurement; its state is in
models/.unfinished and is used only for the same settings, data, base, code and libraries.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from kocoref.errors import InputError
from kocoref.files import discard, write_csv, write_json
from kocoref.runtime import accelerate_precision, fix_arithmetic, memory_errors
from kocoref.settings import FinetuneSettings, load_settings
from kocoref.stage import interruption_held_back, run_stage
from kocoref.training.teaching import check_losses

if TYPE_CHECKING:
    from kocoref.model.checkpoint import Checkpoint

TRAINING_DOCUMENTS = Path("data/prepared/train.jsonl")
VALIDATION_ITEMS = Path("data/prepared/items/validation")
FINETUNED = Path("models/finetuned")
CHECKPOINTS = Path("models/checkpoints")
WORKSPACE = Path("models/.unfinished")
CURVES = Path("metrics/curves")
TRAINING = Path("metrics/training.json")
LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate")
"""What a step's result depends on besides the code."""
log = logging.getLogger("finetune")


def main() -> None:
    """Run the stage."""
    settings = load_settings("finetune", FinetuneSettings)
    check(settings)
    fix_arithmetic(settings.reproducible, settings.threads, settings.mixed_precision)
    train(settings)


def check(settings: FinetuneSettings) -> None:
    """Refuse settings that would train on nothing, or from what this stage itself makes.

    Raises:
        InputError: names the keys.
    """
    outs = FINETUNED.resolve(), CHECKPOINTS.resolve()
    base = Path(settings.base).resolve()
    if any(out in (base, *base.parents) for out in outs):
        raise InputError(
            f"finetune.base is {settings.base}, an output of this stage, which DVC removes before"
            " it runs: `dvc checkout` brings it back; copy it elsewhere and name the copy"
        )
    check_losses(settings)


@memory_errors("finetune.batch_tokens", "finetune.max_length, window or reading_window")
def train(settings: FinetuneSettings) -> None:
    """Train by the settings; torch is imported here, after its arithmetic was fixed."""
    from accelerate import Accelerator
    from accelerate.utils import set_seed
    from torch.nn.init import zeros_

    from kocoref.corpus.document import read_documents
    from kocoref.evaluation.measures import MEASURES, QUICK_MEASURES
    from kocoref.evaluation.prediction import vocabulary_nouns
    from kocoref.evaluation.protocols import evaluate
    from kocoref.examples.items import read_items
    from kocoref.examples.options import ExampleMaker, make_examples, replay_stream
    from kocoref.model.checkpoint import load_checkpoint
    from kocoref.model.encoding import Encoder
    from kocoref.training.batching import RowMaker
    from kocoref.training.loop import TRAINING_COLUMNS, finetune, publish

    set_seed(settings.seed)
    accelerator = Accelerator(mixed_precision=accelerate_precision(settings.mixed_precision))
    log.disabled = not accelerator.is_main_process
    checkpoint = load_checkpoint(
        settings.base, settings.base_revision, accelerator.mixed_precision, settings.max_length
    )
    if not settings.copy_salience:
        zeros_(checkpoint.model.copying.salience.requires_grad_(False).weight)
    documents = list(read_documents(TRAINING_DOCUMENTS))
    maker = ExampleMaker(
        window=settings.window,
        radius=settings.context_sentences,
        per_document=settings.examples_per_document,
        reading_share=settings.reading_share,
        reading_window=settings.reading_window,
        seed=settings.seed,
    )
    phases = make_examples(settings.option, documents, maker, settings.max_examples)
    items = read_items(VALIDATION_ITEMS)
    nouns = vocabulary_nouns(checkpoint)
    wanted = [name for name in MEASURES if name in (settings.select_by, *QUICK_MEASURES)]

    def validate(current: Checkpoint) -> dict[str, float]:
        outcome = evaluate(
            current, items, wanted, settings.batch_tokens, settings.template, nouns, "validate"
        )
        measured = outcome.measures(wanted)
        if settings.select_by not in (*measured, "last"):
            raise InputError(
                f"finetune.select_by is {settings.select_by}, but the validation split has no item"
                f" for it; choose one of {', '.join([*measured, 'last'])}"
            )
        return measured

    encoder = Encoder(checkpoint.tokenizer, checkpoint.max_length)
    row_maker = RowMaker(
        encoder,
        use_target=settings.target_weight > 0,
        use_nouns=settings.nouns_weight > 0,
        use_rank=settings.rank_weight > 0,
        use_copy=settings.copy_weight > 0,
        use_mlm=settings.mlm_weight > 0,
        ranked_share=settings.ranked_share,
        mask_share=settings.mask_share,
    )
    with accelerator.main_process_first():  # the others find it cleared
        workspace = _workspace(settings, checkpoint)
    # Several processes would not stop after the same step: they go back to the last measurement.
    alone = accelerator.num_processes == 1
    with interruption_held_back() if alone else nullcontext(lambda: False) as interrupted:
        state = finetune(
            settings,
            checkpoint,
            phases,
            replay_stream(documents, maker),
            row_maker,
            validate,
            accelerator,
            workspace,
            interrupted,
        )
    losses = [row[name] for row in state.training for name in row if name.startswith("loss_")]
    if losses and all(loss is None for loss in losses):
        raise InputError(
            "finetune: no example had anything to learn from by these weights (target_weight,"
            " nouns_weight, rank_weight, copy_weight, mlm_weight); raise one that fits the data"
        )
    accelerator.wait_for_everyone()  # all have read the state, which is now dropped
    if accelerator.is_main_process:
        publish(state.best_step, workspace, FINETUNED, CHECKPOINTS)
        write_csv(CURVES / "training.csv", TRAINING_COLUMNS, state.training)
        write_csv(CURVES / "validation.csv", list(state.validation[0]), state.validation)
        best = next(row for row in state.validation if row["step"] == state.best_step)
        summary = {
            "option": settings.option,
            "base": settings.base,
            "select_by": settings.select_by,
            "available_examples": sum(map(len, phases)),
            "examples": state.examples,
            "tokens": state.tokens,
            "steps": state.step,
            "best_step": state.best_step,
            "validation": {name: best[name] for name in MEASURES if name in best},
        }
        write_json(TRAINING, summary)
        discard(workspace)  # last: until all is written, an interrupted run can go on
    accelerator.end_training()


def _workspace(settings: FinetuneSettings, checkpoint: Checkpoint) -> Path:
    """The directory of this very run: same settings, data, base, code and libraries."""
    digest = blake2b(settings.model_dump_json().encode(), digest_size=8)
    for tensor in checkpoint.model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    digest.update(checkpoint.model.model.config.to_json_string().encode())
    digest.update(checkpoint.tokenizer.backend_tokenizer.to_str().encode())
    digest.update(" ".join(map(version, LIBRARIES)).encode())
    code = Path(__file__), *Path(__file__).with_name("kocoref").rglob("*.py")
    files = (TRAINING_DOCUMENTS, *VALIDATION_ITEMS.rglob("*.jsonl"), *code)
    for path in sorted(files):
        digest.update(path.read_bytes())
    workspace = WORKSPACE / digest.hexdigest()
    for other in WORKSPACE.glob("*"):
        if other != workspace:
            discard(other)
    workspace.mkdir(parents=True, exist_ok=True)
    return workspace


if __name__ == "__main__":
    run_stage(main, __doc__)
