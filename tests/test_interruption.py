"""Stages that are killed, asked to stop, or find no room: the next run gives the same bytes."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from stages import (
    OUTS,
    ROOT,
    STAGES,
    hashes,
    leftovers,
    log_of,
    run,
    small_project,
    start,
)

from kocoref.errors import InputError
from kocoref.files import discard, replacing, write_json
from kocoref.model.checkpoint import load_checkpoint
from kocoref.stage import STOPPING, interruption_held_back, one_line_errors, run_stage

KILLS, MANY_KILLS = 3, 20
"""Of each stage: in a usual run of the tests, and in one of the slow tests alone."""
SECONDS = 300
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small project before each stage, and at ``done`` after all of them."""
    project = small_project(tmp_path_factory.mktemp("small"), tiny)
    before: dict[str, Path] = {}
    for stage in STAGES:
        before[stage] = tmp_path_factory.mktemp("before") / stage
        shutil.copytree(project, before[stage])
        started = time.monotonic()
        assert run(stage, project) == 0, log_of(stage, project)
        (before[stage] / "seconds").write_text(str(time.monotonic() - started))
    return before | {"done": project}


@pytest.fixture
def copy_of(undisturbed: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A fresh copy of the project as it was before a stage."""

    def copied(stage: str) -> Path:
        return Path(shutil.copytree(undisturbed[stage], tmp_path / "project"))

    return copied


def assert_finishes_as(undisturbed: dict[str, Path], stage: str, project: Path) -> None:
    """Running the stage once more ends with the bytes of the run that nothing disturbed."""
    assert run(stage, project) == 0, log_of(stage, project)
    assert hashes(project, stage) == hashes(undisturbed["done"], stage)
    assert leftovers(project) == []


@pytest.mark.parametrize("stage", STAGES)
def test_undisturbed_stage_makes_its_outs(stage: str, undisturbed: dict[str, Path]) -> None:
    made = hashes(undisturbed["done"], stage)
    assert {out for out in OUTS[stage] if not any(name.startswith(out) for name in made)} == set()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.holds(
    "kill -9 at random moments of every stage",
    "the next run has the bytes of an undisturbed one, nothing is left over",
)
def test_killed_stage_finishes_as_if_nothing_had_happened(
    stage: str,
    undisturbed: dict[str, Path],
    copy_of: Callable[[str], Path],
    often: Callable[[int, int], int],
) -> None:
    chance = random.Random(stage)
    project = copy_of(stage)
    whole = float((undisturbed[stage] / "seconds").read_text())
    killed, tries = 0, often(KILLS, MANY_KILLS)
    for _ in range(tries):
        begun = time.monotonic()
        process = start(stage, project)
        process.join(chance.uniform(0.05, whole))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            killed += 1
        else:  # the machine was busier when the stage was timed
            whole = min(whole, time.monotonic() - begun)
    assert killed > tries / 4
    assert_finishes_as(undisturbed, stage, project)


def steps_saved(project: Path) -> Iterator[Path]:
    return (project / "models/.unfinished").glob("*/state/progress.json")


@pytest.fixture
def pipeline(copy_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project as a DVC repository in which nothing has run, and dvc at hand."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    project = copy_of("prepare")
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (project / "data/raw/long").mkdir()
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, project / name)
    for command in ("git init --quiet", "dvc init --quiet", "dvc commit --quiet --force pretrain"):
        subprocess.run(command.split(), cwd=project, check=True)
    return project


@pytest.mark.holds(
    "kill -9 of dvc repro and its stage at random moments",
    "the next dvc repro has the bytes of an undisturbed run, nothing is left over",
)
def test_killed_pipeline_finishes_as_if_nothing_had_happened(
    undisturbed: dict[str, Path], pipeline: Path, often: Callable[[int, int], int]
) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    chance = random.Random("pipeline")
    for _ in range(often(KILLS, MANY_KILLS)):
        process = subprocess.Popen(
            ["dvc", "repro"], cwd=pipeline, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(1, 12))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(
        ["dvc", "repro"], cwd=pipeline, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for stage in STAGES:
        assert hashes(pipeline, stage) == hashes(undisturbed["done"], stage)
    assert leftovers(pipeline) == []


@pytest.mark.holds(
    "DVC's cache gone after a run",
    "dvc repro ends well, with the same bytes, and has nothing to run after that",
)
def test_cache_that_vanished_is_filled_again(undisturbed: dict[str, Path], pipeline: Path) -> None:
    def dvc(*arguments: str) -> str:
        command = ["dvc", *arguments, "prepare"]
        done = subprocess.run(command, cwd=pipeline, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    dvc("repro")
    shutil.rmtree(pipeline / ".dvc/cache")
    dvc("repro")
    assert hashes(pipeline, "prepare") == hashes(undisturbed["done"], "prepare")
    assert "up to date" in dvc("repro")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.holds(
    "Ctrl-C and SIGTERM in finetune",
    "saved at the step, one line, status 130 or 143; the next run goes on to the same bytes",
)
def test_finetune_that_is_asked_to_stop_saves_its_step(
    number: signal.Signals, undisturbed: dict[str, Path], copy_of: Callable[[str], Path]
) -> None:
    project = copy_of("finetune")
    process = start("finetune", project)
    ask_to_stop(process.pid or 0, project, number)
    process.join(SECONDS)
    assert process.exitcode == 128 + number
    log = log_of("finetune", project)
    assert "state saved after step" in log
    assert log.endswith(f"interrupted by {number.name}\n")
    assert "Traceback" not in log
    assert len(list(steps_saved(project))) == 1
    assert run("finetune", project) == 0
    assert "resuming after step" in log_of("finetune", project)
    assert hashes(project, "finetune") == hashes(undisturbed["done"], "finetune")
    assert leftovers(project) == []


def ask_to_stop(pid: int, project: Path, number: signal.Signals) -> None:
    """Send a signal once training has begun."""
    deadline = time.monotonic() + SECONDS
    while not list(steps_saved(project)):
        assert time.monotonic() < deadline, log_of("finetune", project)
        time.sleep(0.01)
    os.kill(pid, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "finetune"])
@pytest.mark.holds(
    "Ctrl-C and SIGTERM in the other stages",
    "one line, status 130 or 143; the next run has the same bytes",
)
def test_other_stages_stop_at_once(
    stage: str,
    number: signal.Signals,
    undisturbed: dict[str, Path],
    copy_of: Callable[[str], Path],
) -> None:
    project = copy_of(stage)
    process = start(stage, project)
    wait_for_handlers(process.pid or 0)
    process.join(min(0.2, float((undisturbed[stage] / "seconds").read_text()) / 10))
    os.kill(process.pid or 0, number)
    process.join(SECONDS)
    assert process.exitcode == 128 + number
    assert log_of(stage, project).endswith(f"interrupted by {number.name}\n")
    assert "Traceback" not in log_of(stage, project)
    assert_finishes_as(undisturbed, stage, project)


def wait_for_handlers(pid: int) -> None:
    """Until then a signal ends the process by itself, as it does every other."""
    deadline = time.monotonic() + SECONDS
    caught = 0
    while not caught >> (signal.SIGTERM - 1) & 1:
        assert time.monotonic() < deadline
        time.sleep(0.001)
        status = Path(f"/proc/{pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.holds(
    "data, models and metrics gone",
    "one line, status 2, no output begun",
)
def test_stage_without_what_it_reads_says_so_in_one_line(
    stage: str, copy_of: Callable[[str], Path]
) -> None:
    project = copy_of(stage)
    for name in ("data", "models", "metrics"):
        shutil.rmtree(project / name)
    assert run(stage, project) == 2
    *_, last = log_of(stage, project).splitlines()
    assert last.startswith("error: ")
    assert "Traceback" not in log_of(stage, project)
    assert all(not (project / out).exists() for out in OUTS[stage])


# ---- no room, no permission


class Full:
    """A disk that is full after so many writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
        self.left = writes
        write = Path.write_text

        def refuse(path: Path, *arguments: object, **keys: object) -> int:
            self.left -= 1
            if self.left < 0:
                raise OSError(28, "No space left on device", str(path))
            return write(path, *arguments, **keys)  # type: ignore[arg-type]

        monkeypatch.setattr(Path, "write_text", refuse)


@pytest.mark.holds(
    "a full disk under a metrics file",
    "one line, the old file kept, nothing left over",
)
def test_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    Full(monkeypatch, writes=0)
    with pytest.raises(SystemExit) as ended, one_line_errors():
        write_json(path, {"new": 2})
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed == f"error: {tmp_path / '.a.json.partial'}: No space left on device\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert "old" in path.read_text(encoding="utf-8")


ON_A_SMALL_DISK = """
mount -t tmpfs tmpfs "$DISK" && cp -r "$PROJECT/." "$DISK" && cd "$DISK" || exit 9
used=$(df --block-size=1K --output=used . | tail -1)
mount -o remount,size=$((used + 16))k "$DISK" || exit 9
"$PYTHON" "$STAGE"
echo $?
mount -o remount,size=1g "$DISK"
"$PYTHON" "$STAGE" && cp -r "$DISK/." "$PROJECT"
"""
"""A stage where there is room for four pages more, and then where there is enough."""
APART = ["unshare", "--map-root-user", "--mount"]
"""What is mounted there is seen there alone."""


def may_mount() -> bool:
    command = [*APART, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_mount(), reason="no file system can be mounted here")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.holds(
    "a disk that is full, in every stage",
    "one line, status 2; when there is room, the bytes of an undisturbed run, nothing left over",
)
def test_full_disk_is_said_and_the_next_run_finishes(
    stage: str, undisturbed: dict[str, Path], copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    project, disk = copy_of(stage), tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        [*APART, "sh", "-c", ON_A_SMALL_DISK],
        env=os.environ | {
            "DISK": str(disk), "PROJECT": str(project), "PYTHON": sys.executable,
            "STAGE": str(ROOT / f"src/{stage}.py"), "OMP_NUM_THREADS": "1",
        },
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
    (problem,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "No space left on device" in problem
    assert "Traceback" not in done.stderr
    assert hashes(project, stage) == hashes(undisturbed["done"], stage)
    assert leftovers(project) == []


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes: to a writer the same as a full disk."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.holds(
    "no room for weights",
    "one line, the old checkpoint kept, nothing left over",
)
def test_no_room_for_weights_is_one_line(tiny: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(str(tiny))
    checkpoint.save(tmp_path / "kept")
    before = {p.name: p.read_bytes() for p in (tmp_path / "kept").iterdir()}
    with room_for(10_000), pytest.raises(InputError) as raised:
        checkpoint.save(tmp_path / "kept")
    assert str(raised.value).startswith(f"{tmp_path / 'kept'}: cannot be written: ")
    assert "\n" not in str(raised.value)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "kept").iterdir()} == before


@pytest.mark.holds(
    "a directory that may not be written",
    "one line",
)
def test_directory_that_may_not_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SystemExit) as ended, one_line_errors(), replacing(tmp_path / "new/a"):
        pass
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'new'}: Permission denied\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.holds(
    "a process that ends at any call while it replaces a directory",
    "the old directory, the new one or none is there, never a half",
)
def test_directory_is_never_half_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at any call that changes the disk, the old directory, none or the new is there."""
    seen = set()
    for stop_at in range(1, 12):
        project = tmp_path / str(stop_at)
        old = project / "model"
        old.mkdir(parents=True)
        for name in ("a", "b"):
            (old / name).write_text("old")
        with monkeypatch.context() as patched:
            stop_after(patched, stop_at)
            try:
                with replacing(old) as partial:
                    partial.mkdir()
                    for name in ("a", "b"):
                        (partial / name).write_text("new")
            except Killed:
                pass
        found = sorted(p.read_text() for p in old.glob("*"))
        assert found in (["old", "old"], [], ["new", "new"])
        assert old.exists() == bool(found)
        seen.add(tuple(found))
    assert seen == {("old", "old"), (), ("new", "new")}


class Killed(BaseException):
    """Stands for kill -9: nothing may run after it."""


def stop_after(patched: pytest.MonkeyPatch, calls: int) -> None:
    """Fail every change of the disk from a call on, as if the process were no more."""
    made = count(1)

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def changed(*arguments: object, **keys: object) -> object:
            if next(made) >= calls:
                raise Killed
            return call(*arguments, **keys)

        return changed

    for name in ("replace", "unlink", "rmdir"):
        patched.setattr(os, name, counted(getattr(os, name)))


def test_discarded_directory_is_gone_whole(tmp_path: Path) -> None:
    (tmp_path / "run/state").mkdir(parents=True)
    (tmp_path / "run/state/a").touch()
    discard(tmp_path / "run")
    discard(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


# ---- signals


def stopped_by(*numbers: signal.Signals) -> tuple[KeyboardInterrupt, list[bool]]:
    """How a block ends that is sent signals, and what it knew of them when it came to its end."""
    known = []
    try:
        with interruption_held_back() as interrupted:
            known.append(interrupted())
            for number in numbers:
                os.kill(os.getpid(), number)
            known.append(interrupted())
    except KeyboardInterrupt as error:
        return error, known
    raise AssertionError("not interrupted")


def test_interruption_waits_for_the_end_of_the_block() -> None:
    error, known = stopped_by(signal.SIGTERM)
    assert known == [False, True]
    assert error.args == (signal.SIGTERM,)


def test_second_signal_does_not_wait() -> None:
    error, known = stopped_by(signal.SIGTERM, signal.SIGINT)
    assert known == [False]
    assert error.args == (signal.SIGINT,)


@pytest.mark.parametrize("then", [ValueError("Invalid affine transformation matrix"), None])
@pytest.mark.holds(
    "SIGTERM while a library is at work that loses the interruption",
    "one line, status 143: no error of that library, no half result taken for a whole one",
)
def test_stage_that_was_asked_to_stop_ends_so_whatever_its_libraries_make_of_it(
    then: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            if then:
                raise then from None

    monkeypatch.setattr("sys.argv", ["stage.py"])
    before = [signal.getsignal(number) for number in STOPPING]
    with pytest.raises(SystemExit) as ended:
        run_stage(main, None)
    assert ended.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "interrupted by SIGTERM\n"
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_signals_are_as_before_after_the_block() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    with interruption_held_back():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in STOPPING] == before
