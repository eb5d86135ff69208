"""How many tokens a model takes at once, and how it is made to take more.

Two kinds of positions go on beyond what a model was trained on. Relative ones (DeBERTa) need
nothing: farther than their last bucket is as far as that bucket, and the configuration must stay
as it is, because the buckets are computed from it. A table of absolute ones is repeated from its
beginning, as for Longformer (Beltagy et al. 2020): the rows that were there stay, so what the
model says about shorter inputs is the same to the bit, and neighbours in the new part are
neighbours that the model knows. It is a start for training, no more: for models/base a masked piece
of a text costs 4.9 nats where the text is read in halves of 512 tokens, and read as a whole 6.9 in
the first and 6.8 in the second half with a repeated table, 5.2 and 8.1 with random new rows, 5.4
and 9.3 with copies of the last.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

RELATIVE = ("deberta", "deberta-v2")
"""Types of models whose relative positions have no end."""


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that a checkpoint takes, special ones included.

    That is what its tokenizer says (``model_max_length``), as far as the position table goes; for
    a tokenizer that says nothing, what the model was made for.
    """
    table = _position_table(model)
    if table is None:
        made_for = int(getattr(model.config, "max_position_embeddings", 512))
        said = tokenizer.model_max_length
        return int(made_for if said >= VERY_LARGE_INTEGER else said)
    return int(min(table.num_embeddings - _unused_rows(table), tokenizer.model_max_length))


def lengthened(model: PreTrainedModel, length: int) -> PreTrainedModel | None:
    """The model, able to take inputs of ``length`` tokens; None where it cannot be made so."""
    table = _position_table(model)
    if table is None:
        relative = model.config.model_type in RELATIVE and model.config.relative_attention
        fits = length <= int(getattr(model.config, "max_position_embeddings", 512))
        return model if relative or fits else None
    rows = length + _unused_rows(table)
    if rows <= table.num_embeddings:
        return model
    weights = model.state_dict()
    name = next(name for name in weights if name.endswith("embeddings.position_embeddings.weight"))
    weights[name] = _repeated(weights[name], _unused_rows(table), rows)
    config = model.config
    if getattr(config, "max_relative_positions", 0) == -1:  # the buckets stay what they are
        config.max_relative_positions = config.max_position_embeddings
    config.max_position_embeddings = rows
    longer = type(model)(config)
    longer.load_state_dict(weights)
    longer.train(model.training)
    return longer


def _position_table(model: PreTrainedModel) -> nn.Embedding | None:
    """The table of absolute positions, where the model has one and its configuration its size."""
    embeddings = getattr(model.base_model, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    size = getattr(model.config, "max_position_embeddings", None)
    return table if isinstance(table, nn.Embedding) and table.num_embeddings == size else None


def _unused_rows(table: nn.Embedding) -> int:
    """Rows before that of the first position: RoBERTa counts from the one after its padding id."""
    return 0 if table.padding_idx is None else table.padding_idx + 1


def _repeated(table: torch.Tensor, unused: int, rows: int) -> torch.Tensor:
    """A table (rows, width) whose new rows are those of the first position and on, again."""
    positions = torch.arange(rows - len(table)) % (len(table) - unused) + unused
    return torch.cat([table, table[positions]])
