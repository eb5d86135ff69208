"""Work on many texts: here, or on the workers of a Dask cluster, with the same results.

Dask rather than Ray Data or datatrove: what has to be spread are functions of single texts whose
results come back in order, and Dask does that with futures alone, on one machine, over ssh, under
Slurm or on Kubernetes. One process reads the text in the order of its sources, and writes it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from hashlib import blake2b
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from kocoref.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Future

ADDRESS = "DASK_SCHEDULER_ADDRESS"
"""Dask's own variable: where the scheduler of a cluster listens, as tcp://host:8786."""
PORTION = 64
"""Values that go to a worker at once."""
AHEAD = 4
"""Portions for each worker that are under way, which bounds what is kept in memory."""
SECONDS = 10
"""How long an answer of the scheduler is waited for."""
WITHOUT_WORKERS = 60
"""How many seconds a cluster may be without workers: one that restarts or grows soon has some."""

Value = TypeVar("Value")
Made = TypeVar("Made")
Function = Callable[[Iterable[Value]], Iterable[Made]]


def each(function: Function[Value, Made], values: Iterable[Value]) -> Iterator[Made]:
    """What ``function`` makes of the values: one result for each, in their order.

    With ``DASK_SCHEDULER_ADDRESS`` in the environment portions of them go to the workers of that
    cluster, which import this project (``PYTHONPATH=src``); else all is done here.

    Raises:
        InputError: Dask is not installed, no cluster answers, it or all its workers are gone before
            all is done, or its workers would not do the same as this process.
    """
    address = os.environ.get(ADDRESS)
    return _on_cluster(address, function, values) if address else iter(function(values))


def _on_cluster(
    address: str, function: Function[Value, Made], values: Iterable[Value]
) -> Iterator[Made]:
    left = iter(values)
    with closing(_connect(address)) as client:
        most = AHEAD * _check_workers(client, address)
        name = _give(client, function)
        under_way: deque[Future[list[Made]]] = deque()
        while portion := list(islice(left, PORTION)):
            if len(under_way) == most:
                yield from _result(under_way.popleft(), client, address)
            under_way.append(client.submit(_made, name, portion, pure=False))
        while under_way:
            yield from _result(under_way.popleft(), client, address)
        client.unregister_worker_plugin(name)


def _result(future: Future[list[Made]], client: Client, address: str) -> list[Made]:
    from distributed.scheduler import KilledWorker

    try:
        while True:  # what a worker had finished is lost with it, and has to be done again
            with suppress(TimeoutError):
                return future.result(SECONDS)
            _wait_for_workers(client, address)
    except KilledWorker:
        raise InputError(
            f"{ADDRESS}: workers of the cluster at {address} died one after the other over the same"
            " texts; their logs tell why, most often too little memory"
        ) from None
    except (CancelledError, OSError):  # Dask's errors of a lost connection are of these
        raise InputError(f"{ADDRESS}: the cluster at {address} is gone; start it again") from None


def _wait_for_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, WITHOUT_WORKERS)
    except TimeoutError:
        raise InputError(
            f"{ADDRESS}: the cluster at {address} has lost all its workers; start some, and run"
            " this again"
        ) from None


def _give(client: Client, function: Function[Value, Made]) -> str:
    """Give every worker, also one that comes later, the function once: it may hold much text."""
    from distributed import WorkerPlugin

    class Given(WorkerPlugin):  # type: ignore[misc]
        def __init__(self, function: Function[Value, Made]) -> None:
            self.function = function

    name = f"kocoref {uuid4()}"
    client.register_plugin(Given(function), name=name)
    return name


def _made(name: str, portion: list[Value]) -> list[Any]:
    from distributed import get_worker

    given: Any = get_worker().plugins[name]
    return list(given.function(portion))


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            f"{ADDRESS} is set, but Dask is not installed: pip install -r requirements-dask.txt"
        ) from None
    try:
        return Client(address, timeout=SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(f"{ADDRESS}: no cluster at {address}: {error}") from None


def _check_workers(client: Client, address: str) -> int:
    """The number of workers; all have the code and the packages that decide over results."""

    def ask() -> dict[str, str] | None:  # goes as code, to workers that may not have the module
        try:
            from kocoref.cluster import decisive
        except ImportError:
            return None
        return decisive()

    found: dict[str, dict[str, str] | None] = client.run(ask)
    if not found:
        raise InputError(f"{ADDRESS}: the cluster at {address} has no workers")
    own = decisive()
    for worker, its in sorted(found.items()):
        if its is None:
            raise InputError(
                f"{ADDRESS}: the worker {worker} does not find this project: start it with"
                " PYTHONPATH=src in a clone of it"
            )
        other = [f"{name} {its[name]}, not {own[name]}" for name in own if its[name] != own[name]]
        if other:
            raise InputError(f"{ADDRESS}: the worker {worker} has {'; '.join(other)}")
    return len(found)


def decisive() -> dict[str, str]:
    """What decides over results: versions, and a digest of this project's code."""
    code = blake2b(digest_size=6)
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    libraries = ("kiwipiepy", "kiwipiepy_model", "numpy")
    return {"kocoref": code.hexdigest()} | {name: version(name) for name in libraries}
