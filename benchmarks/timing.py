"""Ways of doing the same work, each in a process of its own, timed in turn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

Work = Callable[[], Any]
"""What is timed; it returns the answer that shows that every way did the same."""


@dataclass(frozen=True)
class Way:
    """A way of doing the work.

    ``make(*arguments)`` prepares it, untimed, in a process that has ``variables`` in its
    environment: libraries read some of them only when they are loaded.
    """

    make: Callable[..., Work]
    arguments: tuple[Any, ...] = ()
    variables: Mapping[str, str] | None = None


class Timed(NamedTuple):
    """How long the work took, in seconds, and what came of it."""

    seconds: float
    answer: Any


@dataclass(frozen=True)
class Spread:
    """The middle of some figures of the same thing, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The median, the least and the largest."""
        return cls(median(values), min(values), max(values))


class Worker:
    """A process that does the work of one way whenever it is asked to."""

    def __init__(self, way: Way) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, way.make, way.arguments))
        with _environment(way.variables or {}):
            self._process.start()
        theirs.close()

    def begin(self) -> None:
        """Start the work."""
        with _broken_off():
            self._connection.send(True)

    def end(self) -> Timed:
        """Wait for the work."""
        with _broken_off():
            return Timed(*self._connection.recv())

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


@contextmanager
def _broken_off() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise RuntimeError("a benchmark's process broke off; its error is above") from None


@contextmanager
def workers(ways: Sequence[Way]) -> Iterator[list[Worker]]:
    """A process for each way."""
    with ExitStack() as stack:
        made = []
        for way in ways:
            made.append(Worker(way))
            stack.callback(made[-1].close)
        yield made


def alternate(ways: Sequence[Way], repetitions: int) -> list[list[Timed]]:
    """Each way's timings, taken in turn (A B A B) after a warm-up of each.

    What slows the machine down for a while then slows all of them, and their ratio stays.
    """
    timed: list[list[Timed]] = [[] for _ in ways]
    with workers(ways) as running:
        for _ in range(1 + repetitions):
            for found, worker in zip(timed, running, strict=True):
                worker.begin()
                found.append(worker.end())
    return [found[1:] for found in timed]


def times_as_fast(ours: Sequence[Timed], other: Sequence[Timed]) -> Spread:
    """How many times as long the other way took, by pairs of neighbours."""
    return Spread.of(
        [theirs.seconds / mine.seconds for mine, theirs in zip(ours, other, strict=True)]
    )


def ratio_row(
    what: str, against: str, goal: float, ours: Sequence[Timed], other: Sequence[Timed]
) -> dict[str, Any]:
    """A comparison as it stands in results.json."""
    return {
        "what": what,
        "against": against,
        "goal": goal,
        "ratio": asdict(times_as_fast(ours, other)),
        "seconds": {
            "ours": [timed.seconds for timed in ours],
            "theirs": [timed.seconds for timed in other],
        },
    }


def _serve(connection: Connection, make: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
    work = make(*arguments)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        start = perf_counter()
        answer = work()
        connection.send((perf_counter() - start, answer))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
