"""A Korean WordPiece vocabulary in which common nouns are whole tokens.

Words are cut where Kiwi sees a noun or pronoun begin or end, and the most frequent pieces are
kept, so that the longest-match rule of WordPiece finds 학생 + ##은 in 학생은. Every character
seen often enough is a piece too, at the start of a word and inside it, so that unknown words can
be spelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import PreTrainedTokenizerFast

from kocoref.text.morphology import NOUN_TAGS, PRONOUN_TAG, Token

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"
MIN_CHARACTER_COUNT = 4
MAX_PIECE_LENGTH = 8


def count_pieces(
    texts: Iterable[tuple[str, tuple[Token, ...]]],
) -> tuple[Counter[str], Counter[str]]:
    """Counts of pieces and of characters, those inside a word with the prefix ``##``."""
    cut_tags = NOUN_TAGS | {PRONOUN_TAG}
    splitter = _pre_tokenizer()
    pieces: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for text, tokens in texts:
        cuts = {edge for token in tokens if token.tag in cut_tags for edge in token[2:]}
        for word, (start, end) in splitter.pre_tokenize_str(text):
            inner = sorted(cut for cut in cuts.intersection(range(start + 1, end)))
            edges = [start, *inner, end]
            for left, right in pairwise(edges):
                prefix = "" if left == start else CONTINUATION
                if right - left <= MAX_PIECE_LENGTH:
                    pieces[prefix + text[left:right]] += 1
            characters.update(
                (CONTINUATION if index else "") + character for index, character in enumerate(word)
            )
    return pieces, characters


def build_vocabulary(pieces: Counter[str], characters: Counter[str], size: int) -> list[str]:
    """The special tokens, the frequent characters, then the most frequent pieces."""
    alphabet = sorted(piece for piece, count in characters.items() if count >= MIN_CHARACTER_COUNT)
    kept = [*SPECIAL_TOKENS, *alphabet]
    seen = set(kept)
    ranked = sorted(pieces, key=lambda piece: (-pieces[piece], piece))
    kept += [piece for piece in ranked if piece not in seen][: max(0, size - len(kept))]
    return kept


def build_tokenizer(vocabulary: list[str], max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer of the BERT kind over the vocabulary: NFC, then words, then longest match."""
    tokenizer = Tokenizer(
        WordPiece({piece: i for i, piece in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.BertNormalizer(
                clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
            ),
        ]
    )
    tokenizer.pre_tokenizer = _pre_tokenizer()
    cls, sep = (vocabulary.index(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUATION)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.BertPreTokenizer()
