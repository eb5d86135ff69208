"""Work on a Dask cluster: the same results in the same order, and clear words where it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest
from stages import ROOT, hashes, log_of, run, small_project

from kocoref import cluster
from kocoref.cluster import ADDRESS, AHEAD, PORTION, each
from kocoref.errors import InputError

SECONDS = 60


class Running(NamedTuple):
    """A cluster's address and its processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def running(directory: Path, workers: int, *path: Path) -> Iterator[Running]:
    """A scheduler with workers as a user starts them, ``path`` their PYTHONPATH."""
    file = directory / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    dask = [sys.executable, "-m", "dask"]
    joined = ["--scheduler-file", str(file), "--no-dashboard"]
    scheduler = [*dask, "scheduler", *joined, "--host", "127.0.0.1", "--port", "0"]
    worker = [*dask, "worker", *joined, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
    with (directory / "dask.log").open("w") as log:
        started = [
            subprocess.Popen(command, env=environment, cwd=directory, stdout=log, stderr=log)
            for command in [scheduler, *[worker] * workers]
        ]
    try:
        from distributed import Client

        end = time.monotonic() + SECONDS
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.05)
        with Client(scheduler_file=str(file), timeout=SECONDS) as client:
            if workers:
                client.wait_for_workers(workers, timeout=SECONDS)
            address = client.scheduler.address
        yield Running(address, started[0], started[1:])
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("dask"), 2, ROOT / "src", ROOT / "tests") as found:
        yield found.address


def squares(numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        yield number * number


def refuse(numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        raise InputError(f"{number} is refused")
        yield number


def test_without_an_address_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert list(each(squares, [3, 1, 2])) == [9, 1, 4]


@pytest.mark.slow
@pytest.mark.holds("prepare on two workers of a Dask cluster", "the same bytes as alone")
def test_prepare_gives_the_same_bytes(two_workers: str, tiny: Path, tmp_path: Path) -> None:
    alone, spread = (small_project(tmp_path / name, tiny) for name in ("alone", "spread"))
    assert run("prepare", alone) == 0, log_of("prepare", alone)
    assert run("prepare", spread, **{ADDRESS: two_workers}) == 0, log_of("prepare", spread)
    assert hashes(alone, "prepare") == hashes(spread, "prepare") != {}


@pytest.mark.slow
def test_results_come_in_order_and_little_is_read_ahead(
    two_workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, two_workers)
    count, read = 20 * PORTION + 1, []

    def values() -> Iterator[int]:
        for number in range(count):
            read.append(number)
            yield number

    results = each(squares, values())
    first = next(results)
    assert len(read) == (2 * AHEAD + 1) * PORTION
    assert [first, *results] == [number * number for number in range(count)]


@dataclass(frozen=True)
class Adder:
    """A function with something to carry; how often that was packed is known here."""

    number: int
    packed: ClassVar[list[int]] = []

    def __call__(self, numbers: Iterable[int]) -> Iterator[int]:
        return (self.number + number for number in numbers)

    def __reduce__(self) -> tuple[type[Adder], tuple[int]]:
        self.packed.append(self.number)
        return Adder, (self.number,)


@pytest.mark.slow
def test_function_goes_to_the_workers_once(
    two_workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, two_workers)
    count = 20 * PORTION
    assert list(each(Adder(7), range(count))) == [7 + number for number in range(count)]
    assert 0 < len(Adder.packed) < 5


@pytest.mark.slow
def test_refusals_of_a_worker_arrive(two_workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, two_workers)
    with pytest.raises(InputError, match="0 is refused"):
        list(each(refuse, range(3)))


@pytest.mark.slow
@pytest.mark.holds(
    "workers of a Dask cluster with another version of Kiwi", "refused, with both versions"
)
def test_workers_that_would_do_otherwise_are_refused(
    two_workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, two_workers)
    monkeypatch.setattr(cluster, "version", lambda name: "0.0")
    with pytest.raises(InputError, match=r"worker tcp://\S+ has kiwipiepy [\d.]+, not 0.0; kiwi"):
        list(each(squares, [1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "message"), [(0, "has no workers"), (1, "start it with PYTHONPATH=src")]
)
def test_cluster_that_cannot_work_is_refused(
    workers: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, workers) as found:  # the project is on nobody's path
        monkeypatch.setenv(ADDRESS, found.address)
        with pytest.raises(InputError, match=message):
            list(each(squares, [1]))


@pytest.mark.slow
@pytest.mark.holds("kill -9 of the scheduler of a Dask cluster in the middle", "one clear line")
def test_cluster_that_goes_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, 1, ROOT / "src", ROOT / "tests") as found:
        monkeypatch.setenv(ADDRESS, found.address)
        results = each(squares, range(20 * PORTION))
        assert next(results) == 0
        found.scheduler.kill()
        with pytest.raises(InputError, match=f"the cluster at {found.address} is gone"):
            list(results)


@pytest.mark.slow
@pytest.mark.holds("kill -9 of all workers of a Dask cluster in the middle", "one clear line")
def test_workers_that_go_away_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "SECONDS", 1)
    monkeypatch.setattr(cluster, "WITHOUT_WORKERS", 1)
    with running(tmp_path, 1, ROOT / "src", ROOT / "tests") as found:
        monkeypatch.setenv(ADDRESS, found.address)
        results = each(squares, range(20 * PORTION))
        assert next(results) == 0
        found.workers[0].kill()
        with pytest.raises(InputError, match=f"{found.address} has lost all its workers"):
            list(results)


def end_the_process(numbers: Iterable[int]) -> Iterator[int]:
    os._exit(1)
    yield from numbers


@pytest.mark.slow
def test_texts_that_kill_every_worker_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    with running(tmp_path, 1, ROOT / "src", ROOT / "tests") as found:
        monkeypatch.setenv(ADDRESS, found.address)
        with pytest.raises(InputError, match="died one after the other over the same texts"):
            list(each(end_the_process, [1]))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_no_cluster_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, address)
    monkeypatch.setattr(cluster, "SECONDS", 0.2)
    with pytest.raises(InputError, match=f"no cluster at {address}"):
        list(each(squares, [1]))


def test_dask_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="pip install -r requirements-dask"):
        list(each(squares, [1]))
