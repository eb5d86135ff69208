"""What every script does around its work: logging, and one clear line for a bad input."""

from __future__ import annotations

import argparse
import logging
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from kocoref.errors import InputError

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask a process to end: Ctrl-C, and what ``kill`` sends."""
_asked: list[int] = []
"""The signals that have interrupted this process, first to last."""
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
"""A token of the Hugging Face Hub, which belongs in the environment, where a message finds none."""


def run_stage(main: Callable[[], None], description: str | None) -> None:
    """Run a stage, which takes no arguments but ``--help``."""
    argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    with one_line_errors(), _interruptible():
        main()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process on a bad input with exit status 2 and one line on standard error.

    So does a file that cannot be read or written. A signal that asks to stop ends it with 128 and
    the signal's number.
    """
    try:
        yield
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        print(f"interrupted by {signal.Signals(number).name}", file=sys.stderr)
        sys.exit(128 + number)


@contextmanager
def _interruptible() -> Iterator[None]:
    """End the block with KeyboardInterrupt once a signal has asked to stop.

    Also where the one raised at the signal was lost: C code that calls back to Python (matplotlib,
    NumPy) may turn it into an error of its own, or go on with what it has.
    """
    _asked.clear()
    try:
        with _handled_by(_interrupt):
            yield
    finally:
        if _asked:
            raise KeyboardInterrupt(_asked[0])


@contextmanager
def interruption_held_back() -> Iterator[Callable[[], bool]]:
    """Let the block come to a point where it can stop; gives whether it was asked to.

    It is interrupted when the block ends; a second signal does not wait for that.
    """
    caught: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if caught:
            _interrupt(number, frame)
        caught.append(number)

    with _handled_by(hold):
        yield lambda: bool(caught)
    if caught:
        raise KeyboardInterrupt(caught[0])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    raise KeyboardInterrupt(number)


def _fail(problem: str) -> NoReturn:
    shown = _TOKEN.sub("hf_…", " ".join(problem.splitlines()))
    print(f"error: {shown}", file=sys.stderr)
    sys.exit(2)
