"""The files of a data set on the Hugging Face Hub, fetched when they are due."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub import HfApi, is_offline_mode, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from kocoref.errors import InputError
from kocoref.hub import hub_client, hub_errors
from kocoref.settings import SourceSettings

CONVERTED = "refs/convert/parquet"
"""The revision where the Hub keeps its own Parquet form of a data set's main revision."""

_OF = re.compile(r"-of-(\d+)")


def dataset_files(source: SourceSettings) -> Iterator[tuple[str, Path]]:
    """A label and the local copy of each Parquet file of the split, fetched when it is due.

    The Hub's own Parquet form is taken only where no revision is pinned, as it follows ``main``.
    """
    api = hub_client()
    commit, files = _dataset_listing(api, source.path, source.revision)
    if not files and source.revision is None:
        commit, files = _dataset_listing(api, source.path, CONVERTED)
    if not files:
        raise InputError(
            f"{source.path}: no Parquet files at revision {source.revision or 'main'}; "
            f"set revision to {CONVERTED} or to a commit of it"
        )
    chosen = _split_files(source, files)
    for file in chosen:
        with hub_errors(source.path, commit, "data set"):
            path = api.hf_hub_download(source.path, file, repo_type="dataset", revision=commit)
        yield f"{source.path}/{file}", Path(path)
    shards = _OF.search(chosen[-1])
    if shards and len(chosen) < (total := int(shards.group(1))):
        raise InputError(
            f"{source.path}: only {len(chosen)} of the {total} files of split "
            f"{source.split} are there; unset HF_HUB_OFFLINE to fetch the others"
        )


def _dataset_listing(api: HfApi, dataset: str, revision: str | None) -> tuple[str, list[str]]:
    """The commit of a revision and its Parquet files; offline, those that were fetched before."""
    with hub_errors(dataset, revision or "main", "data set"):
        resolved = api.resolve_revision(dataset, repo_type="dataset", revision=revision)
        commit = resolved.resolved
        if is_offline_mode():
            files = _cached_files(dataset, commit)
        else:
            files = api.list_repo_files(dataset, repo_type="dataset", revision=commit)
    for file in files:
        if ".." in Path(file).parts or Path(file).is_absolute():
            raise InputError(f"{dataset}: lists {file!r}, a path outside of itself; do not use it")
    return commit, sorted(file for file in files if file.endswith(".parquet"))


def _cached_files(dataset: str, commit: str) -> list[str]:
    try:
        # With no patterns nothing is asked for, so a copy of only some files will do.
        folder = snapshot_download(
            dataset, repo_type="dataset", revision=commit, local_files_only=True, allow_patterns=[]
        )
    except LocalEntryNotFoundError:
        return []
    return [path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.parquet")]


def _split_files(source: SourceSettings, files: Sequence[str]) -> list[str]:
    """The files of the split: ``[data/][subset/]split{-*,/*,}.parquet``.

    Raises:
        InputError: there is no such split or subset, or there are several subsets to choose from.
    """
    shape = re.compile(rf"(?:data/)?(?:(.+)/)?{re.escape(source.split)}(?:[-/][^/]+)?\.parquet")
    subsets: dict[str, list[str]] = {}
    for file in files:
        if match := shape.fullmatch(file):
            subsets.setdefault(match.group(1) or "default", []).append(file)
    if not subsets:
        listed = ", ".join(files[:5]) + (", ..." if len(files) > 5 else "")
        raise InputError(
            f"{source.path}: no Parquet files of split {source.split!r} among {listed}; "
            f"set split, or revision to {CONVERTED}"
        )
    subset = source.subset or (next(iter(subsets)) if len(subsets) == 1 else "default")
    if subset not in subsets:
        raise InputError(
            f"{source.path}: no subset {subset!r} with split {source.split!r}; "
            f"set subset to one of {', '.join(subsets)}"
        )
    return subsets[subset]
