"""The base's network: the donor's layers under new embeddings for the new vocabulary."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM

from kocoref.pretraining.donor import Donor
from kocoref.pretraining.vocabulary import CONTINUATION

_SPECIAL_SOURCES = {
    "[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>",
}  # fmt: skip
_LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def build_model(donor: Donor, vocabulary: list[str], keep_layers: list[int]) -> BertForMaskedLM:
    """A BERT with an MLM head: chosen layers of the donor, embeddings averaged over its pieces.

    The head's dense layer starts as the identity, its decoder is tied to the embeddings.
    """
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=donor.hidden,
        num_hidden_layers=len(keep_layers),
        num_attention_heads=donor.heads,
        intermediate_size=donor.feed_forward,
        max_position_embeddings=donor.positions,
        layer_norm_eps=1e-12,
        type_vocab_size=2,
        pad_token_id=0,
        # Random numbers for attention dropout would take a third of the time of a step on CPU.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    # On CPU in bf16 plain attention is 3 times faster than the fused kernel with its gradient.
    config._attn_implementation = "eager"
    model = BertForMaskedLM(config)
    state = {
        "bert.embeddings.word_embeddings.weight": _embeddings(donor, vocabulary),
        "bert.embeddings.position_embeddings.weight": _tensor(donor, "emb.pos"),
        "bert.embeddings.token_type_embeddings.weight": _tensor(donor, "emb.type").view(2, -1),
        "bert.embeddings.LayerNorm.weight": _tensor(donor, "emb.ln.w"),
        "bert.embeddings.LayerNorm.bias": _tensor(donor, "emb.ln.b"),
        "cls.predictions.transform.dense.weight": torch.eye(donor.hidden),
    }
    for target, source in enumerate(keep_layers):
        for short, name in _LAYER_NAMES.items():
            for kind, suffix in (("w", "weight"), ("b", "bias")):
                state[f"bert.encoder.layer.{target}.{name}.{suffix}"] = _tensor(
                    donor, f"l{source}.{short}.{kind}"
                )
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(name.startswith("bert.encoder") for name in missing):
        raise RuntimeError(f"donor and model disagree: {unexpected}, {missing}")
    model.tie_weights()
    return model


def masked_loss(model: BertForMaskedLM, inputs: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the labelled positions; only they go through the head."""
    hidden = model.bert(input_ids=inputs, attention_mask=mask).last_hidden_state
    chosen = labels != -100
    logits = model.cls(hidden[chosen])
    return nn.functional.cross_entropy(logits.float(), labels[chosen])


def _embeddings(donor: Donor, vocabulary: list[str]) -> Tensor:
    rows = []
    for piece in vocabulary:
        if piece in _SPECIAL_SOURCES:
            rows.append(donor.embedding_of_piece(_SPECIAL_SOURCES[piece]))
        else:
            starts_word = not piece.startswith(CONTINUATION)
            rows.append(donor.embedding_of(piece.removeprefix(CONTINUATION), starts_word))
    return torch.from_numpy(np.stack(rows))


def _tensor(donor: Donor, name: str) -> Tensor:
    return torch.from_numpy(donor.tensors[name].copy())
