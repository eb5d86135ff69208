"""Arithmetic that gives the same bits: a fixed number of threads and a fixed instruction set."""

from __future__ import annotations

import os
import sys


def fix_arithmetic(reproducible: bool, threads: int, mixed_precision: str) -> None:
    """Fix threads and, when ``reproducible``, the instruction set of every math library.

    Sums are taken in an order that depends on the number of threads and the width of the
    instructions. The libraries read these variables when they are loaded, so the process starts
    itself again with them where they were not set.
    """
    wanted = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    if reproducible:
        wide = mixed_precision == "bf16"
        wanted |= {
            "ATEN_CPU_CAPABILITY": "avx512" if wide else "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16" if wide else "AVX2",
            "MKL_CBWR": "AVX2",
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        }
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.environ.update(wanted)
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.argv])

    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(reproducible)


def accelerate_precision(mixed_precision: str) -> str:
    """Accelerate's name of a precision: it says ``no`` for fp32, which bare YAML reads as false."""
    return "no" if mixed_precision == "fp32" else mixed_precision
