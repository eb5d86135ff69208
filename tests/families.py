"""Tiny random checkpoints of the real classes, each with a vocabulary it comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

LENGTH = 64
"""Tokens that each of them takes."""
PADDING = 3
"""Ids of each model that its tokenizer has no piece for."""
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.2,
}

# Of kakaobank/kf-deberta-base, but for the sizes.
DEBERTA = {
    "attention_probs_dropout_prob": 0.1,
    "conv_act": "gelu",
    "conv_kernel_size": 0,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "layer_norm_eps": 1e-07,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "pooler_dropout": 0,
    "pooler_hidden_act": "gelu",
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "position_buckets": 16,
    "relative_attention": True,
    "share_att_key": True,
    "type_vocab_size": 0,
}

FAMILIES: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "bert": (BertForMaskedLM, BertConfig, {}, "wordpiece"),
    "electra": (ElectraForMaskedLM, ElectraConfig, {"embedding_size": 16}, "wordpiece"),
    "roberta": (RobertaForMaskedLM, RobertaConfig, {}, "bytes"),
    "deberta-v2": (DebertaV2ForMaskedLM, DebertaV2Config, DEBERTA, "unigram"),
    "deberta-v2 with a table": (
        DebertaV2ForMaskedLM, DebertaV2Config, DEBERTA | {"position_biased_input": True}, "unigram",
    ),
    "modernbert": (ModernBertForMaskedLM, ModernBertConfig, {}, "bytes"),
}  # fmt: skip
"""Class, configuration, what is not as usual in it, vocabulary."""


def unigram(sentences: tuple[str, ...]) -> PreTrainedTokenizerBase:
    """A vocabulary as SentencePiece makes them: ▁ for a space before a word."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        sentences,
        trainers.UnigramTrainer(
            vocab_size=250, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return _wrapped(tokenizer)


def byte_level(sentences: tuple[str, ...]) -> PreTrainedTokenizerBase:
    """Byte-pair encoding of bytes, as RoBERTa has it: a Korean character is up to three pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        sentences * 3,
        trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False),
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), add_prefix_space=False
    )
    return _wrapped(tokenizer)


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerBase:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        unk_token="<unk>", pad_token="<pad>", mask_token=AddedToken("<mask>", lstrip=True),
        model_max_length=LENGTH,
    )  # fmt: skip


def write_family(name: str, tokenizer: PreTrainedTokenizerBase, directory: Path) -> Path:
    """Write a checkpoint of a family; its directory."""
    kind, config, keys, _ = FAMILIES[name]
    torch.manual_seed(0)
    positions = LENGTH + (2 if name == "roberta" else 0)  # RoBERTa begins at its padding id + 1
    sizes = {"vocab_size": len(tokenizer) + PADDING, "max_position_embeddings": positions}
    ids = {"pad_token_id": tokenizer.pad_token_id}
    kind(config(**SIZE, **sizes, **ids, **keys)).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
