"""Training a tiny model: files, losses, the best checkpoint, patience, and resuming bit by bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from errno import ENOSPC
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import is_bf16_available
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import AdamW

import finetune as stage
from kocoref.corpus.document import Document
from kocoref.errors import InputError
from kocoref.examples.antecedents import Candidate
from kocoref.examples.example import Example
from kocoref.examples.items import ItemMaker, make_items, write_items
from kocoref.examples.options import Instance
from kocoref.examples.reading import Anaphor, Reading
from kocoref.files import write_json_lines
from kocoref.model.checkpoint import (
    COPYING,
    Checkpoint,
    MaskedPositionModel,
    load_checkpoint,
)
from kocoref.model.encoding import Encoder
from kocoref.model.objective import Output, Row
from kocoref.runtime import accelerate_precision
from kocoref.settings import FinetuneSettings
from kocoref.training import loop
from kocoref.training.batching import RowMaker, steps
from kocoref.training.loop import Validate, finetune, make_optimizer, publish, train_step
from kocoref.training.state import TrainingState, load_state, save_state

SETTINGS: dict[str, Any] = {
    "base": "tiny",
    "base_revision": None,
    "max_length": None,
    "option": "pronoun",
    "window": 200,
    "context_sentences": 3,
    "examples_per_document": 5,
    "reading_share": 0.5,
    "reading_window": 200,
    "ranked_share": 1.0,
    "max_examples": 100,
    "epochs": 2,
    "max_steps": 0,
    "batch_size": 4,
    "batch_tokens": 4096,
    "learning_rate": 0.002,
    "warmup_share": 0.1,
    "weight_decay": 0.01,
    "target_weight": 1.0,
    "nouns_weight": 1.0,
    "rank_weight": 1.0,
    "copy_weight": 1.0,
    "copy_salience": True,
    "mlm_weight": 0.5,
    "replay": 0.5,
    "anchor_weight": 0.0,
    "base_share": 0.0,
    "mask_share": 0.15,
    "evaluations": 2,
    "select_by": "antecedent_accuracy",
    "patience": 9,
    "template": "apposition",
    "mixed_precision": "fp32",
    "reproducible": False,
    "threads": 1,
    "seed": 1,
}

NAMES = ("홍길동", "김서연", "민지", "지우", "학생", "교수", "경찰", "의사")


def masked_and_read(number: int, name: str) -> list[Instance]:
    """A masked pronoun, and a reading of the same text with its candidates."""
    sentence, count, right = f"{name}은 학교에서 공부한다. ", 2 + number % 3, "는 책을 읽었다."
    left = sentence * count
    # The names are more frequent than the others: a factor that is the same for all candidates
    # has no gradient but rounding.
    starts = tuple(len(sentence) * i for i in range(count))
    candidates = (
        Candidate(name, starts, False, True, True),
        Candidate("학교", (len(name) + 2,), False, False, False),
        Candidate("학교에서", (len(name) + 2,), False, False, False),
    )
    anaphor = Anaphor((len(left), len(left) + 1), "그", candidates)
    return [
        Example(f"d{number}", "pronoun", 0, left, "그", right, name, ("책", "학교", name)),
        Reading(f"d{number}", 0, f"{left}그{right}", (anaphor,)),
    ]


PHASE = [
    instance for number, name in enumerate(NAMES) for instance in masked_and_read(number, name)
]
"""8 examples and 8 readings: 4 steps of 4 an epoch."""


def settings_with(**keys: Any) -> FinetuneSettings:
    return FinetuneSettings(**(SETTINGS | keys))


def replays() -> Iterator[Example]:
    """Seven texts: 2 a step, so that a run which resumes stands at none of them by chance."""
    texts = (f"{name}은 도서관에서 책을 읽고 노래를 불렀다." for name in NAMES[:7])
    return cycle(Example(f"r{i}", "replay", 0, text, "", "") for i, text in enumerate(texts))


def scores(*values: float, name: str = "antecedent_accuracy") -> Validate:
    """A validation whose results are known; the last one again and again."""
    left = list(values)
    return lambda checkpoint: {name: left.pop(0) if len(left) > 1 else left[0]}


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps one precision a process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


Train = Callable[..., tuple[TrainingState, Checkpoint]]


@pytest.fixture
def train(tiny: Path, tmp_path: Path) -> Train:
    """Train on PHASE; keys of the settings by name."""

    def run(
        validate: Validate | None = None,
        workspace: str = "run",
        base: Path = tiny,
        phases: list[list[Instance]] | None = None,
        salience: bool = True,
        **keys: Any,
    ) -> tuple[TrainingState, Checkpoint]:
        settings = settings_with(**keys)
        torch.manual_seed(settings.seed)
        checkpoint = load_checkpoint(str(base))
        checkpoint.model.copying.salience.requires_grad_(salience)
        directory = tmp_path / workspace
        directory.mkdir(exist_ok=True)
        result = finetune(
            settings,
            checkpoint,
            [PHASE] if phases is None else phases,
            replays(),
            RowMaker(
                Encoder(checkpoint.tokenizer, checkpoint.max_length),
                use_target=settings.target_weight > 0,
                use_nouns=settings.nouns_weight > 0,
                use_rank=settings.rank_weight > 0,
                use_copy=settings.copy_weight > 0,
                use_mlm=settings.mlm_weight > 0,
                ranked_share=settings.ranked_share,
                mask_share=settings.mask_share,
            ),
            validate or scores(0.1, 0.2, 0.3),
            Accelerator(mixed_precision=accelerate_precision(settings.mixed_precision), cpu=True),
            directory,
        )
        return result, checkpoint

    return run


def weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in checkpoint.model.named_parameters()}


def curve(state: TrainingState, name: str) -> list[float]:
    return [value for row in state.training if (value := row[name]) is not None]


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return sum(float((one[name] - other[name]).abs().sum()) for name in one)


def of_base(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without those of the copying head, which no base has."""
    return {name: value for name, value in found.items() if not name.startswith("copying.")}


# ---- the order of examples


def test_steps_hold_every_example_once() -> None:
    made = list(steps(PHASE, 5, np.random.default_rng(3)))
    assert sorted(map(len, made)) == [1, 5, 5, 5]
    assert {id(e) for step in made for e in step} == {id(e) for e in PHASE}


def test_steps_are_a_function_of_the_generator() -> None:
    runs = [list(steps(PHASE, 4, np.random.default_rng(seed))) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def is_second(step: list[Instance]) -> bool:
    """Whether a step is of the phase that both tests below put second, and of it alone."""
    (second,) = {instance.document == "x" for instance in step}
    return second


def test_plan_keeps_the_order_of_the_phases_over_all_epochs() -> None:
    second = [Example("x", "entity", 0, "", "", "")] * 4
    plan = loop._plan(settings_with(batch_size=4, epochs=2), [PHASE, second])
    assert [is_second(step) for step in plan] == [False] * 8 + [True] * 2


def test_plan_cut_short_keeps_every_phase() -> None:
    second = [Example("x", "entity", 0, "", "", "")] * 16
    plan = loop._plan(settings_with(batch_size=4, epochs=1, max_steps=4), [PHASE, second])
    assert [is_second(step) for step in plan] == [False] * 2 + [True] * 2


# ---- a run


def test_run_makes_exactly_these_files(train: Train, tmp_path: Path) -> None:
    train()
    model = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    model.add(COPYING)
    expected = {f"checkpoint-{n}/{name}" for n in (0, 4, 8) for name in model}
    expected |= {"state/tensors.safetensors", "state/progress.json"}
    found = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*.*")}
    assert {name for name in found if not name.startswith("checkpoint") or "/" in name} == expected


def test_run_lowers_the_losses(train: Train) -> None:
    result, _ = train(epochs=25, learning_rate=0.005)
    for kind in ("target", "nouns", "rank", "copy"):
        losses = curve(result, f"loss_{kind}")
        assert losses[-1] < 0.7 * losses[0], kind


def test_curves_have_their_steps(train: Train) -> None:
    result, _ = train(scores(0.1, 0.2, 0.3))
    # 16 examples in steps of 4, twice; measured at 0, halfway and at the end.
    assert [row["step"] for row in result.training] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert result.validation == [
        {"step": step, "antecedent_accuracy": value}
        for step, value in ((0, 0.1), (4, 0.2), (8, 0.3))
    ]


def test_learning_rate_rises_and_falls(train: Train) -> None:
    result, _ = train(warmup_share=0.5, learning_rate=0.004)
    # Up over 4 of 8 steps, then 4 equal steps down; a step after the last would have rate 0.
    assert curve(result, "learning_rate") == pytest.approx(
        [0.001, 0.002, 0.003, 0.004, 0.004, 0.003, 0.002, 0.001]
    )


def test_max_steps_ends_the_run(train: Train) -> None:
    result, _ = train(max_steps=3, evaluations=1)
    assert [row["step"] for row in result.validation] == [0, 3]


@pytest.mark.parametrize(
    ("values", "best"), [((0.1, 0.5, 0.3), 4), ((0.5, 0.1, 0.2), 0), ((0.2, 0.3, 0.3), 4)]
)
def test_best_is_the_first_of_the_highest(
    train: Train, values: tuple[float, ...], best: int
) -> None:
    result, _ = train(scores(*values))
    assert result.best_step == best


def test_best_by_pseudo_bpc_is_the_lowest(train: Train) -> None:
    result, _ = train(scores(3.0, 2.0, 2.5, name="pseudo_bpc"), select_by="pseudo_bpc")
    assert result.best_step == 4


def test_last_keeps_the_end_whatever_it_measures(train: Train) -> None:
    result, _ = train(scores(0.5, 0.4, 0.1), select_by="last", patience=1)
    assert result.best_step == 8


def test_kept_checkpoint_is_the_model_as_it_was_measured(train: Train, tmp_path: Path) -> None:
    measured: list[dict[str, Tensor]] = []

    def validate(checkpoint: Checkpoint) -> dict[str, float]:
        measured.append(weights(checkpoint))
        return {"antecedent_accuracy": 0.5}

    train(validate)
    for step, seen in zip((0, 4, 8), measured, strict=True):
        kept = load_checkpoint(str(tmp_path / f"run/checkpoint-{step}"))
        assert distance(weights(kept), seen) == 0


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_kept_checkpoint_has_a_share_of_the_base(
    train: Train, tiny: Path, tmp_path: Path, share: float
) -> None:
    _, trained = train(base_share=share)
    base = weights(load_checkpoint(str(tiny)))
    kept = weights(load_checkpoint(str(tmp_path / "run/checkpoint-8")))
    for name, value in weights(trained).items():
        own = 0.0 if name.startswith("copying.") else share
        expected = value + own * (base[name] - value)
        torch.testing.assert_close(kept[name], expected)
    assert distance(weights(trained), base) > 0


def test_training_goes_on_from_its_own_weights_whatever_is_kept(train: Train) -> None:
    one, other = (train(workspace=f"w{share}", base_share=share)[1] for share in (0.0, 0.5))
    assert distance(weights(one), weights(other)) == 0


def test_run_ends_when_patience_is_lost(train: Train) -> None:
    result, _ = train(scores(0.5, 0.4, 0.6, 0.6, 0.5, 0.9), patience=2, evaluations=8)
    # Step 1 has no gain, step 2 has one, steps 3 and 4 have none.
    assert [row["step"] for row in result.validation] == [0, 1, 2, 3, 4]
    assert result.best_step == 2


def test_option_none_measures_the_base_and_ends(train: Train, tmp_path: Path) -> None:
    result, _ = train(phases=[])
    assert (len(result.validation), result.best_step, result.training) == (1, 0, [])
    assert (tmp_path / "run/checkpoint-0/model.safetensors").is_file()


def test_publish_copies_checkpoints_and_the_best(train: Train, tmp_path: Path) -> None:
    result, _ = train(scores(0.1, 0.9, 0.2))
    publish(result.best_step, tmp_path / "run", tmp_path / "finetuned", tmp_path / "checkpoints")
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "checkpoint-0", "checkpoint-4", "checkpoint-8",
    ]  # fmt: skip
    best, kept = (
        (tmp_path / name / "model.safetensors").read_bytes()
        for name in ("finetuned", "checkpoints/checkpoint-4")
    )
    assert best == kept


# ---- resuming


class Interrupted(Exception):
    """Stands for a power cut."""


def interrupted(*values: float, at: int) -> Validate:
    calls = iter(range(99))
    known = scores(*values)

    def validate(checkpoint: Checkpoint) -> dict[str, float]:
        if next(calls) == at:
            raise Interrupted
        return known(checkpoint)

    return validate


VALUES = (0.1, 0.4, 0.3, 0.2)


def resumed(train: Train, at: int, **keys: Any) -> tuple[TrainingState, Checkpoint]:
    """A run that breaks off at its evaluation number ``at`` (the first is 0), then goes on."""
    with pytest.raises(Interrupted):
        train(interrupted(*VALUES, at=at), workspace="resumed", **keys)
    return train(scores(*VALUES[at:]), workspace="resumed", **keys)


def assert_equal(
    one: tuple[TrainingState, Checkpoint], other: tuple[TrainingState, Checkpoint]
) -> None:
    assert repr(one[0]) == repr(other[0])  # repr: NaN equals NaN
    for name, value in weights(one[1]).items():
        assert torch.equal(value, weights(other[1])[name]), name


@pytest.mark.parametrize("at", [1, 2, 3])
def test_resumed_run_equals_an_uninterrupted_one(train: Train, at: int) -> None:
    keys = {"evaluations": 3, "anchor_weight": 3.0, "base_share": 0.3}
    assert_equal(train(scores(*VALUES), **keys), resumed(train, at, **keys))


def test_resumed_run_writes_the_same_checkpoints(train: Train, tmp_path: Path) -> None:
    train(scores(*VALUES), evaluations=3)
    resumed(train, 2, evaluations=3)
    for step in (0, 3, 5, 8):
        whole, again = (
            (tmp_path / f"{name}/checkpoint-{step}/model.safetensors").read_bytes()
            for name in ("run", "resumed")
        )
        assert whole == again


def test_resuming_a_finished_run_trains_no_further(train: Train) -> None:
    first, _ = train(scores(*VALUES))
    again, _ = train(scores(0.0))
    assert repr(first) == repr(again)


def test_resumed_curve_equals_an_uninterrupted_one_between_log_points(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 8 steps, a row every 2 steps, measured at steps 3, 5 and 8: resumes between two rows.
    monkeypatch.setattr(loop, "LOG_POINTS", 4)
    keys = {"evaluations": 3}
    assert_equal(train(scores(*VALUES), **keys), resumed(train, 2, **keys))


def test_resumed_run_with_dropout_equals_an_uninterrupted_one(
    train: Train, make_tiny: Callable[..., Path]
) -> None:
    keys = {"evaluations": 3, "base": make_tiny(dropout=0.1)}
    assert_equal(train(scores(*VALUES), **keys), resumed(train, 2, **keys))


# ---- learning rates of the copying head


def moved(train: Train, tiny: Path, **keys: Any) -> dict[str, float]:
    """How far the farthest weight of each tensor goes in one step.

    AdamW's first step moves every weight by the learning rate, whatever the gradient's size.
    """
    settings = {"max_steps": 1, "evaluations": 1, "warmup_share": 0.0, "weight_decay": 0.0}
    before = weights(load_checkpoint(str(tiny)))
    _, checkpoint = train(**(settings | {"batch_size": 16, "learning_rate": 0.001} | keys))
    after = weights(checkpoint)
    return {name: float((after[name] - before[name]).abs().max()) for name in before}


def test_copying_head_learns_faster(train: Train, tiny: Path) -> None:
    found = moved(train, tiny)
    assert found["copying.salience.weight"] == pytest.approx(0.03, rel=0.01)
    assert found["copying.query.weight"] == pytest.approx(0.003, rel=0.01)
    assert found["copying.key.weight"] == pytest.approx(0.003, rel=0.01)
    rest = [value for name, value in found.items() if not name.startswith("copying.")]
    assert max(rest) == pytest.approx(0.001, rel=0.01)


def test_every_weight_is_in_one_group_of_its_rate(tiny: Path) -> None:
    model = load_checkpoint(str(tiny)).model
    optimizer = loop.make_optimizer(settings_with(weight_decay=0.1), model, Accelerator(cpu=True))
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {
        name_of[id(parameter)]: (group["rate"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert found.keys() == set(name_of.values())
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(found)
    assert found["copying.salience.weight"] == (30, 0.1)
    assert found["copying.query.weight"] == found["copying.key.weight"] == (3, 0.1)
    assert found["copying.query.bias"] == found["copying.key.bias"] == (3, 0.0)
    assert {rate for name, (rate, _) in found.items() if not name.startswith("copying")} == {1}


def test_logged_learning_rate_is_that_of_the_encoder(train: Train) -> None:
    result, _ = train(max_steps=1, evaluations=1, warmup_share=0.0)
    assert curve(result, "learning_rate") == [0.002]


def test_salience_that_is_frozen_is_not_trained(train: Train, tiny: Path) -> None:
    found = moved(train, tiny, salience=False)
    assert found["copying.salience.weight"] == 0
    assert found["copying.query.weight"] == pytest.approx(0.003, rel=0.01)


def test_salience_that_is_frozen_resumes(train: Train) -> None:
    keys = {"evaluations": 3, "salience": False}
    assert_equal(train(scores(*VALUES), **keys), resumed(train, 2, **keys))


def test_without_the_loss_of_copying_its_head_stays(train: Train, tiny: Path) -> None:
    found = moved(train, tiny, copy_weight=0.0)
    assert {value for name, value in found.items() if name.startswith("copying.")} == {0}


# ---- batches, the anchor, precision


@pytest.mark.holds(
    "a step gathered from batches of one row, of a few and of all, with unlike numbers of targets",
    "the same losses and weights but for rounding",
)
def test_batch_tokens_do_not_change_the_result(train: Train) -> None:
    runs = [train(workspace=str(n), batch_tokens=n, learning_rate=0.0005) for n in (1, 60, 4096)]
    for result, checkpoint in runs[1:]:
        for row, other in zip(result.training, runs[0][0].training, strict=True):
            assert row == pytest.approx(other, abs=1e-5)
        for name, value in weights(checkpoint).items():
            # A key's bias shifts all attention scores alike: its gradient is rounding, no more.
            if not name.endswith("key.bias"):
                torch.testing.assert_close(value, weights(runs[0][1])[name], atol=1e-5, rtol=0)


def test_anchor_pulls_towards_the_base(train: Train, tiny: Path) -> None:
    base = of_base(weights(load_checkpoint(str(tiny))))
    far, near = (
        distance(base, weights(train(workspace=str(n), anchor_weight=n)[1])) for n in (0.0, 200.0)
    )
    assert 0 < near < 0.5 * far


def test_strongest_anchor_holds_the_base(train: Train, tiny: Path) -> None:
    # Pull of 0.002 × 1000 = 2 at the highest rate, at most 1: back to the base. One step only.
    _, checkpoint = train(anchor_weight=1000.0, max_steps=1, evaluations=1, warmup_share=0.0)
    assert distance(of_base(weights(load_checkpoint(str(tiny)))), weights(checkpoint)) == 0


def test_anchor_leaves_the_copying_head_which_has_no_base(train: Train) -> None:
    free, held = (
        train(workspace=str(pull), anchor_weight=pull, max_steps=1, evaluations=1,
              warmup_share=0.0)[1].model.copying.state_dict()
        for pull in (0.0, 1000.0)
    )  # fmt: skip
    for name, value in free.items():
        assert torch.equal(value, held[name]), name


def test_training_that_diverges_is_an_input_error(
    train: Train, make_tiny: Callable[..., Path]
) -> None:
    base = make_tiny()
    tensors = load_file(base / "model.safetensors")
    tensors["bert.embeddings.LayerNorm.weight"].fill_(float("inf"))
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"diverged: a loss of step 1 .* finetune\.learning_rate"):
        train(base=base)


def test_run_is_a_function_of_its_settings(train: Train) -> None:
    assert_equal(train(workspace="a"), train(workspace="b"))


@pytest.mark.skipif(not is_bf16_available(), reason="no bf16 on this machine")
def test_bf16_trains_float32_weights(train: Train, tmp_path: Path) -> None:
    result, checkpoint = train(mixed_precision="bf16")
    assert all(value.isfinite().all() for value in weights(checkpoint).values())
    losses = curve(result, "loss_target")
    assert losses[-1] < losses[0]
    stored = load_file(tmp_path / "run/checkpoint-8/model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}


# ---- checkpoints on disk


def test_saved_checkpoint_is_loaded_as_it_was(tiny: Path, tmp_path: Path) -> None:
    first = load_checkpoint(str(tiny))
    first.save(tmp_path / "saved")
    again = load_checkpoint(str(tmp_path / "saved"))
    assert distance(weights(first), weights(again)) == 0
    assert again.tokenizer.get_vocab() == first.tokenizer.get_vocab()


def test_half_precision_checkpoint_stays_one(
    make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    load_checkpoint(str(make_tiny(half=True))).save(tmp_path / "saved")
    stored = load_file(tmp_path / "saved/model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}


def test_half_precision_checkpoint_is_not_larger_than_its_base(
    make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_tiny(half=True)
    load_checkpoint(str(base)).save(tmp_path / "saved")
    assert set(load_file(tmp_path / "saved/model.safetensors")) == set(
        load_file(base / "model.safetensors")
    )


def test_half_precision_in_several_files_stays_half(
    make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    model = load_checkpoint(str(make_tiny(half=True)))
    model.save(tmp_path / "saved")
    sharded = tmp_path / "sharded"
    model.model.model.half().save_pretrained(sharded, max_shard_size="20KB")
    model.tokenizer.save_pretrained(sharded)
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    assert load_checkpoint(str(sharded)).dtype == torch.float16


def test_directory_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json there; is it a model directory"):
        load_checkpoint(str(tmp_path))


def test_truncated_weights_are_an_error(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    weights = make_tiny() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be loaded"):
        load_checkpoint(str(weights.parent))


def test_checkpoint_without_a_head_is_an_error(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    AutoModel.from_pretrained(tiny).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"weights missing \(cls\.predictions.* masked language"):
        load_checkpoint(str(tmp_path))


# ---- the stage around it


@pytest.mark.parametrize("keys", [{"option": "entity_unlabelled", "replay": 0.0}, {"replay": 0.5}])
def test_mlm_options_without_mlm_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"finetune\.mlm_weight is 0"):
        stage.check(settings_with(mlm_weight=0.0, **keys))


NO_LOSS = {f"{name}_weight": 0.0 for name in ("mlm", "target", "nouns", "rank", "copy")}


def test_no_loss_at_all_is_refused() -> None:
    with pytest.raises(InputError, match=r"target_weight, .*mlm_weight are all 0"):
        stage.check(settings_with(replay=0.0, reading_share=0.0, **NO_LOSS))


@pytest.mark.parametrize("weight", NO_LOSS)
def test_one_loss_is_enough(weight: str) -> None:
    share = 0.5 if weight in ("rank_weight", "copy_weight") else 0.0
    settings = settings_with(replay=0.0, reading_share=share, **(NO_LOSS | {weight: 1.0}))
    stage.check(settings)
    assert getattr(settings, weight) == 1


@pytest.mark.parametrize("weight", ["rank_weight", "copy_weight"])
def test_masked_pronouns_without_their_losses_are_refused(weight: str) -> None:
    with pytest.raises(InputError, match=r"finetune\.reading_share is 0, and masked pronouns"):
        stage.check(settings_with(replay=0.0, reading_share=0.0, **(NO_LOSS | {weight: 1.0})))


@pytest.mark.parametrize("option", ["mixed", "curriculum"])
@pytest.mark.parametrize("weight", ["nouns_weight", "rank_weight", "copy_weight"])
def test_masked_names_without_their_losses_are_refused(option: str, weight: str) -> None:
    keys = NO_LOSS | {weight: 1.0, "option": option, "replay": 0.0, "reading_share": 0.5}
    with pytest.raises(InputError, match=rf"option {option}: masked names learn by"):
        stage.check(settings_with(**keys))


@pytest.mark.parametrize("option", ["mixed", "curriculum"])
def test_masked_pronouns_of_other_options_without_their_losses_are_refused(option: str) -> None:
    keys = NO_LOSS | {"copy_weight": 1.0, "option": option, "replay": 0.0, "reading_share": 0.0}
    with pytest.raises(InputError, match="masked"):
        stage.check(settings_with(**keys))


@pytest.mark.parametrize(
    "base", ["models/finetuned", "./models/checkpoints/checkpoint-1", "models/x/../finetuned/"]
)
def test_base_that_the_stage_makes_itself_is_refused(base: str) -> None:
    with pytest.raises(InputError, match="an output of this stage, which DVC removes before"):
        stage.check(settings_with(base=base))


def test_what_trains_nothing_needs_no_losses() -> None:
    stage.check(settings_with(option="none", replay=0.5, **NO_LOSS))


MASKED_ONLY = NO_LOSS | {"target_weight": 1.0, "nouns_weight": 1.0, "replay": 0.0}


@pytest.mark.parametrize("option", ["pronoun", "mixed", "curriculum"])
@pytest.mark.parametrize("keys", [{}, {"rank_weight": 1.0, "ranked_share": 0.0}])
def test_readings_without_their_losses_are_refused(option: str, keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"finetune\.reading_share is above 0"):
        stage.check(settings_with(**(MASKED_ONLY | {"option": option} | keys)))


@pytest.mark.parametrize(
    "keys",
    [
        {"reading_share": 0.0},
        {"rank_weight": 1.0, "ranked_share": 0.1},
        {"copy_weight": 1.0},
        {"mlm_weight": 1.0},
        {"option": "entity"},
        {"option": "none"},
    ],
)
def test_readings_with_one_of_their_losses_are_enough(keys: dict[str, Any]) -> None:
    settings = settings_with(**(MASKED_ONLY | keys))
    stage.check(settings)
    assert settings.target_weight == 1


@pytest.mark.parametrize("weight", ["nouns_weight", "rank_weight", "copy_weight"])
def test_entities_without_the_loss_of_their_targets_are_refused(weight: str) -> None:
    with pytest.raises(InputError, match="target_weight"):
        stage.check(settings_with(option="entity", replay=0.0, **(NO_LOSS | {weight: 1.0})))


@pytest.fixture
def prepared(
    marked: Callable[..., Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three documents and their items, prepared in the current directory."""
    monkeypatch.chdir(tmp_path)
    documents = [
        marked(f"[1:PER {name}]은 책을 샀다. [1 그]는 왔다. [1 그]는 갔다.", name=name)
        for name in NAMES[:3]
    ]
    rows = (document.to_json() for document in documents)
    write_json_lines(Path("data/prepared/train.jsonl"), rows)
    items = make_items(documents, ItemMaker(200, 3, 5, Counter()))
    write_items(Path("data/prepared/items/validation"), items)


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("salience", [True, False])
def test_stage_trains_as_it_is_told(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, salience: bool
) -> None:
    seen: list[tuple[Checkpoint, list[list[Instance]], RowMaker]] = []

    def trained(
        settings: FinetuneSettings, checkpoint: Checkpoint, phases: list[list[Instance]],
        replay: Iterator[Example], row_maker: RowMaker, *rest: object,
    ) -> None:  # fmt: skip
        seen.append((checkpoint, phases, row_maker))
        raise Interrupted

    before = load_checkpoint(str(tiny))
    torch.nn.init.ones_(before.model.copying.salience.weight)
    before.save(tmp_path / "base")
    monkeypatch.setattr("kocoref.training.loop.finetune", trained)
    with pytest.raises(Interrupted):
        stage.train(
            settings_with(base=str(tmp_path / "base"), copy_salience=salience, rank_weight=0.0)
        )
    ((checkpoint, (phase,), row_maker),) = seen
    weight = checkpoint.model.copying.salience.weight
    assert (weight.requires_grad, weight.unique().tolist()) == (salience, [float(salience)])
    assert checkpoint.model.copying.query.weight.requires_grad
    # Half of the examples are readings: six masked pronouns, three readings twice.
    assert [isinstance(instance, Reading) for instance in phase] == [False, True] * 6
    assert (row_maker.use_rank, row_maker.use_copy, row_maker.use_mlm) == (False, True, True)


@pytest.mark.usefixtures("prepared")
def test_run_that_learned_from_nothing_is_an_input_error(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = [Row([2, 5, 3], references=())]  # as of a reading with no right candidate in sight
    monkeypatch.setattr("kocoref.training.batching.RowMaker.rows", lambda *_: nothing)
    with pytest.raises(InputError, match="no example had anything to learn from"):
        stage.train(settings_with(base=str(tiny), max_steps=2, evaluations=1, replay=0.0))
    assert not Path("models/finetuned").exists()


@pytest.mark.usefixtures("prepared")
def test_state_is_kept_until_all_is_written(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    settings = settings_with(base=str(tiny), max_steps=1, evaluations=1)
    unfinished = Path("models/.unfinished")
    with monkeypatch.context() as context:
        context.setattr(stage, "write_json", full)
        with pytest.raises(OSError, match="No space"):
            stage.train(settings)
    assert len(list(unfinished.glob("*/checkpoint-1"))) == 1
    stage.train(settings)
    assert list(unfinished.glob("*")) == []


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("training", [True, False], ids=["a step", "a measurement"])
@pytest.mark.holds(
    "memory that runs out in training and in a measurement",
    "one line that names the setting to lower",
)
def test_memory_that_runs_out_names_the_setting_to_lower(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    forward = MaskedPositionModel.forward

    def too_much(model: MaskedPositionModel, *inputs: Any) -> Output:
        if model.training == training:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(model, *inputs)

    monkeypatch.setattr(MaskedPositionModel, "forward", too_much)
    with pytest.raises(InputError, match=r"lower finetune\.batch_tokens.*finetune\.max_length"):
        stage.train(settings_with(base=str(tiny)))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with prepared data and a copy of the stage's code, current directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("data/prepared/train.jsonl", "src/kocoref/model/objective.py", "src/finetune.py"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}\n", encoding="utf-8")
    monkeypatch.setattr(stage, "__file__", str(tmp_path / "src/finetune.py"))
    return tmp_path


def test_unfinished_run_is_found_again(project: Path, tiny: Path) -> None:
    settings = settings_with()
    found = [stage._workspace(settings, load_checkpoint(str(tiny))) for _ in range(2)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "changed", ["data/prepared/train.jsonl", "src/kocoref/model/objective.py", "src/finetune.py"]
)
def test_unfinished_run_of_other_inputs_or_code_is_dropped(
    project: Path, tiny: Path, changed: str
) -> None:
    settings, base = settings_with(), load_checkpoint(str(tiny))
    before = stage._workspace(settings, base)
    Path(changed).write_text('{"other": 1}\n', encoding="utf-8")
    assert stage._workspace(settings, base) != before
    assert not before.exists()


def test_unfinished_run_of_other_settings_is_dropped(project: Path, tiny: Path) -> None:
    base = load_checkpoint(str(tiny))
    before = stage._workspace(settings_with(), base)
    stage._workspace(settings_with(seed=2), base)
    assert not before.exists()


def test_unfinished_run_of_another_base_is_dropped(project: Path, tiny: Path) -> None:
    settings, base = settings_with(), load_checkpoint(str(tiny))
    before = stage._workspace(settings, base)
    with torch.no_grad():
        next(base.model.parameters())[0] += 1
    assert stage._workspace(settings, base) != before


def test_unfinished_run_of_other_libraries_is_dropped(
    project: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, base = settings_with(), load_checkpoint(str(tiny))
    before = stage._workspace(settings, base)
    monkeypatch.setattr(stage, "version", lambda name: "0")
    assert stage._workspace(settings, base) != before


def test_scale_of_fp16_is_part_of_the_state(tiny: Path, tmp_path: Path) -> None:
    model = load_checkpoint(str(tiny)).model
    optimizer = AdamW(model.parameters())
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**7)
    save_state(tmp_path, TrainingState(step=3), model, optimizer, accelerator)
    accelerator.scaler = torch.amp.GradScaler("cpu")
    state = load_state(tmp_path, model, optimizer, accelerator)
    assert state is not None
    assert state.step == 3
    assert accelerator.scaler.get_scale() == 2.0**7


def test_step_without_a_target_learns_nothing(tiny: Path) -> None:
    # With fp16's scale, which wants gradients of every step that it is asked to take.
    checkpoint = load_checkpoint(str(tiny))
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu")
    optimizer = make_optimizer(settings_with(), checkpoint.model, accelerator)
    before = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    row = Row([2, 5, 3])
    assert train_step(
        settings_with(), checkpoint.model, [row], optimizer, accelerator, checkpoint
    ) == {}  # fmt: skip
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_publish_leaves_no_checkpoint_of_an_earlier_run(train: Train, tmp_path: Path) -> None:
    (tmp_path / "checkpoints/checkpoint-99").mkdir(parents=True)
    state, _ = train(phases=[])
    publish(state.best_step, tmp_path / "run", tmp_path / "finetuned", tmp_path / "checkpoints")
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["checkpoint-0"]
