"""params.yaml as typed, validated settings: one class a section, one field a key."""

from __future__ import annotations

import re
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kocoref.errors import InputError, one_line

PARAMS = Path("params.yaml")
_NOT_YAML = (
    yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError,
)  # fmt: skip
"""What the loader raises: its own errors, and those of tags (!!bool x, !!int x, 2026-99-99)."""
_SHOWN = Repr()
_SHOWN.maxlevel, _SHOWN.maxstring, _SHOWN.maxother = 3, 200, 200
"""Values in messages; of a list that holds itself many times over only the beginning."""

Share = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
Scalar = bool | int | float | str
Rate = Annotated[float, Field(gt=0, le=1)]
Threads = Annotated[int, Field(gt=0, le=1024)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What numpy takes."""
Template = Literal["replace", "apposition", "name_first", "namely", "here_is", "refers_to", "who"]
"""The names of :data:`kocoref.examples.templates.TEMPLATES`."""


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no missing keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PretrainSettings(Section):
    """How the base is made."""

    corpus: Annotated[list[str], Field(min_length=1)]
    licences: list[str]
    vocabulary_size: PositiveInt
    donor_layers: Annotated[list[Annotated[int, Field(ge=0, le=11)]], Field(min_length=1)]
    block_length: Annotated[int, Field(ge=16, le=512)]
    noun_share: Share
    piece_share: Share
    steps: Annotated[int, Field(ge=10)]
    batch_tokens: Annotated[int, Field(ge=512)]
    learning_rate: Rate
    seed: Seed


_READ = {
    "passages": frozenset(),
    "text": frozenset({"limit"}),
    "jsonl": frozenset({"limit", "text_column"}),
    "csv": frozenset({"limit", "text_column"}),
    "parquet": frozenset({"limit", "text_column"}),
    "dataset": frozenset({"limit", "text_column", "subset", "split", "revision"}),
}
"""The keys of a source that are read in each format, beside path and format."""


class SourceSettings(Section):
    """One source of text; a list of them makes the corpus."""

    path: str
    format: Literal["passages", "jsonl", "parquet", "csv", "text", "dataset"]
    text_column: str = "text"
    subset: str | None = None
    split: str = "train"
    revision: str | None = None
    limit: PositiveInt | None = None

    @model_validator(mode="after")
    def _only_what_is_read(self) -> Self:
        for name, field in SourceSettings.model_fields.items():
            read = name in ("path", "format") or name in _READ[self.format]
            if not read and getattr(self, name) != field.default:
                raise ValueError(f"{name} is not read in format {self.format}; leave it out")
        return self


class LambadaSettings(SourceSettings):
    """LAMBADA items that others have made."""

    format: Literal["jsonl", "parquet", "csv", "dataset"]  # type: ignore[assignment]
    answer_column: str = "answer"


class GoldSettings(Section):
    """One source of human coreference annotation, for evaluation only."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    path: str
    format: Literal["spans", "conll2012", "corefud"]
    limit: PositiveInt | None = None


def _distinct(sources: list[GoldSettings]) -> list[GoldSettings]:
    """Gold sources whose names tell them apart, also from the splits."""
    names = [source.name for source in sources]
    for name in names:
        if name in ("train", "validation", "test") or names.count(name) > 1:
            raise ValueError(f"name {name!r} is taken; give each gold source a name of its own")
    return sources


class PrepareSettings(Section):
    """What is read, how it is split, and how evaluation items are cut."""

    sources: Annotated[list[SourceSettings], Field(min_length=1)]
    gold: Annotated[list[GoldSettings], AfterValidator(_distinct)]
    lambada: LambadaSettings | None
    validation_share: Annotated[float, Field(ge=0, lt=0.5)]
    test_share: Annotated[float, Field(ge=0, lt=0.5)]
    max_validation_documents: PositiveInt
    max_test_documents: PositiveInt
    name_swaps: Annotated[int, Field(ge=0, le=20)]
    window: Annotated[int, Field(ge=50, le=20_000)]
    context_sentences: Annotated[int, Field(ge=0, le=10)]
    items_per_document: PositiveInt
    seed: Seed


class FinetuneSettings(Section):
    """How the base is fine-tuned."""

    base: str
    base_revision: str | None
    max_length: Annotated[int, Field(ge=16, le=20_000)] | None
    option: Literal["entity", "entity_unlabelled", "pronoun", "mixed", "curriculum", "none"]
    window: Annotated[int, Field(ge=50, le=20_000)]
    context_sentences: Annotated[int, Field(ge=0, le=10)]
    examples_per_document: PositiveInt
    reading_share: Share
    reading_window: Annotated[int, Field(ge=50, le=20_000)]
    ranked_share: Share
    max_examples: PositiveInt
    epochs: Annotated[int, Field(gt=0, le=10_000)]
    max_steps: Annotated[int, Field(ge=0)]
    batch_size: PositiveInt
    batch_tokens: PositiveInt
    learning_rate: Rate
    warmup_share: Share
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    target_weight: Annotated[float, Field(ge=0, le=100)]
    nouns_weight: Annotated[float, Field(ge=0, le=100)]
    rank_weight: Annotated[float, Field(ge=0, le=100)]
    copy_weight: Annotated[float, Field(ge=0, le=100)]
    copy_salience: bool
    mlm_weight: Annotated[float, Field(ge=0, le=100)]
    replay: Annotated[float, Field(ge=0, le=10)]
    anchor_weight: Annotated[float, Field(ge=0, le=1000)]
    base_share: Share
    mask_share: Annotated[float, Field(gt=0, lt=1)]
    evaluations: Annotated[int, Field(gt=0, le=10_000)]
    select_by: Literal[
        "antecedent_accuracy", "antecedent_mrr", "copy_accuracy", "copy_mrr",
        "lambada_exact", "pseudo_bpc",
        "coref_f1", "coref_at_5", "lambada_at_1", "score", "last",
    ]  # fmt: skip
    patience: PositiveInt
    template: Template
    mixed_precision: Literal["fp32", "bf16", "fp16"]
    reproducible: bool
    threads: Threads
    seed: Seed


class EvaluateSettings(Section):
    """How checkpoints are measured."""

    template: Template
    batch_tokens: PositiveInt
    pseudo_documents: Annotated[int, Field(ge=0)]
    resamples: Annotated[int, Field(ge=100, le=1_000_000)]
    mixed_precision: Literal["fp32", "bf16"]
    reproducible: bool
    threads: Threads
    seed: Seed


class ReportSettings(Section):
    """How results are shown."""

    dpi: Annotated[int, Field(ge=50, le=600)]


class ExperimentsSettings(Section):
    """experiments.yaml: which rows are compared."""

    seeds: Annotated[list[Seed], Field(min_length=1)]
    common: dict[str, Scalar]
    rows: Annotated[dict[str, dict[str, Scalar]], Field(min_length=1)]
    templates: list[Template]


def load_experiments(path: Path) -> ExperimentsSettings:
    """Read experiments.yaml.

    Raises:
        InputError: as :func:`load_settings`.
    """
    return _validated(ExperimentsSettings, _read_yaml(path), path, "")


def load_gold(path: Path) -> list[GoldSettings]:
    """Read a list of gold sources, as in ``prepare.gold``.

    Raises:
        InputError: as :func:`load_settings`, and where it is no list or an empty one.
    """
    sources = _read_yaml(path)
    if not isinstance(sources, list) or not sources:
        raise InputError(f"{path}: not a list of gold sources; see prepare.gold in {PARAMS}")
    found = [_validated(GoldSettings, source, path, str(i)) for i, source in enumerate(sources)]
    try:
        return _distinct(found)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


AnySection = TypeVar("AnySection", bound=Section)


def load_settings(name: str, kind: type[AnySection], path: Path = PARAMS) -> AnySection:
    """Read one section of params.yaml.

    Raises:
        InputError: the file or section is missing, or a key is unknown, missing, of the wrong
            type or out of range; the message names file, key, problem and value.
    """
    return _validated(kind, _section(name, path), path, name)


def load_sections(*names: str, path: Path = PARAMS) -> dict[str, Any]:
    """Sections of params.yaml as they stand there.

    Raises:
        InputError: the file or a section is missing.
    """
    return {name: _section(name, path) for name in names}


def _section(name: str, path: Path) -> Any:
    sections = _read_yaml(path)
    if not isinstance(sections, dict) or name not in sections:
        raise InputError(f"{path}: no section {name!r}")
    return sections[name]


class _Loader(yaml.SafeLoader):
    """YAML 1.2, as DVC reads it (to PyYAML 2e-05 is a string, yes is true); no key comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key.value!r} comes twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""How these look in YAML 1.2, and what they begin with. 0144, to PyYAML 100, is a float, so
that it is 144 or, where an integer is wanted, refused."""
_Loader.yaml_implicit_resolvers = {
    first: [(tag, found) for tag, found in known if tag.rpartition(":")[2] not in _SCALARS]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_pattern})$"), list(_first)
    )


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run from the project's directory") from None
    except _NOT_YAML as error:
        raise InputError(f"{path}: not YAML: {one_line(error)}") from None


def _validated(kind: type[AnySection], value: Any, path: Path, name: str) -> AnySection:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        problems = [
            f"{'.'.join(filter(None, [name, *map(str, problem['loc'])]))}: {problem['msg']}"
            + ("" if problem["type"] == "missing" else f" (got {_SHOWN.repr(problem['input'])})")
            for problem in error.errors()
        ]
        raise InputError(f"{path}: {'; '.join(problems)}") from None
