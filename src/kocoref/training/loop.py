"""The training loop: steps weighted by targets, measured on the validation split, resumable.

Everything random is a function of the seed and the step, so a run that was interrupted goes on
from its last measured step exactly as if nothing had happened.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.optim import AdamW
from tqdm import tqdm

from kocoref.errors import InputError
from kocoref.evaluation.measures import LOWER_IS_BETTER
from kocoref.examples.example import Example
from kocoref.examples.options import Instance
from kocoref.files import replacing
from kocoref.model.checkpoint import Checkpoint, MaskedPositionModel
from kocoref.model.objective import KINDS, Row, collate, count_targets, loss_sums
from kocoref.settings import FinetuneSettings
from kocoref.training.batching import RowMaker, micro_batches, steps
from kocoref.training.state import TrainingState, load_state, save_state

LOG_POINTS = 50
TRAINING_COLUMNS = ("step", "learning_rate", *(f"loss_{kind}" for kind in KINDS))
GRADIENT_NORM = 1.0
HEAD_RATES = {"copying.salience.": 30.0, "copying.": 3.0}
"""The copying head begins untrained and learns faster, by these factors."""
log = logging.getLogger("finetune")

Validate = Callable[[Checkpoint], dict[str, float]]


def finetune(
    settings: FinetuneSettings,
    checkpoint: Checkpoint,
    phases: Sequence[Sequence[Instance]],
    replay: Iterator[Example],
    row_maker: RowMaker,
    validate: Validate,
    accelerator: Accelerator,
    workspace: Path,
    interrupted: Callable[[], bool] = lambda: False,
) -> TrainingState:
    """Train, writing ``checkpoint-N`` directories and a state to resume from to ``workspace``.

    Returns the last state: the curves, the best step, what was seen. Once ``interrupted``, it
    saves the state after the step and returns.

    Raises:
        InputError: a loss is not finite.
    """
    plan = _plan(settings, phases)
    total = len(plan)
    evaluate_at = _evaluation_steps(total, settings.evaluations)
    model = checkpoint.model.to(accelerator.device)
    optimizer = make_optimizer(settings, model, accelerator)
    keeps = settings.anchor_weight or settings.base_share
    anchor = _with_start(model) if keeps else []
    state = load_state(workspace, model, optimizer, accelerator)
    if state is None:
        state = TrainingState()
        _measure(state, checkpoint, settings, validate, accelerator, workspace, anchor)
        save_state(workspace, state, model, optimizer, accelerator)
    else:
        log.info("resuming after step %d", state.step)
    replayed = islice(replay, state.replayed, None)

    model.train()
    progress = tqdm(total=total, initial=state.step, desc="finetune", unit="step",
                    disable=not accelerator.is_local_main_process)  # fmt: skip
    while state.step < total and not _patience_lost(state, settings) and not interrupted():
        _seed_dropout(settings.seed, state.step, accelerator.process_index)
        examples = plan[state.step]
        extra = list(islice(replayed, _replay_count(settings.replay, state.step, len(examples))))
        random = np.random.default_rng([settings.seed, state.step])
        rows = [
            row
            for unit, example in enumerate([*examples, *extra])
            for row in row_maker.rows(example, random, unit)
        ]
        rate = _learning_rate(settings, state.step, total)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        losses = train_step(settings, model, rows, optimizer, accelerator, checkpoint)
        if not all(map(isfinite, losses.values())):
            raise InputError(
                f"training diverged: a loss of step {state.step + 1} is no number; lower"
                " finetune.learning_rate"
            )
        if settings.anchor_weight:
            for parameter, start in anchor:
                parameter.data.lerp_(start, min(1.0, rate * settings.anchor_weight))
        state.step += 1
        state.replayed += len(extra)
        state.examples += len(examples)
        state.tokens += sum(len(row.ids) for row in rows)
        progress.update()
        for kind, value in losses.items():
            state.since_logged.setdefault(kind, []).append(value)
        if state.step % max(1, total // LOG_POINTS) == 0 or state.step == total:
            means = {kind: float(np.mean(v)) for kind, v in state.since_logged.items()}
            progress.set_postfix({k: f"{v:.3f}" for k, v in means.items()}, refresh=False)
            logged: dict[str, float | None] = {"step": state.step, "learning_rate": rate}
            state.training.append(logged | {f"loss_{kind}": means.get(kind) for kind in KINDS})
            state.since_logged = {}
        if state.step in evaluate_at:
            _measure(state, checkpoint, settings, validate, accelerator, workspace, anchor)
            save_state(workspace, state, model, optimizer, accelerator)
    progress.close()
    if interrupted():
        save_state(workspace, state, model, optimizer, accelerator)
        log.info("state saved after step %d of %d: the next run goes on from it", state.step, total)
    return state


def _plan(settings: FinetuneSettings, phases: Sequence[Sequence[Instance]]) -> list[list[Instance]]:
    """The examples of every step: all epochs of a phase before the next phase.

    With ``max_steps`` steps are taken evenly from the whole, so that every phase keeps its share.
    """
    plan = [
        batch
        for phase in phases
        for epoch in range(settings.epochs)
        for batch in steps(
            phase, settings.batch_size, np.random.default_rng([settings.seed, epoch])
        )
    ]
    count = min(settings.max_steps or len(plan), len(plan))
    return [plan[i * len(plan) // count] for i in range(count)]


def _evaluation_steps(total: int, evaluations: int) -> set[int]:
    return {round(total * i / evaluations) for i in range(1, evaluations + 1)} - {0}


def _seed_dropout(seed: int, step: int, process: int) -> None:
    """Dropout, too, is a function of the seed and the step."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, process]).generate_state(1)[0]))


def _replay_count(share: float, step: int, examples: int) -> int:
    """``share`` replayed texts for each example, spread evenly over the steps."""
    return int(share * examples * (step + 1)) - int(share * examples * step)


def _learning_rate(settings: FinetuneSettings, step: int, total: int) -> float:
    """Rises over the warm-up, then falls to zero, both in a straight line."""
    warmup = max(1, round(settings.warmup_share * total))
    falling = max(0.0, (total - step) / max(1, total - warmup))
    return settings.learning_rate * min((step + 1) / warmup, falling)


def make_optimizer(
    settings: FinetuneSettings, model: torch.nn.Module, accelerator: Accelerator
) -> AdamW:
    """AdamW; matrices decay, and the copying head has rates of its own."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        rate = next((r for head, r in HEAD_RATES.items() if name.startswith(head)), 1.0)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    optimizer: AdamW = accelerator.prepare(
        AdamW(
            [
                {"params": parameters, "rate": rate, "weight_decay": decay}
                for (rate, decay), parameters in groups.items()
            ]
        )
    )
    return optimizer


def train_step(
    settings: FinetuneSettings,
    model: torch.nn.Module,
    rows: Sequence[Row],
    optimizer: AdamW,
    accelerator: Accelerator,
    checkpoint: Checkpoint,
) -> dict[str, float]:
    """One optimizer step over all rows, however many batches and processes they take.

    Each kind of loss is divided by the number of its targets in the whole step, so a batch with
    few targets weighs less than one with many. Returns the mean losses by kind; of rows without
    a target there are none, and nothing is learned.
    """
    counts = count_targets(rows)
    if not any(counts.values()):
        return {}
    weights = {
        "target": settings.target_weight,
        "nouns": settings.nouns_weight,
        "rank": settings.rank_weight,
        "copy": settings.copy_weight,
        "mlm": settings.mlm_weight,
    }
    pad = int(checkpoint.tokenizer.pad_token_id or 0)
    totals = torch.zeros(len(KINDS), device=accelerator.device)
    batches = micro_batches([row for row in rows if row.has_targets()], settings.batch_tokens)
    mine = batches[accelerator.process_index :: accelerator.num_processes]
    if not mine:  # fp16's scale begins with a backward pass, also where others have all batches
        accelerator.backward(totals.sum().requires_grad_())
    for part in mine:
        batch = collate(part, pad).to(accelerator.device)
        with accelerator.autocast():
            output = model(
                batch.input_ids,
                batch.attention_mask,
                batch.rows,
                batch.positions,
                batch.references,
            )
        sums = loss_sums(output, batch)
        loss: Tensor = sum(  # type: ignore[assignment]
            weights[kind] * sums[kind] / counts[kind] for kind in KINDS if counts[kind]
        )
        accelerator.backward(loss)
        totals += torch.stack([sums[kind].detach() for kind in KINDS])
    if accelerator.num_processes > 1:
        _sum_gradients(model, accelerator)
        totals = accelerator.reduce(totals, "sum")
    accelerator.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    means = dict(zip(KINDS, totals.tolist(), strict=True))
    return {kind: means[kind] / counts[kind] for kind in KINDS if counts[kind]}


def _sum_gradients(model: torch.nn.Module, accelerator: Accelerator) -> None:
    """Give every process the gradients of all.

    A parameter for which none has one keeps none: AdamW would move it by decay and moments.
    """
    parameters = list(model.parameters())
    has = torch.tensor([float(p.grad is not None) for p in parameters], device=accelerator.device)
    for parameter, count in zip(parameters, accelerator.reduce(has, "sum").tolist(), strict=True):
        if count:
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = accelerator.reduce(own, "sum")


def _measure(
    state: TrainingState,
    checkpoint: Checkpoint,
    settings: FinetuneSettings,
    validate: Validate,
    accelerator: Accelerator,
    workspace: Path,
    anchor: Sequence[tuple[Tensor, Tensor]],
) -> None:
    """Measure on the validation split, keep the checkpoint, remember whether it is the best."""
    shared: list[Any] = [None]
    if accelerator.is_main_process:
        with _averaged(anchor, settings.base_share):
            with accelerator.autocast():
                shared = [validate(checkpoint)]
            checkpoint.save(workspace / f"checkpoint-{state.step}")
    broadcast_object_list(shared)
    measured: dict[str, float] = shared[0]
    state.validation.append({"step": state.step} | measured)
    value = float(state.step)
    if settings.select_by != "last":
        sign = -1 if settings.select_by in LOWER_IS_BETTER else 1
        value = sign * measured[settings.select_by]
    if state.best_value is None or value > state.best_value:
        state.best_value, state.best_step, state.without_gain = value, state.step, 0
    else:
        state.without_gain += 1
    log.info("step %d: %s", state.step, {k: round(v, 4) for k, v in measured.items()})


def _with_start(model: MaskedPositionModel) -> list[tuple[Tensor, Tensor]]:
    """The parameters that come from the base, each with its value there.

    Those of the copying head begin untrained: there is nothing to go back to.
    """
    of_head = {id(parameter) for parameter in model.copying.parameters()}
    return [(p, p.detach().clone()) for p in model.parameters() if id(p) not in of_head]


@contextmanager
def _averaged(anchor: Sequence[tuple[Tensor, Tensor]], share: float) -> Iterator[None]:
    """The model with ``share`` of its base in its weights for a while.

    Between a fine-tuned model and its base lie models that keep most of what both can do
    (Wortsman et al. 2022).
    """
    changed = [(p, p.detach().clone(), start) for p, start in anchor] if share else []
    with torch.no_grad():
        for parameter, _, start in changed:
            parameter.lerp_(start, share)
        try:
            yield
        finally:
            for parameter, own, _ in changed:
                parameter.copy_(own)


def _patience_lost(state: TrainingState, settings: FinetuneSettings) -> bool:
    return state.without_gain >= settings.patience


def publish(best_step: int, workspace: Path, finetuned: Path, checkpoints: Path) -> None:
    """Copy the checkpoints and the best of them to their places."""
    with replacing(checkpoints) as partial:
        partial.mkdir()
        for path in sorted(workspace.glob("checkpoint-*")):
            shutil.copytree(path, partial / path.name)
    with replacing(finetuned) as partial:
        shutil.copytree(checkpoints / f"checkpoint-{best_step}", partial)
