"""A small DeBERTa-v2 that takes texts as long as the report's, which models/base does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import BASE

LONGEST = 2048
"""The report's length, in tokens."""
SHAPE: dict[str, Any] = {
    "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 512, "max_position_embeddings": LONGEST, "relative_attention": True,
    "position_buckets": 256, "pos_att_type": ["p2c", "c2p"], "share_att_key": True,
    "norm_rel_ebd": "layer_norm", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip


@contextmanager
def small_deberta() -> Iterator[str]:
    """The directory of a checkpoint with random weights, for as long as the block lasts."""
    import torch
    from transformers import AutoTokenizer, DebertaV2Config, DebertaV2ForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(BASE, model_max_length=LONGEST)
    config = DebertaV2Config(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **SHAPE
    )
    torch.manual_seed(0)
    with TemporaryDirectory() as directory:
        DebertaV2ForMaskedLM(config).save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        yield directory
