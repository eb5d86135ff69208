"""Arithmetic that gives the same bits; memory that is kept between steps, or runs out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kocoref.errors import InputError

MEMORY_VARIABLES = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
}
"""glibc gives large blocks back to the system and clears them anew at every use, which takes a
third of a training step; with these it keeps them. Other allocators ignore the variables. oneDNN
keeps 1,024 kernels of shapes that hardly come again, between which the blocks go to pieces: a long
run then holds twice the memory and looks for free blocks a quarter of its time."""
log = logging.getLogger("runtime")


def arithmetic_variables(reproducible: bool, threads: int, mixed_precision: str) -> dict[str, str]:
    """The environment under which :func:`fix_arithmetic` need not start the process again.

    Sums are taken in an order that depends on the number of threads and the width of the
    instructions. The wide ones are only for processors that have them: another would be killed.
    """
    wanted = {
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        **MEMORY_VARIABLES,
    }
    if reproducible:
        wide = mixed_precision == "bf16" and processor_has_bf16()
        wanted |= {
            "ATEN_CPU_CAPABILITY": "avx512" if wide else "avx2",
            "ONEDNN_MAX_CPU_ISA": _bf16_instructions() if wide else "AVX2",
            "MKL_CBWR": "AVX2",
            "OPENBLAS_CORETYPE": "Haswell",
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        }
    return wanted


def fix_arithmetic(reproducible: bool, threads: int, mixed_precision: str) -> None:
    """Fix threads, memory and, when ``reproducible``, the instruction set of every math library.

    The libraries read their variables when they are loaded, so the process starts itself again
    with them where they were not set.
    """
    wanted = arithmetic_variables(reproducible, threads, mixed_precision)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.environ.update(wanted)
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.argv])

    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(reproducible)
    # Filling memory that is not read yet would show a bug, at a twentieth of the time of training.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def processor_has_bf16() -> bool:
    """Whether the processor multiplies matrices in bf16 by instructions of its own."""
    import torch

    able = torch.cpu.get_capabilities()
    return any(has for name, has in able.items() if name.endswith("bf16"))


def _bf16_instructions() -> str:
    """oneDNN's name of the widest: those of AMX are ten times as fast as those of AVX-512."""
    import torch

    amx = torch.cpu.get_capabilities().get("amx_bf16", False)
    return "AVX512_CORE_AMX" if amx else "AVX512_CORE_BF16"


def accelerate_precision(mixed_precision: str) -> str:
    """Accelerate's name of a precision: it says ``no`` for fp32, which bare YAML reads as false.

    Without bf16 instructions a processor takes several times as long in bf16 as in fp32, so fp32
    it is there, with a warning.

    Raises:
        InputError: fp16 without a GPU, which Accelerate would take for fp32.
    """
    import torch

    if mixed_precision == "fp16" and not torch.cuda.is_available():
        raise InputError("mixed_precision: fp16 needs a GPU, and torch sees none; set bf16 or fp32")

    if mixed_precision == "bf16" and not torch.cuda.is_available() and not processor_has_bf16():
        log.warning(
            "this processor has no bf16 instructions: going on in fp32; results will differ a"
            " little from those in bf16 (set mixed_precision: fp32 to choose this yourself)"
        )
        return "no"
    return "no" if mixed_precision == "fp32" else mixed_precision


@contextmanager
def memory_errors(setting: str, lengths: str) -> Iterator[None]:
    """Say what to lower where memory runs out; ``lengths`` are the settings that bound a row.

    Raises:
        InputError: names the settings.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        from accelerate.utils.memory import should_reduce_batch_size

        if not isinstance(error, MemoryError) and not should_reduce_batch_size(error):
            raise
        raise InputError(
            f"out of memory: lower {setting}; where one row is longer than that by itself, lower"
            f" {lengths}"
        ) from None
