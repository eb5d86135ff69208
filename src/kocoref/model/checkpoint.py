"""Any masked language model checkpoint: loaded safely, checked, and run at masked places only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from kocoref.errors import InputError, one_line
from kocoref.files import replacing
from kocoref.hub import hub_client, hub_errors
from kocoref.model.copying import CopyHead, References
from kocoref.model.objective import Output
from kocoref.model.positions import lengthened, longest_input

COPYING = "copying.safetensors"
"""The copying head beside the weights; a checkpoint without it begins with an untrained one."""
log = logging.getLogger("checkpoint")


class MaskedPositionModel(nn.Module):
    """A masked language model whose head runs only where it is asked to, and a copying head.

    With a vocabulary of 130,000 the head is most of the work. Its layers work on each position by
    itself in every family, so it is enough to keep the asked positions of the encoder's output.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.copying = CopyHead(int(model.config.hidden_size))
        self._places: tuple[Tensor, Tensor] | None = None
        self._states: Tensor | None = None
        model.base_model.register_forward_hook(self._keep_places)

    def _keep_places(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        if self._places is not None:
            self._states = output.last_hidden_state
            output.last_hidden_state = output.last_hidden_state[self._places].unsqueeze(0)
        return output

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        rows: Tensor,
        positions: Tensor,
        references: References,
    ) -> Output:
        """Logits of ids (batch, length) at ``rows`` and ``positions``; scores of references."""
        self._places = (rows, positions)
        try:
            logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
            assert self._states is not None
            return Output(logits.squeeze(0), self.copying(self._states, references))
        finally:
            self._places = self._states = None


@dataclass(frozen=True)
class Checkpoint:
    """A model and its tokenizer; ``max_length`` is in tokens, special ones included."""

    model: MaskedPositionModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    dtype: torch.dtype

    def save(self, directory: Path) -> None:
        """Write weights (safetensors, in the type they were loaded from) and tokenizer.

        The copying head has a file of its own, which other programs leave alone.
        """
        converted: dict[int, Tensor] = {}  # tied weights stay one tensor
        weights = {}
        for name, tensor in self.model.model.state_dict().items():
            kind = self.dtype if tensor.is_floating_point() else tensor.dtype
            weights[name] = converted.setdefault(tensor.data_ptr(), tensor.to(kind))
        with replacing(directory) as partial, disk_errors(directory):
            self.model.model.save_pretrained(partial, state_dict=weights)
            copying = self.model.copying.state_dict()
            save_file({name: copying[name].to(self.dtype) for name in copying}, partial / COPYING)
            self.tokenizer.save_pretrained(partial)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say in one line that safetensors could not be written, as on a full disk.

    Raises:
        InputError: names the path and the reason.
    """
    try:
        yield
    except SafetensorError as error:
        reason = one_line(error)
        raise InputError(f"{path}: cannot be written: {reason}") from None


def load_checkpoint(
    name: str,
    revision: str | None = None,
    mixed_precision: str = "no",
    max_length: int | None = None,
) -> Checkpoint:
    """Load a local directory or a Hugging Face id, weights in float32.

    Only safetensors are read and no code of the repository is run. ``mixed_precision`` is
    Accelerate's name of what the model will be trained under. ``max_length`` is how many tokens it
    shall take at once, None for as many as it does; a saved checkpoint keeps it.

    Raises:
        InputError: there is no such checkpoint, it has no tokenizer with a mask token, its masked
            language modelling head is missing, or it cannot take so many tokens.
    """
    directory = _local_copy(name, revision)
    # In bf16 on a CPU the fused attention kernel's backward pass is far slower than plain products.
    plain = mixed_precision == "bf16" and not torch.cuda.is_available()
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
        model, report = AutoModelForMaskedLM.from_pretrained(
            directory,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
            **({"attn_implementation": "eager"} if plain else {}),
        )
    except Exception as error:  # other people's files in other people's code: anything at all
        reason = one_line(error)
        raise InputError(f"checkpoint {name}: cannot be loaded: {reason}") from None
    for how_it_was_read in ("is_local", "local_files_only"):  # else HF_HUB_OFFLINE changes bytes
        tokenizer.init_kwargs.pop(how_it_was_read, None)
    _check(name, model, tokenizer, report["missing_keys"])
    if max_length is not None:
        trained = longest_input(model, tokenizer)
        longer = lengthened(model, max_length)
        if longer is None:
            raise InputError(
                f"checkpoint {name}: cannot take {max_length} tokens: positions of its type"
                f" ({model.config.model_type}) end at {trained}, and only"
                " position tables and DeBERTa's relative positions can be made longer; lower"
                " max_length"
            )
        if longer is not model:
            log.warning("positions beyond %d are untrained", trained)
        model, tokenizer.model_max_length = longer, max_length
    with_heads = MaskedPositionModel(model)
    _load_copying(name, with_heads, directory)
    return Checkpoint(
        model=with_heads,
        tokenizer=tokenizer,
        max_length=longest_input(model, tokenizer),
        dtype=_stored_dtype(directory),
    )


def _local_copy(name: str, revision: str | None) -> Path:
    """The directory of a checkpoint: the one it names, or the Hub's files in the local cache.

    All files are of one commit. Without a network, those that were fetched before.
    """
    local = Path(name)
    if local.is_dir() or name.startswith((".", "/", "models/")):
        if not (local / "config.json").is_file():
            raise InputError(f"checkpoint {name}: no config.json there; is it a model directory?")
        if not any(local.glob("*.safetensors")):
            raise InputError(
                f"checkpoint {name}: no safetensors there, and other files can run code; save the"
                " model again with save_pretrained"
            )
        return local
    client = hub_client()
    with hub_errors(f"checkpoint {name}", revision or "main", "checkpoint"):
        commit = client.resolve_revision(name, revision=revision)
        folder = client.snapshot_download(
            name,
            revision=commit,
            allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"],
            ignore_patterns=["*/*"],
        )
    if not any(Path(folder).glob("*.safetensors")):
        raise InputError(
            f"checkpoint {name}: no safetensors at revision {revision or 'main'}, and other files"
            " can run code; the Hub keeps converted weights at a revision refs/pr/N: set"
            " finetune.base_revision to it, or save the model with save_pretrained"
        )
    log.info("checkpoint %s at commit %s", name, Path(folder).name)
    return Path(folder)


def _check(
    name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, missing: set[str]
) -> None:
    """Raise an InputError where the head did not load or the tokenizer is not fit for masks."""
    if missing:
        raise InputError(
            f"checkpoint {name}: weights missing ({', '.join(sorted(missing)[:4])}); it needs a"
            " masked language modelling head, as saved by AutoModelForMaskedLM"
        )
    if tokenizer.mask_token_id is None:
        raise InputError(f"checkpoint {name}: its tokenizer has no mask token")
    if not tokenizer.is_fast:
        raise InputError(f"checkpoint {name}: its tokenizer gives no offsets (not a fast one)")
    if len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"checkpoint {name}: its tokenizer has {len(tokenizer)} pieces, its model only"
            f" {model.config.vocab_size}; they do not belong together"
        )


def _load_copying(name: str, model: MaskedPositionModel, directory: Path) -> None:
    if (directory / COPYING).is_file():
        try:
            model.copying.load_state_dict(load_file(directory / COPYING))
        except (RuntimeError, SafetensorError) as error:
            reason = one_line(error)
            raise InputError(
                f"checkpoint {name}: {COPYING} does not fit the model: {reason}; delete it to begin"
                " with an untrained copying head"
            ) from None


def _stored_dtype(directory: Path) -> torch.dtype:
    from safetensors import safe_open

    kinds = set()
    for path in directory.glob("*.safetensors"):
        if path.name != COPYING:
            with safe_open(path, "pt") as file:
                kinds |= {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    if kinds == {"F16"}:
        return torch.float16
    return torch.bfloat16 if kinds == {"BF16"} else torch.float32
