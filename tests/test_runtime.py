"""Arithmetic and memory are fixed by the environment of a process that starts itself again."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import pytest
import torch

from kocoref import runtime
from kocoref.errors import InputError
from kocoref.runtime import accelerate_precision, fix_arithmetic, memory_errors

Started = list[list[str]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Every start of the process anew, with an environment and threads that are put back."""
    found: Started = []
    monkeypatch.setattr(os, "environ", {"HOME": "/"})
    monkeypatch.setattr(sys, "argv", ["stage.py", "--flag"])
    monkeypatch.setattr(os, "execv", lambda program, args: found.append([program, *args]))
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda wanted: None)
    return found


def test_process_starts_again_once(started: Started) -> None:
    fix_arithmetic(True, 2, "fp32")
    assert started == [[sys.executable, sys.executable, "stage.py", "--flag"]]
    fix_arithmetic(True, 2, "fp32")
    assert len(started) == 1


NARROW = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
WIDE = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "ATEN_CPU_CAPABILITY": "avx512"}
WIDEST = WIDE | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}


@pytest.mark.holds(
    "bf16 on a processor without it", "fp32, and only instructions that the processor has"
)
@pytest.mark.parametrize(
    ("reproducible", "precision", "able", "expected"),
    [
        (True, "fp32", ("avx512_bf16", "amx_bf16"), NARROW | {"OMP_NUM_THREADS": "3"}),
        (True, "bf16", ("avx512_bf16",), WIDE),
        (True, "bf16", ("avx512_bf16", "amx_bf16"), WIDEST),
        (True, "bf16", (), NARROW),
        (False, "fp32", ("avx512_bf16",), {"OMP_NUM_THREADS": "3"}),
    ],
)
def test_environment(
    monkeypatch: pytest.MonkeyPatch,
    started: Started,
    reproducible: bool,
    precision: str,
    able: tuple[str, ...],
    expected: dict[str, str],
) -> None:
    capabilities = {name: name in able for name in ("avx512_bf16", "amx_bf16")}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **capabilities})
    fix_arithmetic(reproducible, 3, precision)
    assert os.environ == os.environ | expected | runtime.MEMORY_VARIABLES | {"HOME": "/"}
    assert ("MKL_CBWR" in os.environ) == reproducible


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks the processor only without a GPU")
def test_fp16_without_a_gpu_is_refused() -> None:
    with pytest.raises(InputError, match=r"^mixed_precision: fp16 needs a GPU"):
        accelerate_precision("fp16")


@pytest.mark.parametrize(
    ("able", "asked", "used"),
    [
        ({"avx512_bf16": True, "avx2": True}, "bf16", "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bf16", "bf16"),
        ({"avx512_bf16": False, "avx2": True}, "bf16", "no"),
        ({"avx512_bf16": False}, "fp32", "no"),
    ],
)
def test_precision_is_what_the_processor_can(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    able: dict[str, bool],
    asked: str,
    used: str,
) -> None:
    capabilities: Callable[[], dict[str, bool]] = lambda: able  # noqa: E731
    monkeypatch.setattr(torch.cpu, "get_capabilities", capabilities)
    with caplog.at_level(logging.WARNING):
        assert accelerate_precision(asked) == used
    assert ("no bf16 instructions" in caplog.text) == (asked == "bf16" and used == "no")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a"),
    ],
)
def test_memory_that_runs_out_names_what_to_lower(error: Exception) -> None:
    with pytest.raises(InputError) as raised, memory_errors("a.batch_tokens", "a.max_length"):
        raise error
    assert str(raised.value) == (
        "out of memory: lower a.batch_tokens; where one row is longer than that by itself, lower"
        " a.max_length"
    )


def test_memory_of_the_processor_that_runs_out_is_known() -> None:
    with pytest.raises(InputError, match="out of memory"), memory_errors("a", "b"):
        torch.empty(2**50)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), RuntimeError(), KeyError("a")])
def test_other_errors_are_left_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, memory_errors("a", "b"):
        raise error
    assert raised.value is error
