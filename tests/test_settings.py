"""params.yaml: the committed one loads and is explained, a wrong one names its key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import parse_yaml

from kocoref.errors import InputError
from kocoref.settings import (
    EvaluateSettings,
    FinetuneSettings,
    PrepareSettings,
    PretrainSettings,
    ReportSettings,
    Section,
    load_sections,
    load_settings,
)

PARAMS = Path(__file__).parents[1] / "params.yaml"
SECTIONS: dict[str, type[Section]] = {
    "pretrain": PretrainSettings,
    "prepare": PrepareSettings,
    "finetune": FinetuneSettings,
    "evaluate": EvaluateSettings,
    "report": ReportSettings,
}
MOST_KEYS_OF_A_COMMENT = 4


@pytest.fixture
def sections() -> dict[str, dict[str, Any]]:
    """The committed values, to be spoiled."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def failure(path: Path, name: str = "finetune") -> str:
    with pytest.raises(InputError) as raised:
        load_settings(name, SECTIONS[name], path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def spoiled(params: Path, sections: dict[str, Any], section: str, key: str, value: object) -> str:
    """The message after one key of a section was set."""
    sections[section][key] = value
    params.write_text(yaml.safe_dump(sections, allow_unicode=True), encoding="utf-8")
    return failure(params, section)


# ---- the committed file


@pytest.mark.parametrize("name", SECTIONS)
def test_committed_section_loads(name: str) -> None:
    assert load_settings(name, SECTIONS[name], PARAMS)


@pytest.mark.parametrize("name", SECTIONS)
def test_committed_section_has_every_key_of_its_settings(
    name: str, sections: dict[str, dict[str, Any]]
) -> None:
    assert list(sections[name]) == list(SECTIONS[name].model_fields)


def test_committed_file_has_no_other_sections(sections: dict[str, Any]) -> None:
    assert list(sections) == list(SECTIONS)


def test_every_key_has_a_comment_above_it_beside_it_or_in_its_group() -> None:
    found: dict[str, int] = {}
    since_comment = MOST_KEYS_OF_A_COMMENT
    for line in PARAMS.read_text(encoding="utf-8").splitlines():
        key = re.match(r"(  )?(\w+):", line)
        if line.strip().startswith("#"):
            since_comment = 0
        elif key and key.group(1) is None:
            since_comment = MOST_KEYS_OF_A_COMMENT  # a section begins: it explains no key
        elif key:
            since_comment = 1 if " #" in line else since_comment + 1
            found[key.group(2)] = since_comment
        elif not line.strip():
            since_comment = MOST_KEYS_OF_A_COMMENT
    assert len(found) >= 40
    assert {key: n for key, n in found.items() if n > MOST_KEYS_OF_A_COMMENT} == {}


# ---- wrong files


def test_missing_file(tmp_path: Path) -> None:
    message = failure(tmp_path / "none.yaml")
    assert message == "No such file or directory; run from the project's directory"


def test_file_that_is_not_yaml(params: Path) -> None:
    params.write_text("finetune: [1, 2\nseed: }", encoding="utf-8")
    assert failure(params).startswith("not YAML: ")


def test_file_that_is_not_utf_8(params: Path) -> None:
    params.write_bytes("finetune: # 이름\n".encode("cp949"))
    assert "utf-8" in failure(params)


@pytest.mark.parametrize("text", ["", "- 1\n", "finetune", "prepare: {}\n"])
def test_missing_section(params: Path, text: str) -> None:
    params.write_text(text, encoding="utf-8")
    assert failure(params) == "no section 'finetune'"


@pytest.mark.parametrize("text", ["finetune:\n", "finetune: 3\n", "finetune: [seed]\n"])
def test_section_that_is_no_mapping(params: Path, text: str) -> None:
    params.write_text(text, encoding="utf-8")
    assert failure(params).startswith("finetune: Input should be a valid dictionary")


# ---- wrong keys


@pytest.mark.parametrize("name", SECTIONS)
def test_unknown_key(name: str, params: Path, sections: dict[str, dict[str, Any]]) -> None:
    message = spoiled(params, sections, name, "learnin_rate", 1)
    assert message == f"{name}.learnin_rate: Extra inputs are not permitted (got 1)"


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, kind in SECTIONS.items() for key in kind.model_fields]
)
def test_missing_key(
    name: str, key: str, params: Path, sections: dict[str, dict[str, Any]]
) -> None:
    del sections[name][key]
    params.write_text(yaml.safe_dump(sections), encoding="utf-8")
    assert failure(params, name).startswith(f"{name}.{key}: Field required")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("finetune", "epochs", "2"),
        ("finetune", "epochs", 2.0),
        ("finetune", "epochs", True),
        ("finetune", "learning_rate", "little"),
        ("finetune", "base", 7),
        ("finetune", "base_revision", 7),
        ("finetune", "max_length", "512"),
        ("finetune", "mixed_precision", False),  # what YAML makes of no
        ("finetune", "reproducible", "yes"),
        ("finetune", "copy_salience", 1),
        ("finetune", "seed", None),
        ("prepare", "sources", {}),
        ("prepare", "gold", None),
        ("pretrain", "corpus", "wiki.jsonl"),
        ("evaluate", "resamples", "many"),
    ],
)
def test_wrong_type(
    name: str, key: str, value: object, params: Path, sections: dict[str, dict[str, Any]]
) -> None:
    message = spoiled(params, sections, name, key, value)
    assert message.startswith(f"{name}.{key}: Input should be ")
    assert message.endswith(f"(got {value!r})")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("finetune", "option", "entitiy"),
        ("finetune", "select_by", "loss"),
        ("finetune", "template", "beside"),
        ("evaluate", "template", "beside"),
        ("finetune", "seed", -1),
        ("finetune", "seed", 2**32),
        ("evaluate", "seed", -1),
        ("finetune", "reading_share", 1.1),
        ("finetune", "reading_share", -0.1),
        ("finetune", "reading_window", 49),
        ("finetune", "ranked_share", 1.1),
        ("finetune", "mixed_precision", "fp8"),
        ("finetune", "epochs", 0),
        ("finetune", "max_steps", -1),
        ("finetune", "learning_rate", 0.0),
        ("finetune", "learning_rate", 1.5),
        ("finetune", "learning_rate", float("nan")),
        ("finetune", "weight_decay", -0.1),
        ("finetune", "warmup_share", 1.1),
        ("finetune", "mask_share", 0.0),
        ("finetune", "mask_share", 1.0),
        ("finetune", "replay", 11.0),
        ("finetune", "anchor_weight", float("inf")),
        ("finetune", "window", 49),
        ("finetune", "max_length", 15),
        ("finetune", "max_length", 20_001),
        ("finetune", "context_sentences", 11),
        ("finetune", "batch_size", 0),
        ("finetune", "threads", 0),
        ("finetune", "threads", 10**30),
        ("finetune", "batch_size", 10**30),
        ("finetune", "epochs", 10_001),
        ("finetune", "evaluations", 10_001),
        ("prepare", "validation_share", 0.5),
        ("prepare", "test_share", -0.1),
        ("prepare", "name_swaps", 21),
        ("prepare", "window", 20_001),
        ("prepare", "max_test_documents", 0),
        ("evaluate", "mixed_precision", "fp16"),
        ("evaluate", "resamples", 99),
        ("evaluate", "resamples", 10**30),
        ("evaluate", "pseudo_documents", -1),
        ("pretrain", "block_length", 513),
        ("pretrain", "noun_share", 1.5),
        ("report", "dpi", 10),
    ],
)
def test_out_of_range(
    name: str, key: str, value: object, params: Path, sections: dict[str, dict[str, Any]]
) -> None:
    message = spoiled(params, sections, name, key, value)
    assert re.match(rf"{name}\.{key}: Input should be .*\(got {value!r}\)$", message)


@pytest.mark.parametrize(
    ("name", "key"),
    [("prepare", "sources"), ("pretrain", "corpus"), ("pretrain", "donor_layers")],
)
def test_empty_list(name: str, key: str, params: Path, sections: dict[str, dict[str, Any]]) -> None:
    message = spoiled(params, sections, name, key, [])
    assert message.startswith(f"{name}.{key}: List should have at least 1 item")


@pytest.mark.parametrize(
    ("name", "key", "value", "where"),
    [
        ("prepare", "sources", [{"path": "a", "format": "pdf"}], "sources.0.format"),
        ("prepare", "sources", [{"path": "a"}], "sources.0.format"),
        ("prepare", "sources", [{"path": "a", "format": "csv", "limit": 0}], "sources.0.limit"),
        ("prepare", "sources", [{"path": "a", "format": "csv", "column": "b"}], "sources.0.column"),
        ("prepare", "gold", [{"name": "Ä", "path": "a", "format": "spans"}], "gold.0.name"),
        ("prepare", "lambada", {"path": "a", "format": "text"}, "lambada.format"),
        ("prepare", "lambada", {"path": "a", "format": "csv", "answer": "b"}, "lambada.answer"),
        ("pretrain", "donor_layers", [1, 12], "donor_layers.1"),
    ],
)
def test_wrong_entry_of_a_list(
    name: str,
    key: str,
    value: object,
    where: str,
    params: Path,
    sections: dict[str, dict[str, Any]],
) -> None:
    assert spoiled(params, sections, name, key, value).startswith(f"{name}.{where}: ")


@pytest.mark.parametrize("names", [["test"], ["validation"], ["a", "b", "a"]])
def test_gold_sources_of_one_name(
    names: list[str], params: Path, sections: dict[str, dict[str, Any]]
) -> None:
    gold = [{"name": name, "path": "a", "format": "spans"} for name in names]
    message = spoiled(params, sections, "prepare", "gold", gold)
    assert message.startswith(f"prepare.gold: Value error, name {names[0]!r} is taken; give each")


def test_all_problems_are_named_at_once(params: Path, sections: dict[str, Any]) -> None:
    sections["finetune"]["epochs"] = 0
    message = spoiled(params, sections, "finetune", "option", "x")
    assert "finetune.epochs: " in message
    assert "; " in message
    assert "finetune.option: " in message


def test_section_reads_only_its_own(params: Path, sections: dict[str, Any]) -> None:
    sections["report"] = None
    params.write_text(yaml.safe_dump(sections), encoding="utf-8")
    assert load_settings("finetune", FinetuneSettings, params).seed == sections["finetune"]["seed"]


@pytest.mark.parametrize("value", ["2e-5", "0.00003", "1E-05", "2.5e-5", "1e-4"])
def test_learning_rate_that_dvc_writes_is_a_number(
    value: str, params: Path, sections: dict[str, Any]
) -> None:
    """``dvc exp run -S`` writes 0.00002 as 2e-05, which is no number to YAML 1.1."""
    params.write_text(yaml.safe_dump(sections), encoding="utf-8")
    apply_overrides(params, [f"finetune.learning_rate={value}"])
    assert load_settings("finetune", FinetuneSettings, params).learning_rate == float(value)


@pytest.mark.parametrize(
    "value",
    ["2", "0.5", "1e3", ".5", "-1", "1_000", "0x10", "1_0.5", "true", "yes", "0144", "1:40"],
)
def test_value_is_what_dvc_reads(value: str, params: Path, sections: dict[str, Any]) -> None:
    """DVC reads YAML 1.2, in which 0144 is no octal number and yes no truth."""
    params.write_text(yaml.safe_dump(sections | {"report": "VALUE"}).replace("VALUE", value))
    found = load_sections("report", path=params)["report"]
    theirs = parse_yaml(params.read_text(), params)["report"]
    assert found == theirs
    if value != "0144":  # to DVC an integer, here none, and so refused where one is wanted
        assert type(found) is type(theirs)


@pytest.mark.parametrize(
    ("format_", "key", "value"),
    [
        ("passages", "limit", 5),
        ("passages", "text_column", "body"),
        ("text", "text_column", "body"),
        ("jsonl", "split", "test"),
        ("csv", "revision", "main"),
        ("parquet", "subset", "mrc"),
    ],
)
def test_key_of_a_source_that_its_format_does_not_read_is_refused(
    format_: str, key: str, value: object, params: Path, sections: dict[str, Any]
) -> None:
    source = {"path": "x", "format": format_, key: value}
    message = spoiled(params, sections, "prepare", "sources", [source])
    assert f"{key} is not read in format {format_}; leave it out" in message


def test_settings_cannot_be_changed() -> None:
    settings = load_settings("finetune", FinetuneSettings, PARAMS)
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 2  # type: ignore[misc]
