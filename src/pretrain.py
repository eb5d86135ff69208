"""Stage pretrain: open Korean text and donated encoder layers → models/base, metrics/base.json.

Reads the section `pretrain` of params.yaml.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path

import torch

from kocoref.errors import InputError
from kocoref.files import replacing, write_json
from kocoref.pretraining.corpus import read_open_text
from kocoref.pretraining.donor import find_donor, read_donor
from kocoref.pretraining.masking import Masker, cut_blocks
from kocoref.pretraining.model import build_model
from kocoref.pretraining.training import held_out_nouns, score_nouns, score_unigram, train
from kocoref.pretraining.vocabulary import build_tokenizer, build_vocabulary, count_pieces
from kocoref.settings import PretrainSettings, load_settings
from kocoref.stage import run_stage
from kocoref.text.morphology import NOUN_TAGS, Analyzer

OUT = Path("models/base")
METRICS = Path("metrics/base.json")
HELD_OUT_ONE_IN = 50
HELD_OUT_BLOCKS = 300
log = logging.getLogger("pretrain")


def main() -> None:
    """Run the stage."""
    settings = load_settings("pretrain", PretrainSettings)
    torch.manual_seed(settings.seed)

    donor = find_donor()
    texts = read_open_text([Path(path) for path in settings.corpus], settings.licences)
    log.info("%d texts, %d characters", len(texts), sum(map(len, texts)))
    analyses = [tokens for _, tokens in Analyzer().analyze(texts)]
    held_out = [_hash(text) % HELD_OUT_ONE_IN == 0 for text in texts]
    seen = [(t, a) for t, a, out in zip(texts, analyses, held_out, strict=True) if not out]
    unseen = [(t, a) for t, a, out in zip(texts, analyses, held_out, strict=True) if out]

    pieces, characters = count_pieces(seen)
    vocabulary = build_vocabulary(pieces, characters, settings.vocabulary_size)
    tokenizer = build_tokenizer(vocabulary, max_length=512)
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    nouns = Counter(t.form for _, tokens in seen for t in tokens if t.tag in NOUN_TAGS)
    whole = sum(count for noun, count in nouns.items() if noun in ids)

    masker = Masker(tokenizer, settings.noun_share, settings.piece_share)
    blocks, test_blocks = (
        [block for t, a in part for block in cut_blocks(tokenizer, t, a, settings.block_length)]
        for part in (seen, unseen)
    )
    test = held_out_nouns(test_blocks[:HELD_OUT_BLOCKS], masker, settings.seed)
    if not test:
        raise InputError(
            f"pretrain.corpus: {len(texts)} texts are too few: one in {HELD_OUT_ONE_IN} is held out"
            " to measure by, and there is no noun in those; add text"
        )
    most_frequent = [ids[noun] for noun, _ in nouns.most_common(50) if noun in ids][:5]

    model = build_model(read_donor(donor), vocabulary, settings.donor_layers)
    frequencies = torch.tensor([pieces[piece] + 1.0 for piece in vocabulary])
    model.cls.predictions.bias.data = (frequencies / frequencies.sum()).log()
    noun_scores = {"unigram": score_unigram(test, most_frequent)}
    metrics: dict[str, object] = {
        "whole_noun_share": whole / nouns.total(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "masked_nouns": noun_scores,
    }

    def every_tenth(tenth: int, tokens: int) -> None:
        metrics["tokens"] = tokens
        if tenth in (1, 10):
            name = "trained" if tenth == 10 else "tenth_of_training"
            noun_scores[name] = score_nouns(model, test)
        log.info("%d/10 of the training, %d tokens: %s", tenth, tokens, noun_scores)
        with replacing(OUT) as partial:
            model.half().save_pretrained(partial)
            tokenizer.save_pretrained(partial)
        model.float()  # rounded: training goes on from what was saved
        write_json(METRICS, metrics)

    train(
        model,
        blocks,
        masker,
        steps=settings.steps,
        batch_tokens=settings.batch_tokens,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        every_tenth=every_tenth,
    )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


if __name__ == "__main__":
    run_stage(main, __doc__)
