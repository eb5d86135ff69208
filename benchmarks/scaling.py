"""How cost grows: with documents, with the length of a text, with processes."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks import BASE, finetune
from benchmarks.deberta import small_deberta
from benchmarks.prepare import stage_cost
from benchmarks.sizes import Sizes
from benchmarks.texts import MEAN
from benchmarks.timing import Way, Work, alternate, workers
from kocoref.runtime import arithmetic_variables
from kocoref.settings import FinetuneSettings

START_DOCUMENTS = 10
"""The stage's cost with so few documents is that of starting it."""
PROCESSES = (1, 2)

Costs = Mapping[int, float]
"""Cost by size."""


def measure(sizes: Sizes) -> list[dict[str, Any]]:
    """The curves of results.json."""
    with small_deberta() as deberta:
        lengths = {
            BASE: _by_length(BASE, sizes.lengths, sizes),
            "small DeBERTa-v2": _by_length(deberta, sizes.long_lengths, sizes),
        }
    return [
        *by_documents(sizes.stage_documents),
        *(curve(f"finetune, {name}", "tokens a text", "seconds a text", costs)
          for name, costs in lengths.items()),
        curve("finetune, a thread each", "processes", "seconds an example",
              _by_processes(sizes.training_examples, sizes.measurements)),
    ]  # fmt: skip


def by_documents(counts: Sequence[int], shorter: int = 1) -> list[dict[str, Any]]:
    """Time and memory of the stage `prepare`, on texts so many times as short."""
    stage_cost(START_DOCUMENTS)  # reads the libraries from disk
    start = stage_cost(START_DOCUMENTS).seconds
    stage = {count: stage_cost(count, shorter) for count in counts}
    seconds = {count: max(cost.seconds - start, 1e-3) for count, cost in stage.items()}
    peaks = {count: cost.peak_mib for count, cost in stage.items()}
    what = "prepare" if shorter == 1 else f"prepare, texts of {MEAN // shorter} characters"
    return [
        curve(f"{what}, after its start", "documents", "seconds", seconds),
        curve(what, "documents", "peak MiB", peaks),
    ]


def curve(what: str, by: str, cost: str, costs: Costs) -> dict[str, Any]:
    """Costs by size, and the exponent of the size that they grow with, also of the last step."""
    return {
        "what": what, "by": by, "cost": cost, "sizes": list(costs), "costs": list(costs.values()),
        "exponent": _line(costs)[0], "last_exponent": _line(dict([*costs.items()][-2:]))[0],
    }  # fmt: skip


def _line(costs: Costs) -> tuple[float, float]:
    """Slope and intercept of the line through the logarithms."""
    slope, intercept = linear_regression([log(n) for n in costs], [log(c) for c in costs.values()])
    return slope, intercept


def _by_length(model: str, lengths: Sequence[int], sizes: Sizes) -> Costs:
    settings = finetune.settings_for("fp32")
    variables = arithmetic_variables(settings.reproducible, settings.threads, "fp32")
    costs: dict[int, float] = {}
    for length in lengths:
        count = max(1, sizes.row_tokens // length)
        way = Way(train_on_length, (settings, model, count, length), variables)
        (timed,) = alternate([way], sizes.measurements)
        costs[length] = median(one.seconds for one in timed) / count
    return costs


def train_on_length(settings: FinetuneSettings, name: str, count: int, length: int) -> Work:
    """A training step on rows of one length."""
    accelerator, checkpoint, _ = finetune.ready(settings, name)

    from kocoref.model.objective import Row
    from kocoref.training.loop import make_optimizer, train_step

    random = np.random.default_rng(settings.seed)
    model = checkpoint.model.train()
    optimizer = make_optimizer(settings, model, accelerator)
    masked = range(1, length - 1, round(1 / settings.mask_share))
    rows = [
        Row(ids, mlm=tuple((place, ids[place]) for place in masked))
        for ids in random.integers(5, len(checkpoint.tokenizer), (count, length)).tolist()
    ]

    def work() -> None:
        train_step(settings, model, rows, optimizer, accelerator, checkpoint)

    return work


def _by_processes(count: int, measurements: int) -> Costs:
    settings = finetune.settings_for("fp32").model_copy(update={"threads": 1})
    costs: dict[int, float] = {}
    for processes in PROCESSES:
        shared = arithmetic_variables(settings.reproducible, 1, "fp32") | {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
        }
        ways = [
            Way(finetune.train, (settings, count), shared | {"RANK": str(i), "LOCAL_RANK": str(i)})
            for i in range(processes)
        ]
        seconds = []
        with workers(ways) as running:
            for _ in range(1 + measurements):
                for worker in running:
                    worker.begin()
                seconds.append(max(worker.end().seconds for worker in running))
        costs[processes] = median(seconds[1:]) / count
    return costs


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def plot(curves: Sequence[Mapping[str, Any]], directory: Path) -> None:
    """One figure for each quantity that cost grows with: points and fitted lines in log-log."""
    directory.mkdir(exist_ok=True)
    by_size: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for found in curves:
        by_size.setdefault(found["by"], {}).setdefault(found["cost"], []).append(found)
    for by, panels in by_size.items():
        figure = Figure((4.6 * len(panels), 3.4), layout="constrained")
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (cost, drawn) in zip(grid, panels.items(), strict=True):
            for found in drawn:
                costs = dict(zip(found["sizes"], found["costs"], strict=True))
                slope, intercept = _line(costs)
                (points,) = axes.loglog(list(costs), list(costs.values()), "o")
                fitted = [exp(intercept) * size**slope for size in costs]
                label = f"{found['what']}: exponent {slope:.2f}"
                axes.loglog(list(costs), fitted, color=points.get_color(), label=label)
            measured = sorted({size for found in drawn for size in found["sizes"]})
            axes.set_xticks(measured, [f"{size:,}" for size in measured])
            axes.xaxis.minorticks_off()
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, high / 10), max(high, low * 10))  # what is flat looks flat
            axes.set_xlabel(by)
            axes.set_ylabel(cost)
            axes.legend(frameon=False, fontsize=8)
        figure.savefig(directory / f"{by.split()[0]}.png", dpi=120, metadata={"Software": None})
