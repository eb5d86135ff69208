"""The real pipeline in a DVC repository: what re-runs after which change, and a remote on S3."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3  # type: ignore[import-untyped]
import pytest
import yaml
from dvc.cli import main
from dvc.exceptions import DvcException
from dvc.repo import Repo
from moto.server import ThreadedMotoServer
from test_pipeline import STAGES, all_imported

ROOT = Path(__file__).parents[1]
RUN = [stage for stage in STAGES if not STAGES[stage].get("frozen")]
ONLY_EVALUATE = {"evaluate.resamples", "evaluate.seed"}
pytestmark = pytest.mark.slow


def git(project: Path, *arguments: str) -> None:
    name = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *name, *arguments], cwd=project, check=True, capture_output=True)


@contextmanager
def opened(project: Path) -> Iterator[Repo]:
    """The repository, from within it."""
    with chdir(project), Repo() as repo:
        yield repo


def outs_of(stage: str) -> list[str]:
    entries = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def stand_in(project: Path, out: str) -> None:
    """A small file or directory in the place of an output."""
    path = project / out
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        path.write_text('{"made": 1}\n', encoding="utf-8")
    else:
        (path / "inner").mkdir(parents=True, exist_ok=True)
        (path / "inner/file").write_text(f"{out}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this project's pipeline and code, as if every stage had run."""
    project = tmp_path_factory.mktemp("made") / "project"
    for name in ("src", "data/raw"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", "README.md", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, project / name)
    for stage in STAGES:
        for out in outs_of(stage):
            stand_in(project, out)
        for needed in STAGES[stage]["deps"]:
            if not (project / needed).exists():
                stand_in(project, needed)
    git(project, "init", "--quiet", "--initial-branch=main")
    Repo.init(str(project)).close()
    with opened(project) as repo:
        repo.commit(force=True)
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message=made")
    return project


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project", symlinks=True))


Status = dict[str, set[str]]


def status(project: Path) -> Status:
    """What DVC finds changed, by stage."""
    with opened(project) as repo:
        found: dict[str, list[dict[str, Any]]] = repo.status()
    changed: Status = {}
    for stage, problems in found.items():
        names: set[str] = set()
        for problem in problems:
            for path, what in problem.get("changed deps", {}).items():
                names |= set(what) if isinstance(what, dict) else {path}
        changed[stage] = names
    return changed


def test_nothing_is_to_be_run_after_a_run(project: Path) -> None:
    assert status(project) == {}


@pytest.mark.holds(
    "README, documents and compiled files changed",
    "nothing is to be run again",
)
def test_a_page_re_runs_nothing(project: Path) -> None:
    with (project / "README.md").open("a", encoding="utf-8") as file:
        file.write("more\n")
    (project / "docs").mkdir()
    (project / "docs/new.md").write_text("new\n", encoding="utf-8")
    (project / "src/kocoref/__pycache__").mkdir()
    (project / "src/kocoref/__pycache__/x.pyc").touch()
    assert status(project) == {}


@pytest.mark.holds(
    "every param changed",
    "exactly the stages that read it are to be run again",
)
def test_every_param_re_runs_the_stages_that_read_it(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    keys = {f"{section}.{key}" for section, values in params.items() for key in values}
    changed = {section: dict.fromkeys(values, "other") for section, values in params.items()}
    (project / "params.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    found = status(project)
    by_param = {key: {stage for stage in found if key in found[stage]} for key in keys}
    expected = {key: {key.split(".")[0]} & set(RUN) for key in keys}  # a frozen stage stays
    for key in keys:
        if key.startswith("evaluate.") and key not in ONLY_EVALUATE:
            expected[key] |= {"measure_base"}
    assert by_param == expected


@pytest.mark.holds(
    "every module changed",
    "exactly the stages that import it are to be run again",
)
def test_every_module_re_runs_the_stages_that_import_it(project: Path) -> None:
    modules = {str(path.relative_to(project)) for path in (project / "src").rglob("*.py")}
    for name in modules:
        with (project / name).open("a", encoding="utf-8") as file:
            file.write("# more\n")
    found = {stage: names & modules for stage, names in status(project).items()}
    assert found == {
        stage: {f"src/{stage}.py"} | all_imported(ROOT / f"src/{stage}.py") for stage in RUN
    }


def test_what_a_stage_makes_re_runs_the_next(project: Path) -> None:
    with opened(project) as repo:
        graph = repo.index.graph
        after = {
            stage.addressing: {before.addressing for before in graph.successors(stage)}
            for stage in graph
        }
    assert after == {
        "pretrain": set(),
        "prepare": set(),
        "finetune": {"prepare", "pretrain"},
        "measure_base": {"prepare", "finetune"},
        "evaluate": {"prepare", "finetune", "measure_base"},
        "report": {"pretrain", "prepare", "finetune", "evaluate"},
    }


# ---- S3


@dataclass(frozen=True)
class Store:
    """An S3 server and a bucket in it."""

    address: str
    bucket: str


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    secrets = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "aSecretNeverStored"}
    for name, value in (secrets | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    urlopen(Request(f"{address}/moto-api/reset", method="POST")).close()
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="kocoref")
    yield Store(address, "kocoref")
    server.stop()


@pytest.fixture
def with_remote(project: Path, store: Store) -> Path:
    """The repository with the remote that README.md describes."""
    dvc(project, "remote", "add", "--default", "storage", f"s3://{store.bucket}/dvc")
    dvc(project, "remote", "modify", "storage", "endpointurl", store.address)
    git(project, "commit", "--quiet", "--all", "--message=remote")
    return project


def dvc(project: Path, *arguments: str) -> None:
    """Run a DVC command as its user would."""
    with chdir(project):
        assert main([*arguments]) == 0


def contents(project: Path) -> dict[str, bytes]:
    """Every file of the cached outputs."""
    cached = [out for stage in RUN for out in outs_of(stage) if not Path(out).suffix]
    files = (file for out in cached for file in (project / out).rglob("*") if file.is_file())
    return {str(file.relative_to(project)): file.read_bytes() for file in files}


@pytest.mark.holds(
    "dvc push to an S3 server, a fresh clone, dvc pull",
    "the same files, and dvc repro has nothing to run",
)
def test_push_clone_pull_and_nothing_is_left_to_run(with_remote: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    with opened(with_remote) as repo:
        assert repo.push() > 0
    git(tmp_path, "clone", "--quiet", str(with_remote), str(clone))
    assert not (clone / "models/finetuned").exists()
    with opened(clone) as repo:
        repo.pull()
        assert repo.reproduce() == []
        assert repo.status() == {}
        assert repo.push() == 0  # everything is there
    assert contents(clone) == contents(with_remote) != {}


def test_remote_without_what_was_made_is_said(with_remote: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(with_remote), str(clone))
    with opened(clone) as repo, pytest.raises(DvcException, match=r"(?i)fail|missing"):
        repo.pull()
    assert not (clone / "models/finetuned/inner").exists()


@pytest.mark.holds(
    "keys of S3 in the environment",
    "in no file of the repository",
)
def test_no_secret_is_in_the_repository(with_remote: Path) -> None:
    config = (with_remote / ".dvc/config").read_text(encoding="utf-8")
    assert "s3://kocoref/dvc" in config
    files = [path for path in with_remote.rglob("*") if path.is_file()]
    assert not any(b"aSecretNeverStored" in path.read_bytes() for path in files)


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_page_says_how_to_use_a_remote(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for command in ("dvc remote add --default storage s3://", "dvc push", "dvc pull", "dvc-s3"):
        assert command in text


def test_metrics_of_a_branch_are_shown_beside_those_of_main(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "metrics/metrics.json").write_text('{"made": 2}\n', encoding="utf-8")
    dvc(project, "metrics", "diff", "--md", "main")
    printed = capsys.readouterr().out
    assert "| Path" in printed
    assert [cell.strip() for cell in printed.splitlines()[2].split("|")][1:6] == [
        "metrics/metrics.json", "made", "1", "2", "1",
    ]  # fmt: skip
