"""The Hub: checkpoints by id and revision, with and without a network; the report's setting.

In one process the Hub's address and cache are set for the client; stages are run as processes of
their own, with the environment that a user sets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from families import LENGTH, write_family
from hub import TOKEN, Files, Hub, commit, parquet
from huggingface_hub import constants
from transformers import AutoTokenizer

import finetune
from kocoref.corpus.passages import read_passages
from kocoref.errors import InputError
from kocoref.model.checkpoint import COPYING, Checkpoint, load_checkpoint
from kocoref.settings import EvaluateSettings, FinetuneSettings, PrepareSettings, load_settings

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs/report.params.yaml"
NAME = "me/model"


def files_of(directory: Path) -> Files:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def bias(checkpoint: Checkpoint) -> float:
    """A weight of the head that is another one in each revision."""
    return float(checkpoint.model.model.cls.predictions.bias[0].detach())


@pytest.fixture
def models(hub: Hub, tiny: Path, tmp_path: Path) -> Hub:
    """A Hub with a checkpoint in two revisions."""
    versions = {"main": 1.0, "v1": 2.0}
    hub.models[NAME] = {}
    for revision, value in versions.items():
        checkpoint = load_checkpoint(str(tiny))
        torch.nn.init.constant_(checkpoint.model.model.cls.predictions.bias, value)
        torch.nn.init.constant_(checkpoint.model.copying.salience.weight, value)
        checkpoint.save(tmp_path / revision)
        extra = {"README.md": b"", "onnx/model.safetensors": b"no", "pytorch_model.bin": b"no"}
        hub.models[NAME][revision] = files_of(tmp_path / revision) | extra
    return hub


def refusal(name: str = NAME, revision: str | None = None) -> str:
    with pytest.raises(InputError) as raised:
        load_checkpoint(name, revision)
    message = str(raised.value)
    assert message.startswith(f"checkpoint {name}: ")
    assert "\n" not in message
    assert TOKEN not in message
    return message


def test_revisions_of_a_checkpoint(models: Hub) -> None:
    found = [bias(load_checkpoint(NAME, name)) for name in (None, "main", "v1", commit("v1"))]
    assert found == [1.0, 1.0, 2.0, 2.0]
    assert "no revision 'v2'; correct revision" in refusal(revision="v2")


def test_copying_head_comes_from_the_hub(models: Hub) -> None:
    salience = load_checkpoint(NAME, "v1").model.copying.salience.weight
    assert salience.detach().unique().tolist() == [2.0]
    del models.models[NAME]["main"][COPYING]
    salience = load_checkpoint(NAME).model.copying.salience.weight
    assert salience.detach().unique().tolist() == [0.0]


@pytest.mark.holds(
    "a checkpoint on a Hub, loaded twice",
    "only safetensors and the tokenizer are fetched, and once",
)
def test_only_what_is_needed_is_fetched_and_once(models: Hub) -> None:
    load_checkpoint(NAME)
    assert sorted(models.fetched) == [
        "config.json", COPYING, "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    load_checkpoint(NAME)
    assert len(models.fetched) == 5


def test_pickled_weights_are_not_even_fetched(models: Hub) -> None:
    del models.models[NAME]["main"]["model.safetensors"], models.models[NAME]["main"][COPYING]
    message = refusal()
    assert "no safetensors at revision main" in message
    assert "refs/pr/N" in message
    assert "pytorch_model.bin" not in models.fetched


def test_token_is_not_sent_to_the_storage_of_large_files(
    models: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    models.private.add(NAME)
    load_checkpoint(NAME)
    assert "model.safetensors" in models.fetched
    assert not models.told_storage


@pytest.mark.holds(
    "a branch of a Hub that has gone on since it was fetched",
    "the new commit is loaded",
)
def test_new_commit_of_a_branch_is_noticed(models: Hub) -> None:
    assert bias(load_checkpoint(NAME, "v1")) == 2.0
    models.models[NAME]["v1"] = models.models[NAME]["main"]
    models.heads["v1"] = commit("main")
    assert bias(load_checkpoint(NAME, "v1")) == 1.0


@pytest.mark.holds(
    "no network after a checkpoint was fetched",
    "it is loaded from the cache",
)
def test_without_a_network_the_cache_serves(models: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    load_checkpoint(NAME, "v1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert bias(load_checkpoint(NAME, "v1")) == 2.0
    message = refusal()
    assert "revision 'main' is not in the local cache" in message
    assert "HF_HUB_OFFLINE" in message


def test_unreachable_hub(models: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    load_checkpoint(NAME, "v1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert bias(load_checkpoint(NAME, "v1")) == 2.0
    assert "the Hub cannot be reached" in refusal()


@pytest.mark.parametrize("restriction", ["gated", "private"])
def test_restricted_checkpoint(
    models: Hub, monkeypatch: pytest.MonkeyPatch, restriction: str
) -> None:
    getattr(models, restriction).add(NAME)
    assert "set HF_TOKEN" in refusal()
    monkeypatch.setenv("HF_TOKEN", TOKEN + "wrong")
    refusal()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert bias(load_checkpoint(NAME)) == 1.0


def test_absent_and_malformed(models: Hub) -> None:
    assert "no such checkpoint, or a private one; correct the id" in refusal("me/none")
    assert "not the id of a checkpoint; write owner/name" in refusal("a/b/c")
    models.status = 418
    assert "HTTP 418" in refusal()


def test_checkpoint_that_has_moved(models: Hub) -> None:
    models.moved["old"] = NAME
    assert bias(load_checkpoint("old", "v1")) == 2.0


# ---- the report's setting

SMALLER: dict[str, dict[str, Any]] = {
    "prepare": {
        "validation_share": 0.25, "test_share": 0.25, "max_validation_documents": 6,
        "max_test_documents": 6,
    },
    "finetune": {"max_examples": 8, "batch_size": 4, "epochs": 1, "evaluations": 1},
    "evaluate": {"pseudo_documents": 1, "resamples": 100},
}  # fmt: skip
"""What is less in the test than in the report."""
SETTINGS = {"prepare": PrepareSettings, "finetune": FinetuneSettings, "evaluate": EvaluateSettings}
WIKIPEDIA, KLUE = "wikimedia/wikipedia", "klue/klue"
NEWS, LAMBADA = "daekeun-ml/naver-news-summarization-ko", "thunder-research-group/SNU_Ko-LAMBADA"


def test_setting_of_the_report_has_every_key() -> None:
    sections = yaml.safe_load(REPORT.read_text(encoding="utf-8"))
    assert sections.keys() == SETTINGS.keys()
    for name, kind in SETTINGS.items():
        assert list(sections[name]) == list(kind.model_fields)
        load_settings(name, kind, REPORT)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "option", ["entity_unlabelled", "entity", "pronoun", "mixed", "curriculum", "none"]
)
def test_setting_of_the_report_serves_every_option(option: str) -> None:
    settings = load_settings("finetune", FinetuneSettings, REPORT)
    finetune.check(settings.model_copy(update={"option": option}))
    assert (settings.batch_size, settings.epochs, settings.max_examples) == (8 * 8, 3, 40_000)


@pytest.fixture
def reported(hub: Hub, tiny: Path, tmp_path: Path) -> Hub:
    """A Hub with what the report used, in the form it has there, but small."""
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.model_max_length = LENGTH
    there = write_family("deberta-v2", tokenizer, tmp_path / "kf-deberta-base")
    (there / "pytorch_model.bin").write_bytes(b"never read")
    hub.models["kakaobank/kf-deberta-base"] = {"main": files_of(there)}
    path = ROOT / "data/raw/passages/train/encyclopedia.txt"
    texts = [passage.document().text for passage in read_passages(path)]
    hub.datasets = {
        WIKIPEDIA: {"main": {
            "20231101.ko/train-00000-of-00001.parquet": parquet(
                id=[str(i) for i in range(16)], url=[""] * 16, title=[""] * 16,
                text=[*texts[:15], "\n".join(texts[15:25])],
            ),
            "20231101.en/train-00000-of-00001.parquet": parquet(id=["0"], text=["English"]),
        }},
        KLUE: {"main": {
            "mrc/train-00000-of-00001.parquet": parquet(
                title=["", ""], context=texts[25:27], source=["hankyung", None], guid=["a", "b"]
            ),
            "ynat/train-00000-of-00001.parquet": parquet(title=["제목"]),
        }},
        NEWS: {
            "main": {"train.csv": b"document,summary\n"},
            "refs/convert/parquet": {
                "default/train/0000.parquet": parquet(document=texts[27:29], summary=["", ""])
            },
        },
        LAMBADA: {"main": {
            "data/validation-00000-of-00001.parquet": parquet(
                index=[0, 1], text=["소녀는 등대를 켰다. 밤새 [MASK]가 빛났다.", "그것은 등대"],
                answer=["등대", "등대"], candidate=["소녀", "밤"],
            )
        }},
    }  # fmt: skip
    hub.gated.add(LAMBADA)
    return hub


Stage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stage(reported: Hub, tmp_path: Path) -> Stage:
    """Runs a stage in a project with the report's setting, in a process of its own."""
    project = tmp_path / "project"
    project.mkdir()
    sections = yaml.safe_load(REPORT.read_text(encoding="utf-8"))
    for name, keys in SMALLER.items():
        assert keys.keys() <= sections[name].keys()
        sections[name] |= keys
    (project / "params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    hub = {"HF_ENDPOINT": reported.address, "HF_HOME": str(tmp_path / "home")}

    def run(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / f"src/{name}.py")],
            cwd=project, env=kept | hub | environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_setting_of_the_report_without_a_token(stage: Stage, reported: Hub) -> None:
    done = stage("prepare")
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith(f"error: {LAMBADA}: access is restricted")
    assert "set HF_TOKEN" in line
    assert reported.fetched == []  # it is said before the text is fetched


@pytest.mark.slow
@pytest.mark.holds(
    "every key of docs/report.params.yaml against a Hub on localhost, small data and models",
    "prepare, finetune and evaluate run",
)
def test_setting_of_the_report_runs(stage: Stage, reported: Hub, tmp_path: Path) -> None:
    printed = ""
    for name in ("prepare", "finetune", "measure_base", "evaluate"):
        # After the data and the base are there, nothing asks the Hub.
        offline = {"HF_HUB_OFFLINE": "1"} if name in ("measure_base", "evaluate") else {}
        done = stage(name, HF_TOKEN=TOKEN, **offline)
        printed += done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
    assert TOKEN not in printed
    assert not reported.told_storage
    weights = (".parquet", ".bin", ".safetensors")
    assert {path for path in reported.fetched if path.endswith(weights)} == {
        "20231101.ko/train-00000-of-00001.parquet", "mrc/train-00000-of-00001.parquet",
        "default/train/0000.parquet", "data/validation-00000-of-00001.parquet",
        "model.safetensors",
    }  # fmt: skip
    project = tmp_path / "project"

    def read(path: str) -> Any:
        return json.loads((project / path).read_text(encoding="utf-8"))

    counts = read("metrics/data.json")["read"]
    assert counts["used"] == 20
    assert (counts["lambada_blank"], counts["lambada_last"]) == (1, 1)
    for checkpoint in ("checkpoints/checkpoint-0", "finetuned"):
        assert read(f"models/{checkpoint}/tokenizer_config.json")["model_max_length"] == 2048
        assert read(f"models/{checkpoint}/config.json")["max_position_embeddings"] == LENGTH
    training = read("metrics/training.json")
    assert (training["examples"], training["steps"]) == (8, 2)
    measured = read("metrics/metrics.json")["seed"]
    for role in ("base", "finetuned"):
        assert measured[role].keys() >= {"lambada_at_1", "coref_f1", "coref_at_5", "score"}
    hidden = [
        json.loads(line)["document"]
        for line in (project / "data/prepared/evaluation/test/lambada.jsonl")
        .read_text()
        .splitlines()
    ]
    assert hidden == [f"lambada {LAMBADA}/validation-{number}" for number in (1, 2)]
