"""Stage measure_base: the base and the items → data/measured_base, what it did on every item.

Reads the section `evaluate` of params.yaml, as `evaluate` does, which compares other checkpoints
with what is measured here. The base is the same in all experiments, so DVC measures it once.
"""

from __future__ import annotations

from pathlib import Path

from kocoref.files import replacing
from kocoref.runtime import fix_arithmetic
from kocoref.settings import EvaluateSettings, load_settings
from kocoref.stage import run_stage

OUT = Path("data/measured_base")
BASE = Path("models/checkpoints/checkpoint-0")


def main() -> None:
    """Run the stage; torch is imported after its arithmetic was fixed."""
    settings = load_settings("evaluate", EvaluateSettings)
    fix_arithmetic(settings.reproducible, settings.threads, settings.mixed_precision)

    from kocoref.evaluation.measuring import Measurer
    from kocoref.evaluation.outcomes import write_outcome

    outcomes = Measurer(settings).measure(BASE, whole=True)
    with replacing(OUT) as out:
        for name, outcome in outcomes.items():
            write_outcome(out / name, outcome)


if __name__ == "__main__":
    run_stage(main, __doc__)
