"""Checkpoints of every family: heads, masks, vocabularies, and longer inputs."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SENTENCES
from families import FAMILIES, LENGTH, PADDING, byte_level, unigram, write_family
from safetensors.torch import load_file, save_file
from test_security import Trap
from tokenizers.decoders import ByteLevel
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerBase

from kocoref.errors import InputError
from kocoref.evaluation.measures import MEASURES
from kocoref.evaluation.prediction import vocabulary_nouns
from kocoref.evaluation.protocols import evaluate
from kocoref.examples.antecedents import Candidate
from kocoref.examples.example import Example
from kocoref.examples.items import AntecedentItem, CorefItem, ItemSet, LambadaItem, PlainText
from kocoref.examples.options import Instance
from kocoref.examples.reading import Anaphor, Reading
from kocoref.model.checkpoint import Checkpoint, load_checkpoint
from kocoref.model.copying import gather_references
from kocoref.model.encoding import Encoder
from kocoref.model.objective import collate, loss_sums
from kocoref.training.batching import RowMaker

MADE = ("bert", "electra", "roberta", "deberta-v2")
"""The families that are promised to work."""
BASE = Path(__file__).parents[1] / "models/base"
TEXT = "김서연 교수는 부산에서 태어났다. 그는 학교에서 공부한다."
HEADS = {"bert": "cls.", "electra": "generator_", "roberta": "lm_head.", "deberta-v2": "cls."}


@pytest.fixture(scope="module")
def family(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a family's checkpoint."""
    torch.set_num_threads(1)
    wordpiece = AutoTokenizer.from_pretrained(tiny)
    wordpiece.model_max_length = LENGTH
    tokenizers: dict[str, PreTrainedTokenizerBase] = {
        "wordpiece": wordpiece, "bytes": byte_level(SENTENCES), "unigram": unigram(SENTENCES),
    }  # fmt: skip
    made: dict[str, Path] = {}

    def directory(name: str) -> Path:
        if name not in made:
            tokenizer = tokenizers[FAMILIES[name][3]]
            made[name] = write_family(name, tokenizer, tmp_path_factory.mktemp("family"))
        return made[name]

    return directory


@pytest.fixture(params=MADE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def directory(family: Callable[[str], Path], name: str) -> Path:
    return family(name)


@pytest.fixture
def checkpoint(directory: Path) -> Checkpoint:
    return load_checkpoint(str(directory))


def copied(directory: Path, to: Path) -> Path:
    shutil.copytree(directory, to)
    return to


def refusal(directory: Path, **keys: Any) -> str:
    with pytest.raises(InputError) as raised:
        load_checkpoint(str(directory), **keys)
    message = str(raised.value)
    assert "\n" not in message
    return message


@torch.inference_mode()
def logits_of(model: torch.nn.Module, ids: Tensor) -> Tensor:
    """What a whole model says at every position of rows without padding."""
    logits: Tensor = model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits


def random_ids(checkpoint: Checkpoint, rows: int, length: int) -> Tensor:
    """Ids of ordinary pieces."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(5, len(checkpoint.tokenizer) - 1, (rows, length), generator=generator)


# ---- weights


@pytest.mark.holds(
    "weights of BERT, ELECTRA, RoBERTa and DeBERTa-v2, each of its real class",
    "each is the one on disk, the head's too",
)
def test_every_weight_is_the_one_on_disk(directory: Path, checkpoint: Checkpoint) -> None:
    loaded = checkpoint.model.model.state_dict()
    stored = load_file(directory / "model.safetensors")
    tied = loaded.keys() - stored.keys()
    for key, value in stored.items():
        assert torch.equal(loaded[key], value), key
    shared = {value.data_ptr() for key, value in loaded.items() if key in stored}
    assert all(loaded[key].data_ptr() in shared for key in tied)


@pytest.mark.holds(
    "a checkpoint of each family without its head",
    "refused, in one line that names the weights",
)
def test_head_that_is_missing_is_refused(name: str, directory: Path, tmp_path: Path) -> None:
    there = copied(directory, tmp_path / "headless")
    weights = load_file(there / "model.safetensors")
    kept = {key: value for key, value in weights.items() if not key.startswith(HEADS[name])}
    assert len(kept) < len(weights)
    save_file(kept, there / "model.safetensors", metadata={"format": "pt"})
    assert f"weights missing ({HEADS[name]}" in refusal(there)


def test_pickled_weights_are_refused_unread(family: Callable[[str], Path], tmp_path: Path) -> None:
    there = copied(family("bert"), tmp_path / "evil")
    (there / "model.safetensors").unlink()
    torch.save({"x": Trap(tmp_path / "executed")}, there / "pytorch_model.bin")
    assert "no safetensors there" in refusal(there)
    assert not (tmp_path / "executed").exists()


def test_tokenizer_of_a_larger_vocabulary_is_refused(
    family: Callable[[str], Path], tmp_path: Path
) -> None:
    there = copied(family("bert"), tmp_path / "larger")
    tokenizer = AutoTokenizer.from_pretrained(there)
    tokenizer.add_tokens([f"새낱말{i}" for i in range(PADDING + 1)])
    tokenizer.save_pretrained(there)
    assert "they do not belong together" in refusal(there)


# ---- the head at masks only


@torch.inference_mode()
def test_logits_at_masks_are_those_of_the_whole_model(
    directory: Path, checkpoint: Checkpoint
) -> None:
    whole = AutoModelForMaskedLM.from_pretrained(directory).eval()
    ids = random_ids(checkpoint, 3, 20)
    attention = torch.ones_like(ids)
    ids[1, 12:], attention[1, 12:] = checkpoint.tokenizer.pad_token_id, 0
    rows, positions = torch.tensor([2, 0, 1, 1]), torch.tensor([19, 3, 11, 0])
    output = checkpoint.model.eval()(ids, attention, rows, positions, gather_references([]))
    expected = whole(input_ids=ids, attention_mask=attention).logits[rows, positions]
    torch.testing.assert_close(output.logits, expected, atol=1e-5, rtol=0)


# ---- vocabularies


def test_nouns_of_the_vocabulary_are_korean_text(checkpoint: Checkpoint) -> None:
    nouns = vocabulary_nouns(checkpoint)
    assert len(nouns) == len(checkpoint.tokenizer) + PADDING
    assert nouns[len(checkpoint.tokenizer) :] == [None] * PADDING
    assert {nouns[i] for i in checkpoint.tokenizer.all_special_ids} == {None}
    found = {noun for noun in nouns if noun is not None}
    assert len(found) >= 10
    assert all(re.fullmatch("[가-힣]+", noun) for noun in found)
    # Whole words of the sentences, with ▁ and Ġ taken off.
    assert len(found & {"학생", "학교", "부산", "회사", "사람", "의사", "환자", "지우"}) >= 2


@pytest.mark.parametrize("left", ["민지가 책을 읽었다. 그(", "민지가 책을 읽었다. "])
@pytest.mark.parametrize("form", ["홍길동", "학생", "부산", "김서연 교수"])
def test_candidates_are_spelled_as_in_the_text(
    checkpoint: Checkpoint, left: str, form: str
) -> None:
    encoder = Encoder(checkpoint.tokenizer, LENGTH)
    answer = encoder.subwords(form, left)
    encoded = encoder.masked(left, ") 갔다.", len(answer))
    assert len(encoded.places) == len(answer)
    filled = list(encoded.ids)
    for place, piece in zip(encoded.places, answer, strict=True):
        filled[place] = piece
    end = encoded.places[-1] + 1
    assert filled[:end] == list(checkpoint.tokenizer(left + form + ")").input_ids)[:end]
    text = str(checkpoint.tokenizer.decode(filled, skip_special_tokens=True))
    assert text.replace(" ", "") == (left + form + ") 갔다.").replace(" ", "")


@pytest.mark.parametrize(
    ("kind", "alone", "bracket", "space"),
    [
        ("deberta-v2", "▁부산", "부산", "▁부산"),
        ("roberta", "부산", "부산", "Ġ부산"),
        ("bert", "부산", "부산", "부산"),
    ],
)
def test_spaces_before_a_candidate(
    family: Callable[[str], Path], kind: str, alone: str, bracket: str, space: str
) -> None:
    tokenizer = load_checkpoint(str(family(kind))).tokenizer
    encoder = Encoder(tokenizer, LENGTH)

    def spelled(before: str) -> str:
        pieces = tokenizer.convert_ids_to_tokens(list(encoder.subwords("부산", before)))
        text = "".join(pieces).replace("##", "")
        return text if kind != "roberta" else _characters(text)

    assert (spelled(""), spelled("그("), spelled("그 ")) == (alone, bracket, space)
    assert spelled("가") == alone


def _characters(pieces: str) -> str:
    """Byte-level pieces as text, with Ġ for the space."""
    return str(ByteLevel().decode([pieces])).replace(" ", "Ġ")


def test_pieces_of_the_text_are_found_among_masks(checkpoint: Checkpoint) -> None:
    encoder = Encoder(checkpoint.tokenizer, LENGTH)
    place = TEXT.index("그는") + 1
    encoded, (masks,) = encoder.beside(TEXT, (place - 1, place), [(place, 2)])
    assert [encoded.ids[i] for i in masks] == [encoder.mask_id] * 2
    for word in ("김서연", "부산", "그", "학교"):
        start = TEXT.index(word)
        found = encoded.pieces(start, start + len(word))
        text = str(checkpoint.tokenizer.decode([encoded.ids[i] for i in found]))
        assert text.replace("##", "").strip().startswith(word)  # a piece may hold a particle too
    seen = encoder.visible(TEXT[: place - 1], "그", TEXT[place:])
    assert not seen.cropped
    shown = checkpoint.tokenizer.decode([seen.ids[i] for i in seen.places])
    assert str(shown).strip() == "그"


# ---- measuring and learning

LEFT, RIGHT = TEXT[: TEXT.index("그는")], "는 학교에서 공부한다."
CANDIDATES = (
    Candidate("김서연 교수", (0,), True, True, True),
    Candidate("부산", (TEXT.index("부산"),), False, True, False),
)
ITEMS = ItemSet(
    coref=(CorefItem("d", len(LEFT), "", "그", RIGHT, ("교수", "부산", "학교")),),
    lambada=(LambadaItem("d", 0, LEFT + "그는 ", "학교", "에서 공부한다."),),
    antecedent=(AntecedentItem("d", 0, LEFT, "그", RIGHT, 1, CANDIDATES),),
    plain=(PlainText("d", TEXT),),
)


@pytest.mark.holds(
    "WordPiece, SentencePiece and byte-level vocabularies",
    "every measure is taken, of nouns and of names of several pieces too",
)
def test_every_measure_is_taken(checkpoint: Checkpoint) -> None:
    outcome = evaluate(checkpoint, ITEMS, list(MEASURES), 4096, "apposition")
    measured = outcome.measures(list(MEASURES))
    assert measured.keys() == MEASURES.keys()
    assert all(math.isfinite(value) for value in measured.values())
    (coref,) = (p for p in outcome.predictions if p["measure"] == "coref")
    assert len(coref["predicted"]) == 5
    assert all(re.fullmatch("[가-힣]+", noun) for noun in coref["predicted"])


def test_every_loss_has_a_gradient(checkpoint: Checkpoint) -> None:
    anaphor = Anaphor((len(LEFT), len(LEFT) + 1), "그", CANDIDATES)
    instances: list[Instance] = [
        Example("d", "pronoun", 0, LEFT, "그", RIGHT, "부산", ("학교", "부산", "책")),
        Reading("d", 0, TEXT, (anaphor,)),
    ]
    maker = RowMaker(Encoder(checkpoint.tokenizer, LENGTH), *[True] * 5, 1.0, 0.3)
    random = np.random.default_rng(0)
    rows = [row for unit, i in enumerate(instances) for row in maker.rows(i, random, unit)]
    batch = collate(rows, int(checkpoint.tokenizer.pad_token_id))
    output = checkpoint.model.eval()(
        batch.input_ids, batch.attention_mask, batch.rows, batch.positions, batch.references
    )
    losses = loss_sums(output, batch)
    for kind in ("target", "rank", "copy", "mlm"):
        assert losses[kind].item() > 0, kind
    torch.stack(list(losses.values())).sum().backward()
    for key, parameter in checkpoint.model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), key
    words = checkpoint.model.model.get_input_embeddings().weight.grad
    assert words is not None
    assert words.abs().sum() > 0


def test_example_without_a_target_has_none(checkpoint: Checkpoint) -> None:
    # A space that the mask takes in is no target either.
    maker = RowMaker(Encoder(checkpoint.tokenizer, LENGTH), *[True] * 4, False, 1.0, 0.3)
    example = Example("d", "pronoun", 0, LEFT.rstrip() + " ", "그", RIGHT, None, ("학교", "책"))
    rows = maker.rows(example, np.random.default_rng(0))
    assert [row.target for row in rows] == [()] * len(rows)


def test_word_that_is_too_long_is_asked_for_as_far_as_it_fits(checkpoint: Checkpoint) -> None:
    encoder = Encoder(checkpoint.tokenizer, 16)
    subwords = encoder.subwords("supercalifragilistic" * 3, LEFT)
    encoded = encoder.masked(LEFT, RIGHT, len(subwords))
    assert len(encoded.places) == len(subwords) > 0
    assert all(encoded.ids[place] == encoder.mask_id for place in encoded.places)
    assert len(encoded.ids) <= 16


# ---- lengths

LONGER = 150


def test_own_length(checkpoint: Checkpoint) -> None:
    assert checkpoint.max_length == LENGTH
    logits_of(checkpoint.model.model, random_ids(checkpoint, 1, LENGTH))


def test_tokenizer_that_says_no_length(directory: Path, tmp_path: Path) -> None:
    there = copied(directory, tmp_path / "silent")
    config = json.loads((there / "tokenizer_config.json").read_text(encoding="utf-8"))
    del config["model_max_length"]
    (there / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    assert load_checkpoint(str(there)).max_length == LENGTH


def test_shorter_inputs_are_kept_in_what_is_saved(directory: Path, tmp_path: Path) -> None:
    shorter = load_checkpoint(str(directory), max_length=20)
    assert shorter.max_length == 20
    assert len(Encoder(shorter.tokenizer, shorter.max_length).masked("책 " * 50, "", 1).ids) == 20
    shorter.save(tmp_path / "saved")
    assert load_checkpoint(str(tmp_path / "saved")).max_length == 20


@pytest.mark.parametrize("kind", [*MADE, "deberta-v2 with a table"])
def test_longer_inputs_leave_shorter_ones_as_they_were(
    family: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    before = load_checkpoint(str(family(kind)))
    longer = load_checkpoint(str(family(kind)), max_length=LONGER)
    assert longer.max_length == LONGER
    short, long = random_ids(before, 2, LENGTH), random_ids(before, 2, LONGER)
    said = logits_of(longer.model.model, long)
    assert torch.equal(logits_of(longer.model.model, short), logits_of(before.model.model, short))
    longer.save(tmp_path / "saved")
    again = load_checkpoint(str(tmp_path / "saved"))
    assert again.max_length == LONGER
    assert torch.equal(logits_of(again.model.model, short), logits_of(before.model.model, short))
    assert torch.equal(logits_of(again.model.model, long), said)


@pytest.mark.parametrize("length", [1536, 2048])
@pytest.mark.holds(
    "1,536 and 2,048 tokens through a model of each family that was made for 64",
    "an answer at every token, one that the last token has a part in",
)
def test_lengths_of_the_report(name: str, directory: Path, length: int) -> None:
    longer = load_checkpoint(str(directory), max_length=length)
    encoder = Encoder(longer.tokenizer, longer.max_length)
    encoded = encoder.masked("책 " * length, "", 1)
    assert len(encoded.ids) == length
    ids = random_ids(longer, 1, length)
    said = logits_of(longer.model.model, ids)
    assert said.shape[:2] == (1, length)
    assert said.isfinite().all()
    ids[0, -1] = ids[0, -1] - 1
    assert not torch.equal(logits_of(longer.model.model, ids)[0, -2], said[0, -2])


@pytest.mark.holds(
    "models/base made longer, from 512 tokens to 1,536",
    "the same to the bit on 512",
)
def test_longer_base_says_the_same_at_its_own_length() -> None:
    before, longer = (load_checkpoint(str(BASE), max_length=n) for n in (None, 1536))
    assert (before.max_length, longer.max_length) == (512, 1536)
    ids = random_ids(before, 1, 512)
    said = [logits_of(checkpoint.model.model, ids) for checkpoint in (before, longer)]
    assert torch.equal(*said)


@pytest.mark.parametrize(("kind", "unused"), [("bert", 0), ("roberta", 2)])
def test_new_rows_are_those_of_the_beginning_again(
    family: Callable[[str], Path], kind: str, unused: int
) -> None:
    def table(checkpoint: Checkpoint) -> Tensor:
        weight: Tensor = checkpoint.model.model.base_model.embeddings.position_embeddings.weight
        return weight.detach()

    old = table(load_checkpoint(str(family(kind))))
    new = table(load_checkpoint(str(family(kind)), max_length=LONGER))
    assert (len(old), len(new)) == (LENGTH + unused, LONGER + unused)
    assert torch.equal(new[: len(old)], old)
    for row in (0, 1, 63, 64, 85):  # 64 + 64 + 22 = 150
        assert torch.equal(new[len(old) + row], old[unused + row % LENGTH]), row


def test_relative_positions_are_left_as_they_are(family: Callable[[str], Path]) -> None:
    before = load_checkpoint(str(family("deberta-v2"))).model.model
    after = load_checkpoint(str(family("deberta-v2")), max_length=2048).model.model
    shapes = [{key: value.shape for key, value in m.state_dict().items()} for m in (before, after)]
    assert shapes[0] == shapes[1]
    assert after.config.max_position_embeddings == LENGTH


def test_tied_words_stay_tied_in_a_longer_model(family: Callable[[str], Path]) -> None:
    model = load_checkpoint(str(family("bert")), max_length=LONGER).model.model
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_positions_of_another_type_are_refused(family: Callable[[str], Path]) -> None:
    message = refusal(family("modernbert"), max_length=LONGER)
    assert "cannot take 150 tokens" in message
    assert "(modernbert) end at 64" in message
    assert load_checkpoint(str(family("modernbert")), max_length=LENGTH).max_length == LENGTH
