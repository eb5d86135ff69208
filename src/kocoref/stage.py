"""What every script does around its work: logging, and one clear line for a bad input."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kocoref.errors import InputError


def run_stage(main: Callable[[], None], description: str | None) -> None:
    """Run a stage, which takes no arguments but ``--help``."""
    argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    with one_line_errors():
        main()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process on a bad input with exit status 2 and one line on standard error.

    An interruption by the user ends it with 130.
    """
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
