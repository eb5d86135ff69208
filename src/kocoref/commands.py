"""Other programs (git, dvc) run to their end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kocoref.errors import InputError


def run_command(what: str, *command: str, cwd: Path | None = None) -> None:
    """Run a command that speaks for itself; ``what`` names it where it fails.

    Raises:
        InputError: it failed; its messages are on standard error.
    """
    done = subprocess.run(command, cwd=cwd, check=False)
    if done.returncode:
        raise InputError(f"{what} failed (exit status {done.returncode}); see above")
