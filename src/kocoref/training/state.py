"""The state of an unfinished run on disk: weights, optimizer and curves, without pickle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import AdamW

from kocoref.errors import InputError, one_line
from kocoref.files import read_json, replacing, write_json
from kocoref.model.checkpoint import disk_errors


@dataclass
class TrainingState:
    """Where a run stands; ``without_gain`` counts evaluations since the best one."""

    step: int = 0
    examples: int = 0
    tokens: int = 0
    replayed: int = 0
    best_step: int = 0
    best_value: float | None = None
    without_gain: int = 0
    since_logged: dict[str, list[float]] = field(default_factory=dict)
    training: list[dict[str, float | None]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)


def save_state(
    workspace: Path,
    state: TrainingState,
    model: torch.nn.Module,
    optimizer: AdamW,
    accelerator: Accelerator,
) -> None:
    """Write the state whole or not at all; only the main process writes."""
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return
    tensors = {f"model.{i}": p.detach().cpu() for i, p in enumerate(model.parameters())}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    with replacing(workspace / "state") as partial, disk_errors(workspace / "state"):
        partial.mkdir()
        copies = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        save_file(copies, partial / "tensors.safetensors")
        scaler = accelerator.scaler and accelerator.scaler.state_dict()
        write_json(partial / "progress.json", asdict(state) | {"scaler": scaler})


def load_state(
    workspace: Path, model: torch.nn.Module, optimizer: AdamW, accelerator: Accelerator
) -> TrainingState | None:
    """Put a saved state back into model, optimizer and fp16's scaler; None where there is none.

    Raises:
        InputError: the state on disk is not one that was saved here.
    """
    directory = workspace / "state"
    if not directory.is_dir():
        return None
    try:
        progress = read_json(directory / "progress.json")
        scaler = progress.pop("scaler")
        if accelerator.scaler:
            accelerator.scaler.load_state_dict(scaler)
        state = TrainingState(**progress)
        _restore(load_file(directory / "tensors.safetensors"), model, optimizer)
    except (SafetensorError, KeyError, TypeError) as error:
        reason = one_line(error)
        raise InputError(f"{directory}: broken ({reason}); delete it to begin anew") from None
    return state


def _restore(tensors: dict[str, Tensor], model: torch.nn.Module, optimizer: AdamW) -> None:
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.copy_(tensors[f"model.{index}"])
    whole = optimizer.state_dict()
    whole["state"] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, moment = name.split(".")
            whole["state"].setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict(whole)
