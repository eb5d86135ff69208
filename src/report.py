"""Stage report: metrics → metrics/report.md (Korean), metrics/report.en.md, metrics/plots.

Reads the section `report` of params.yaml. Every number is of the metrics files; the same files
give the same bytes.
"""

from __future__ import annotations

import logging
from pathlib import Path

from kocoref.files import replacing
from kocoref.reporting.plots import (
    plot_antecedents,
    plot_checkpoints,
    plot_slices,
    plot_training,
)
from kocoref.reporting.prose import Language
from kocoref.reporting.report import build_report
from kocoref.reporting.results import Results
from kocoref.settings import ReportSettings, load_settings
from kocoref.stage import run_stage

METRICS = Path("metrics")
PLOTS = METRICS / "plots"
REPORTS: dict[Language, Path] = {"ko": METRICS / "report.md", "en": METRICS / "report.en.md"}
log = logging.getLogger("report")


def main() -> None:
    """Run the stage."""
    settings = load_settings("report", ReportSettings)
    results = Results.read(METRICS)
    with replacing(PLOTS) as directory:
        directory.mkdir()
        figures = draw(results, directory, settings.dpi)
        texts = {path: build_report(results, lang, figures) for lang, path in REPORTS.items()}
    for path, text in texts.items():
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    log.info("%s and %d figures", " and ".join(map(str, REPORTS.values())), len(figures))


def draw(results: Results, directory: Path, dpi: int) -> list[str]:
    """Draw what was measured; returns the names of the figures."""
    training, best = results.training, results.training.best_step
    sets = results.sets()
    slices = {name: models for name in sets if (models := results.slices_of(name, "antecedent"))}
    drawn = {
        "checkpoints": plot_checkpoints(
            directory / "checkpoints.png", results.steps(), best, dpi
        ),
        "training": plot_training(
            directory / "training.png", results.training_curve, results.validation_curve,
            training.select_by, best, dpi,
        ),
        "antecedents": plot_antecedents(directory / "antecedents.png", sets, dpi),
        "slices": plot_slices(directory / "slices.png", slices, dpi),
    }  # fmt: skip
    return [name for name, done in drawn.items() if done]


if __name__ == "__main__":
    run_stage(main, __doc__)
